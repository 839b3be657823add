//! Destroying what a failed deploy made: each guard, a crash at every place, a repeat.

use worker::testing::TestTask;

use super::*;
use crate::plan::tests::task;

/// A deploy that is to be undone if it fails.
fn undone() -> DeployRequest {
    DeployRequest { destroy_if_failed: true, ..request() }
}

/// The destruction of what its only try made.
fn destroy() -> DestroyRequest {
    DestroyRequest {
        tries: vec![task()],
        application: "shop".to_owned(),
        stack: "staging".to_owned(),
        detail: "web".to_owned(),
        account: "staging".to_owned(),
        region: "us-east-1".to_owned(),
        platform_health_only: false,
    }
}

/// Two older groups that serve, and a new one that never became healthy.
async fn failed_deploy() -> (Arc<TestCloud>, Deployer, Durable) {
    let (cloud, deployer, durable) = world().await;
    cloud.state().sick.insert(NEW.to_owned());
    failed(deployer.deploy(&undone(), durable.lease().await.context()).await);
    let mut state = cloud.state();
    assert_eq!(state.groups[NEW].tags[tags::TAKES_OVER], "not-yet");
    state.ledger.clear();
    state.calls = 0;
    drop(state);
    (cloud, deployer, Durable::after().await)
}

fn destroyed(ended: Result<DestroyResult, End>) -> Vec<String> {
    succeeded(ended).destroyed_server_groups
}

