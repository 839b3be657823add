//! Replies of the functions, as the seam's answers. What does not decode is described, not guessed.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "what a server may send is an open set: whatever is not expected is an error"
)]

use std::{collections::BTreeMap, fmt::Display, str::FromStr, vec};

use ::redis::Value;
use model::{ExecutionId, ExecutionStatus, Pool, TaskId};

use crate::{
    Beat, Claim, Committed, Created, Due, EventAccepted, EventState, ExecutionRow, Expired,
    FinishedPage, LeaseRow, Locked, OutboxRow, PipelineMark, PipelineRow, PipelineWritten, Removed,
    SlotEntry, SlotRow, SlotState, Stats, StoredEvent, StoredExecution, TimelineRow,
    rules::Refusal,
};

/// What was expected and what came.
type Decoded<T> = Result<T, String>;

/// The parts of a reply, taken from the front.
pub(super) struct Reply(vec::IntoIter<Value>);

impl Reply {
    /// The parts of an array.
    pub(super) fn new(value: Value) -> Decoded<Self> {
        match value {
            Value::Array(parts) => Ok(Self(parts.into_iter())),
            other => Err(format!("an array was expected, {} came", kind_of(&other))),
        }
    }

    /// What comes next, if anything does.
    pub(super) fn next(&mut self) -> Option<Value> {
        self.0.next()
    }

    pub(super) fn part(&mut self) -> Decoded<Value> {
        self.0.next().ok_or_else(|| "the reply is too short".to_owned())
    }

    pub(super) fn text(&mut self) -> Decoded<String> {
        text(self.part()?)
    }

    pub(super) fn maybe(&mut self) -> Decoded<Option<String>> {
        match self.part()? {
            Value::Nil => Ok(None),
            other => text(other).map(Some),
        }
    }

    pub(super) fn number(&mut self) -> Decoded<u64> {
        number(self.part()?)
    }

    pub(super) fn maybe_number(&mut self) -> Decoded<Option<u64>> {
        match self.part()? {
            Value::Nil => Ok(None),
            other => number(other).map(Some),
        }
    }

    fn small(&mut self) -> Decoded<u32> {
        self.number()?.try_into().map_err(|_| "a number is too large".to_owned())
    }

    fn flag(&mut self) -> Decoded<bool> {
        self.number().map(|number| number != 0)
    }

    fn parsed<T: FromStr<Err: Display>>(&mut self) -> Decoded<T> {
        self.text()?.parse().map_err(|cause: T::Err| cause.to_string())
    }

    fn rows<T>(&mut self, row: impl Fn(Self) -> Decoded<T>) -> Decoded<Vec<T>> {
        rows(self.part()?, row)
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Nil => "nothing",
        Value::Int(_) => "a number",
        Value::BulkString(_) | Value::SimpleString(_) | Value::Okay => "a text",
        Value::Array(_) => "an array",
        _ => "something else",
    }
}

/// A text.
/// What every function tells beside its own reply.
pub(super) struct Told {
    /// How many writes there were.
    pub(super) history: u64,
    pub(super) reply: Value,
    /// How many are gone, if this call found that out.
    pub(super) lost: Option<u64>,
}

pub(super) fn told(value: Value) -> Decoded<Told> {
    let mut parts = Reply::new(value)?;
    let (history, reply) = (parts.number()?, parts.part()?);
    Ok(Told { history, reply, lost: parts.next().map(number).transpose()? })
}

pub(super) fn text(value: Value) -> Decoded<String> {
    match value {
        Value::BulkString(bytes) => {
            String::from_utf8(bytes).map_err(|_| "a text is not UTF-8".to_owned())
        }
        Value::SimpleString(text) => Ok(text),
        Value::Int(number) => Ok(number.to_string()),
        other => Err(format!("a text was expected, {} came", kind_of(&other))),
    }
}

