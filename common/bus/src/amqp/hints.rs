//! Cancel hints: a queue that lives as long as somebody listens, and loses what nobody is there for.

use std::sync::Arc;

use futures::StreamExt;
use lapin::{
    Channel,
    options::{BasicConsumeOptions, QueueBindOptions, QueueDeclareOptions},
    types::FieldTable,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{sleep, timeout},
};
use tracing::debug;
use wire::Route;

use crate::{
    HINTS_MAX,
    amqp::{Core, backoff::Backoff, topology::is_missing},
};

/// Starts to listen. Waits for the first queue, or its failure.
pub(crate) async fn listen(core: &Arc<Core>) -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel(HINTS_MAX);
    let (ready, tried) = oneshot::channel();
    core.spawn(run(Arc::clone(core), sender, ready));
    timeout(core.timeout, tried).await.ok();
    receiver
}

async fn run(core: Arc<Core>, sender: mpsc::Sender<Vec<u8>>, ready: oneshot::Sender<()>) {
    let mut backoff = Backoff::default();
    let mut ready = Some(ready);
    let listening = async {
        loop {
            let opened = open(&core).await;
            if let Some(ready) = ready.take() {
                ready.send(()).ok();
            }
            match opened {
                Ok((_channel, mut stream)) => {
                    backoff.reset();
                    while let Some(Ok(delivery)) = stream.next().await {
                        // Full: whoever listens is slow, and finds out by its leases.
                        sender.try_send(delivery.data).ok();
                    }
                }
                Err(detail) => debug!(detail, "not listening for hints"),
            }
            sleep(backoff.next()).await;
        }
    };
    tokio::select! {
        () = core.closing.cancelled() => {}
        () = sender.closed() => {}
        () = listening => {}
    }
}

async fn open(core: &Core) -> Result<(Channel, lapin::Consumer), String> {
    let connection = core.inward.connection().await.map_err(|trouble| trouble.detail())?;
    let opening = async {
        let channel = connection.create_channel().await?;
        // Unnamed, and gone with this connection.
        let options = QueueDeclareOptions {
            exclusive: true,
            auto_delete: true,
            ..QueueDeclareOptions::default()
        };
        let queue = channel.queue_declare("".into(), options, FieldTable::default()).await?;
        let (exchange, key) = (core.topology.name(&Route::Cancel.exchange()), Route::Cancel.key());
        let bind = QueueBindOptions::default();
        let name = queue.name().clone();
        channel.queue_bind(name.clone(), exchange, key.into(), bind, FieldTable::default()).await?;
        let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
        let stream = channel.basic_consume(name, "".into(), options, FieldTable::default()).await?;
        Ok::<_, lapin::Error>((channel, stream))
    };
    match timeout(core.timeout, opening).await {
        Ok(Ok(opened)) => Ok(opened),
        Ok(Err(error)) => {
            if is_missing(&error) {
                core.inward.declare_again();
            }
            Err(error.to_string())
        }
        Err(_) => Err("no answer in time".to_owned()),
    }
}
