//! A Redis server as it lies: keys named by SCAN, rows read by one script that may not write.

mod decode;
mod keys;

use std::{collections::BTreeSet, mem};

use ::redis::{Client, Cmd, Value, cmd};
use futures::FutureExt as _;
use model::{ExecutionStatus, Pool};

use self::keys::{Family, Holding};
use super::{Durability, Fault, HASH_TAG, gate, line::Line, redacted};
use crate::{
    StoreError,
    api::Answer,
    audit::{Audit, Fact, HOLDERS_MAX, Layout, Subject, Walk},
};

/// Keys, or members of a list, that the server is asked for at once.
const PAGE: usize = 500;
/// Subjects read in one script: few enough that nobody else waits for a millisecond.
const BATCH: usize = 16;
/// The script, in full.
const READ: &str = include_str!("audit/read.lua");
const WALKED: &str = "walked through the keys of Redis";
const READING: &str = "read rows of Redis";

/// A Redis server to be looked at: no function is called, nothing is loaded or changed. Its user
/// needs `+scan +sscan +hscan +zscan +type +eval_ro` and what the script reads with.
pub(crate) struct RedisAudit {
    line: Line,
    prefix: String,
}

impl std::fmt::Debug for RedisAudit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisAudit").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

impl RedisAudit {
    /// Connects, and checks that the server is one we could trust and has our Functions.
    pub(crate) async fn connect(
        url: &str,
        world: &str,
        durability: Durability,
    ) -> Result<Self, StoreError> {
        let client = Client::open(url).map_err(|cause| StoreError::Unfit {
            detail: format!("`{}` is not an address of a Redis server: {cause}", redacted(url)),
        })?;
        let line = Line::connect(client).await.map_err(|cause| StoreError::Unavailable {
            doing: "connected to Redis",
            cause: format!("{}: {cause}", redacted(url)).into(),
        })?;
        gate::check_durability(&line, durability).await?;
        let prefix =
            if world.is_empty() { format!("{HASH_TAG}:") } else { format!("{HASH_TAG}:{world}:") };
        // A store of another form has other Functions, and its form says what to do.
        gate::compare_format(&line, &prefix).await?;
        gate::compare_functions(&line).await?;
        Ok(Self { line, prefix })
    }

    async fn ask(&self, doing: &'static str, command: &Cmd) -> Result<Value, StoreError> {
        self.line.ask(command).await.map_err(|fault| match fault {
            // Not `Fault::while_it`, which speaks of Functions.
            Fault::Redis(cause) => StoreError::Unavailable { doing, cause: Box::new(cause) },
            Fault::Silence => Fault::Silence.while_it(doing),
        })
    }

    async fn facts(&self, subjects: &[Subject]) -> Result<Vec<Fact>, StoreError> {
        let mut script = cmd("EVAL_RO");
        script.arg(READ).arg(1).arg(&self.prefix).arg(ExecutionStatus::ALL.len());
        script.arg(ExecutionStatus::ALL.map(ExecutionStatus::as_str).as_slice());
        script.arg(Pool::ALL.len()).arg(Pool::ALL.map(Pool::as_str).as_slice());
        // The file alone keeps counts.
        let asked: Vec<&Subject> =
            subjects.iter().filter(|subject| **subject != Subject::Counts).collect();
        script.arg(HOLDERS_MAX).arg(asked.len());
        for subject in &asked {
            for argument in keys::arguments(subject) {
                script.arg(argument);
            }
        }
        let reply = self.ask(READING, &script).await?;
        decode::facts(reply, &asked)
            .map_err(|detail| StoreError::Unreadable { doing: READING, detail })
    }
}

