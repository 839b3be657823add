//! An HTTP server that a slow or greedy client cannot hold hostage.
//!
//! `axum::serve` sets no limit to how long a request head may take or to the number of
//! connections; both are needed by anything that strangers can reach.

use std::{io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};

use crate::Tasks;

/// Connections at once; more wait in the listen queue.
const CONNECTIONS_MAX: usize = 1024;
/// How long a request's head may take; also how long an idle connection is kept.
const HEAD_TIMEOUT: Duration = Duration::from_secs(20);
/// How large a request's head may be, and how much is read ahead per connection.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Pause after a failed accept: usually there are no file descriptors left, and spinning helps nobody.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// An address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("could not listen on {address}")]
pub struct ListenError {
    address: SocketAddr,
    #[source]
    cause: io::Error,
}

/// Listens and serves in the background until `tasks` is told to stop; then requests in hand are
/// finished and connections closed. Gives the address, which is news when port 0 was asked for.
///
/// # Errors
///
/// The address cannot be listened on.
pub async fn serve(
    address: SocketAddr,
    router: Router,
    tasks: &Tasks,
) -> Result<SocketAddr, ListenError> {
    let failed = |cause| ListenError { address, cause };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    tasks.spawn(accept(listener, router, tasks.clone()));
    Ok(bound)
}

async fn accept(listener: TcpListener, router: Router, tasks: Tasks) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let stop = tasks.stop().clone();
    let next = async || {
        let place = Arc::clone(&places).acquire_owned().await.ok()?;
        loop {
            match listener.accept().await {
                Ok((stream, _)) => return Some((stream, place)),
                Err(error) => {
                    tracing::warn!(%error, "a connection was not accepted, the client may try again");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    while let Some(Some((stream, place))) = stop.run_until_cancelled(next()).await {
        tasks.spawn(connection(stream, router.clone(), tasks.clone(), place));
    }
}

async fn connection(stream: TcpStream, router: Router, tasks: Tasks, place: OwnedSemaphorePermit) {
    // Answers are small and wanted at once.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection keeps its delay");
    }
    let mut serving = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_buf_size(HEAD_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
    );
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = tasks.stop().cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke");
    }
    drop(place);
}
