//! The store of one machine: a redb file, or the same in memory.
//!
//! Writes of many callers share one transaction and one fsync (`writer`); reads see snapshots. The
//! file survives a kill at any instruction. In memory there is no thread: each call is done when
//! its future is first polled, so that a simulation on a paused clock is in full control.

mod audit;
mod definitions;
mod due;
mod executions;
mod intake;
mod leases;
mod retention;
mod seam;
mod slots;
mod tables;
mod writer;

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{SystemTime, UNIX_EPOCH},
};

use futures::{FutureExt as _, future};
use redb::{Database, DatabaseError, ReadTransaction, ReadableDatabase, StorageError};
use tokio::sync::mpsc;

use self::{
    tables::{FORMAT, Fault, META, Tables},
    writer::{Call, Core, Job},
};
use crate::{StoreError, api::Answer, rules};

/// The name of the file inside the data directory.
const FILE_NAME: &str = "bowline.redb";
/// Memory for pages of the file; the working set of thousands of live executions fits.
const CACHE_BYTES: usize = 128 * 1024 * 1024;
/// Operations waiting for the writer: a few batches. Whoever comes later waits at the door.
const QUEUE_MAX: usize = 1024;
/// What the store was doing when it was opened, in errors.
const OPENED: &str = "opened the data file";

/// Where time comes from: UTC milliseconds since the epoch. The store makes it monotonic.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// The time of the machine.
pub fn system_clock() -> Clock {
    Arc::new(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

/// A state of a store in memory that can be gone back to.
pub struct Moment(redb::Savepoint);

impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Moment").finish_non_exhaustive()
    }
}

/// Whether the programs on a store that goes back remember what was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// They run on.
    Kept,
    /// They know of nothing, as if all were started anew.
    Lost,
}

/// The store in a file or in memory.
pub struct EmbeddedStore {
    core: Arc<Core>,
    writing: Writing,
    at: Option<PathBuf>,
}

/// What becomes of a file without a store in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Missing {
    /// A store is created in it.
    Create,
    /// It stays as it is, and is not opened.
    Refuse,
}

/// How writes reach the database.
enum Writing {
    /// In the caller's own poll.
    Inline,
    /// Through the writer's queue; both are `None` only while the store is dropped.
    Queued { queue: Option<mpsc::Sender<Box<dyn Job>>>, writer: Option<thread::JoinHandle<()>> },
}

impl fmt::Debug for EmbeddedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedStore").field("at", &self.at).finish_non_exhaustive()
    }
}

impl EmbeddedStore {
    /// Opens the store in a data directory, or creates both.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unfit`] when another process has it open, or the file is not ours or damaged;
    /// [`StoreError::Unavailable`] when the disk refuses.
    pub fn open(directory: &Path, clock: Clock) -> Result<Self, StoreError> {
        Self::open_as(directory, clock, Missing::Create)
    }

    /// Opens the store in a data directory; nothing is created.
    ///
    /// # Errors
    ///
    /// As [`EmbeddedStore::open`], and [`StoreError::Unfit`] when there is no store.
    pub(crate) fn open_existing(directory: &Path, clock: Clock) -> Result<Self, StoreError> {
        let at = directory.join(FILE_NAME);
        if !at.is_file() {
            let detail = format!("there is no data file `{}`: check the path", at.display());
            return Err(StoreError::Unfit { detail });
        }
        Self::open_as(directory, clock, Missing::Refuse)
    }

