use serde_json::json;

use super::*;
use crate::stage_type;
use model::problem::Weight;

fn cluster() -> Value {
    json!({
        "account": "staging", "application": "shop", "stack": "staging", "strategy": "highlander",
        "availabilityZones": {"us-west-2": ["us-west-2a"]}, "instanceType": "t3.small",
        "loadBalancers": ["shop-staging"],
    })
}

fn inspect(cluster: &Value) -> (Vec<Cluster>, Vec<(Weight, &'static str, String)>) {
    let stage = json!({"type": "deploy", "clusters": [cluster]});
    let (read, problems) = stage_type::inspect::<Deploy>(stage.as_object().unwrap());
    let told = problems.into_iter().map(|p| (p.weight, p.code, p.pointer)).collect();
    (read.unwrap().clusters, told)
}

#[test]
fn defaults_are_those_of_the_wizard() {
    let (clusters, problems) = inspect(&cluster());
    assert!(problems.is_empty(), "{problems:?}");
    let expected = Cluster {
        account: "staging".to_owned(),
        application: Some("shop".to_owned()),
        stack: "staging".to_owned(),
        free_form_details: String::new(),
        regions: vec!["us-west-2".to_owned()],
        availability_zones: [("us-west-2".to_owned(), vec!["us-west-2a".to_owned()])].into(),
        strategy: "highlander".to_owned(),
        capacity: Capacity { min: 1, desired: 1, max: 1 },
        use_source_capacity: false,
        instance_type: "t3.small".to_owned(),
        key_pair: None,
        iam_role: None,
        security_groups: Vec::new(),
        load_balancers: vec!["shop-staging".to_owned()],
        target_groups: Vec::new(),
        subnet_type: String::new(),
        health_check_type: "EC2".to_owned(),
        health_check_grace_period: 600,
        cooldown: 10,
        termination_policies: vec!["Default".to_owned()],
        suspended_processes: Vec::new(),
        tags: BTreeMap::new(),
        base64_user_data: String::new(),
        target_healthy_deploy_percentage: 100,
        interesting_health_provider_names: None,
        associate_public_ip_address: None,
        ebs_optimized: false,
        instance_monitoring: false,
        delay_before_disable_sec: 0,
        delay_before_scale_down_sec: 0,
        ami_name: None,
        image_id: None,
        rollback: Rollback::default(),
    };
    assert_eq!(clusters, [expected]);
}

#[test]
fn what_is_written_is_read() {
    let mut value = cluster();
    for (key, written) in [
        ("capacity", json!({"min": "2", "max": 6, "desired": "4"})),
        ("healthCheckGracePeriod", json!("30")),
        ("targetHealthyDeployPercentage", json!("50")),
        ("tags", json!({"team": "web", "level": 3})),
        ("base64UserData", json!("aGVsbG8=")),
        ("healthCheckType", json!("elb")),
        ("interestingHealthProviderNames", json!(["Amazon"])),
        ("associatePublicIpAddress", json!(true)),
        ("subnetType", json!("internal (main)")),
        ("freeFormDetails", json!("web-blue")),
        ("suspendedProcesses", json!(["AZRebalance"])),
        ("delayBeforeDisableSec", json!(60)),
        ("region", json!("eu-west-1")),
        ("keyPair", json!("staging-kp")),
    ] {
        value[key] = written;
    }
    let (clusters, problems) = inspect(&value);
    assert!(problems.is_empty(), "{problems:?}");
    let cluster = &clusters[0];
    assert_eq!(cluster.capacity, Capacity { min: 2, desired: 4, max: 6 });
    assert_eq!(
        (cluster.health_check_grace_period, cluster.target_healthy_deploy_percentage),
        (30, 50)
    );
    assert_eq!(cluster.tags["level"], "3");
    assert_eq!(cluster.health_check_type, "ELB");
    assert!(cluster.platform_health_only() && cluster.has_balancer());
    assert_eq!(cluster.associate_public_ip_address, Some(true));
    assert_eq!(cluster.regions, ["us-west-2", "eu-west-1"]);
    assert_eq!(cluster.delay_before_disable_sec, 60);
}

#[test]
fn rollback_is_read_from_the_cluster_or_else_from_its_stage() {
    let of = |on_failure, destroy_latest| Rollback { on_failure, destroy_latest };
    // Written on the stage, written on the cluster, what the cluster gets, where the problem is.
    for (stage, own, expected, told) in [
        (json!(null), json!(null), of(false, false), None),
        (json!({"onFailure": true, "destroyLatest": true}), json!(null), of(true, true), None),
        (json!(null), json!({"onFailure": "true", "destroyLatest": true}), of(true, true), None),
        (
            json!({"onFailure": true, "destroyLatest": true}),
            json!({"onFailure": false, "destroyLatest": false}),
            of(false, false),
            None,
        ),
        (json!(null), json!({"onFailure": true}), of(true, false), Some("/clusters/0/rollback")),
        (
            json!(null),
            json!({"destroyLatest": true}),
            of(false, true),
            Some("/clusters/0/rollback"),
        ),
        (json!({"onFailure": true}), json!(null), of(true, false), Some("/rollback")),
    ] {
        let mut cluster = cluster();
        cluster["rollback"] = own;
        let config = json!({"clusters": [cluster], "rollback": stage});
        let (read, problems) = stage_type::inspect::<Deploy>(config.as_object().unwrap());
        let found = read.unwrap().clusters[0].rollback;
        assert_eq!((found, found.destroys()), (expected, expected == of(true, true)), "{config}");
        let places: Vec<&str> = problems.iter().map(|one| one.pointer.as_str()).collect();
        assert_eq!(places, told.into_iter().collect::<Vec<_>>(), "{config}");
        assert!(problems.iter().all(|one| one.weight == Weight::Advice), "{problems:?}");
    }
}

#[test]
fn a_single_cluster_of_an_old_definition_takes_the_account_beside_it() {
    let mut inner = cluster();
    inner.as_object_mut().unwrap().remove("account");
    inner["stack"] = json!("my-stack");
    let stage = json!({"type": "deploy", "account": "test", "cluster": inner});
    let (read, problems) = stage_type::inspect::<Deploy>(stage.as_object().unwrap());
    assert_eq!(read.unwrap().clusters[0].account, "test");
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].pointer, "/cluster/stack");
}