/// A number, also one written as text.
pub(super) fn number(value: Value) -> Decoded<u64> {
    match value {
        Value::Int(number) => {
            u64::try_from(number).map_err(|_| format!("a number is negative: {number}"))
        }
        other => {
            let text = text(other)?;
            text.parse().map_err(|_| format!("`{text}` is not a whole number"))
        }
    }
}

/// Yes or no.
pub(super) fn flag(value: Value) -> Decoded<bool> {
    number(value).map(|number| number != 0)
}

/// Nothing but that it was done.
pub(super) fn done(value: Value) -> Decoded<()> {
    match Reply::new(value)?.text()?.as_str() {
        "DONE" => Ok(()),
        other => Err(unknown(other)),
    }
}

/// The value of one setting, as CONFIG GET answers.
pub(super) fn setting(value: Value) -> Decoded<String> {
    let mut reply = Reply::new(value)?;
    reply.part()?;
    reply.text()
}

/// A list of rows.
pub(super) fn rows<T>(value: Value, row: impl Fn(Reply) -> Decoded<T>) -> Decoded<Vec<T>> {
    Reply::new(value)?.0.map(|part| row(Reply::new(part)?)).collect()
}

/// A row, if there is one.
pub(super) fn maybe<T>(value: Value, row: impl Fn(Reply) -> Decoded<T>) -> Decoded<Option<T>> {
    match value {
        Value::Nil => Ok(None),
        other => row(Reply::new(other)?).map(Some),
    }
}

fn unknown(word: &str) -> String {
    format!("`{word}` is no answer to that")
}

fn refused(reply: &mut Reply) -> Decoded<String> {
    let code = reply.text()?;
    let refusal = Refusal::ALL.into_iter().find(|refusal| refusal.code() == code);
    refusal.map(Refusal::reason).ok_or_else(|| unknown(&code))
}

pub(super) fn pipeline(mut reply: Reply) -> Decoded<PipelineRow> {
    Ok(PipelineRow {
        id: reply.text()?,
        application: reply.text()?,
        name: reply.text()?,
        body: reply.text()?,
        version: reply.number()?,
        updated_ms: reply.number()?,
    })
}

pub(super) fn mark(mut reply: Reply) -> Decoded<PipelineMark> {
    Ok(PipelineMark { id: reply.text()?, version: reply.number()?, updated_ms: reply.number()? })
}

pub(super) fn pipeline_written(value: Value) -> Decoded<PipelineWritten> {
    let mut reply = Reply::new(value)?;
    match reply.text()?.as_str() {
        "SAVED" => {
            Ok(PipelineWritten::Saved { version: reply.number()?, updated_ms: reply.number()? })
        }
        "STALE" => Ok(PipelineWritten::Stale { version: reply.number()? }),
        "NAME_TAKEN" => Ok(PipelineWritten::NameTaken { id: reply.text()? }),
        other => Err(unknown(other)),
    }
}

pub(super) fn event_accepted(value: Value) -> Decoded<EventAccepted> {
    match Reply::new(value)?.text()?.as_str() {
        "NEW" => Ok(EventAccepted::New),
        "DUPLICATE" => Ok(EventAccepted::Duplicate),
        "UNWANTED" => Ok(EventAccepted::Unwanted),
        other => Err(unknown(other)),
    }
}

pub(super) fn event(mut reply: Reply) -> Decoded<StoredEvent> {
    Ok(StoredEvent {
        key: reply.text()?,
        body: reply.text()?,
        accepted_ms: reply.number()?,
        since_ms: reply.number()?,
        tries: reply.small()?,
        state: match (reply.maybe()?, reply.maybe()?) {
            (_, Some(outcome)) => EventState::Settled { outcome },
            (note, None) => EventState::Pending { note },
        },
    })
}

pub(super) fn created(value: Value) -> Decoded<Created> {
    let mut reply = Reply::new(value)?;
    match reply.text()?.as_str() {
        "NEW" => Ok(Created::New),
        "EXISTS" => Ok(Created::Exists),
        "REFUSED" => Ok(Created::Refused { reason: refused(&mut reply)? }),
        other => Err(unknown(other)),
    }
}

