//! DNS over TCP (RFC 7766): receives a connection to port 53, whatever address it is for, and answers the questions on it
//! until it is closed or nothing comes any more. Never sniffed: what is no DNS here goes nowhere.

use std::{sync::Arc, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    sync::{Mutex, Semaphore},
    time::timeout,
};

use super::{
    message::Carrier,
    question::{self, Way},
};
use crate::{accept::Accepted, audit::Protocol, error::ConnectionError, instance::Instance};

/// Questions of one connection that are answered at once; the next ones wait in the socket (RFC 7766, 6.2.1.1).
const PIPELINE: u32 = 16;

/// Serves `accepted` to its end.
pub async fn serve(accepted: Accepted, instance: Arc<Instance>) {
    let Accepted { socket, mut trail } = accepted;
    trail.protocol(Protocol::Dns);
    trail.inspected();
    let (from, connection) = (trail.record().source, trail.record().connection);
    let way = Way { from, to: trail.destination(), carrier: Carrier::Tcp, connection };
    let (mut reader, writer) = tokio::io::split(socket);
    let writer = Arc::new(Mutex::new(writer));
    let pipeline = Arc::new(Semaphore::new(PIPELINE as usize));
    loop {
        // Each one under way ends by its own deadline.
        let Ok(place) = Arc::clone(&pipeline).acquire_owned().await else { break };
        let idle = instance.current().limits().request_head();
        let message = match timeout(idle, frame(&mut reader)).await {
            Ok(Ok(message)) => message,
            Ok(Err(_closed)) => break,
            Err(_) => {
                trail.failed(&ConnectionError::Idle);
                break;
            }
        };
        let (writer, instance) = (Arc::clone(&writer), Arc::clone(&instance));
        tokio::spawn(async move {
            let slot = question::slot(&instance);
            if let Some(answer) = question::serve(&message, way, &slot, &instance).await {
                send(&writer, &answer, idle).await;
            }
            drop(place);
        });
    }
    // The connection's record comes after those of its questions.
    let _ = pipeline.acquire_many(PIPELINE).await;
}

/// Two octets of length, then as many of message (RFC 1035, 4.2.2).
async fn frame(reader: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Vec<u8>> {
    let length = reader.read_u16().await?;
    let mut message = vec![0; length.into()];
    reader.read_exact(&mut message).await?;
    Ok(message)
}

/// A client that does not read its answers loses them: the connection ends when it is idle.
async fn send<W: AsyncWriteExt + Unpin>(writer: &Mutex<W>, answer: &[u8], limit: Duration) {
    let Ok(length) = u16::try_from(answer.len()) else { return };
    let framed = [&length.to_be_bytes()[..], answer].concat();
    let sending = async { writer.lock().await.write_all(&framed).await };
    let _ = timeout(limit, sending).await;
}
