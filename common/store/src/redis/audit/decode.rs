//! The script's reply as facts. A row that does not read is a fact, too; a reply that does not is
//! an error.

use std::{collections::BTreeMap, fmt::Display, str::FromStr};

use ::redis::Value;

use super::{
    super::decode::{self, Reply},
    keys,
};
use crate::{
    DefinitionIndex, LeaseRow, TimelineRow,
    audit::{
        Body, EventFields, ExecutionFact, ExecutionFields, Fact, LockFields, MessageFields, Moment,
        Owner, PipelineFields, Place, Subject, TaskFields,
    },
};

/// What was expected and what came.
type Decoded<T> = Result<T, String>;

/// The cursor and the items of a SCAN. A name that is not UTF-8 is shown as well as it can be.
pub(super) fn scanned(value: Value) -> Decoded<(String, Vec<String>)> {
    let mut reply = Reply::new(value)?;
    let cursor = reply.text()?;
    let items = list(reply.part()?)?;
    Ok((cursor, items.into_iter().map(lossy).collect::<Decoded<_>>()?))
}

fn list(value: Value) -> Decoded<Vec<Value>> {
    let mut reply = Reply::new(value)?;
    let mut items = Vec::new();
    while let Some(item) = reply.next() {
        items.push(item);
    }
    Ok(items)
}

fn lossy(value: Value) -> Decoded<String> {
    if let Value::BulkString(bytes) = value {
        return Ok(String::from_utf8_lossy(&bytes).into_owned());
    }
    decode::text(value)
}

/// The facts of a reply, for the subjects that were asked for; those that are gone are left out.
pub(super) fn facts(value: Value, subjects: &[&Subject]) -> Decoded<Vec<Fact>> {
    let mut reply = Reply::new(value)?;
    let moment = moment(reply.part()?)?;
    let mut facts = Vec::new();
    for subject in subjects {
        let part = reply.part()?;
        if part == Value::Nil {
            continue;
        }
        let mut part = Reply::new(part)?;
        let mut at = None;
        let body = match part.text()?.as_str() {
            "TYPE" => {
                let found = part.text()?;
                Body::Odd(format!("nothing of ours has this name and holds a {found}"))
            }
            _ => body(subject, part.part()?, &mut at)?,
        };
        let subject = match (*subject, at) {
            // As the list has it now, which may have changed since the walk named it.
            (Subject::Entry(place), Some(value)) => Subject::Entry(keys::place_now(place, &value)),
            (subject, _) => subject.clone(),
        };
        facts.push(Fact { subject, moment, body });
    }
    Ok(facts)
}

fn moment(value: Value) -> Decoded<Moment> {
    let mut parts = Reply::new(value)?;
    let (seconds, micros) = (parts.number()?, parts.number()?);
    let real_ms = seconds.saturating_mul(1000).saturating_add(micros / 1000);
    let mut counter = || parts.maybe_number().map(Option::unwrap_or_default);
    let (clock, tokens, fences) = (counter()?, counter()?, counter()?);
    let (events, slots) = (counter()?, counter()?);
    Ok(Moment { now_ms: clock.max(real_ms), real_ms, tokens, fences, events, slots })
}

/// Makes of a row that does not read the fact that it does not.
fn or_unreadable(body: Decoded<Body>) -> Body {
    body.unwrap_or_else(Body::Unreadable)
}