pub(super) fn committed(value: Value) -> Decoded<Committed> {
    let mut reply = Reply::new(value)?;
    match reply.text()?.as_str() {
        "APPLIED" => Ok(Committed::Applied { version: reply.number()? }),
        "DUPLICATE" => Ok(Committed::Duplicate),
        "CONFLICT" => Ok(Committed::Conflict { version: reply.number()? }),
        "GONE" => Ok(Committed::Gone),
        "NO_SLOT" => Ok(Committed::NoSlot),
        "REFUSED" => Ok(Committed::Refused { reason: refused(&mut reply)? }),
        other => Err(unknown(other)),
    }
}

pub(super) fn execution(mut reply: Reply) -> Decoded<StoredExecution> {
    let (version, schema, document) = (reply.number()?, reply.small()?, reply.text()?);
    let (status, wake_ms, now_ms) = (reply.parsed()?, reply.maybe_number()?, reply.number()?);
    let slot = slots(Reply::new(reply.part()?)?)?;
    let leases: Decoded<BTreeMap<TaskId, LeaseRow>> =
        reply.0.map(|part| lease(Reply::new(part)?)).collect();
    let leases = leases?;
    Ok(StoredExecution { version, schema, document, status, leases, wake_ms, slot, now_ms })
}

fn slots(mut reply: Reply) -> Decoded<SlotRow> {
    let own = match reply.text()?.as_str() {
        "HOLDS" => SlotState::Holds,
        "WAITS" => SlotState::Waits,
        "NONE" => SlotState::None,
        other => return Err(unknown(other)),
    };
    let entries = |part: Value| {
        let (mut parts, mut entries) = (Reply::new(part)?, Vec::new());
        while let Some(id) = parts.0.next() {
            let execution = text(id)?.parse().map_err(|cause| format!("a slot: {cause}"))?;
            entries.push(SlotEntry { number: parts.number()?, execution });
        }
        Ok::<_, String>(entries)
    };
    Ok(SlotRow { own, holders: entries(reply.part()?)?, waiting: entries(reply.part()?)? })
}

fn lease(mut reply: Reply) -> Decoded<(TaskId, LeaseRow)> {
    let task = reply.parsed()?;
    let row = LeaseRow {
        epoch: reply.small()?,
        holder: reply.maybe()?,
        until_ms: reply.maybe_number()?,
        dispatched_ms: reply.number()?,
        claimed: reply.flag()?,
        checkpoints: reply.number()?,
        result: reply.maybe()?,
        cancel: reply.flag()?,
    };
    Ok((task, row))
}

pub(super) fn view(mut reply: Reply) -> Decoded<ExecutionRow> {
    Ok(ExecutionRow {
        id: reply.parsed()?,
        application: reply.text()?,
        pipeline_id: reply.text()?,
        status: reply.parsed()?,
        version: reply.number()?,
        created_ms: reply.number()?,
        view: reply.text()?,
    })
}

pub(super) fn timeline(value: Value) -> Decoded<Vec<TimelineRow>> {
    let line = |part| {
        let line = text(part)?;
        let mut parts = line.splitn(3, ' ');
        let (Some(version), Some(at), Some(body)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err("a line of the timeline has no version and time".to_owned());
        };
        let number = |text: &str| text.parse().map_err(|_| format!("`{text}` is not a number"));
        Ok(TimelineRow { version: number(version)?, at_ms: number(at)?, body: body.to_owned() })
    };
    Reply::new(value)?.0.map(line).collect()
}

pub(super) fn due(value: Value) -> Decoded<Due> {
    let mut reply = Reply::new(value)?;
    let (now_ms, next_ms) = (reply.number()?, reply.maybe_number()?);
    let (events, outbox) = (reply.rows(event)?, reply.rows(message)?);
    let wakes = executions(reply.part()?)?;
    Ok(Due { events, outbox, wakes, now_ms, next_ms })
}

