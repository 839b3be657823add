use proptest::prelude::*;

use super::*;
use crate::plan::tests::{group, in_service};

const TARGETS: &str = "arn:x:targetgroup/web/1";

fn balancer() -> Balancer {
    Balancer::TargetGroup(TARGETS.to_owned())
}

fn rules() -> Rules {
    let new = Identity { arn: "arn:new".to_owned(), created_ms: 100 };
    Rules { stays: Stays::New(new), doomed: "execution/7".to_owned(), disabled_for_ms: 1_000 }
}

fn listed(ids: &[&str], health: BalancerHealth) -> BTreeMap<Balancer, Vec<BalancedInstance>> {
    let entry = |id: &&str| BalancedInstance { id: (*id).to_owned(), health, reason: None };
    [(balancer(), ids.iter().map(entry).collect())].into()
}

fn serving() -> World {
    let mut old = in_service(group("shop-v001", 50), &["i-1"]);
    old.target_groups = vec![TARGETS.to_owned()];
    World {
        now_ms: 10_000,
        fitness: Fitness::Good,
        victim: Some(old),
        balancers: listed(&["i-1"], BalancerHealth::Up),
    }
}

fn victim(state: VictimState) -> Victim {
    Victim { state, ..Victim::of(serving().victim.as_ref().unwrap()) }
}

fn before() -> Before {
    Before { suspended: BTreeSet::new(), since_ms: 10_000 }
}

fn change(world: &mut World, change: impl FnOnce(&mut ServerGroup)) {
    change(world.victim.as_mut().unwrap());
}