impl Audit for RedisAudit {
    fn walk(&self) -> Box<dyn Walk + '_> {
        Box::new(KeyWalk { audit: self, keys: Some("0".to_owned()), lists: Vec::new() })
    }

    fn read<'a>(&'a self, subjects: &'a [Subject]) -> Answer<'a, Vec<Fact>> {
        async move {
            let mut facts = Vec::new();
            for batch in subjects.chunks(BATCH) {
                facts.extend(self.facts(batch).await?);
            }
            Ok(facts)
        }
        .boxed()
    }

    fn layout(&self) -> Layout {
        Layout::Redis
    }
}

/// A list that is not walked to its end.
struct Open {
    holding: Holding,
    key: String,
    cursor: String,
}

/// SCAN over the keys; each list among them is walked before the next keys.
struct KeyWalk<'s> {
    audit: &'s RedisAudit,
    /// Where SCAN goes on; `None` at its end.
    keys: Option<String>,
    lists: Vec<Open>,
}

impl Walk for KeyWalk<'_> {
    fn next(&mut self) -> Answer<'_, Option<Vec<Subject>>> {
        async move {
            if let Some(open) = self.lists.pop() {
                return self.members(open).await.map(Some);
            }
            match self.keys.take() {
                Some(cursor) => self.keys(&cursor).await.map(Some),
                None => Ok(None),
            }
        }
        .boxed()
    }
}

impl KeyWalk<'_> {
    /// The next keys.
    async fn keys(&mut self, cursor: &str) -> Result<Vec<Subject>, StoreError> {
        let prefix = &self.audit.prefix;
        let mut scan = cmd("SCAN");
        // The prefix holds no character that a pattern gives a meaning to.
        scan.arg(cursor).arg("MATCH").arg(format!("{prefix}*")).arg("COUNT").arg(PAGE);
        let (next, keys) = self.scanned(&scan).await?;
        let mut subjects = BTreeSet::new();
        if cursor == "0" {
            subjects.insert(Subject::Clock);
        }
        for key in keys {
            let Some(name) = key.strip_prefix(prefix.as_str()) else { continue };
            match Family::of(name) {
                Family::Row(subject) | Family::Beside(subject) => drop(subjects.insert(subject)),
                Family::List(holding) => {
                    // A list of the wrong type is found here and cannot be walked.
                    let found = self.audit.ask(WALKED, cmd("TYPE").arg(&key)).await?;
                    if holding.is_type(&found) {
                        let (key, cursor) = (name.to_owned(), "0".to_owned());
                        self.lists.push(Open { holding, key, cursor });
                    } else {
                        subjects.insert(Subject::Odd(name.to_owned()));
                    }
                }
                Family::Number | Family::OtherWorld => {}
                Family::Unknown => drop(subjects.insert(Subject::Odd(name.to_owned()))),
            }
        }
        self.keys = (next != "0").then_some(next);
        Ok(subjects.into_iter().collect())
    }

    /// The next members of a list.
    async fn members(&mut self, mut open: Open) -> Result<Vec<Subject>, StoreError> {
        let mut scan = cmd(open.holding.scan());
        scan.arg(format!("{}{}", self.audit.prefix, open.key)).arg(&open.cursor);
        scan.arg("COUNT").arg(PAGE);
        let (next, members) = self.scanned(&scan).await?;
        let mut subjects = BTreeSet::new();
        let mut members = members.into_iter();
        while let Some(member) = members.next() {
            let value = if open.holding.has_values() { members.next() } else { None };
            let place = open.holding.place(member, value.as_deref());
            subjects.insert(Subject::Entry(place));
        }
        open.cursor = next;
        if open.cursor != "0" {
            self.lists.push(open);
        }
        Ok(subjects.into_iter().collect())
    }

    /// A cursor and what it brought.
    async fn scanned(&self, scan: &Cmd) -> Result<(String, Vec<String>), StoreError> {
        let reply = self.audit.ask(WALKED, scan).await?;
        let (next, mut items) = decode::scanned(reply)
            .map_err(|detail| StoreError::Unreadable { doing: WALKED, detail })?;
        Ok((next, mem::take(&mut items)))
    }
}
