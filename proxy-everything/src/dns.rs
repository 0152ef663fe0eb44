//! DNS: every question of the workload, whatever server it meant to ask, over UDP or TCP, is answered here, from the
//! policy. A name that the policy denies does not exist, and no resolver anywhere learns that it was asked for. A name
//! that may be reached gets its addresses, judged one by one, or one that belongs to nobody else. Which address the
//! workload connects to decides nothing about HTTP: for a name the proxy resolves by itself when it dials.

mod answer;
mod lru;
pub mod message;
mod names;
mod question;
mod rate;
mod service;
mod tcp;
mod tunnel;

use std::sync::Arc;

pub use names::Names;
pub use tcp::serve as serve_connection;
pub use tunnel::{Bounds, NameRefusal};

use crate::{accept::BACK_OFF, capture::TransparentSocket, instance::Instance};
use message::Carrier;
use question::Way;

/// The port.
pub const PORT: u16 = 53;

/// Answers the questions that arrive at `socket` until the task is dropped.
pub async fn serve(socket: TransparentSocket, instance: Arc<Instance>) {
    let socket = Arc::new(socket);
    loop {
        let question = match socket.receive().await {
            Ok(question) => question,
            Err(error) => {
                tracing::warn!(%error, "cannot receive a DNS question");
                tokio::time::sleep(BACK_OFF).await;
                continue;
            }
        };
        let way = Way { from: question.from, to: question.to, carrier: Carrier::Udp, connection: None };
        let (socket, instance) = (Arc::clone(&socket), Arc::clone(&instance));
        let slot = question::slot(&instance);
        let free = slot.is_some();
        let answering = async move {
            let Some(answer) = question::serve(&question.message, way, &slot, &instance).await else {
                return;
            };
            if let Err(error) = socket.answer(&question, &answer).await {
                tracing::debug!(%error, "cannot answer a DNS question");
            }
        };
        // Without a slot it is a refusal, which is quick.
        if free {
            tokio::spawn(answering);
        } else {
            answering.await;
        }
    }
}