/// The new group and its template are gone, the older ones are as they were.
fn assert_undone(cloud: &TestCloud, story: &str) {
    let state = cloud.state();
    assert_eq!(state.groups.keys().collect::<Vec<_>>(), [OLDER, OLD], "{story}");
    assert_eq!((state.serving(OLDER), state.serving(OLD)), (1, 1), "{story}");
    for old in [OLDER, OLD] {
        let group = &state.groups[old];
        assert!(group.suspended.is_empty() && group.tags.is_empty(), "{story}: {group:?}");
    }
    assert_eq!(state.templates.len(), 2, "{story}: {:?}", state.templates);
    for call in ["resize", "delete"] {
        let entry = format!("{call} {NEW}");
        let times = state.ledger.iter().filter(|one| **one == entry).count();
        assert_eq!(times, 1, "{story}: {entry} in {:?}", state.ledger);
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_failed_deploy_made_goes_and_nothing_else() {
    let (cloud, deployer, durable) = failed_deploy().await;
    let gone = destroyed(deployer.destroy(&destroy(), durable.lease().await.context()).await);
    assert_eq!(gone, [NEW]);
    assert_undone(&cloud, "calm");
    let ledger = cloud.state().ledger.clone();
    let template = ledger.last().unwrap();
    assert!(template.starts_with(&format!("delete-template lt-{NEW}-")), "{template}");
    assert_eq!(
        ledger[..ledger.len() - 1],
        ["suspend", "tag", "resume", "resize", "delete"].map(|call| format!("{call} {NEW}"))
    );
    assert!(durable.lock_is_free().await, "the lock is given back");
    // Told again, by whoever: there is nothing to do.
    let again = destroyed(
        deployer.destroy(&destroy(), Durable::after().await.lease().await.context()).await,
    );
    assert_eq!((again.len(), cloud.state().ledger.len()), (0, ledger.len()));
}

/// How often the destruction was cut short when `cut` does it at its first, second … place; each time
/// another worker continues it.
async fn cut_everywhere(what: &str, cut: impl Fn(usize, &TestCloud, &TestTask)) -> usize {
    for place in 1.. {
        let (cloud, deployer, durable) = failed_deploy().await;
        let short = durable.lease().await;
        cut(place, &cloud, &short);
        let first = deployer.destroy(&destroy(), short.context()).await;
        let Err(End::Stopped(Stop::Lost)) = first else {
            assert_eq!(destroyed(first), [NEW]);
            return place - 1;
        };
        assert_eq!(
            destroyed(deployer.destroy(&destroy(), durable.lease().await.context()).await),
            [NEW]
        );
        assert_undone(&cloud, &format!("cut after {what} {place}"));
    }
    unreachable!("it ends")
}

#[tokio::test(start_paused = true)]
async fn a_crash_after_any_save_or_call_is_continued() {
    let saves = cut_everywhere("save", |save, _, lease| {
        lease.lose_after_saves(u32::try_from(save).unwrap())
    })
    .await;
    assert!(saves >= 5, "{saves} saves");
    let calls = cut_everywhere("call", |call, cloud, lease| {
        let fate = lease.fate();
        cloud.state().cut = Some((call, Cut(Arc::new(move || fate.lose()))));
    });
    let calls = calls.await;
    assert!(calls >= 6, "{calls} calls");
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_of_any_call_does_no_harm_here_either() {
    for call in 1..=6 {
        let (cloud, deployer, durable) = failed_deploy().await;
        cloud.state().cut = Some((call, Cut(Arc::new(|| {}))));
        assert_eq!(
            destroyed(deployer.destroy(&destroy(), durable.lease().await.context()).await),
            [NEW]
        );
        assert!(cloud.state().calls >= call, "the fault happened");
        assert_undone(&cloud, &format!("answer {call} was lost"));
    }
}

#[tokio::test(start_paused = true)]
async fn only_what_carries_the_tag_of_a_named_try_goes() {
    let (cloud, deployer, durable) = failed_deploy().await;
    let other = format!("{}/another/1", task().execution).parse().unwrap();
    let request = DestroyRequest { tries: vec![other], ..destroy() };
    let gone = destroyed(deployer.destroy(&request, durable.lease().await.context()).await);
    let state = cloud.state();
    assert_eq!((gone.len(), state.ledger.len(), state.groups.len()), (0, 0, 3));
}

/// The message of a destruction that left the new group, which nothing was done to.
async fn left(cloud: &TestCloud, deployer: &Deployer) -> String {
    let before = cloud.state().groups[NEW].clone();
    let failure =
        failed(deployer.destroy(&destroy(), Durable::after().await.lease().await.context()).await);
    let state = cloud.state();
    let after = &state.groups[NEW];
    assert_eq!((&after.suspended, &after.tags), (&before.suspended, &before.tags));
    assert_eq!(after.capacity, before.capacity);
    failure.message
}

#[tokio::test(start_paused = true)]
async fn a_group_that_has_begun_to_take_over_is_left() {
    let (cloud, deployer, durable) = world().await;
    let lease = durable.lease().await;
    let request = DeployRequest { delay_before_scale_down_seconds: 30, ..undone() };
    let watcher = async {
        while !cloud.state().ledger.contains(&format!("tag {OLDER}")) {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        cloud.state().sicken(NEW);
    };
    let (outcome, ()) = tokio::join!(Box::pin(deployer.deploy(&request, lease.context())), watcher);
    failed(outcome);
    let ledger = cloud.state().ledger.clone();
    let at = |entry: String| ledger.iter().position(|one| *one == entry).unwrap();
    assert!(at(format!("tag {NEW}")) < at(format!("suspend {OLDER}")), "said before it is done");
    let told = left(&cloud, &deployer).await;
    assert!(told.contains(&format!("`{NEW}` was left: it was healthy and had begun")), "{told}");
    // One of which nothing says whether it has.
    cloud.state().groups.get_mut(NEW).unwrap().tags.remove(tags::TAKES_OVER);
    let told = left(&cloud, &deployer).await;
    assert!(told.contains("it has no tag `bowline:takes-over`"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn a_healthy_group_goes_only_if_another_one_serves() {
    let stuck = Fault::Refused { code: "AccessDenied".to_owned(), message: "no".to_owned() };
    let request = DeployRequest {
        strategy: DeployStrategy::None,
        suspended_processes: vec!["AZRebalance".to_owned()],
        ..undone()
    };
    for alone in [false, true] {
        let (cloud, deployer, durable) = world().await;
        if alone {
            for old in [OLD, OLDER] {
                cloud.state().sicken(old);
            }
        }
        cloud.state().refuse.push(("suspend", stuck.clone()));
        failed(deployer.deploy(&request, durable.lease().await.context()).await);
        assert_eq!(cloud.state().serving(NEW), 2);
        if alone {
            let told = left(&cloud, &deployer).await;
            assert!(told.ends_with("no other server group of the cluster is"), "{told}");
        } else {
            let gone = destroyed(
                deployer.destroy(&destroy(), Durable::after().await.lease().await.context()).await,
            );
            assert_eq!(gone, [NEW]);
            assert_undone(&cloud, "healthy, and not needed");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn it_is_put_back_when_the_others_fail_meanwhile() {
    let (cloud, deployer, durable) = world().await;
    let stuck = Fault::Refused { code: "AccessDenied".to_owned(), message: "no".to_owned() };
    let request = DeployRequest {
        strategy: DeployStrategy::None,
        suspended_processes: vec!["AZRebalance".to_owned()],
        platform_health_only: true,
        ..undone()
    };
    cloud.state().refuse.push(("suspend", stuck));
    failed(deployer.deploy(&request, durable.lease().await.context()).await);
    let watcher = async {
        while !cloud.state().ledger.contains(&format!("tag {NEW}")) {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        for old in [OLD, OLDER] {
            cloud.state().groups.get_mut(old).unwrap().capacity.desired = 5;
            cloud.state().groups.get_mut(old).unwrap().suspended.insert("Launch".to_owned());
        }
    };
    let destroy = DestroyRequest { platform_health_only: true, ..destroy() };
    let durable = Durable::new().await;
    let lease = durable.lease().await;
    let (outcome, ()) =
        tokio::join!(Box::pin(deployer.destroy(&destroy, lease.context())), watcher);
    let failure = failed(outcome);
    assert!(failure.message.contains("2 of its instances are healthy"), "{}", failure.message);
    assert_eq!(
        failure.detail.unwrap(),
        format!(
            "the failed deploy left one server group; `{NEW}` was disabled and is enabled again"
        )
    );
    let state = cloud.state();
    assert!(state.groups[NEW].suspended.is_empty());
    assert!(!state.groups[NEW].tags.contains_key(tags::DOOMED));
}

#[tokio::test(start_paused = true)]
async fn a_cancel_at_any_call_puts_it_back_or_says_how_far_it_came() {
    let mut canceled = 0;
    for call in 1.. {
        let (cloud, deployer, durable) = failed_deploy().await;
        let lease = durable.lease().await;
        let fate = lease.fate();
        cloud.state().cut = Some((call, Cut(Arc::new(move || fate.cancel()))));
        let detail = match deployer.destroy(&destroy(), lease.context()).await {
            Err(End::Canceled(detail)) => detail,
            done => {
                // The last call's answer is not waited for any more.
                assert_eq!(destroyed(done), [NEW]);
                break;
            }
        };
        canceled += 1;
        assert!(durable.lock_is_free().await, "the lock is given back");
        let state = cloud.state();
        assert_eq!((state.serving(OLDER), state.serving(OLD)), (1, 1));
        let whole = state
            .groups
            .get(NEW)
            .is_some_and(|new| new.suspended.is_empty() && !new.tags.contains_key(tags::DOOMED));
        let said =
            ["is gone", "scaled to 0", "disabled and empty"].iter().any(|w| detail.contains(w));
        assert!(whole || said, "canceled at call {call}: {detail}");
    }
    assert!(canceled >= 4, "{canceled} cancels");
}

#[tokio::test(start_paused = true)]
async fn another_group_that_got_its_name_is_left() {
    let (cloud, deployer, durable) = failed_deploy().await;
    let cut = durable.lease_until(1).await;
    assert!(matches!(
        deployer.destroy(&destroy(), cut.context()).await,
        Err(End::Stopped(Stop::Lost))
    ));
    cloud.state().groups.get_mut(NEW).unwrap().arn.push('x');
    let failure = failed(deployer.destroy(&destroy(), durable.lease().await.context()).await);
    assert!(failure.message.contains("another group has its name now"), "{}", failure.message);
    assert_eq!(cloud.state().ledger.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn it_waits_for_whoever_has_the_cluster() {
    let (cloud, deployer, durable) = failed_deploy().await;
    let other = durable.other_locks().await.unwrap();
    let freed = async {
        tokio::time::sleep(Duration::from_mins(1)).await;
        assert_eq!(cloud.state().calls, 0, "nothing is done without the lock");
        other.free().await;
    };
    let (request, lease) = (destroy(), durable.lease().await);
    let (outcome, ()) = tokio::join!(Box::pin(deployer.destroy(&request, lease.context())), freed);
    assert_eq!(destroyed(outcome), [NEW]);
}

#[tokio::test(start_paused = true)]
async fn a_deploy_that_would_be_undone_replaces_older_groups_as_any_other() {
    let mut died = 0;
    for call in 1.. {
        let (cloud, deployer, durable) = world().await;
        let lease = durable.lease().await;
        let fate = lease.fate();
        cloud.state().cut = Some((call, Cut(Arc::new(move || fate.lose()))));
        let first = deployer.deploy(&undone(), lease.context()).await;
        let Err(End::Stopped(Stop::Lost)) = first else {
            assert_one_remains(&cloud, &succeeded(first), "never cut");
            break;
        };
        died += 1;
        let result = succeeded(deployer.deploy(&undone(), durable.lease().await.context()).await);
        assert_one_remains(&cloud, &result, &format!("cut after call {call}"));
        assert_eq!(cloud.state().groups[NEW].tags[tags::TAKES_OVER], "yes");
    }
    assert!(died >= 15, "{died} calls");
}
