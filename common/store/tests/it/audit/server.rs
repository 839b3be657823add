//! Corruptions planted by raw commands into Redis.

use store::audit::{Rule, Survey};

use super::{assert_found, lived_in, survey_of};
use crate::server::Server;

/// A server that was lived in, then these commands; keys without the prefix, as words.
async fn damaged(commands: &[&str]) -> Survey {
    let server = Server::start().await;
    let store = store::open(&server.url()).await.unwrap();
    lived_in(&store).await;
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    for command in commands {
        let mut words = command.split(' ');
        let mut raw = redis::cmd(words.next().unwrap());
        raw.arg(format!("{{bowline}}:{}", words.next().unwrap()));
        raw.arg(words.collect::<Vec<_>>());
        raw.exec_async(&mut connection).await.unwrap();
    }
    survey_of(&server.url()).await
}

macro_rules! planted {
    ($($(#[$doc:meta])* $name:ident: $commands:expr => $($rule:ident of $subject:literal),+;)*) => {$(
        $(#[$doc])*
        #[tokio::test]
        async fn $name() {
            let survey = damaged(&$commands).await;
            $(assert_found(&survey, Rule::$rule, $subject);)+
        }
    )*};
}

planted! {
    a_live_execution_without_a_wake_is_found:
        ["ZREM wakes L"] => LiveWithoutWake of "execution `L`";
    a_live_execution_that_sleeps_too_long_is_found:
        ["ZADD wakes 9000000000000 L"] => LiveWithoutWake of "execution `L`";
    a_finished_execution_with_a_wake_is_found:
        ["ZADD wakes 1 D"] => FinishedHoldsOn of "execution `D`";
    a_wake_of_nobody_is_found:
        ["ZADD wakes 1 X"] => AstrayInList of "`X` in the list of wakes";
    a_finished_execution_with_a_lock_is_found: [
        "HSET lock:r execution D owner D/s fence 1", "SADD locks:D r",
    ] => FinishedHoldsOn of "execution `D`";
    a_finished_execution_with_a_lease_is_found: [
        "RENAME lease:L/t/1 {bowline}:lease:D/t/1", "SADD tasks:D D/t/1",
        "HSET lease:D/t/1 execution D",
    ] => FinishedHoldsOn of "execution `D`", AstrayInList of "`L/t/1`";
    a_lease_of_no_execution_is_found: [
        "DEL execution:L",
    ] => WithoutExecution of "lease of task `L/s/1`", WithoutExecution of "lock `cluster/shop`",
        WithoutExecution of "`L` in the table of timelines";
    a_lease_held_by_nobody_is_found:
        ["HDEL lease:L/s/1 holder"] => LeaseContradiction of "task `L/s/1`";
    a_lease_with_a_result_that_is_still_held_is_found:
        ["HSET lease:L/s/1 result {}"] => LeaseContradiction of "task `L/s/1`";
    a_token_beyond_its_counter_is_found:
        ["SET token 0"] => CounterBehind of "task `L/s/1`";
    a_fence_beyond_its_counter_is_found:
        ["SET fence 0"] => CounterBehind of "lock `cluster/shop`";
    an_event_number_beyond_its_counter_is_found:
        ["SET event 1"] => CounterBehind of "event `e2`";
    an_event_that_is_never_due_is_found:
        ["ZREM events-due e2"] => NeverDue of "event `e2`";
    a_settled_event_that_is_due_is_found:
        ["ZADD events-due 1 e1"] => AstrayInList of "event `e1`";
    a_message_that_is_never_due_is_found:
        ["ZREM outbox-due m1"] => NeverDue of "message `m1`";
    a_message_that_is_gone_but_due_is_found:
        ["DEL outbox:m1"] => AstrayInList of "`m1` in the list of due messages";
    a_definition_that_is_not_found_under_a_key_of_its_own_is_found:
        ["SREM keyed:all id-of-bake"] => MissingInList of "pipeline `id-of-bake`";
    a_definition_that_is_found_under_a_key_of_others_is_found: [
        "SADD keyed:other id-of-bake",
    ] => AstrayInList of "`id-of-bake` in the index of definitions under `other`";
    a_key_that_leads_to_no_definition_is_found: [
        "SADD keyed:all nobody",
    ] => AstrayInList of "`nobody` in the index of definitions under `all`";
    a_definition_that_is_not_in_the_list_of_indexed_ones_is_found:
        ["ZREM indexed id-of-deploy"] => MissingInList of "pipeline `id-of-deploy`";
    a_definition_indexed_by_other_rules_than_its_row_says_is_found:
        ["ZADD indexed 2 id-of-deploy"] => MissingInList of "pipeline `id-of-deploy`";
    an_index_nobody_can_read_is_found:
        ["HSET pipeline:id-of-deploy keys {"] => Unreadable of "pipeline `id-of-deploy`";
    a_lost_transition_is_found:
        ["HSET execution:D version 3"] => VersionHoles of "execution `D`";
    an_input_that_was_forgotten_is_found:
        ["DEL inputs:D"] => VersionHoles of "execution `D`";
    a_history_out_of_order_is_found: [
        "LSET timeline:D 0 9_2_x", "LSET timeline:D 1 9",
    ] => Unreadable of "execution `D`";
    an_execution_in_the_index_of_another_status_is_found: [
        "ZREM index:status/SUCCEEDED D", "ZADD index:status/RUNNING 1 D",
    ] => MissingInList of "execution `D`", AstrayInList of "execution `D`";
    an_execution_in_the_index_of_another_application_is_found:
        ["ZADD index:application/other 5 D"] => AstrayInList of "`D` in the index `application/other`";
    an_execution_of_no_known_event_is_found:
        ["HSET execution:N event e9"] => WithoutOrigin of "execution `N`";
    a_missing_snapshot_is_found:
        ["HDEL execution:N document"] => BodyMissing of "execution `N`";
    a_row_with_a_field_that_does_not_read_is_found:
        ["HSET execution:N status WALKING"] => Unreadable of "execution `N`";
    a_row_that_lacks_a_field_is_found:
        ["HDEL lease:L/t/1 digest"] => Unreadable of "task `L/t/1`";
    a_live_flag_that_contradicts_the_status_is_found:
        ["HSET execution:D live 1"] => FinishedHoldsOn of "execution `D`";
    a_task_that_waits_in_no_list_is_found:
        ["ZREM waiting:bake L/t/1"] => MissingInList of "task `L/t/1`";
    a_lease_whose_end_is_listed_wrongly_is_found:
        ["ZADD running:bake 7 L/s/1"] => MissingInList of "task `L/s/1`";
    a_pipeline_name_that_leads_elsewhere_is_found: [
        "HSET names:shop deploy id-of-bake",
    ] => MissingInList of "pipeline `id-of-deploy`", AstrayInList of "`deploy`";
    a_definition_that_is_no_json_is_found:
        ["HSET pipeline:id-of-bake body {"] => Unreadable of "pipeline `id-of-bake`";
    a_clock_far_ahead_is_found:
        ["SET clock 9000000000000"] => ClockAhead of "clock";
    a_foreign_key_is_found:
        ["SET session:17 x"] => OddKey of "key `session:17`";
    a_key_of_another_type_is_found: [
        "DEL wakes", "SET wakes x",
    ] => OddKey of "key `wakes`", LiveWithoutWake of "execution `L`";
    a_finished_execution_with_a_slot_is_found:
        ["ZADD holders:p1 1 D"] => FinishedHoldsOn of "execution `D`";
    an_execution_that_holds_and_waits_is_found:
        ["ZADD holders:p1 1 W"] => SlotContradiction of "execution `W`";
    a_waiter_nobody_counts_is_found:
        ["ZREM waiting-age W"] => SlotContradiction of "execution `W`";
    a_slot_of_nobody_is_found:
        ["ZADD holders:p1 1 X"] => AstrayInList of "`X` in the list of those that hold a slot";
    a_slot_of_another_pipeline_is_found:
        ["ZADD holders:p2 1 L"] => AstrayInList of "`L` in the list of those that hold a slot";
    a_slot_number_beyond_its_counter_is_found:
        ["SET slot 0"] => CounterBehind of "execution `W`";
    a_removed_execution_that_is_there_is_found:
        ["ZADD removed 1 D"] => AstrayInList of "`D` in the list of removed executions";
    an_end_of_a_live_execution_is_found:
        ["HSET execution:L ended 5"] => EndingUnclear of "execution `L`";
    a_row_of_another_type_is_found: [
        "DEL execution:N", "SET execution:N x",
    ] => OddKey of "execution `N`";
}

#[tokio::test]
async fn a_finding_says_what_why_and_what_to_do() {
    let survey = damaged(&["HSET execution:D version 3"]).await;
    let found = assert_found(&survey, Rule::VersionHoles, "execution `D`");
    assert_eq!(
        found.what,
        "version 3 with 1 applied inputs: each version but the first comes from one"
    );
    assert!(found.why.contains("applied again"), "{}", found.why);
    assert!(found.remedy.contains("AWS"), "{}", found.remedy);
    assert_eq!(survey.findings.len(), 1, "{:#?}", survey.findings);
}
