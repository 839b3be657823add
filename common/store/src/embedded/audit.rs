//! The file as it lies: named from one snapshot, read from newer ones.

mod read;

use futures::{FutureExt as _, future::BoxFuture};
use redb::{ReadTransaction, TableDefinition, TableHandle as _};

use super::{
    EmbeddedStore, Writing,
    tables::{self, Fault},
};
use crate::{
    StoreError,
    api::Answer,
    audit::{At, Audit, Fact, Layout, List, Place, Subject, Walk},
};

/// Subjects of one page.
const PAGE: usize = 512;
/// What the store was doing while it walked, in errors.
const WALKED: &str = "walked through the data file";

impl Audit for EmbeddedStore {
    fn walk(&self) -> Box<dyn Walk + '_> {
        Box::new(FileWalk { store: self, names: None })
    }

    fn read<'a>(&'a self, subjects: &'a [Subject]) -> Answer<'a, Vec<Fact>> {
        let subjects = subjects.to_vec();
        let real_ms = self.core.real_ms();
        EmbeddedStore::read(self, "read rows of the data file", move |transaction, now_ms| {
            read::facts(transaction, subjects, now_ms, real_ms)
        })
    }

    fn layout(&self) -> Layout {
        Layout::Embedded
    }
}

/// The names of everything in one snapshot.
type Names = Box<dyn Iterator<Item = Result<Subject, Fault>> + Send>;

/// A walk through the tables of one snapshot, one after the other.
struct FileWalk<'s> {
    store: &'s EmbeddedStore,
    names: Option<Names>,
}

impl Walk for FileWalk<'_> {
    fn next(&mut self) -> Answer<'_, Option<Vec<Subject>>> {
        async move {
            let mut names = if let Some(names) = self.names.take() {
                names
            } else {
                self.store.read(WALKED, |transaction, _| names(transaction)).await?
            };
            let page = move || {
                let page = page(&mut names);
                (names, page)
            };
            let (names, page) = match &self.store.writing {
                Writing::Inline => page(),
                Writing::Queued { .. } => off_the_executor(page).await?,
            };
            self.names = Some(names);
            page.map_err(|fault| fault.while_it(WALKED))
        }
        .boxed()
    }
}

fn off_the_executor<R: Send + 'static>(
    work: impl FnOnce() -> R + Send + 'static,
) -> BoxFuture<'static, Result<R, StoreError>> {
    async move {
        let done = tokio::task::spawn_blocking(work).await;
        done.map_err(|cause| StoreError::Unavailable { doing: WALKED, cause: Box::new(cause) })
    }
    .boxed()
}

/// The next names; `None` when there are no more.
fn page(names: &mut Names) -> Result<Option<Vec<Subject>>, Fault> {
    let page: Vec<Subject> = names.take(PAGE).collect::<Result<_, _>>()?;
    Ok((!page.is_empty()).then_some(page))
}

/// Every row of a table as a subject.
macro_rules! each {
    ($transaction:expr, $table:expr, $key:ty, $row:expr) => {
        $transaction.open_table($table)?.range_owned::<$key>(..)?.map(move |entry| {
            let (key, value) = entry?;
            Ok::<Subject, Fault>($row(key.value(), value.value()))
        })
    };
}

/// An entry of a list as a subject.
fn entry(list: List, member: &str, at: At) -> Subject {
    Subject::Entry(Place { list, member: member.to_owned(), at })
}

/// Names everything in a snapshot.
fn names(transaction: &ReadTransaction) -> Result<Names, Fault> {
    let mut whole = vec![Ok(Subject::Clock), Ok(Subject::Counts)];
    for table in transaction.list_tables()? {
        if !tables::NAMES.contains(&table.name()) {
            whole.push(Ok(Subject::Odd(table.name().to_owned())));
        }
    }
    let parts = [rows(transaction)?, dues(transaction)?, bodies(transaction)?, lists(transaction)?];
    Ok(Box::new(parts.into_iter().flatten().chain(whole)))
}

/// What is judged as a whole.
fn rows(transaction: &ReadTransaction) -> Result<Names, Fault> {
    let all =
        each!(transaction, tables::PIPELINES, &str, |id: &str, _| Subject::Pipeline(id.into()))
            .chain(each!(transaction, tables::EVENTS, &str, |key: &str, _| Subject::Event(
                key.into()
            )))
            .chain(each!(transaction, tables::EXECUTIONS, &str, |id: &str, _| {
                Subject::Execution(id.into())
            }))
            .chain(each!(transaction, tables::LEASES, &str, |task: &str, _| Subject::Task(
                task.into()
            )))
            .chain(each!(transaction, tables::LOCKS, &str, |it: &str, _| Subject::Lock(it.into())))
            .chain(each!(transaction, tables::OUTBOX, &str, |id: &str, _| Subject::Message(
                id.into()
            )));
    Ok(Box::new(all))
}

