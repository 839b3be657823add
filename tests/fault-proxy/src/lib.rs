//! A TCP proxy that breaks connections on request, in the ways networks do: closed, reset, silent in
//! one direction or both, late, slow, or ended in the middle of a message. Everything it does is
//! counted, so that a test can say that its fault happened.
//!
//! It knows nothing of what it carries.

mod counts;
mod link;
mod order;
mod pump;

use std::{io, net::SocketAddr, sync::Arc};

use runtime::Tasks;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};

pub use self::{
    counts::Counts,
    order::{Door, Flow, Order, OrderError, Way},
};
use crate::{counts::Tally, link::Link, order::Severing};

/// One listening address in front of one server. Ends with its tasks.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

/// What the proxy and its links share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) door: watch::Sender<Door>,
    pub(crate) to_server: watch::Sender<Flow>,
    pub(crate) to_client: watch::Sender<Flow>,
    /// Sent anew for each cut: every link that is there then ends.
    pub(crate) severing: watch::Sender<Severing>,
    pub(crate) tally: Tally,
}

impl Proxy {
    /// Listens, and passes on everything until it is told otherwise. Port 0 is any free one.
    ///
    /// # Errors
    ///
    /// The address cannot be listened on.
    pub async fn start(
        listen: SocketAddr,
        upstream: SocketAddr,
        tasks: &Tasks,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            door: watch::Sender::new(Door::Open),
            to_server: watch::Sender::new(Flow::Open),
            to_client: watch::Sender::new(Flow::Open),
            severing: watch::Sender::new(Severing::Cut),
            tally: Tally::default(),
        });
        tasks.spawn(serve(listener, upstream, Arc::clone(&shared), tasks.clone()));
        Ok(Self { address, shared })
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Does what it is told. What concerns flows and the door holds until the next word on them, for
    /// the connections that are there and those to come.
    pub fn obey(&self, order: Order) {
        let Shared { door, to_server, to_client, severing, tally: _ } = self.shared.as_ref();
        match order {
            Order::Flow(Way::ToServer, flow) => drop(to_server.send_replace(flow)),
            Order::Flow(Way::ToClient, flow) => drop(to_client.send_replace(flow)),
            Order::Flow(Way::Both, flow) => {
                to_server.send_replace(flow.clone());
                to_client.send_replace(flow);
            }
            Order::Door(state) => drop(door.send_replace(state)),
            Order::Cut => drop(severing.send_replace(Severing::Cut)),
            Order::Reset => drop(severing.send_replace(Severing::Reset)),
            Order::Heal => {
                to_server.send_replace(Flow::Open);
                to_client.send_replace(Flow::Open);
                door.send_replace(Door::Open);
            }
        }
    }

    /// What happened so far.
    pub fn counts(&self) -> Counts {
        self.shared.tally.counts()
    }
}

async fn serve(listener: TcpListener, upstream: SocketAddr, shared: Arc<Shared>, tasks: Tasks) {
    loop {
        let accepted = tokio::select! {
            () = tasks.stop().cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        // Out of descriptors, or the client is gone already: the next one may fare better.
        let Ok((client, _)) = accepted else { continue };
        let stop = tasks.stop().clone();
        let shared = Arc::clone(&shared);
        tasks.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = admit(client, upstream, shared) => {}
            }
        });
    }
}

/// What becomes of a new connection.
async fn admit(client: TcpStream, upstream: SocketAddr, shared: Arc<Shared>) {
    let tally = &shared.tally;
    let mut door = shared.door.subscribe();
    let state = *door.borrow_and_update();
    match state {
        Door::Open => {}
        Door::Refuse => {
            tally.refused();
            link::reset(&client);
            return;
        }
        Door::Silent => {
            tally.ignored();
            // The sender lives as long as the proxy.
            if door.changed().await.is_ok() {
                link::reset(&client);
            }
            return;
        }
    }
    if let Ok(server) = TcpStream::connect(upstream).await {
        tally.accepted();
        Link::new(client, server, shared).run().await;
    } else {
        tally.unreachable();
        link::reset(&client);
    }
}