/// A list of ids.
fn executions(value: Value) -> Decoded<Vec<ExecutionId>> {
    let id = |part| text(part)?.parse().map_err(|cause| format!("an execution: {cause}"));
    Reply::new(value)?.0.map(id).collect()
}

pub(super) fn finished(value: Value) -> Decoded<FinishedPage> {
    let mut reply = Reply::new(value)?;
    Ok(FinishedPage { looked_at: reply.small()?, ids: executions(reply.part()?)? })
}

pub(super) fn removed(value: Value) -> Decoded<Removed> {
    match Reply::new(value)?.text()?.as_str() {
        "DONE" => Ok(Removed::Done),
        "LIVE" => Ok(Removed::Live),
        "GONE" => Ok(Removed::Gone),
        other => Err(unknown(other)),
    }
}

pub(super) fn expired(value: Value) -> Decoded<Expired> {
    let mut reply = Reply::new(value)?;
    Ok(Expired { events: reply.small()?, tombstones: reply.small()? })
}

fn message(mut reply: Reply) -> Decoded<OutboxRow> {
    let (message_id, route, body) = (reply.text()?, reply.text()?, reply.text()?);
    let task = reply.text()?;
    let only_if = if task.is_empty() {
        None
    } else {
        Some((task.parse().map_err(|cause| format!("a message's task: {cause}"))?, reply.small()?))
    };
    Ok(OutboxRow { message_id, route, body, only_if })
}

pub(super) fn claim(value: Value) -> Decoded<Claim> {
    let mut reply = Reply::new(value)?;
    match reply.text()?.as_str() {
        "GRANTED" => Ok(Claim::Granted {
            token: reply.number()?,
            checkpoint: reply.maybe()?,
            cancel: reply.flag()?,
        }),
        "BUSY" => Ok(Claim::Busy { holder: reply.text()? }),
        "STALE" => Ok(Claim::Stale { epoch: reply.small()? }),
        "FINISHED" => Ok(Claim::Finished),
        "GONE" => Ok(Claim::Gone),
        other => Err(unknown(other)),
    }
}

pub(super) fn beat(value: Value) -> Decoded<Beat> {
    let mut reply = Reply::new(value)?;
    match reply.text()?.as_str() {
        "HELD" => Ok(Beat::Held { cancel: reply.flag()? }),
        "LOST" => Ok(Beat::Lost),
        other => Err(unknown(other)),
    }
}

pub(super) fn locked(value: Value) -> Decoded<Locked> {
    let mut reply = Reply::new(value)?;
    match reply.text()?.as_str() {
        "GRANTED" => Ok(Locked::Granted { fence: reply.number()? }),
        "BUSY" => Ok(Locked::Busy { owner: reply.text()? }),
        "GONE" => Ok(Locked::Gone),
        other => Err(unknown(other)),
    }
}

pub(super) fn stats(value: Value) -> Decoded<Stats> {
    let mut reply = Reply::new(value)?;
    let mut stats = Stats {
        outbox_depth: reply.number()?,
        outbox_oldest_ms: reply.number()?,
        events_pending: reply.number()?,
        events_oldest_ms: reply.number()?,
        wakes_overdue: reply.number()?,
        executions_waiting: reply.number()?,
        executions_waiting_oldest_ms: reply.number()?,
        ..Stats::default()
    };
    for kind in Pool::ALL {
        let mut figures = Reply::new(reply.part()?)?;
        let (running, waiting, age) = (figures.number()?, figures.number()?, figures.number()?);
        if running > 0 {
            stats.leases_running.insert(kind, running);
        }
        if waiting > 0 {
            stats.tasks_waiting.insert(kind, waiting);
            stats.oldest_waiting_ms.insert(kind, age);
        }
    }
    for status in ExecutionStatus::ALL {
        let count = reply.number()?;
        if count > 0 {
            stats.executions.insert(status, count);
        }
    }
    stats.rollbacks = reply.number()?;
    Ok(stats)
}
