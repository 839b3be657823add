//! What the broker of one process holds, and its rules. No waiting here: every call is over at once.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
};

use tokio::sync::mpsc;
use wire::Queue;

use crate::{DELIVERY_LIMIT, Delivery, ParkReason, QueueDepth, in_process::Place};

/// A message in a queue or in a consumer's hand.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) id: String,
    pub(crate) body: Vec<u8>,
    pub(crate) park: Option<ParkReason>,
    pub(crate) published_ms: u64,
    /// How often it came back.
    pub(crate) returns: u32,
}

/// Makes a delivery of a message.
type HandOut = Box<dyn Fn(&Stored, Place) -> Delivery + Send>;

struct Subscriber {
    prefetch: usize,
    /// `None` once it was told to stop.
    sender: Option<mpsc::Sender<Delivery>>,
    hand_out: HandOut,
    in_hand: BTreeMap<u64, Stored>,
}

impl fmt::Debug for Subscriber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriber")
            .field("prefetch", &self.prefetch)
            .field("in_hand", &self.in_hand.len())
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct Waiting {
    ready: VecDeque<Stored>,
    subscribers: BTreeMap<u64, Subscriber>,
    /// Who was served last: the next one is next.
    served: u64,
}

/// All queues.
#[derive(Debug, Default)]
pub(crate) struct Broker {
    closed: bool,
    queues: BTreeMap<Queue, Waiting>,
    hints: Vec<mpsc::Sender<Vec<u8>>>,
    /// The last number given to a subscriber or a delivery.
    number: u64,
}

impl Broker {
    pub(crate) fn closed(&self) -> bool {
        self.closed
    }

    pub(crate) fn close(&mut self) {
        self.closed = true;
        self.hints.clear();
        for waiting in self.queues.values_mut() {
            for subscriber in waiting.subscribers.values_mut() {
                subscriber.sender = None;
            }
        }
    }

    pub(crate) fn push(&mut self, queue: Queue, message: Stored) {
        self.queues.entry(queue).or_default().ready.push_back(message);
        self.deliver(queue);
    }

    pub(crate) fn subscribe(
        &mut self,
        queue: Queue,
        prefetch: usize,
        sender: mpsc::Sender<Delivery>,
        hand_out: impl Fn(&Stored, Place) -> Delivery + Send + 'static,
    ) -> u64 {
        self.number += 1;
        let subscriber = Subscriber {
            prefetch,
            sender: Some(sender).filter(|_| !self.closed),
            hand_out: Box::new(hand_out),
            in_hand: BTreeMap::new(),
        };
        self.queues.entry(queue).or_default().subscribers.insert(self.number, subscriber);
        let number = self.number;
        self.deliver(queue);
        number
    }

    pub(crate) fn stop(&mut self, queue: Queue, consumer: u64) {
        let waiting = self.queues.entry(queue).or_default();
        if let Some(subscriber) = waiting.subscribers.get_mut(&consumer) {
            subscriber.sender = None;
        }
    }

    /// Everything in hand goes back to where it was taken from: the front, in its order.
    pub(crate) fn unsubscribe(&mut self, queue: Queue, consumer: u64) {
        let waiting = self.queues.entry(queue).or_default();
        if let Some(gone) = waiting.subscribers.remove(&consumer) {
            for message in gone.in_hand.into_values().rev() {
                self.give_back(queue, message);
            }
        }
        self.deliver(queue);
    }

    /// False when the consumer that held it is gone.
    pub(crate) fn ack(&mut self, place: Place) -> bool {
        let settled = self.take_from_hand(place).is_some();
        self.deliver(place.queue);
        settled
    }

    /// False when the consumer that held it is gone.
    pub(crate) fn requeue(&mut self, place: Place) -> bool {
        let Some(message) = self.take_from_hand(place) else { return false };
        self.give_back(place.queue, message);
        self.deliver(place.queue);
        true
    }

