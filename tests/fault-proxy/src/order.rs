//! What a proxy can be told, as values and as words on a command line.

use std::{num::NonZeroU32, str::FromStr, time::Duration};

/// How bytes travel in one direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flow {
    /// As they come.
    Open,
    /// Nothing arrives and nothing is lost: a line that is cut, whose packets TCP sends again once it
    /// is mended.
    Hold,
    /// Open until these bytes come by; they are held, with all that follows.
    HoldAt(Vec<u8>),
    /// Taken and thrown away: the peer has vanished without a goodbye. A connection that lost bytes
    /// stays silent in this direction for the rest of its life.
    Swallow,
    /// Each piece comes so much later.
    Delay(Duration),
    /// So many bytes in a second.
    Drip(NonZeroU32),
    /// So many more bytes on each connection, then both its ends are closed.
    CutAfter(u64),
}

/// What becomes of new connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// They are passed on.
    Open,
    /// They are reset.
    Refuse,
    /// They are taken, and nobody answers until the door changes.
    Silent,
}

/// Which directions an order is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From clients to the server.
    ToServer,
    /// From the server to clients.
    ToClient,
    /// Both.
    Both,
}

/// What a proxy is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// How bytes travel from now on.
    Flow(Way, Flow),
    /// What becomes of new connections from now on.
    Door(Door),
    /// Closes every connection there is.
    Cut,
    /// Resets every connection there is.
    Reset,
    /// Everything is open again. What was thrown away stays lost.
    Heal,
}

/// How a link is ended from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Severing {
    Cut,
    Reset,
}

/// Words that are no order.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{words}` is no order: [to-server|to-client|both] open|hold|hold-at TEXT|swallow|delay MS|drip \
     BYTES_PER_SECOND|cut-after BYTES, door open|refuse|silent, cut, reset, or heal"
)]
pub struct OrderError {
    words: String,
}

impl FromStr for Order {
    type Err = OrderError;

    fn from_str(text: &str) -> Result<Self, OrderError> {
        let words: Vec<&str> = text.split_whitespace().collect();
        parsed(&words).ok_or_else(|| OrderError { words: text.to_owned() })
    }
}

fn parsed(words: &[&str]) -> Option<Order> {
    match words {
        ["cut"] => Some(Order::Cut),
        ["reset"] => Some(Order::Reset),
        ["heal"] => Some(Order::Heal),
        ["door", "open"] => Some(Order::Door(Door::Open)),
        ["door", "refuse"] => Some(Order::Door(Door::Refuse)),
        ["door", "silent"] => Some(Order::Door(Door::Silent)),
        ["to-server", flow @ ..] => Some(Order::Flow(Way::ToServer, parsed_flow(flow)?)),
        ["to-client", flow @ ..] => Some(Order::Flow(Way::ToClient, parsed_flow(flow)?)),
        ["both", flow @ ..] => Some(Order::Flow(Way::Both, parsed_flow(flow)?)),
        _ => None,
    }
}

fn parsed_flow(words: &[&str]) -> Option<Flow> {
    match words {
        ["open"] => Some(Flow::Open),
        ["hold"] => Some(Flow::Hold),
        ["hold-at", text] => Some(Flow::HoldAt(text.as_bytes().to_vec())),
        ["swallow"] => Some(Flow::Swallow),
        ["delay", ms] => Some(Flow::Delay(Duration::from_millis(ms.parse().ok()?))),
        ["drip", rate] => Some(Flow::Drip(rate.parse().ok()?)),
        ["cut-after", bytes] => Some(Flow::CutAfter(bytes.parse().ok()?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_read_from_words() {
        let read = |text: &str| text.parse::<Order>().unwrap();
        assert_eq!(read("both hold"), Order::Flow(Way::Both, Flow::Hold));
        assert_eq!(read("to-server  cut-after 7"), Order::Flow(Way::ToServer, Flow::CutAfter(7)));
        assert_eq!(
            read("to-client drip 1"),
            Order::Flow(Way::ToClient, Flow::Drip(NonZeroU32::MIN))
        );
        assert_eq!(
            read("to-client delay 500"),
            Order::Flow(Way::ToClient, Flow::Delay(Duration::from_millis(500)))
        );
        assert_eq!(
            read("to-server hold-at commit"),
            Order::Flow(Way::ToServer, Flow::HoldAt(b"commit".to_vec()))
        );
        assert_eq!(read("door silent"), Order::Door(Door::Silent));
        assert_eq!(read("reset"), Order::Reset);
    }

    #[test]
    fn what_is_no_order_is_refused_with_the_list_of_orders() {
        for words in
            ["", "hold", "both", "both drip 0", "to-server delay soon", "door ajar", "heal all"]
        {
            let error = words.parse::<Order>().unwrap_err();
            assert!(error.to_string().contains("cut-after BYTES"), "{words}: {error}");
        }
    }
}
