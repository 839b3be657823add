//! Few executions of a pipeline at a time: who goes first, who is overtaken, and what people see.

use crate::world::{World, pipeline};
use definitions::Pipeline;
use engine::{Effects, Input, Place, Policy, Rejection, SlotChange, SlotFact, SlotState};
use model::ExecutionId;
use wire::Control;

fn limited(keep: bool) -> Pipeline {
    let mut definition = pipeline("1:judge");
    definition.limit_concurrent = true;
    definition.keep_waiting_pipelines = keep;
    definition
}

/// Places from `order` numbers; 5 is the execution under test.
fn places(world: &World, orders: &[u64]) -> Vec<Place> {
    let id = |order: u64| {
        if order == 5 { world.document.id.clone() } else { other(order) }
    };
    orders.iter().map(|order| Place { execution: id(*order), order: *order }).collect()
}

fn other(order: u64) -> ExecutionId {
    format!("other-{order}").parse().unwrap()
}

fn look(world: &mut World, holders: &[u64], waiting: &[u64]) -> Result<Effects, Rejection> {
    let own = if holders.contains(&5) {
        SlotState::Holds
    } else if waiting.contains(&5) {
        SlotState::Waits
    } else {
        SlotState::None
    };
    let (holders, waiting) = (places(world, holders), places(world, waiting));
    world.slot = Some(SlotFact { own, holders, waiting });
    world.step(&Input::Look)
}

/// What the timeline says of its waiting.
fn said(effects: &Effects) -> Vec<&str> {
    let lines = effects.timeline.iter().filter(|line| line.event == "execution_waits");
    lines.filter_map(|line| line.detail.as_deref()).collect()
}

#[test]
fn new_execution_of_a_limited_pipeline_waits_for_its_look() {
    let mut world = World::start(&limited(true));
    assert_eq!(world.statuses(), "NOT_STARTED [1=NOT_STARTED]");
    assert_eq!(world.document.policy.limit, Some(1));
    let at_once = engine::next_look(&world.document, &world.facts(), world.now_ms);
    assert_eq!(at_once, Some(world.now_ms), "its slot may be there already");
    let effects = look(&mut world, &[5], &[]).unwrap();
    assert_eq!(effects.slot, None, "it holds one already");
    assert_eq!(world.statuses(), "RUNNING [1=RUNNING]");
    assert_eq!(world.document.started_ms, Some(1_000));
}

#[test]
fn waiter_says_its_place_and_whom_it_waits_for() {
    let mut world = World::start(&limited(true));
    let effects = look(&mut world, &[1], &[3, 5]).unwrap();
    assert_eq!(said(&effects), ["place 2, waiting for other-1"]);
    let view = engine::view(&world.document);
    let queue = view.queue.unwrap();
    assert_eq!((queue.position, queue.waiting_for), (2, vec![other(1)]));
    assert_eq!(view.status.as_str(), "NOT_STARTED");
    assert!(look(&mut world, &[1], &[3, 5]).is_err(), "nothing changed");
    look(&mut world, &[3], &[5]).unwrap();
    assert_eq!(engine::view(&world.document).queue.unwrap().position, 1);
    // Five are named, however many run.
    let effects = look(&mut world, &[1, 2, 3, 6, 7, 8], &[5]).unwrap();
    let five = "place 1, waiting for other-1, other-2, other-3, other-6, other-7";
    assert_eq!(said(&effects), [five]);
}

#[test]
fn oldest_goes_first_when_all_are_kept() {
    let mut world = World::start(&limited(true));
    assert_eq!(look(&mut world, &[], &[3, 5]).unwrap().slot, None, "the older one is first");
    let effects = look(&mut world, &[], &[5, 7]).unwrap();
    assert_eq!(effects.slot, Some(SlotChange::Take { limit: Some(1) }));
    assert_eq!(world.statuses(), "RUNNING [1=RUNNING]");
    assert_eq!(engine::view(&world.document).queue, None);
}

#[test]
fn kept_waiter_is_not_overtaken() {
    let mut world = World::start(&limited(true));
    look(&mut world, &[7], &[5]).unwrap();
    assert_eq!(world.statuses(), "NOT_STARTED [1=NOT_STARTED]");
}

#[test]
fn newest_goes_first_otherwise_and_the_overtaken_one_says_by_whom() {
    let mut world = World::start(&limited(false));
    assert_eq!(look(&mut world, &[], &[5, 7]).unwrap().slot, None, "the newer one is first");
    look(&mut world, &[7], &[5]).unwrap();
    assert_eq!(world.statuses(), "CANCELED [1=NOT_STARTED]");
    let view = engine::view(&world.document);
    assert_eq!(view.canceled_by.as_deref(), Some("bowline"));
    let reason = view.cancellation_reason.unwrap();
    assert_eq!(reason, "superseded by the newer execution other-7");
}

#[test]
fn holder_that_is_older_overtakes_nobody() {
    let mut world = World::start(&limited(false));
    look(&mut world, &[3], &[4, 5]).unwrap();
    assert_eq!(world.statuses(), "NOT_STARTED [1=NOT_STARTED]");
    let effects = look(&mut world, &[], &[4, 5]).unwrap();
    assert_eq!(effects.slot, Some(SlotChange::Take { limit: Some(1) }));
}