/// `at` becomes what a list says about its entry.
fn body(subject: &Subject, value: Value, at: &mut Option<String>) -> Decoded<Body> {
    let mut parts = Reply::new(value)?;
    Ok(match subject {
        Subject::Execution(id) => execution(id, &mut parts)?,
        Subject::Event(key) => {
            let (row, places) = (Hash::new(parts.part()?)?, places(parts.part()?)?);
            or_unreadable(event_fields(key, &row).map(|row| Body::Event(row, places)))
        }
        Subject::Message(id) => {
            let (row, places) = (Hash::new(parts.part()?)?, places(parts.part()?)?);
            or_unreadable(message_fields(id, &row).map(|row| Body::Message(row, places)))
        }
        Subject::Task(task) => {
            let (row, places) = (Hash::new(parts.part()?)?, places(parts.part()?)?);
            let execution = neighbour(task.split('/').next(), &Hash::new(parts.part()?)?);
            let row = task_fields(task, &row);
            or_unreadable(row.map(|row| Body::Task(row, places, execution)))
        }
        Subject::Lock(resource) => {
            let (row, places) = (Hash::new(parts.part()?)?, places(parts.part()?)?);
            let execution = neighbour(row.get("execution"), &Hash::new(parts.part()?)?);
            let row = lock_fields(resource, &row);
            or_unreadable(row.map(|row| Body::Lock(row, places, execution)))
        }
        Subject::Pipeline(id) => {
            let (row, places) = (Hash::new(parts.part()?)?, places(parts.part()?)?);
            let mut holders = Vec::new();
            for holder in list(parts.part()?)? {
                let mut holder = Reply::new(holder)?;
                let (id, row) = (holder.text()?, Hash::new(holder.part()?)?);
                holders.extend(execution_fields(&id, &row));
            }
            let row = pipeline_fields(id, &row);
            or_unreadable(row.map(|row| Body::Pipeline(row, places, holders)))
        }
        Subject::Entry(place) => {
            *at = Some(lossy(parts.part()?)?);
            Body::Entry(owner(place, &Hash::new(parts.part()?)?))
        }
        Subject::Odd(_) | Subject::Clock | Subject::Counts => Body::Clock,
    })
}

fn execution(id: &str, parts: &mut Reply) -> Decoded<Body> {
    let (mut hash, places) = (Hash::new(parts.part()?)?, places(parts.part()?)?);
    let mut tasks = Vec::new();
    for task in list(parts.part()?)? {
        let mut task = Reply::new(task)?;
        let (name, row) = (task.text()?, Hash::new(task.part()?)?);
        // One that does not read, or is not there, is told where it is judged itself.
        if let Ok(fields) = task_fields(&name, &row) {
            tasks.push((name, fields));
        }
    }
    let mut locks = Vec::new();
    for lock in list(parts.part()?)? {
        let mut lock = Reply::new(lock)?;
        let (name, row) = (lock.text()?, Hash::new(lock.part()?)?);
        if let Ok(fields) = lock_fields(&name, &row) {
            locks.push((name, fields));
        }
    }
    let inputs = parts.number()?;
    let mut timeline = Vec::new();
    for line in list(parts.part()?)? {
        timeline.push(lossy(line).and_then(|line| timeline_row(&line)));
    }
    let event_known = parts.number()? == 1;
    let (document, view) = (hash.0.remove("document"), hash.0.remove("view"));
    Ok(or_unreadable(execution_fields(id, &hash).map(|row| {
        Body::Execution(Box::new(ExecutionFact {
            row,
            document,
            view,
            timeline,
            inputs,
            places,
            tasks,
            locks,
            event_known,
        }))
    })))
}

fn timeline_row(line: &str) -> Decoded<TimelineRow> {
    let mut parts = line.splitn(3, ' ');
    let mut number = || parts.next().and_then(|part| part.parse().ok());
    let (Some(version), Some(at_ms)) = (number(), number()) else {
        return Err("it does not begin with a version and a time".to_owned());
    };
    Ok(TimelineRow { version, at_ms, body: parts.next().unwrap_or_default().to_owned() })
}

fn places(value: Value) -> Decoded<Vec<Place>> {
    let mut found = Vec::new();
    for place in list(value)? {
        let mut parts = Reply::new(place)?;
        let (name, key) = (parts.text()?, parts.text()?);
        let (member, value) = (parts.text()?, parts.text()?);
        let place = keys::found(&name, &key, member, &value);
        found.push(place.ok_or_else(|| format!("`{key}` is no list"))?);
    }
    Ok(found)
}

fn neighbour(id: Option<&str>, row: &Hash) -> Option<ExecutionFields> {
    execution_fields(id.unwrap_or_default(), row).ok()
}

fn owner(place: &Place, row: &Hash) -> Owner {
    if row.0.is_empty() {
        return Owner::Nobody;
    }
    let found = match place.owner() {
        Subject::Execution(id) => execution_fields(&id, row).map(Owner::Execution),
        Subject::Event(key) => event_fields(&key, row).map(Owner::Event),
        Subject::Message(id) => message_fields(&id, row).map(Owner::Message),
        Subject::Task(task) => task_fields(&task, row).map(Owner::Task),
        Subject::Lock(resource) => lock_fields(&resource, row).map(Owner::Lock),
        Subject::Pipeline(id) => pipeline_fields(&id, row).map(Owner::Pipeline),
        Subject::Entry(_) | Subject::Odd(_) | Subject::Clock | Subject::Counts => Ok(Owner::Nobody),
    };
    found.unwrap_or(Owner::Unreadable)
}