fn doomed(world: &mut World) {
    change(world, |group| {
        group.tags.insert(tags::DOOMED.to_owned(), "execution/7".to_owned());
    });
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// Does to the world what a call does, at once.
fn apply(world: &mut World, action: &Action) {
    let balancers = &mut world.balancers;
    let group = world.victim.as_mut().unwrap();
    match action {
        Action::Suspend(processes) => group.suspended.extend(processes.iter().cloned()),
        Action::Resume(processes) => group.suspended.retain(|one| !processes.contains(one)),
        Action::Deregister(balancer, _) => {
            balancers.insert(balancer.clone(), Vec::new());
        }
        Action::Register(balancer, ids) => {
            let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
            let all = listed(&ids, BalancerHealth::Up).remove(&self::balancer()).unwrap();
            balancers.insert(balancer.clone(), all);
        }
        Action::MarkDoomed => {
            group.tags.insert(tags::DOOMED.to_owned(), rules().doomed);
        }
        Action::Unmark => drop(group.tags.remove(tags::DOOMED)),
        Action::ScaleToZero => {
            group.capacity = Capacity { min: 0, desired: 0, max: 0 };
            group.instances.clear();
        }
        Action::Delete => world.victim = None,
    }
}

#[test]
fn a_healthy_new_group_takes_over_in_this_order() {
    let (mut world, mut victim) = (serving(), victim(VictimState::Untouched));
    let mut story = Vec::new();
    while story.len() < 30 {
        match next(&victim, &rules(), &world) {
            Next::Finished => break,
            Next::Save(state) => victim.state = state,
            Next::Do(action) => {
                apply(&mut world, &action);
                story.push(action);
            }
            Next::Wait(_) => world.now_ms += 500,
            other @ (Next::Retreat(_) | Next::Abort(_)) => panic!("{other:?}"),
        }
    }
    assert_eq!(
        story,
        [
            Action::Suspend(owned(&["Launch", "Terminate", "AddToLoadBalancer"])),
            Action::Deregister(balancer(), owned(&["i-1"])),
            Action::MarkDoomed,
            Action::Resume(owned(&["Terminate"])),
            Action::ScaleToZero,
            Action::Delete,
        ]
    );
    assert_eq!(victim.state, VictimState::Gone);
}

#[test]
fn each_guard_holds_at_each_step() {
    let wobbling = || Fitness::Wobbling("flaps".to_owned());
    let failing = || Fitness::Failing("is down".to_owned());
    let at = |state: VictimState, prepare: fn(&mut World), fitness: Fitness| {
        let mut world = World { fitness, ..serving() };
        prepare(&mut world);
        next(&victim(state), &rules(), &world)
    };
    let disabling = || VictimState::Disabling { before: before() };
    let disabled = || VictimState::Disabled { before: before(), since_ms: 10_000 };
    let emptying = || VictimState::Emptying { before: before() };
    let nothing = |_: &mut World| {};
    for fitness in [wobbling(), failing()] {
        assert!(matches!(at(VictimState::Untouched, nothing, fitness), Next::Wait(_)));
    }
    for state in [disabling(), disabled(), emptying()] {
        assert!(matches!(at(state.clone(), doomed, wobbling()), Next::Wait(_)), "{state:?}");
        assert!(matches!(at(state.clone(), doomed, failing()), Next::Retreat(_)), "{state:?}");
    }
    // The mark is a right to go on; without it nothing more is taken apart.
    for state in [disabled(), emptying(), VictimState::Deleting] {
        assert!(matches!(at(state, nothing, Fitness::Good), Next::Abort(_)));
    }
    assert!(
        matches!(at(disabled(), doomed, Fitness::Good), Next::Wait(_)),
        "stays disabled a while"
    );
    assert!(
        matches!(at(VictimState::Deleting, doomed, Fitness::Good), Next::Wait(_)),
        "a group with instances is not deleted"
    );
    let draining = |world: &mut World| {
        world.balancers = listed(&["i-1"], BalancerHealth::Draining);
        change(world, |group| group.suspended = owned(&DISABLING).into_iter().collect());
    };
    assert!(matches!(at(disabling(), draining, Fitness::Good), Next::Wait(_)), "drains first");
}

#[test]
fn what_a_failed_deploy_made_goes_only_while_the_rest_can_do_without_it() {
    let rules = Rules { stays: Stays::Rest, ..rules() };
    let at = |state: VictimState, fitness: Fitness| {
        let mut world = World { fitness, ..serving() };
        doomed(&mut world);
        // Younger than anything: its age does not matter.
        change(&mut world, |group| group.created_ms = 500);
        let victim = Victim { state, ..Victim::of(world.victim.as_ref().unwrap()) };
        next(&victim, &rules, &world)
    };
    let needed = || Fitness::Failing("it serves".to_owned());
    let spared = VictimState::Spared { why: "it serves".to_owned() };
    assert_eq!(at(VictimState::Untouched, needed()), Next::Save(spared));
    let doubt = Fitness::Wobbling("it serves".to_owned());
    assert_eq!(at(VictimState::Untouched, doubt), Next::Wait("it serves".to_owned()));
    assert!(matches!(
        at(VictimState::Untouched, Fitness::Good),
        Next::Save(VictimState::Disabling { .. })
    ));
    for state in [
        VictimState::Disabling { before: before() },
        VictimState::Disabled { before: before(), since_ms: 0 },
        VictimState::Emptying { before: before() },
    ] {
        assert_eq!(at(state, needed()), Next::Retreat("it serves".to_owned()));
    }
}

#[test]
fn another_group_with_the_name_is_spared_and_absence_is_done() {
    let open = [
        VictimState::Untouched,
        VictimState::Disabling { before: before() },
        VictimState::Disabled { before: before(), since_ms: 0 },
        VictimState::Emptying { before: before() },
        VictimState::Deleting,
        VictimState::Undoing { before: before() },
    ];
    for state in open {
        let victim = victim(state);
        let gone = World { victim: None, ..serving() };
        assert_eq!(next(&victim, &rules(), &gone), Next::Save(VictimState::Gone));
        let alterations: [fn(&mut ServerGroup); 2] =
            [|group| group.arn.push('x'), |group| group.created_ms += 1];
        for alter in alterations {
            let mut world = serving();
            change(&mut world, alter);
            let answer = next(&victim, &rules(), &world);
            assert!(matches!(answer, Next::Save(VictimState::Spared { .. })), "{answer:?}");
        }
    }
    let mut newer = serving();
    change(&mut newer, |group| group.created_ms = 101);
    let victim = Victim::of(newer.victim.as_ref().unwrap());
    assert!(matches!(next(&victim, &rules(), &newer), Next::Save(VictimState::Spared { .. })));
}

#[test]
fn undoing_leaves_a_group_as_it_was() {
    for (suspended, registered) in [(vec![], true), (vec!["AddToLoadBalancer", "Terminate"], false)]
    {
        let was: BTreeSet<String> = owned(&suspended).into_iter().collect();
        let mut world = serving();
        if !registered {
            world.balancers = listed(&[], BalancerHealth::Up);
        }
        change(&mut world, |group| group.suspended = was.clone());
        let original = world.clone();
        // Taken apart as far as it goes before scaling down.
        doomed(&mut world);
        change(&mut world, |group| {
            group.suspended = owned(&["Launch", "AddToLoadBalancer"]).into_iter().collect();
        });
        world.balancers = listed(&[], BalancerHealth::Up);
        let before = Before { suspended: was, since_ms: 0 };
        let mut victim = victim(VictimState::Undoing { before });
        for _ in 0..10 {
            match next(&victim, &rules(), &world) {
                Next::Do(action) => apply(&mut world, &action),
                Next::Save(state) => victim.state = state,
                Next::Finished => break,
                other @ (Next::Wait(_) | Next::Retreat(_) | Next::Abort(_)) => panic!("{other:?}"),
            }
        }
        assert_eq!(victim.state, VictimState::Restored);
        assert_eq!((world.victim, world.balancers), (original.victim, original.balancers));
    }
}

proptest! {
    /// Cut anywhere, with the new group's health going up and down: either the old group still
    /// carries its traffic, or the new one was healthy at the moment of the step that took it away.
    #[test]
    fn traffic_is_never_less_than_before(
        looks in proptest::collection::vec(0..4_u8, 1..60),
        cut in 0..60_usize,
    ) {
        let (mut world, mut victim) = (serving(), victim(VictimState::Untouched));
        let mut bad = 0;
        for (step, look) in looks.iter().enumerate() {
            let healthy = *look != 0;
            bad = if healthy { 0 } else { bad + 1 };
            world.fitness = match (healthy, bad) {
                (true, _) => Fitness::Good,
                (false, 1) => Fitness::Wobbling("flaps".to_owned()),
                (false, _) => Fitness::Failing("is down".to_owned()),
            };
            world.now_ms += 300;
            if step >= cut {
                if let Some(state) = on_stop(&victim, world.victim.as_ref()) {
                    victim.state = state;
                }
                if !matches!(victim.state, VictimState::Undoing { .. } | VictimState::Restored) {
                    break;
                }
            }
            let answer = next(&victim, &rules(), &world);
            match answer {
                Next::Do(action) => {
                    let takes_away = matches!(
                        action,
                        Action::Deregister(..) | Action::ScaleToZero | Action::Delete
                    );
                    prop_assert!(!takes_away || healthy, "{action:?} while the new group is down");
                    if action == Action::Delete {
                        prop_assert!(world.victim.as_ref().unwrap().instances.is_empty());
                    }
                    apply(&mut world, &action);
                }
                Next::Save(state) => victim.state = state,
                Next::Retreat(_) => {
                    let group = world.victim.as_ref();
                    victim.state = on_stop(&victim, group).expect("a retreat can be undone");
                }
                Next::Wait(_) | Next::Finished => {}
                Next::Abort(why) => prop_assert!(false, "nobody touched the mark: {}", why),
            }
        }
        let whole = matches!(victim.state, VictimState::Untouched | VictimState::Restored);
        if whole {
            prop_assert_eq!(world.balancers, serving().balancers);
            prop_assert_eq!(world.victim, serving().victim);
        }
    }
}
