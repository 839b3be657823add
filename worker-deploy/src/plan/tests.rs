use super::*;
use crate::ports::{GroupHealth, GroupInstance, InstanceLifecycle};

pub(crate) fn request() -> DeployRequest {
    DeployRequest {
        application: "shop".to_owned(),
        stack: "staging".to_owned(),
        detail: "web".to_owned(),
        pipeline: "build & deploy".to_owned(),
        account: "staging".to_owned(),
        region: "us-east-1".to_owned(),
        image: "ami-1".to_owned(),
        strategy: DeployStrategy::Highlander,
        capacity: Capacity { min: 1, desired: 2, max: 3 },
        use_source_capacity: false,
        instance_type: "t3.small".to_owned(),
        key_pair: Some("key".to_owned()),
        iam_role: Some("{{application}}Role".to_owned()),
        security_groups: vec!["web".to_owned()],
        load_balancers: Vec::new(),
        target_groups: vec!["web".to_owned()],
        subnet_type: "external (spinnaker)".to_owned(),
        availability_zones: Vec::new(),
        health_check_type: "ELB".to_owned(),
        health_check_grace_period: 600,
        cooldown: 10,
        termination_policies: Vec::new(),
        suspended_processes: Vec::new(),
        tags: [("team".to_owned(), "shop".to_owned())].into(),
        user_data: String::new(),
        target_healthy_percent: 100,
        platform_health_only: false,
        associate_public_ip: None,
        ebs_optimized: false,
        instance_monitoring: false,
        delay_before_disable_seconds: 0,
        delay_before_scale_down_seconds: 0,
        destroy_if_failed: false,
    }
}

pub(crate) fn group(name: &str, created_ms: u64) -> ServerGroup {
    ServerGroup {
        name: name.to_owned(),
        arn: format!("arn:{name}:{created_ms}"),
        created_ms,
        capacity: Capacity { min: 1, desired: 1, max: 1 },
        instances: Vec::new(),
        launch_template: None,
        load_balancers: Vec::new(),
        target_groups: Vec::new(),
        suspended: BTreeSet::new(),
        tags: BTreeMap::new(),
        lifecycle: GroupLifecycle::Active,
    }
}

pub(crate) fn in_service(group: ServerGroup, ids: &[&str]) -> ServerGroup {
    let instance = |id: &&str| GroupInstance {
        id: (*id).to_owned(),
        lifecycle: InstanceLifecycle::InService,
        health: GroupHealth::Healthy,
    };
    ServerGroup { instances: ids.iter().map(instance).collect(), ..group }
}

pub(crate) fn task() -> TaskId {
    let execution = "01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().unwrap();
    TaskId { stage: model::StageId::of(&execution, "3"), execution, attempt: 1 }
}

fn survey(cluster: Vec<ServerGroup>) -> Survey {
    Survey {
        cluster,
        image: Some(Image {
            id: "ami-1".to_owned(),
            name: "shop-1".to_owned(),
            state: ImageState::Available,
        }),
        subnets: vec!["subnet-1".to_owned()],
        security_groups: vec![SecurityGroup { id: "sg-1".to_owned(), name: "web".to_owned() }],
        load_balancers: Vec::new(),
        target_groups: vec![TargetGroup { name: "web".to_owned(), arn: "arn:tg/web/1".to_owned() }],
    }
}

fn drawn(request: &DeployRequest, survey: &Survey) -> Result<Plan, String> {
    let task = task();
    draw(request, survey, &Maker { task: &task, fence: 7, now_ms: 1_700_000_000_000 })
        .map_err(|error| runtime::Chain(&error).to_string())
}

fn old() -> Vec<ServerGroup> {
    vec![
        in_service(group("shop-staging-web-v004", 40), &["i-4"]),
        in_service(group("shop-staging-web-v003", 30), &["i-3"]),
    ]
}

#[test]
fn the_plan_holds_everything_that_is_sent_later() {
    let plan = drawn(&request(), &survey(old())).unwrap();
    assert_eq!(plan.group.name, "shop-staging-web-v005");
    assert_eq!(plan.group.launch_template, "shop-staging-web-v005-1700000000000");
    assert_eq!(plan.template.iam_role.as_deref(), Some("shopRole"));
    assert_eq!(plan.template.security_groups, ["sg-1"]);
    assert_eq!(plan.group.target_groups, ["arn:tg/web/1"]);
    let task = task().to_string();
    for (key, value) in [
        ("managed-by", "bowline"),
        ("bowline:task", task.as_str()),
        ("bowline:execution", "01ARZ3NDEKTSV4RRFFQ69G5FAV"),
        ("bowline:fence", "7"),
        ("bowline:pipeline", "build _ deploy"),
        ("team", "shop"),
    ] {
        assert_eq!(plan.group.tags.get(key).map(String::as_str), Some(value), "{key}");
    }
    let victims: Vec<_> =
        plan.victims.iter().map(|v| (v.name.as_str(), v.identity.created_ms)).collect();
    assert_eq!(
        victims,
        [("shop-staging-web-v003", 30), ("shop-staging-web-v004", 40)],
        "oldest first"
    );
    assert_eq!(drawn(&request(), &survey(old())), Ok(plan), "the same world makes the same plan");
}