    fn open_as(directory: &Path, clock: Clock, missing: Missing) -> Result<Self, StoreError> {
        let at = directory.join(FILE_NAME);
        let refused = |doing: &'static str, cause: io::Error| StoreError::Unavailable {
            doing,
            cause: format!("{}: {cause}", at.display()).into(),
        };
        fs::create_dir_all(directory)
            .map_err(|cause| refused("created the data directory", cause))?;
        let mut builder = Database::builder();
        builder.set_cache_size(CACHE_BYTES);
        let database = builder.create(&at).map_err(|cause| cannot_open(&at, cause))?;
        let core = Arc::new(ready(database, clock, missing)?);
        // The file's own name must survive a power cut, too.
        fs::File::open(directory)
            .and_then(|directory| directory.sync_all())
            .map_err(|cause| refused("synchronised the data directory", cause))?;
        let (queue, jobs) = mpsc::channel(QUEUE_MAX);
        let of_writer = Arc::clone(&core);
        let writer = thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || writer::run(&of_writer, jobs))
            .map_err(|cause| refused("started the store's writer", cause))?;
        let writing = Writing::Queued { queue: Some(queue), writer: Some(writer) };
        Ok(Self { core, writing, at: Some(at) })
    }

    /// An empty store in memory.
    ///
    /// # Errors
    ///
    /// Only when redb fails, which it has no cause for.
    pub fn in_memory(clock: Clock) -> Result<Self, StoreError> {
        let database = Database::builder()
            .create_with_backend(redb::backends::InMemoryBackend::new())
            .map_err(|cause| cannot_open(Path::new("memory"), cause))?;
        let core = Arc::new(ready(database, clock, Missing::Create)?);
        Ok(Self { core, writing: Writing::Inline, at: None })
    }

    /// The present, for [`EmbeddedStore::go_back`]. For simulations: a store that is restored from a
    /// copy is what a failover or a backup makes of a server.
    ///
    /// # Errors
    ///
    /// Only when redb fails.
    pub fn present(&self) -> Result<Moment, StoreError> {
        let taken = || -> Result<Moment, Fault> {
            let transaction = self.core.database().begin_write()?;
            let savepoint = transaction.ephemeral_savepoint();
            let moment =
                Moment(savepoint.map_err(|cause| Fault::Database(Box::new(cause.into())))?);
            transaction.abort()?;
            Ok(moment)
        };
        taken().map_err(|fault| fault.while_it("remembered the present"))
    }

    /// Goes back in time: everything written since is gone. Later moments are none any more.
    ///
    /// # Errors
    ///
    /// When the moment is none of this store.
    pub fn go_back(&self, to: &Moment, memory: Memory) -> Result<(), StoreError> {
        let gone = || -> Result<(), Fault> {
            let mut transaction = self.core.database().begin_write()?;
            let restored = transaction.restore_savepoint(&to.0);
            restored.map_err(|cause| Fault::Database(Box::new(cause.into())))?;
            transaction.commit()?;
            Ok(())
        };
        gone().map_err(|fault| fault.while_it("went back in time"))?;
        match memory {
            Memory::Kept => {}
            Memory::Lost => self.core.forget_history(),
        }
        Ok(())
    }

    /// Applies an operation; the answer comes when it is durable.
    fn write<R, F>(&self, doing: &'static str, operation: F) -> Answer<'static, R>
    where
        R: Send + 'static,
        F: Fn(&mut Tables<'_>) -> Result<R, Fault> + Send + 'static,
    {
        let (call, answer) = Call::new(doing, operation);
        let job: Box<dyn Job> = Box::new(call);
        match &self.writing {
            Writing::Inline => {
                let core = Arc::clone(&self.core);
                async move {
                    core.write(vec![job]);
                    answer.await.unwrap_or_else(|_| Err(writer::gone(doing)))
                }
                .boxed()
            }
            Writing::Queued { queue: Some(queue), writer: _ } => {
                let queue = queue.clone();
                async move {
                    if queue.send(job).await.is_err() {
                        return Err(writer::gone(doing));
                    }
                    drop(queue);
                    answer.await.unwrap_or_else(|_| Err(writer::gone(doing)))
                }
                .boxed()
            }
            Writing::Queued { queue: None, writer: _ } => {
                future::ready(Err(writer::gone(doing))).boxed()
            }
        }
    }

    /// Reads from a snapshot; from a file, off the executor's threads.
    fn read<R, F>(&self, doing: &'static str, query: F) -> Answer<'static, R>
    where
        R: Send + 'static,
        F: FnOnce(&ReadTransaction, u64) -> Result<R, Fault> + Send + 'static,
    {
        let core = Arc::clone(&self.core);
        match &self.writing {
            Writing::Inline => async move { core.read(doing, query) }.boxed(),
            Writing::Queued { .. } => async move {
                let read = tokio::task::spawn_blocking(move || core.read(doing, query));
                read.await.unwrap_or_else(|cause| {
                    Err(StoreError::Unavailable { doing, cause: Box::new(cause) })
                })
            }
            .boxed(),
        }
    }
}

impl Drop for EmbeddedStore {
    fn drop(&mut self) {
        if let Writing::Queued { queue, writer } = &mut self.writing {
            // Ends the writer after what is queued, so that the file is free when this returns.
            drop(queue.take());
            if let Some(writer) = writer.take()
                && writer.join().is_err()
            {
                tracing::error!("the store's writer panicked, what it was asked was not answered");
            }
        }
    }
}

/// Creates what is missing and reads the clock of the last run.
fn ready(database: Database, clock: Clock, missing: Missing) -> Result<Core, StoreError> {
    let found =
        database.begin_read().map_err(Fault::from).and_then(|transaction| {
            match transaction.open_table(META) {
                Ok(meta) => {
                    let value = |name| meta.get(name).map(|found| found.map_or(0, |it| it.value()));
                    Ok((value("format")?, value("clock")?))
                }
                Err(redb::TableError::TableDoesNotExist(_)) => Ok((0, 0)),
                Err(cause) => Err(cause.into()),
            }
        });
    let (format, last_ms) = found.map_err(|fault| fault.while_it(OPENED))?;
    match (format, missing) {
        (FORMAT, _) => {}
        (0, Missing::Create) => {
            let created = || -> Result<(), Fault> {
                let transaction = database.begin_write()?;
                Tables::open(&transaction)?.meta.insert("format", FORMAT)?;
                transaction.commit()?;
                Ok(())
            };
            created().map_err(|fault| fault.while_it(OPENED))?;
        }
        (0, Missing::Refuse) => {
            let detail = "the data file is empty: no store of Bowline is in it".to_owned();
            return Err(StoreError::Unfit { detail });
        }
        (found, _) => {
            let detail = rules::other_format("data file", &found.to_string(), &FORMAT.to_string());
            return Err(StoreError::Unfit { detail });
        }
    }
    Ok(Core::new(database, clock, last_ms))
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "redb's set of reasons may grow; what is not about another process or the disk is \
              about the content of the file"
)]
fn cannot_open(at: &Path, cause: DatabaseError) -> StoreError {
    let at = at.display();
    match cause {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => {
            let detail = format!(
                "`{at}` is open in another process: stop that one, or give this one another data \
                 directory"
            );
            StoreError::Unfit { detail }
        }
        DatabaseError::Storage(StorageError::Io(cause))
            if cause.kind() != io::ErrorKind::InvalidData =>
        {
            let cause = format!("`{at}`: {cause}; check the path, its owner and the disk").into();
            StoreError::Unavailable { doing: OPENED, cause }
        }
        other => StoreError::Unfit {
            detail: format!(
                "`{at}` cannot be read as a data file ({other}): restore it from a backup, or move \
                 it away to start empty"
            ),
        },
    }
}
