//! One look at the world for all who wait.
//!
//! Every waiting bake subscribes to the id it waits for. However many wait, each account and region
//! gets one describing call for builders and one for images per interval (and per
//! [`IDS_PER_CALL`] ids), so a thousand bakes cost the API no more than one.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use runtime::Tasks;
use tokio::sync::watch;

use crate::ports::{Builder, CloudError, IDS_PER_CALL, Image, ImageQuery, Place, SharedCloud};

/// Longest pause between looks while the API throttles.
const PAUSE_MAX: Duration = Duration::from_mins(1);

/// What the last look at a thing showed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Sight<T> {
    /// Nobody has looked yet.
    #[default]
    Unseen,
    /// So many looks in a row did not show it.
    Missing(u32),
    /// It is there.
    There(T),
    /// Looking is refused.
    Refused(CloudError),
}

/// A subscription to one thing; dropping it ends it.
pub(crate) type Watching<T> = watch::Receiver<Sight<T>>;

/// The watchers of all accounts and regions; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Watchers {
    cloud: SharedCloud,
    interval: Duration,
    tasks: Tasks,
    boards: Arc<Mutex<BTreeMap<Place, Board>>>,
}

/// What is waited for in one place. A board is there exactly while its loop runs.
#[derive(Debug, Default)]
struct Board {
    builders: Subjects<Builder>,
    images: Subjects<Image>,
}

type Subjects<T> = BTreeMap<String, watch::Sender<Sight<T>>>;

impl Watchers {
    /// Looks through this cloud, this often.
    pub(crate) fn new(cloud: SharedCloud, interval: Duration, tasks: Tasks) -> Self {
        Self { cloud, interval, tasks, boards: Arc::default() }
    }

    /// Waits for news of a builder.
    pub(crate) fn builder(&self, place: &Place, id: &str) -> Watching<Builder> {
        self.watch(place, |board| subscribe(&mut board.builders, id))
    }

    /// Waits for news of one of our own images.
    pub(crate) fn image(&self, place: &Place, id: &str) -> Watching<Image> {
        self.watch(place, |board| subscribe(&mut board.images, id))
    }

    fn watch<T>(
        &self,
        place: &Place,
        subscribe: impl FnOnce(&mut Board) -> Watching<T>,
    ) -> Watching<T> {
        let mut boards = self.boards();
        if let Some(board) = boards.get_mut(place) {
            return subscribe(board);
        }
        let watching = subscribe(boards.entry(place.clone()).or_default());
        drop(boards);
        let (watchers, place) = (self.clone(), place.clone());
        // Ends by itself when nobody waits any more, so that a drain can wait for it.
        drop(self.tasks.spawn(async move { watchers.look_while_wanted(&place).await }));
        watching
    }

    // The maps are whole after any panic: a poisoned lock changes nothing.
    fn boards(&self) -> MutexGuard<'_, BTreeMap<Place, Board>> {
        self.boards.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn look_while_wanted(&self, place: &Place) {
        let mut pause = self.interval;
        loop {
            // The pause comes first: whoever subscribes now shares the next look.
            tokio::time::sleep(pause).await;
            let Some((builders, images)) = self.wanted(place) else { return };
            let builders_seen = self.look_at_builders(place, &builders).await;
            let images_seen = self.look_at_images(place, &images).await;
            pause = match (builders_seen, images_seen) {
                (Looked::Well, Looked::Well) => self.interval,
                (Looked::Badly, _) | (_, Looked::Badly) => {
                    (pause * 2).min(PAUSE_MAX).max(self.interval)
                }
            };
        }
    }

    /// The ids somebody waits for; `None`, and the board is gone, when there are none.
    fn wanted(&self, place: &Place) -> Option<(Vec<String>, Vec<String>)> {
        let mut boards = self.boards();
        let board = boards.get_mut(place)?;
        board.builders.retain(|_, sender| sender.receiver_count() > 0);
        board.images.retain(|_, sender| sender.receiver_count() > 0);
        if board.builders.is_empty() && board.images.is_empty() {
            boards.remove(place);
            return None;
        }
        Some((board.builders.keys().cloned().collect(), board.images.keys().cloned().collect()))
    }

    async fn look_at_builders(&self, place: &Place, ids: &[String]) -> Looked {
        let mut looked = Looked::Well;
        for ids in ids.chunks(IDS_PER_CALL) {
            let answer = self.cloud.builders(place, ids).await;
            looked = looked.and(place, answer.as_ref().err());
            if let Some(board) = self.boards().get(place) {
                tell(&board.builders, ids, &answer, |builder| &builder.id);
            }
        }
        looked
    }

    async fn look_at_images(&self, place: &Place, ids: &[String]) -> Looked {
        let mut looked = Looked::Well;
        for ids in ids.chunks(IDS_PER_CALL) {
            let answer = self.cloud.images(place, ImageQuery::OwnIds(ids.to_vec())).await;
            looked = looked.and(place, answer.as_ref().err());
            if let Some(board) = self.boards().get(place) {
                tell(&board.images, ids, &answer, |image| &image.id);
            }
        }
        looked
    }
}

/// How the looks of one round went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Looked {
    Well,
    Badly,
}

impl Looked {
    fn and(self, place: &Place, error: Option<&CloudError>) -> Self {
        let Some(error) = error else { return self };
        tracing::debug!(region = %place, %error, "look at the cloud failed, the next comes later");
        Self::Badly
    }
}

fn subscribe<T>(subjects: &mut Subjects<T>, id: &str) -> Watching<T> {
    subjects.entry(id.to_owned()).or_insert_with(|| watch::Sender::new(Sight::Unseen)).subscribe()
}

fn tell<T: Clone>(
    subjects: &Subjects<T>,
    ids: &[String],
    answer: &Result<Vec<T>, CloudError>,
    id_of: impl Fn(&T) -> &String,
) {
    for id in ids {
        let Some(sender) = subjects.get(id) else { continue };
        match answer {
            Ok(things) => match things.iter().find(|thing| id_of(thing) == id) {
                Some(thing) => sender.send_modify(|sight| *sight = Sight::There(thing.clone())),
                None => sender.send_modify(|sight| {
                    *sight = match sight {
                        Sight::Missing(looks) => Sight::Missing(looks.saturating_add(1)),
                        Sight::Unseen | Sight::There(_) | Sight::Refused(_) => Sight::Missing(1),
                    };
                }),
            },
            // These pass; whoever waits goes on waiting.
            Err(CloudError::Throttled { .. } | CloudError::UnknownOutcome { .. }) => {}
            Err(
                error @ (CloudError::NotFound { .. }
                | CloudError::NameTaken { .. }
                | CloudError::TokenReused { .. }
                | CloudError::NoCapacity { .. }
                | CloudError::Refused { .. }),
            ) => sender.send_modify(|sight| *sight = Sight::Refused(error.clone())),
        }
    }
}