#[test]
fn policy_is_the_definitions_of_now() {
    let mut world = World::start(&limited(true));
    look(&mut world, &[1], &[5]).unwrap();
    world.policy = Some(Policy { limit: Some(2), keep_waiting: true });
    let effects = look(&mut world, &[1], &[5]).unwrap();
    assert_eq!(effects.slot, Some(SlotChange::Take { limit: Some(2) }));
    let mut world = World::start(&limited(true));
    world.policy = Some(Policy { limit: None, keep_waiting: true });
    let effects = look(&mut world, &[1, 2, 3], &[5]).unwrap();
    assert_eq!(effects.slot, Some(SlotChange::Take { limit: None }));
}

#[test]
fn waiter_can_be_canceled_and_not_be_paused() {
    let mut world = World::start(&limited(true));
    look(&mut world, &[1], &[5]).unwrap();
    let told = world.order(Control::Pause).unwrap_err();
    assert_eq!(told.to_string(), "only a running execution can be paused, this one is NOT_STARTED");
    world.step(&Input::Cancel { user: "bob".to_owned(), reason: None }).unwrap();
    assert_eq!(world.statuses(), "CANCELED [1=NOT_STARTED]");
}

#[test]
fn waiter_past_its_expiry_is_canceled() {
    let mut definition = limited(true);
    definition.start_time_expiry = Some(5_000);
    let mut world = World::start(&definition);
    look(&mut world, &[1], &[5]).unwrap();
    world.now_ms = 5_000;
    assert!(look(&mut world, &[1], &[5]).is_err());
    assert_eq!(engine::next_look(&world.document, &world.facts(), world.now_ms), Some(5_001));
    world.now_ms = 5_001;
    look(&mut world, &[1], &[5]).unwrap();
    assert_eq!(world.statuses(), "CANCELED [1=NOT_STARTED]");
}

#[test]
fn restart_of_a_finished_execution_waits_when_another_one_runs() {
    let mut world = World::start(&limited(true));
    look(&mut world, &[5], &[]).unwrap();
    world.step(&Input::Cancel { user: "bob".to_owned(), reason: None }).unwrap();
    let stage = world.id("1");
    world.slot =
        Some(SlotFact { own: SlotState::None, holders: places(&world, &[8]), waiting: Vec::new() });
    let effects = world.order(Control::RestartStage { stage }).unwrap();
    assert_eq!(effects.slot, Some(SlotChange::Wait));
    assert_eq!(world.statuses(), "NOT_STARTED [1=NOT_STARTED]");
    let effects = look(&mut world, &[], &[5]).unwrap();
    assert_eq!(effects.slot, Some(SlotChange::Take { limit: Some(1) }));
    assert_eq!(world.statuses(), "RUNNING [1=RUNNING]");
}

#[test]
fn restart_of_a_finished_execution_goes_at_once_when_there_is_room_and_nobody_waits() {
    let one = SlotChange::Take { limit: Some(1) };
    let two = SlotChange::Take { limit: Some(2) };
    let any = SlotChange::Take { limit: None };
    // How many may run, who runs, who waits, what becomes of the restarted one.
    for (limit, holders, waiting, change, status) in [
        (Some(1), &[][..], &[][..], one, "RUNNING [1=RUNNING]"),
        (Some(1), &[], &[8], SlotChange::Wait, "NOT_STARTED [1=NOT_STARTED]"),
        (Some(2), &[8], &[], two, "RUNNING [1=RUNNING]"),
        (Some(2), &[8, 9], &[], SlotChange::Wait, "NOT_STARTED [1=NOT_STARTED]"),
        (None, &[8, 9], &[], any, "RUNNING [1=RUNNING]"),
        (None, &[], &[8], any, "RUNNING [1=RUNNING]"),
    ] {
        let mut world = World::start(&limited(true));
        look(&mut world, &[5], &[]).unwrap();
        world.step(&Input::Cancel { user: "bob".to_owned(), reason: None }).unwrap();
        world.policy = Some(Policy { limit, keep_waiting: true });
        let (holders, waiting) = (places(&world, holders), places(&world, waiting));
        world.slot = Some(SlotFact { own: SlotState::None, holders, waiting });
        let stage = world.id("1");
        let effects = world.order(Control::RestartStage { stage }).unwrap();
        let found = (effects.slot, world.statuses());
        assert_eq!(found, (Some(change), status.to_owned()));
    }
}

#[test]
fn new_policy_is_kept_once_and_nothing_else_changes() {
    let mut world = World::start(&limited(true));
    drop(look(&mut world, &[1], &[5]).unwrap());
    assert_eq!(look(&mut world, &[1], &[5]), Err(Rejection::NothingToDo));
    world.policy = Some(Policy { limit: Some(1), keep_waiting: false });
    let before = world.document.clone();
    // The step's own world compares the document with the one before whenever an input is rejected.
    let effects = look(&mut world, &[1], &[5]).unwrap();
    let line = effects.timeline[0].clone();
    assert_eq!(effects, Effects { timeline: vec![line.clone()], ..Effects::default() });
    assert_eq!(line.event, "policy_changed");
    assert_eq!(line.detail.unwrap(), "at most 1 at a time, the newest runs");
    assert_eq!(world.document, engine::Document { policy: world.policy.unwrap(), ..before });
    assert_eq!(look(&mut world, &[1], &[5]), Err(Rejection::NothingToDo));
}