/// The fields of a hash.
struct Hash(BTreeMap<String, String>);

impl Hash {
    fn new(value: Value) -> Decoded<Self> {
        let mut fields = BTreeMap::new();
        let mut items = list(value)?.into_iter();
        while let (Some(name), Some(value)) = (items.next(), items.next()) {
            fields.insert(lossy(name)?, lossy(value)?);
        }
        Ok(Self(fields))
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    fn text(&self, name: &str) -> Decoded<String> {
        self.get(name).map(str::to_owned).ok_or_else(|| format!("it has no field `{name}`"))
    }

    fn parsed<T: FromStr<Err: Display>>(&self, name: &str) -> Decoded<T> {
        let text = self.text(name)?;
        text.parse().map_err(|cause: T::Err| format!("its field `{name}` is `{text}`: {cause}"))
    }

    fn maybe<T: FromStr<Err: Display>>(&self, name: &str) -> Decoded<Option<T>> {
        self.get(name).is_some().then(|| self.parsed(name)).transpose()
    }

    fn flag(&self, name: &str) -> Decoded<bool> {
        match self.text(name)?.as_str() {
            "0" => Ok(false),
            "1" => Ok(true),
            other => Err(format!("its field `{name}` is `{other}`, neither 0 nor 1")),
        }
    }
}

fn execution_fields(id: &str, row: &Hash) -> Decoded<ExecutionFields> {
    Ok(ExecutionFields {
        id: id.to_owned(),
        application: row.text("application")?,
        pipeline_id: row.text("pipeline")?,
        event_key: row.text("event")?,
        status: row.parsed("status")?,
        live: Some(row.flag("live")?),
        version: row.parsed("version")?,
        schema: row.parsed("schema")?,
        created_ms: row.parsed("created")?,
        wake_ms: None,
        slot: None,
        ended_ms: row.maybe("ended")?,
        timeline_rows: None,
    })
}

fn event_fields(key: &str, row: &Hash) -> Decoded<EventFields> {
    let _: u32 = row.parsed("tries")?;
    Ok(EventFields {
        key: key.to_owned(),
        body: row.text("body")?,
        accepted_ms: row.parsed("accepted")?,
        since_ms: row.parsed("since")?,
        due_ms: None,
        outcome: row.get("outcome").map(str::to_owned),
    })
}

fn message_fields(id: &str, row: &Hash) -> Decoded<MessageFields> {
    let task = row.text("task")?;
    let only_if =
        if task.is_empty() { None } else { Some((row.parsed("task")?, row.parsed("epoch")?)) };
    Ok(MessageFields {
        id: id.to_owned(),
        route: row.text("route")?,
        body: row.text("body")?,
        only_if,
        added_ms: None,
        due_ms: None,
    })
}

fn task_fields(task: &str, row: &Hash) -> Decoded<TaskFields> {
    Ok(TaskFields {
        task: task.to_owned(),
        execution: Some(row.text("execution")?),
        kind: row.parsed("kind")?,
        digest: row.text("digest")?,
        row: LeaseRow {
            epoch: row.parsed("epoch")?,
            holder: row.get("holder").map(str::to_owned),
            until_ms: row.maybe("until")?,
            dispatched_ms: row.parsed("dispatched")?,
            claimed: row.flag("claimed")?,
            checkpoints: row.parsed("checkpoints")?,
            result: row.get("result").map(str::to_owned),
            cancel: row.flag("cancel")?,
        },
        token: row.maybe("token")?,
        checkpoint: row.get("checkpoint").map(str::to_owned),
    })
}

fn lock_fields(resource: &str, row: &Hash) -> Decoded<LockFields> {
    Ok(LockFields {
        resource: resource.to_owned(),
        execution: row.text("execution")?,
        owner: row.text("owner")?,
        fence: row.parsed("fence")?,
    })
}

fn pipeline_fields(id: &str, row: &Hash) -> Decoded<PipelineFields> {
    Ok(PipelineFields {
        id: id.to_owned(),
        application: row.text("application")?,
        name: row.text("name")?,
        body: row.text("body")?,
        version: row.parsed("version")?,
        updated_ms: row.parsed("updated")?,
        index: DefinitionIndex {
            version: row.parsed("index")?,
            keys: serde_json::from_str(&row.text("keys")?)
                .map_err(|cause| format!("its field `keys` is no list of texts: {cause}"))?,
        },
    })
}
