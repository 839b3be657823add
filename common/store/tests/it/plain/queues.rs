//! What is due, and what is forgotten: by looking at everything.

use store::{Due, EventState, Expired, Expiry, StoredEvent};

use super::Model;

impl Model {
    pub(crate) fn accept(&mut self, key: &str) -> bool {
        if self.events.contains_key(key) {
            return false;
        }
        let event = StoredEvent {
            key: key.to_owned(),
            body: "body".to_owned(),
            accepted_ms: self.now,
            since_ms: self.now,
            tries: 0,
            state: EventState::Pending { note: None },
        };
        self.events.insert(key.to_owned(), (self.now, event));
        self.order.push(key.to_owned());
        true
    }

    fn pending(&mut self, key: &str) -> Option<&mut (u64, StoredEvent)> {
        let event = self.events.get_mut(key)?;
        matches!(event.1.state, EventState::Pending { .. }).then_some(event)
    }

    pub(crate) fn settle(&mut self, key: &str) {
        if let Some((_, event)) = self.pending(key) {
            event.state = EventState::Settled { outcome: "outcome".to_owned() };
        }
    }

    pub(crate) fn defer(&mut self, key: &str, time: u64) {
        if let Some((due, event)) = self.pending(key) {
            *due = time;
            event.state = EventState::Pending { note: Some("note".to_owned()) };
        }
    }

    pub(crate) fn expire(&mut self, expiry: Expiry) -> Expired {
        let limit = usize::try_from(expiry.limit).unwrap();
        let old = |key: &&String| {
            let event = &self.events[*key].1;
            let settled = matches!(event.state, EventState::Settled { .. });
            settled && event.accepted_ms < expiry.events_before_ms
        };
        let events: Vec<String> = self.order.iter().filter(old).take(limit).cloned().collect();
        self.order.retain(|key| !events.contains(key));
        self.events.retain(|key, _| !events.contains(key));
        let before = self.removed.iter().filter(|(_, at)| **at < expiry.tombstones_before_ms);
        let tombstones = first(before.map(|(id, at)| (*at, id.clone())));
        let tombstones: Vec<_> = tombstones.into_iter().take(limit).collect();
        self.removed.retain(|id, _| !tombstones.contains(id));
        let count = |number: usize| u32::try_from(number).unwrap();
        Expired { events: count(events.len()), tombstones: count(tombstones.len()) }
    }

    pub(crate) fn messages_done(&mut self, id: &str) {
        self.messages.remove(id);
    }

    pub(crate) fn due(&mut self, limit: usize, hide: u64) -> Due {
        let (now, again) = (self.now, self.now + hide);
        let mut due = Due { now_ms: now, ..Due::default() };
        for key in first(self.events.iter().filter_map(|(key, (at, event))| {
            let pending = matches!(event.state, EventState::Pending { .. });
            (pending && *at <= now).then(|| (*at, key.clone()))
        }))
        .into_iter()
        .take(limit)
        {
            let (at, event) = self.events.get_mut(&key).unwrap();
            *at = again;
            event.tries += 1;
            due.events.push(event.clone());
        }
        for id in first(
            self.messages
                .iter()
                .filter(|(_, (at, _))| *at <= now)
                .map(|(id, (at, _))| (*at, id.clone())),
        ) {
            if due.outbox.len() == limit {
                break;
            }
            let row = self.messages[&id].1.clone();
            let live = row.only_if.as_ref().is_none_or(|(task, epoch)| {
                let lease = self.leases.get(task);
                lease.is_some_and(|it| it.row.epoch == *epoch && it.row.result.is_none())
            });
            if live {
                self.messages.insert(id, (again, row.clone()));
                due.outbox.push(row);
            } else {
                self.messages.remove(&id);
            }
        }
        for id in first(self.executions.iter().filter_map(|(id, execution)| {
            execution.wake.filter(|wake| *wake <= now).map(|wake| (wake, id.clone()))
        }))
        .into_iter()
        .take(limit)
        {
            self.executions.get_mut(&id).unwrap().wake = Some(again);
            due.wakes.push(id);
        }
        let pending = self
            .events
            .values()
            .filter(|(_, event)| matches!(event.state, EventState::Pending { .. }));
        due.next_ms = pending
            .map(|(at, _)| *at)
            .chain(self.messages.values().map(|(at, _)| *at))
            .chain(self.executions.values().filter_map(|execution| execution.wake))
            .min();
        due
    }
}

/// The longest overdue first, then by name.
fn first<T: Ord>(due: impl Iterator<Item = (u64, T)>) -> Vec<T> {
    let mut due: Vec<(u64, T)> = due.collect();
    due.sort();
    due.into_iter().map(|(_, name)| name).collect()
}
