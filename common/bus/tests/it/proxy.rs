//! A cable between the bus and the broker, which can be cut.

use std::net::SocketAddr;

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};

/// Forwards connections until it is dropped.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    /// Whether the cable is whole; each cut ends what goes through it.
    whole: watch::Sender<bool>,
    _forwarding: JoinSet<()>,
}

impl Proxy {
    /// A cable to `broker` (`host:port`).
    pub(crate) async fn new(broker: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (whole, state) = watch::channel(true);
        let mut forwarding = JoinSet::new();
        forwarding.spawn(async move {
            let mut links = JoinSet::new();
            loop {
                let (mut near, _) = listener.accept().await.unwrap();
                let (broker, mut state) = (broker.clone(), state.clone());
                links.spawn(async move {
                    if !*state.borrow_and_update() {
                        return;
                    }
                    let mut far = TcpStream::connect(broker).await.unwrap();
                    tokio::select! {
                        _ = copy_bidirectional(&mut near, &mut far) => {}
                        _ = state.changed() => {}
                    }
                });
            }
        });
        Self { address, whole, _forwarding: forwarding }
    }

    /// Ends every connection and refuses new ones.
    pub(crate) fn cut(&self) {
        self.whole.send_replace(false);
    }

    /// Lets new connections through.
    pub(crate) fn mend(&self) {
        self.whole.send_replace(true);
    }
}
