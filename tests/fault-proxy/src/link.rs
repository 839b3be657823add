//! One connection through the proxy: a pump for each direction, ended together.

use std::sync::Arc;

use tokio::{net::TcpStream, sync::watch};

use crate::{
    Shared,
    order::Severing,
    pump::{self, End, Side},
};

/// A client and the server, connected.
#[derive(Debug)]
pub(crate) struct Link {
    client: TcpStream,
    server: TcpStream,
    shared: Arc<Shared>,
    severing: watch::Receiver<Severing>,
}

impl Link {
    pub(crate) fn new(client: TcpStream, server: TcpStream, shared: Arc<Shared>) -> Self {
        // What comes in pieces goes out in the same pieces.
        for stream in [&client, &server] {
            stream.set_nodelay(true).ok();
        }
        let mut severing = shared.severing.subscribe();
        severing.mark_unchanged();
        Self { client, server, shared, severing }
    }

    /// Carries bytes until one side ends the connection or an order does.
    pub(crate) async fn run(self) {
        let Self { mut client, mut server, shared, mut severing } = self;
        let ended = {
            let (client_reads, client_writes) = client.split();
            let (server_reads, server_writes) = server.split();
            let up = pump::run(
                client_reads,
                server_writes,
                shared.to_server.subscribe(),
                Side::Server,
                &shared.tally,
            );
            let down = pump::run(
                server_reads,
                client_writes,
                shared.to_client.subscribe(),
                Side::Client,
                &shared.tally,
            );
            tokio::select! {
                end = both(up, down) => end,
                // The sender lives as long as the proxy.
                _ = severing.changed() => match *severing.borrow() {
                    Severing::Cut => End::Cut,
                    Severing::Reset => End::Reset,
                },
            }
        };
        match ended {
            End::Finished => {}
            // Dropping a socket with unread bytes may reset it, which is as good a cut as any.
            End::Cut => shared.tally.cut(),
            End::Reset => {
                shared.tally.reset();
                reset(&client);
                reset(&server);
            }
            // One side was reset: the other hears the same.
            End::Failed => {
                reset(&client);
                reset(&server);
            }
        }
    }
}

/// Until both directions have finished, or one ends otherwise.
async fn both(up: impl Future<Output = End>, down: impl Future<Output = End>) -> End {
    let (mut up, mut down) = (std::pin::pin!(up), std::pin::pin!(down));
    let first = tokio::select! {
        end = &mut up => (end, Side::Server),
        end = &mut down => (end, Side::Client),
    };
    match first {
        (End::Finished, Side::Server) => down.await,
        (End::Finished, Side::Client) => up.await,
        (end @ (End::Cut | End::Reset | End::Failed), Side::Server | Side::Client) => end,
    }
}

/// Makes the end of this connection a reset.
pub(crate) fn reset(stream: &TcpStream) {
    // Fails only when the socket is gone, and then there is nothing to reset.
    stream.set_zero_linger().ok();
}
