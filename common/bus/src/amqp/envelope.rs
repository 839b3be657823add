//! What travels beside a message's body, there and back.

use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable, ShortString},
};

use crate::{Message, ParkReason, now_ms};

const REASON: &str = "x-reason";
const ORIGIN: &str = "x-origin";
/// AMQP's own timestamp counts seconds, too coarse for the time in a queue.
const PUBLISHED_MS: &str = "x-published-ms";
/// Set by the broker on what it dead-letters.
const DEATH_QUEUE: &str = "x-first-death-queue";
const DEATH_REASON: &str = "x-first-death-reason";

/// The properties to send with a message; `None` when its id is longer than AMQP can carry.
pub(crate) fn properties(message: &Message, app: &str) -> Option<BasicProperties> {
    let now_ms = now_ms();
    let mut headers = FieldTable::default();
    let published = AMQPValue::LongLongInt(i64::try_from(now_ms).unwrap_or(i64::MAX));
    headers.insert(PUBLISHED_MS.into(), published);
    if let Some(park) = &message.park {
        headers.insert(REASON.into(), AMQPValue::LongString(park.reason.as_str().into()));
        headers.insert(ORIGIN.into(), AMQPValue::LongString(park.origin.as_str().into()));
    }
    let properties = BasicProperties::default()
        .with_content_type("application/json".into())
        .with_delivery_mode(2) // persistent
        .with_message_id(ShortString::try_new(message.id.as_str()).ok()?)
        .with_app_id(ShortString::try_new(app).ok()?)
        .with_timestamp(now_ms / 1_000)
        .with_headers(headers);
    Some(properties)
}

/// The publisher's id, if there is one.
pub(crate) fn message_id(properties: &BasicProperties) -> &str {
    properties.message_id().as_ref().map_or("", ShortString::as_str)
}

/// When the publisher sent it.
pub(crate) fn published_ms(properties: &BasicProperties) -> Option<u64> {
    let published = properties.headers().as_ref()?.inner().get(PUBLISHED_MS)?;
    let AMQPValue::LongLongInt(ms) = published else { return None };
    u64::try_from(*ms).ok()
}

/// Why it was parked: by one of us, or by the broker. `prefix` is taken off the queue's name.
pub(crate) fn park(properties: &BasicProperties, prefix: &str) -> Option<ParkReason> {
    let headers = properties.headers().as_ref()?;
    let ours = text(headers, REASON).zip(text(headers, ORIGIN));
    let ours = ours.map(|(reason, origin)| ParkReason { origin, reason });
    ours.or_else(|| {
        let queue = text(headers, DEATH_QUEUE)?;
        let cause = text(headers, DEATH_REASON)?;
        Some(ParkReason::gave_up(queue.strip_prefix(prefix).unwrap_or(&queue), &cause))
    })
}

fn text(headers: &FieldTable, name: &str) -> Option<String> {
    let AMQPValue::LongString(text) = headers.inner().get(name)? else { return None };
    Some(String::from_utf8_lossy(text.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests {
    use wire::Route;

    use super::*;

    #[test]
    fn what_we_send_beside_a_body_is_read_back() {
        let park = ParkReason { origin: "task.bake.v1".to_owned(), reason: "no JSON".to_owned() };
        let message = Message {
            route: Route::Dead,
            id: "E/S/1/1".to_owned(),
            body: Vec::new(),
            park: Some(park.clone()),
        };
        let properties = properties(&message, "test").unwrap();
        assert_eq!(message_id(&properties), "E/S/1/1");
        assert_eq!(super::park(&properties, ""), Some(park));
        assert!(published_ms(&properties).is_some_and(|ms| ms > 1_700_000_000_000));
    }

    #[test]
    fn an_id_too_long_for_the_protocol_is_no_panic() {
        let message =
            Message { route: Route::Dead, id: "x".repeat(256), body: Vec::new(), park: None };
        assert!(properties(&message, "test").is_none());
    }
}
