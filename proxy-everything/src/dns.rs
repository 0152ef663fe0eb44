//! DNS: every question of the workload, whatever server it meant to ask, is answered here. A name that the policy could let
//! pass gets an address that belongs to nobody, because for a name the proxy resolves by itself when it dials: the workload's
//! choice of address decides nothing. Any other name does not exist, and no resolver anywhere learns that it was asked for.

use std::{
    net::{Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use hickory_proto::{
    op::{Message, MessageType, OpCode, Query, ResponseCode},
    rr::{
        DNSClass, RData, Record as Answer, RecordType,
        rdata::{A, AAAA},
    },
};
use policy::CanonicalHost;

use crate::{
    accept::BACK_OFF,
    audit::{Decision, Kind, Protocol, Record},
    capture::{Question, TransparentSocket},
    config::Generation,
    instance::Instance,
};

/// What every allowed name resolves to: benchmarking addresses (RFC 2544, RFC 5180), which no network routes.
const ANSWER_V4: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);
const ANSWER_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 2, 0, 0, 0, 0, 0, 1);
/// Seconds; short, because the policy may change.
const TTL: u32 = 5;

/// Answers the questions that arrive at `socket` until the task is dropped.
pub async fn serve(socket: TransparentSocket, instance: Arc<Instance>) {
    loop {
        let question = match socket.receive().await {
            Ok(question) => question,
            Err(error) => {
                tracing::warn!(%error, "cannot receive a DNS question");
                tokio::time::sleep(BACK_OFF).await;
                continue;
            }
        };
        // What is not a DNS question gets no answer: there is nothing to answer to.
        let Some(answer) = answer(&question, &instance) else { continue };
        if let Err(error) = socket.answer(&question, &answer).await {
            tracing::debug!(%error, "cannot answer a DNS question");
        }
    }
}

fn answer(question: &Question, instance: &Instance) -> Option<Vec<u8>> {
    let request = Message::from_vec(&question.message).ok()?;
    if request.metadata.message_type != MessageType::Query {
        return None;
    }
    let mut record = Record::new(Kind::Dns, Protocol::Dns, instance, question.from, question.to);
    let generation = instance.current();
    record.generation = generation.number();
    let mut reply = Message::response(request.metadata.id, request.metadata.op_code);
    reply.metadata.recursion_desired = request.metadata.recursion_desired;
    reply.metadata.recursion_available = true;
    reply.metadata.response_code = match request.queries.as_slice() {
        [query] if request.metadata.op_code == OpCode::Query => {
            reply.add_query(query.clone());
            decide(query, &generation, &mut record, &mut reply)
        }
        _ => ResponseCode::NotImp,
    };
    record.status = Some(u16::from(reply.metadata.response_code));
    record.end();
    instance.audit.write(&record);
    reply.to_vec().ok()
}

fn decide(query: &Query, generation: &Generation, record: &mut Record, reply: &mut Message) -> ResponseCode {
    record.method = Some(query.query_type().to_string());
    let name = query.name().to_ascii();
    let host = CanonicalHost::parse(&name);
    record.authority = Some(host.as_ref().map_or(name, ToString::to_string));
    match host.map(|host| generation.policy().resolves(&host)) {
        Ok(Ok(rule)) if query.query_class() == DNSClass::IN => {
            record.decision = Some(Decision::Allow);
            record.rule = Some(rule.to_string());
            let data = match query.query_type() {
                RecordType::A => Some(RData::A(A(ANSWER_V4))),
                RecordType::AAAA => Some(RData::AAAA(AAAA(ANSWER_V6))),
                _ => None,
            };
            reply.add_answers(data.map(|data| Answer::from_rdata(query.name().clone(), TTL, data)));
            ResponseCode::NoError
        }
        Ok(Err(denial)) => {
            record.decision = Some(Decision::Deny);
            record.rule = Some(denial.rule.to_string());
            record.error = Some(denial.reason.as_str());
            ResponseCode::NXDomain
        }
        _ => {
            record.decision = Some(Decision::Deny);
            record.error = Some("malformed_host");
            ResponseCode::NXDomain
        }
    }
}
