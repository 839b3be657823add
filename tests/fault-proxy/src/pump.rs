//! One direction of one connection.

use std::{num::NonZeroU32, ops::ControlFlow, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::tcp::{ReadHalf, WriteHalf},
    sync::watch,
    time::sleep,
};

use crate::{Flow, counts::Tally};

/// Most bytes carried at once.
const PIECE: usize = 16 * 1024;

/// Who the bytes are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Server,
    Client,
}

/// How a direction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The sender closed its side, and the receiver was told.
    Finished,
    /// The flow says so.
    Cut,
    /// An order says so.
    Reset,
    /// One of the two is gone.
    Failed,
}

/// Carries bytes from one side to the other.
pub(crate) async fn run(
    mut from: ReadHalf<'_>,
    to: WriteHalf<'_>,
    flow: watch::Receiver<Flow>,
    side: Side,
    tally: &Tally,
) -> End {
    let mut buffer = vec![0; PIECE];
    let mut pump = Pump { to, flow, side, tally, left: None, seen: Vec::new(), silent: Silent::No };
    loop {
        let count = match from.read(&mut buffer).await {
            Ok(0) => return pump.finish().await,
            Ok(count) => count,
            Err(_) => return End::Failed,
        };
        let piece = buffer.get(..count).unwrap_or_default();
        if let ControlFlow::Break(end) = pump.carry(piece).await {
            return end;
        }
    }
}

/// Whether bytes of this connection were thrown away: then nothing that follows makes sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Silent {
    No,
    ForEver,
}

struct Pump<'a> {
    to: WriteHalf<'a>,
    flow: watch::Receiver<Flow>,
    side: Side,
    tally: &'a Tally,
    /// What may still pass under the present `CutAfter`.
    left: Option<u64>,
    /// The end of what passed, as long as what is waited for.
    seen: Vec<u8>,
    silent: Silent,
}

impl Pump<'_> {
    /// The end of the stream passes as bytes would: not over a held line.
    async fn finish(mut self) -> End {
        loop {
            let flow = self.flow.borrow_and_update().clone();
            match (flow, self.silent) {
                (Flow::Hold | Flow::Swallow, _) | (_, Silent::ForEver) => {
                    if self.flow.changed().await.is_err() || self.silent == Silent::ForEver {
                        // The peer never hears of it; only an order ends this link.
                        std::future::pending::<()>().await;
                    }
                }
                (
                    Flow::Open
                    | Flow::HoldAt(_)
                    | Flow::Delay(_)
                    | Flow::Drip(_)
                    | Flow::CutAfter(_),
                    Silent::No,
                ) => {
                    self.to.shutdown().await.ok();
                    return End::Finished;
                }
            }
        }
    }

    /// Brings one piece across, under whatever flow there is by then.
    async fn carry(&mut self, piece: &[u8]) -> ControlFlow<End> {
        loop {
            if self.flow.has_changed().unwrap_or(false) {
                self.left = None;
                self.seen.clear();
            }
            let flow = self.flow.borrow_and_update().clone();
            if self.silent == Silent::ForEver {
                self.tally.swallowed(piece.len());
                return ControlFlow::Continue(());
            }
            match flow {
                Flow::Open => return self.send(piece).await,
                Flow::Hold => self.wait(piece.len()).await,
                Flow::HoldAt(wanted) => {
                    if !self.completes(&wanted, piece) {
                        return self.send(piece).await;
                    }
                    self.wait(piece.len()).await;
                }
                Flow::Swallow => {
                    self.silent = Silent::ForEver;
                    self.tally.swallowed(piece.len());
                    return ControlFlow::Continue(());
                }
                Flow::Delay(time) => {
                    self.tally.delayed(piece.len());
                    sleep(time).await;
                    return self.send(piece).await;
                }
                Flow::Drip(rate) => {
                    self.tally.delayed(piece.len());
                    return self.drip(piece, rate).await;
                }
                Flow::CutAfter(bytes) => return self.send_up_to(piece, bytes).await,
            }
        }
    }

    /// Waits for another flow; the sender lives as long as the proxy.
    async fn wait(&mut self, bytes: usize) {
        self.tally.held(bytes);
        if self.flow.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        self.flow.mark_changed();
    }

    /// True when the bytes waited for end in this piece.
    fn completes(&mut self, wanted: &[u8], piece: &[u8]) -> bool {
        self.seen.extend_from_slice(piece);
        let found =
            !wanted.is_empty() && self.seen.windows(wanted.len()).any(|part| part == wanted);
        let surplus = self.seen.len().saturating_sub(wanted.len().saturating_sub(1));
        self.seen.drain(..surplus);
        found
    }

    /// One byte at a time, until the flow changes; then the rest at once.
    async fn drip(&mut self, piece: &[u8], rate: NonZeroU32) -> ControlFlow<End> {
        let pause = Duration::from_secs(1) / rate.get();
        for (sent, byte) in piece.iter().enumerate() {
            tokio::select! {
                () = sleep(pause) => {}
                _ = self.flow.changed() => {
                    self.flow.mark_changed();
                    return self.send(piece.get(sent..).unwrap_or_default()).await;
                }
            }
            self.send(std::slice::from_ref(byte)).await?;
        }
        ControlFlow::Continue(())
    }

    async fn send_up_to(&mut self, piece: &[u8], bytes: u64) -> ControlFlow<End> {
        let left = *self.left.get_or_insert(bytes);
        let whole = u64::try_from(piece.len()).unwrap_or(u64::MAX);
        let passing = usize::try_from(left.min(whole)).unwrap_or(piece.len());
        self.send(piece.get(..passing).unwrap_or_default()).await?;
        if left <= whole {
            return ControlFlow::Break(End::Cut);
        }
        self.left = Some(left - whole);
        ControlFlow::Continue(())
    }

    async fn send(&mut self, bytes: &[u8]) -> ControlFlow<End> {
        if self.to.write_all(bytes).await.is_err() {
            return ControlFlow::Break(End::Failed);
        }
        match self.side {
            Side::Server => self.tally.sent_to_server(bytes.len()),
            Side::Client => self.tally.sent_to_client(bytes.len()),
        }
        ControlFlow::Continue(())
    }
}