#[test]
fn groups_of_other_clusters_are_never_victims() {
    let mut cluster = old();
    cluster.push(group("shop-staging-v001", 1));
    cluster.push(group("shop-staging-web-eu-v001", 2));
    cluster.push(ServerGroup {
        lifecycle: GroupLifecycle::Deleting,
        ..group("shop-staging-web-v002", 20)
    });
    let plan = drawn(&request(), &survey(cluster)).unwrap();
    assert_eq!(plan.victims.len(), 2);
    let keep = DeployRequest { strategy: DeployStrategy::None, ..request() };
    assert_eq!(drawn(&keep, &survey(old())).unwrap().victims, []);
}

#[test]
fn a_group_of_this_task_is_joined_and_newer_ones_survive() {
    let mut cluster = old();
    let mut ours = group("shop-staging-web-v005", 50);
    ours.tags.insert(tags::TASK.to_owned(), task().to_string());
    cluster.push(ours);
    cluster.push(group("shop-staging-web-v006", 60));
    let plan = drawn(&request(), &survey(cluster)).unwrap();
    assert_eq!(plan.group.name, "shop-staging-web-v005");
    let names: Vec<_> = plan.victims.iter().map(|victim| victim.name.as_str()).collect();
    assert_eq!(names, ["shop-staging-web-v003", "shop-staging-web-v004"]);
}

#[test]
fn everything_wrong_is_told_at_once() {
    let wrong = DeployRequest {
        target_groups: vec!["api".to_owned()],
        load_balancers: vec!["classic".to_owned()],
        security_groups: vec!["db".to_owned()],
        suspended_processes: vec!["Lunch".to_owned()],
        capacity: Capacity { min: 2, desired: 1, max: 1 },
        ..request()
    };
    let message = drawn(&wrong, &Survey { image: None, ..survey(old()) }).unwrap_err();
    for part in ["image `ami-1`", "`api`", "`classic`", "`db`", "`Lunch`", "min ≤ desired ≤ max"]
    {
        assert!(message.contains(part), "{part} in {message}");
    }
}

#[test]
fn an_empty_new_group_may_not_replace_serving_ones() {
    let none = Capacity { min: 0, desired: 0, max: 1 };
    let empty = DeployRequest { capacity: none, ..request() };
    assert!(drawn(&empty, &survey(old())).unwrap_err().contains("nothing would be left to serve"));
    assert!(drawn(&empty, &survey(Vec::new())).is_ok());
    let keep = DeployRequest { strategy: DeployStrategy::None, ..empty };
    assert!(drawn(&keep, &survey(old())).is_ok());
}

#[test]
fn the_newest_old_groups_size_is_taken_when_asked_for() {
    let asked = DeployRequest { use_source_capacity: true, ..request() };
    let one = Capacity { min: 1, desired: 1, max: 1 };
    assert_eq!(drawn(&asked, &survey(old())).unwrap().group.capacity, one);
    assert_eq!(drawn(&asked, &survey(Vec::new())).unwrap().group.capacity, request().capacity);
}

#[test]
fn without_balancers_the_platform_judges_and_says_so() {
    let bare = DeployRequest { target_groups: Vec::new(), ..request() };
    let plan = drawn(&bare, &survey(Vec::new())).unwrap();
    assert_eq!((plan.judge, plan.notes.len()), (Judge::Platform, 1));
    let asked = DeployRequest { platform_health_only: true, ..request() };
    let plan = drawn(&asked, &survey(Vec::new())).unwrap();
    assert_eq!((plan.judge, plan.notes.len()), (Judge::Platform, 0));
}

#[test]
fn a_taken_name_moves_the_plan_to_the_next_number() {
    let plan = drawn(&request(), &survey(old())).unwrap();
    let mut cluster = old();
    cluster.push(group("shop-staging-web-v005", 50));
    let task = task();
    let maker = Maker { task: &task, fence: 7, now_ms: 1_700_000_000_001 };
    let next = renamed(&plan, &request(), &cluster, &maker).unwrap();
    assert_eq!(next.group.name, "shop-staging-web-v006");
    assert_eq!(next.template.name, "shop-staging-web-v006-1700000000001");
    assert_ne!(next.template.client_token, plan.template.client_token);
    assert_eq!(next.abandoned, std::slice::from_ref(&plan.template.name));
    assert_eq!(next.victims, plan.victims, "the group that took the name is no victim");
    // Unless it is one of ours that could not be seen when the plan was made.
    let ours = (tags::MANAGED_BY.to_owned(), tags::BOWLINE.to_owned());
    cluster.last_mut().unwrap().tags.extend([ours]);
    let next = renamed(&plan, &request(), &cluster, &maker).unwrap();
    let names: Vec<&str> = next.victims.iter().map(|victim| victim.name.as_str()).collect();
    assert_eq!(names.last(), Some(&"shop-staging-web-v005"));
    assert_eq!(names.len(), plan.victims.len() + 1);
    let keeps = DeployRequest { strategy: DeployStrategy::None, ..request() };
    assert_eq!(renamed(&plan, &keeps, &cluster, &maker).unwrap().victims, plan.victims);
    // Even if the view lags and does not show it yet.
    let blind = renamed(&plan, &request(), &old(), &maker).unwrap();
    assert_eq!(blind.group.name, "shop-staging-web-v006");
}
