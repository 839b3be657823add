//! Corruptions planted into the file by a writer of its own.

use redb::{
    Database, ReadableDatabase as _, ReadableTable as _, TableDefinition, WriteTransaction,
};
use serde_json::{Value, json};
use store::audit::{Rule, Survey};

use super::{assert_found, lived_in, survey_of};

type Rows = TableDefinition<'static, &'static str, &'static str>;
type Dues = TableDefinition<'static, (u64, &'static str), ()>;

const KEYED: TableDefinition<'static, (&'static str, &'static str), ()> =
    TableDefinition::new("pipeline_keys");
const EXECUTIONS: Rows = TableDefinition::new("executions");
const LEASES: Rows = TableDefinition::new("leases");
const META: TableDefinition<'static, &'static str, u64> = TableDefinition::new("meta");

/// A file that was lived in, then these writes.
async fn damaged(write: impl FnOnce(&WriteTransaction)) -> Survey {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("embedded:{}", directory.path().display());
    let store = store::open(&url).await.unwrap();
    lived_in(&store).await;
    drop(store);
    let database = Database::open(directory.path().join("bowline.redb")).unwrap();
    let transaction = database.begin_write().unwrap();
    write(&transaction);
    transaction.commit().unwrap();
    drop(database.begin_read().unwrap());
    drop(database);
    survey_of(&url).await
}

/// Removes what is due of a member, whenever that is.
fn remove_due(transaction: &WriteTransaction, table: &'static str, member: &str) {
    let mut table = transaction.open_table(Dues::new(table)).unwrap();
    let at: Vec<u64> = table
        .iter()
        .unwrap()
        .map(|entry| entry.unwrap().0)
        .filter(|key| key.value().1 == member)
        .map(|key| key.value().0)
        .collect();
    assert_eq!(at.len(), 1, "{member} is due once");
    table.remove((at[0], member)).unwrap();
}

fn add_due(transaction: &WriteTransaction, table: &'static str, at: u64, member: &str) {
    transaction.open_table(Dues::new(table)).unwrap().insert((at, member), ()).unwrap();
}

/// Changes fields of a row.
fn change(transaction: &WriteTransaction, table: Rows, key: &str, change: impl FnOnce(&mut Value)) {
    let mut table = transaction.open_table(table).unwrap();
    let text = table.get(key).unwrap().unwrap().value().to_owned();
    let mut row: Value = serde_json::from_str(&text).unwrap();
    change(&mut row);
    table.insert(key, row.to_string().as_str()).unwrap();
}

fn remove(transaction: &WriteTransaction, table: Rows, key: &str) {
    assert!(transaction.open_table(table).unwrap().remove(key).unwrap().is_some(), "{key}");
}

fn set(transaction: &WriteTransaction, name: &str, value: u64) {
    transaction.open_table(META).unwrap().insert(name, value).unwrap();
}

macro_rules! planted {
    ($($name:ident: |$t:ident| $write:expr => $($rule:ident of $subject:literal),+;)*) => {$(
        #[tokio::test]
        async fn $name() {
            let survey = damaged(|$t| $write).await;
            $(assert_found(&survey, Rule::$rule, $subject);)+
        }
    )*};
}

/// Names a definition under a key.
fn key(transaction: &WriteTransaction, key: &str, id: &str) {
    transaction.open_table(KEYED).unwrap().insert((key, id), ()).unwrap();
}