/// Entries of what is sorted by time.
fn dues(transaction: &ReadTransaction) -> Result<Names, Fault> {
    let due = |list: List, table: TableDefinition<'static, (u64, &'static str), ()>| {
        Ok::<_, Fault>(each!(transaction, table, (u64, &str), |(at, member): (u64, &str), ()| {
            entry(list.clone(), member, At::Number(at))
        }))
    };
    let all = due(List::EventDue, tables::EVENT_DUE)?
        .chain(due(List::EventAge, tables::EVENT_AGE)?)
        .chain(due(List::Wakes, tables::WAKES)?)
        .chain(due(List::OutboxDue, tables::OUTBOX_DUE)?)
        .chain(due(List::OutboxAge, tables::OUTBOX_AGE)?)
        .chain(due(List::WaitingAge, tables::WAITING_AGE)?)
        .chain(due(List::RemovedAge, tables::REMOVED_AGE)?);
    Ok(Box::new(all))
}

/// What is kept beside executions.
fn bodies(transaction: &ReadTransaction) -> Result<Names, Fault> {
    let documents = each!(transaction, tables::DOCUMENTS, &str, |id, _| {
        entry(List::Documents, id, At::Here)
    });
    let views = each!(transaction, tables::VIEWS, &str, |id, _| entry(List::Views, id, At::Here));
    let inputs = each!(transaction, tables::INPUTS, (&str, &str), |(id, _): (&str, &str), ()| {
        entry(List::Inputs, id, At::Here)
    });
    let timeline = each!(transaction, tables::TIMELINE, (&str, u64), |(id, _): (&str, u64), _| {
        entry(List::Timeline, id, At::Here)
    });
    Ok(Box::new(documents.chain(views).chain(distinct(inputs)).chain(distinct(timeline))))
}

/// Entries of indexes and other lists.
fn lists(transaction: &ReadTransaction) -> Result<Names, Fault> {
    let slots = |list: fn(String) -> List, table: tables::SlotTable<'static>| {
        Ok::<_, Fault>(each!(transaction, table, (&str, u64), |(pipeline, at): (&str, u64), id| {
            entry(list(String::from(pipeline)), id, At::Number(at))
        }))
    };
    let order = each!(transaction, tables::EVENT_ORDER, u64, |number, key| {
        entry(List::EventOrder, key, At::Number(number))
    });
    let names = each!(
        transaction,
        tables::PIPELINE_NAMES,
        (&str, &str),
        |(application, name): (&str, &str), id| {
            entry(List::Names(application.to_owned()), name, At::Id(String::from(id)))
        }
    );
    let index = each!(
        transaction,
        tables::INDEX,
        (&str, u64, &str),
        |(name, at, id): (&str, u64, &str), ()| {
            entry(List::Index(name.to_owned()), id, At::Number(at))
        }
    );
    let locks =
        each!(transaction, tables::LOCKS_OF, (&str, &str), |(id, resource): (&str, &str), ()| {
            entry(List::LocksOf(id.to_owned()), resource, At::Here)
        });
    let removed = each!(transaction, tables::REMOVED, &str, |id, at| {
        entry(List::Removed, id, At::Number(at))
    });
    let keyed =
        each!(transaction, tables::PIPELINE_KEYS, (&str, &str), |(key, id): (&str, &str), ()| {
            entry(List::Keyed(key.to_owned()), id, At::Here)
        });
    let indexed =
        each!(transaction, tables::PIPELINE_INDEXED, (u64, &str), |(at, id): (u64, &str), ()| {
            entry(List::Indexed, id, At::Number(at))
        });
    let all =
        order.chain(names).chain(keyed).chain(indexed).chain(index).chain(locks).chain(removed);
    let all = all.chain(slots(List::Holders, tables::HOLDERS)?);
    Ok(Box::new(all.chain(slots(List::Waiters, tables::WAITERS)?)))
}

/// Drops a name that is the one before it again.
fn distinct(
    names: impl Iterator<Item = Result<Subject, Fault>>,
) -> impl Iterator<Item = Result<Subject, Fault>> {
    let mut last = None;
    names.filter(move |name| {
        let Ok(name) = name else { return true };
        let again = last.as_ref() == Some(name);
        last = Some(name.clone());
        !again
    })
}
