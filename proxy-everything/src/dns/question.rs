//! One question's life: read, counted, answered, recorded. The same for a datagram and for a frame of TCP. Its record is
//! written when it is dropped, so that no way out can forget to.

use std::{net::SocketAddr, sync::Arc};

use hickory_proto::op::{Query, ResponseCode};
use policy::{CanonicalHost, Rule};
use tokio::sync::OwnedSemaphorePermit;

use super::{
    answer::{Answer, answer},
    message::{Carrier, Explanation, Reading, Reply, read},
    tunnel::NameRefusal,
};
use crate::{
    audit::{Decision, Kind, Protocol, Record},
    instance::Instance,
};

/// Who asks whom, and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) carrier: Carrier,
    /// The number of the TCP connection.
    pub(super) connection: Option<u64>,
}

/// A place among the questions under way; none if there are too many.
pub(super) type Slot = Option<OwnedSemaphorePermit>;

pub(super) fn slot(instance: &Instance) -> Slot {
    Arc::clone(&instance.bounds.slots).try_acquire_owned().ok()
}

/// The bytes to answer `message` with. Without a slot nothing is waited for.
pub(super) async fn serve(
    message: &[u8],
    way: Way,
    slot: &Slot,
    instance: &Arc<Instance>,
) -> Option<Vec<u8>> {
    let (query, reply) = match read(message) {
        Reading::Nothing => return None,
        Reading::Senseless(reply) => (None, reply),
        Reading::Question(query, reply) => (Some(query), reply),
    };
    let mut trail = Trail::open(way, instance);
    let generation = instance.current();
    trail.record.generation = generation.number();
    if let Some(query) = &query {
        trail.asked(query);
    }
    let free =
        slot.as_ref().ok_or(NameRefusal::Rate).and_then(|_| instance.bounds.question(generation.limits()));
    let answer = match (free, &query) {
        (Err(refusal), _) => too_many(refusal),
        (Ok(()), None) => return trail.senseless(reply, way.carrier),
        (Ok(()), Some(query)) => answer(query, instance, &generation).await,
    };
    trail.answered(reply, answer, way.carrier)
}

fn too_many(refusal: NameRefusal) -> Answer {
    let text = "too many questions in a short time";
    Answer::refused(ResponseCode::Refused, refusal.kind(), Explanation::Filtered, text)
}

/// The record in the making.
struct Trail {
    instance: Arc<Instance>,
    record: Record,
}

impl Trail {
    fn open(way: Way, instance: &Arc<Instance>) -> Self {
        let mut record = Record::new(Kind::Dns, Protocol::Dns, instance, way.from, way.to);
        record.connection = way.connection;
        Self { instance: Arc::clone(instance), record }
    }

    fn asked(&mut self, query: &Query) {
        self.record.method = Some(query.query_type().to_string());
        let name = query.name().to_ascii();
        let host = CanonicalHost::parse(&name);
        self.record.authority = Some(host.as_ref().map_or(name, ToString::to_string));
    }

    fn senseless(mut self, reply: Reply, carrier: Carrier) -> Option<Vec<u8>> {
        self.record.decision = Some(Decision::Deny);
        self.record.error = Some("malformed_request");
        self.record.status = Some(reply.status());
        reply.render(carrier)
    }

    fn answered(mut self, mut reply: Reply, answer: Answer, carrier: Carrier) -> Option<Vec<u8>> {
        self.record.decision = Some(answer.decision);
        self.record.rule = answer.rule.as_ref().map(Rule::label);
        self.record.error = answer.error;
        self.record.generation = answer.generation.unwrap_or(self.record.generation);
        reply.code(answer.code);
        reply.answers(answer.records);
        if let Some((why, text)) = answer.explanation {
            reply.explain(why, &text);
        }
        self.record.status = Some(reply.status());
        reply.render(carrier)
    }
}

impl Drop for Trail {
    fn drop(&mut self) {
        self.record.end();
        self.instance.audit.write(&self.record, &self.instance.records);
    }
}