#[test]
fn a_cluster_inside_a_cluster_is_flattened() {
    let (clusters, problems) =
        inspect(&json!({"account": "outer", "stack": "x", "cluster": cluster()}));
    assert!(problems.is_empty(), "{problems:?}");
    assert_eq!((clusters[0].account.as_str(), clusters[0].stack.as_str()), ("staging", "staging"));
}

#[test]
fn capacity_left_out_in_part_follows_from_the_rest() {
    for (written, (min, desired, max)) in [
        (json!({}), (1, 1, 1)),
        (json!({"min": 2}), (2, 2, 2)),
        (json!({"desired": 0}), (0, 0, 1)),
        (json!({"desired": 3, "max": 9}), (1, 3, 9)),
        (json!({"min": 0, "desired": 0, "max": 0}), (0, 0, 0)),
    ] {
        let mut value = cluster();
        value["capacity"] = written;
        let (clusters, problems) = inspect(&value);
        assert!(problems.is_empty(), "{problems:?}");
        assert_eq!(clusters[0].capacity, Capacity { min, desired, max });
    }
}

#[test]
fn two_entries_for_one_cluster_and_region_are_an_error() {
    let stage = json!({"clusters": [cluster(), cluster()]});
    let problems = stage_type::runnable(stage_type::inspect::<Deploy>(stage.as_object().unwrap()))
        .unwrap_err();
    assert_eq!(
        (problems[0].code, problems[0].pointer.as_str()),
        ("same-cluster-twice", "/clusters/1")
    );
    let mut other = cluster();
    other["stack"] = json!("prod");
    let stage = json!({"clusters": [cluster(), other]});
    assert_eq!(read::<Deploy>(stage.as_object().unwrap()).unwrap().clusters.len(), 2);
}

#[test]
fn what_cannot_run_is_refused_for_running() {
    for (key, value) in [
        ("capacity", json!({"min": "{{ n }}"})),
        ("strategy", json!("redblack")),
        ("instanceType", json!(null)),
        ("cloudProvider", json!("gce")),
        ("account", json!("")),
        ("availabilityZones", json!({})),
    ] {
        let mut cluster = cluster();
        cluster[key] = value;
        let stage = json!({"clusters": [cluster]});
        assert!(read::<Deploy>(stage.as_object().unwrap()).is_err(), "{stage}");
        let (_, told) = stage_type::inspect::<Deploy>(stage.as_object().unwrap());
        assert!(told.iter().all(|p| p.weight == Weight::Blocks), "{told:?}");
    }
}

#[test]
fn expressions_are_nothing_to_tell_and_stop_a_stage_only_where_they_are_left() {
    let cluster = json!({
        "account": "${ a }", "application": "${ b }", "stack": "${ c }", "strategy": "${ d }",
        "capacity": {"min": "${ e }", "desired": 2}, "availabilityZones": "${ f }",
        "instanceType": "${ g }", "loadBalancers": "${ h }", "targetGroups": ["${ i }"],
        "tags": {"team": "${ j }"}, "base64UserData": "${ k }", "cooldown": "${ l }",
    });
    let stage = json!({"clusters": [cluster]});
    let stage = stage.as_object().unwrap();
    assert_eq!(crate::of("deploy").unwrap().obstacles(stage), []);
    let stopped = stage_type::runnable(stage_type::inspect::<Deploy>(stage)).unwrap_err();
    let places: Vec<&str> = stopped.iter().map(|problem| problem.pointer.as_str()).collect();
    assert_eq!(
        places,
        [
            "/clusters/0/availabilityZones",
            "/clusters/0/capacity/min",
            "/clusters/0/loadBalancers",
            "/clusters/0/cooldown",
        ]
    );
}