    /// Forgets every message, also those in a consumer's hand.
    pub(crate) fn wipe(&mut self) {
        for waiting in self.queues.values_mut() {
            waiting.ready.clear();
            for subscriber in waiting.subscribers.values_mut() {
                subscriber.in_hand.clear();
            }
        }
    }

    /// Takes back what every consumer has in hand and hands it out again, as after a connection that
    /// broke and was made anew: what was delivered before can no longer be settled.
    pub(crate) fn reconnect(&mut self) {
        let queues: Vec<Queue> = self.queues.keys().copied().collect();
        for queue in queues {
            let mut back = Vec::new();
            if let Some(waiting) = self.queues.get_mut(&queue) {
                for subscriber in waiting.subscribers.values_mut() {
                    back.extend(std::mem::take(&mut subscriber.in_hand));
                }
            }
            back.sort_by_key(|(tag, _)| *tag);
            for (_, message) in back.into_iter().rev() {
                self.give_back(queue, message);
            }
            self.deliver(queue);
        }
    }

    pub(crate) fn listen(&mut self, listener: mpsc::Sender<Vec<u8>>) {
        if !self.closed {
            self.hints.push(listener);
        }
    }

    /// To every listener with room.
    pub(crate) fn hint(&mut self, body: &[u8]) {
        self.hints.retain(|listener| match listener.try_send(body.to_vec()) {
            Ok(()) | Err(mpsc::error::TrySendError::Full(_)) => true,
            Err(mpsc::error::TrySendError::Closed(_)) => false,
        });
    }

    pub(crate) fn depth(&self, queue: Queue) -> QueueDepth {
        let Some(waiting) = self.queues.get(&queue) else { return QueueDepth::default() };
        let live = waiting.subscribers.values().filter(|one| one.sender.is_some()).count();
        QueueDepth {
            ready: u32::try_from(waiting.ready.len()).unwrap_or(u32::MAX),
            consumers: u32::try_from(live).unwrap_or(u32::MAX),
        }
    }

    fn take_from_hand(&mut self, place: Place) -> Option<Stored> {
        let waiting = self.queues.get_mut(&place.queue)?;
        waiting.subscribers.get_mut(&place.consumer)?.in_hand.remove(&place.tag)
    }

    /// The parking queue has no limit: there is nowhere further to go.
    fn give_back(&mut self, queue: Queue, mut message: Stored) {
        message.returns += 1;
        if queue == Queue::Parked || message.returns <= DELIVERY_LIMIT {
            self.queues.entry(queue).or_default().ready.push_front(message);
        } else {
            message.returns = 0;
            message.park = Some(ParkReason::gave_up(&queue.name(), "delivery_limit"));
            self.push(Queue::Parked, message);
        }
    }

    /// Hands out what can be handed out, to each subscriber with room in turn.
    fn deliver(&mut self, queue: Queue) {
        let waiting = self.queues.entry(queue).or_default();
        while !waiting.ready.is_empty() {
            let has_room = |one: &Subscriber| {
                one.sender.as_ref().is_some_and(|sender| !sender.is_closed())
                    && one.in_hand.len() < one.prefetch
            };
            let mut free = waiting.subscribers.iter().filter(|(_, one)| has_room(one));
            let first = free.next().map(|(number, _)| *number);
            let after = waiting.subscribers.range(waiting.served + 1..);
            let next = after.filter(|(_, one)| has_room(one)).map(|(number, _)| *number).next();
            let Some(number) = next.or(first) else { return };
            let (Some(subscriber), Some(message)) =
                (waiting.subscribers.get_mut(&number), waiting.ready.pop_front())
            else {
                return;
            };
            waiting.served = number;
            self.number += 1;
            let place = Place { queue, consumer: number, tag: self.number };
            let delivery = (subscriber.hand_out)(&message, place);
            subscriber.in_hand.insert(self.number, message);
            // There is room, as no more than the prefetch is in hand; a receiver that closed in
            // between has a consumer that is about to be dropped, which gives the message back.
            if let Some(sender) = &subscriber.sender {
                sender.try_send(delivery).ok();
            }
        }
    }
}