planted! {
    a_definition_that_is_not_found_under_a_key_of_its_own_is_found:
        |t| drop(t.open_table(KEYED).unwrap().remove(("all", "id-of-bake")).unwrap())
            => MissingInList of "pipeline `id-of-bake`";
    a_definition_that_is_found_under_a_key_of_others_is_found:
        |t| key(t, "other", "id-of-bake")
            => AstrayInList of "`id-of-bake` in the index of definitions under `other`";
    a_key_that_leads_to_no_definition_is_found:
        |t| key(t, "all", "nobody")
            => AstrayInList of "`nobody` in the index of definitions under `all`";
    a_definition_indexed_by_other_rules_than_its_row_says_is_found: |t| {
        remove_due(t, "pipeline_indexed", "id-of-deploy");
        add_due(t, "pipeline_indexed", 2, "id-of-deploy");
    } => MissingInList of "pipeline `id-of-deploy`",
        AstrayInList of "`id-of-deploy` in the list of indexed pipelines";
    a_live_execution_without_a_wake_is_found:
        |t| remove_due(t, "wakes", "L") => LiveWithoutWake of "execution `L`";
    a_live_execution_whose_row_has_no_wake_is_found:
        |t| change(t, EXECUTIONS, "L", |row| row["wake_ms"] = Value::Null)
        => LiveWithoutWake of "execution `L`";
    a_live_execution_that_sleeps_too_long_is_found: |t| {
        remove_due(t, "wakes", "L");
        add_due(t, "wakes", 9_000_000_000_000, "L");
        change(t, EXECUTIONS, "L", |row| row["wake_ms"] = json!(9_000_000_000_000_u64));
    } => LiveWithoutWake of "execution `L`";
    a_finished_execution_with_a_wake_is_found:
        |t| add_due(t, "wakes", 1, "D") => FinishedHoldsOn of "`D` in the list of wakes";
    a_wake_of_nobody_is_found:
        |t| add_due(t, "wakes", 1, "X") => AstrayInList of "`X` in the list of wakes";
    a_second_wake_is_found:
        |t| add_due(t, "wakes", 1, "L") => AstrayInList of "`L` in the list of wakes";
    a_finished_execution_with_a_lock_is_found: |t| {
        let row = json!({"execution": "D", "owner": "D/s", "fence": 1}).to_string();
        t.open_table(Rows::new("locks")).unwrap().insert("r", row.as_str()).unwrap();
        let of: TableDefinition<'_, (&str, &str), ()> = TableDefinition::new("locks_of");
        t.open_table(of).unwrap().insert(("D", "r"), ()).unwrap();
    } => FinishedHoldsOn of "execution `D`";
    a_finished_execution_with_a_lease_is_found: |t| {
        let mut leases = t.open_table(LEASES).unwrap();
        let row = leases.get("L/t/1").unwrap().unwrap().value().to_owned();
        leases.insert("D/t/1", row.as_str()).unwrap();
    } => FinishedHoldsOn of "execution `D`";
    rows_of_no_execution_are_found: |t| remove(t, EXECUTIONS, "L")
        => WithoutExecution of "lease of task `L/s/1`", WithoutExecution of "lock `cluster/shop`",
        WithoutExecution of "`L` in the table of timelines",
        WithoutExecution of "`L` in the table of snapshots";
    a_lease_held_by_nobody_is_found:
        |t| change(t, LEASES, "L/s/1", |row| row["row"]["holder"] = Value::Null)
        => LeaseContradiction of "task `L/s/1`";
    a_lease_with_a_result_that_is_still_held_is_found:
        |t| change(t, LEASES, "L/s/1", |row| row["row"]["result"] = json!("{}"))
        => LeaseContradiction of "task `L/s/1`";
    a_token_beyond_its_counter_is_found:
        |t| set(t, "token", 0) => CounterBehind of "task `L/s/1`";
    a_fence_beyond_its_counter_is_found:
        |t| set(t, "fence", 0) => CounterBehind of "lock `cluster/shop`";
    an_event_number_beyond_its_counter_is_found:
        |t| set(t, "event", 1) => CounterBehind of "`e2` in the list of events";
    an_event_that_is_never_due_is_found:
        |t| remove_due(t, "event_due", "e2") => NeverDue of "event `e2`";
    a_settled_event_that_is_due_is_found:
        |t| add_due(t, "event_due", 1, "e1") => AstrayInList of "`e1` in the list of due events";
    an_event_out_of_order_is_found: |t| {
        let order: TableDefinition<'_, u64, &str> = TableDefinition::new("event_order");
        t.open_table(order).unwrap().remove(1).unwrap();
    } => Miscounted of "counts";
    a_message_that_is_never_due_is_found:
        |t| remove_due(t, "outbox_due", "m1") => NeverDue of "message `m1`";
    a_message_that_is_gone_but_due_is_found: |t| remove(t, Rows::new("outbox"), "m1")
        => AstrayInList of "`m1` in the list of due messages";
    a_lost_transition_is_found:
        |t| change(t, EXECUTIONS, "D", |row| row["version"] = json!(3))
        => VersionHoles of "execution `D`";
    a_lost_line_of_history_is_found:
        |t| change(t, EXECUTIONS, "D", |row| row["timeline_rows"] = json!(9))
        => TimelineDisorder of "execution `D`";
    a_history_out_of_order_is_found: |t| {
        type Lines = TableDefinition<'static, (&'static str, u64), (u64, u64, &'static str)>;
        let mut lines = t.open_table(Lines::new("timeline")).unwrap();
        lines.insert(("D", 0), (2, 9_000_000_000_000, "made")).unwrap();
    } => TimelineDisorder of "execution `D`";
    an_execution_in_no_index_of_its_status_is_found: |t| {
        change(t, EXECUTIONS, "D", |row| row["status"] = json!("CANCELED"));
    } => MissingInList of "execution `D`", AstrayInList of "`D` in the index `status/SUCCEEDED`";
    an_execution_of_no_known_event_is_found:
        |t| change(t, EXECUTIONS, "N", |row| row["event_key"] = json!("e9"))
        => WithoutOrigin of "execution `N`";
    a_missing_snapshot_is_found:
        |t| remove(t, Rows::new("documents"), "N") => BodyMissing of "execution `N`";
    a_row_that_does_not_read_is_found: |t| {
        t.open_table(EXECUTIONS).unwrap().insert("N", "{").unwrap();
    } => Unreadable of "execution `N`";
    a_pipeline_name_that_leads_elsewhere_is_found: |t| {
        let names: TableDefinition<'_, (&str, &str), &str> = TableDefinition::new("pipeline_names");
        t.open_table(names).unwrap().insert(("shop", "deploy"), "id-of-bake").unwrap();
    } => MissingInList of "pipeline `id-of-deploy`", AstrayInList of "`deploy`";
    a_slot_that_is_not_listed_is_found: |t| {
        let held: TableDefinition<'_, (&str, u64), &str> = TableDefinition::new("slot_holders");
        t.open_table(held).unwrap().remove(("p1", 1)).unwrap().expect("L has the first slot");
    } => MissingInList of "execution `L`";
    a_finished_execution_with_a_slot_is_found: |t| {
        let held: TableDefinition<'_, (&str, u64), &str> = TableDefinition::new("slot_holders");
        t.open_table(held).unwrap().insert(("p1", 9), "D").unwrap();
    } => FinishedHoldsOn of "`D` in the list of those that hold a slot";
    a_waiter_nobody_counts_is_found:
        |t| remove_due(t, "slot_waiting_age", "W") => SlotContradiction of "execution `W`";
    a_slot_number_beyond_its_counter_is_found:
        |t| set(t, "slot", 0) => CounterBehind of "execution `W`";
    a_removed_execution_that_is_there_is_found: |t| {
        let removed: TableDefinition<'_, &str, u64> = TableDefinition::new("removed");
        t.open_table(removed).unwrap().insert("D", 1).unwrap();
    } => AstrayInList of "`D` in the list of removed executions", Miscounted of "counts";
    a_count_that_is_wrong_is_found:
        |t| set(t, "executions/RUNNING", 7) => Miscounted of "counts";
    a_clock_far_ahead_is_found:
        |t| set(t, "clock", 9_000_000_000_000) => ClockAhead of "clock";
    a_foreign_table_is_found: |t| {
        t.open_table(Rows::new("sessions")).unwrap().insert("a", "b").unwrap();
    } => OddKey of "key `sessions`";
}
