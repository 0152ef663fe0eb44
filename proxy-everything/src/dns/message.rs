//! The bytes of DNS: receives a datagram or a frame, hands on the one question in it and a reply to fill in; gives the
//! reply's bytes in the end, never more than the client can take. Malformed bytes are answered where there is an id to
//! answer to (RFC 1035, 4.1.1), and never more than that.

use hickory_proto::{
    op::{Edns, Message, MessageType, OpCode, Query, ResponseCode},
    rr::{Record, rdata::opt::EdnsOption},
};

/// Octets of the header.
const HEADER: usize = 12;
/// What every client can take over UDP (RFC 1035, 2.3.4), and what we send at most to those who can take more.
const UDP: std::ops::RangeInclusive<u16> = 512..=4096;
/// What we can take over UDP ourselves; answers of ours to a workload never meet a smaller packet size on their way.
const OUR_PAYLOAD: u16 = 4096;
/// Octets of an answer over TCP: nothing useful is larger, and a message cannot be larger than 65,535 anyway.
const MAX_ANSWER: usize = 16 * 1024;
/// The option that explains (RFC 8914, 2), and the octets of its text: with them, any reply without records fits 512.
const EXTENDED_ERROR: u16 = 15;
const MAX_TEXT: usize = 160;

/// What was received.
pub enum Reading {
    /// No question at all: there is nothing to answer.
    Nothing,
    /// A question that makes no sense, and the whole reply to it.
    Senseless(Reply),
    /// A question.
    Question(Query, Reply),
}

/// How the reply travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// In one datagram.
    Udp,
    /// In a frame of its own.
    Tcp,
}

/// Why the answer is what it is (RFC 8914, 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Explanation {
    /// The operator's list names it.
    Blocked = 15,
    /// The client's own rules forbid it.
    Filtered = 17,
    /// Not for this client.
    Prohibited = 18,
    /// The servers did not answer.
    NoReachableAuthority = 22,
    /// The servers could not be reached.
    NetworkError = 23,
}

/// A reply in the making. Says nothing yet but which question it is for.
pub struct Reply {
    message: Message,
    /// What the client can take over UDP, if it said so (RFC 6891, 6.2.3).
    payload: Option<u16>,
    explanation: Option<(Explanation, String)>,
}

/// Reads one message.
pub fn read(bytes: &[u8]) -> Reading {
    let (Some(&[high, low, flags, ..]), true) = (bytes.first_chunk::<4>(), bytes.len() >= HEADER) else {
        return Reading::Nothing;
    };
    // QR: an answer.
    if flags & 0x80 != 0 {
        return Reading::Nothing;
    }
    let Ok(request) = Message::from_vec(bytes) else {
        let op_code = OpCode::from_u8((flags >> 3) & 0x0f);
        let message = Message::error_msg(u16::from_be_bytes([high, low]), op_code, ResponseCode::FormErr);
        return Reading::Senseless(Reply { message, payload: None, explanation: None });
    };
    let mut message = Message::response(request.metadata.id, request.metadata.op_code);
    message.metadata.message_type = MessageType::Response;
    message.metadata.recursion_desired = request.metadata.recursion_desired;
    message.metadata.recursion_available = true;
    let payload = request.edns.as_ref().map(Edns::max_payload);
    let mut reply = Reply { message, payload, explanation: None };
    let version = request.edns.as_ref().map_or(0, Edns::version);
    let code = match request.queries.as_slice() {
        _ if request.metadata.op_code != OpCode::Query => ResponseCode::NotImp,
        // RFC 6891, 6.1.3.
        _ if version != 0 => ResponseCode::BADVERS,
        [query] => {
            reply.message.add_query(query.clone());
            return Reading::Question(query.clone(), reply);
        }
        // RFC 9619, 4.
        _ => ResponseCode::FormErr,
    };
    reply.code(code);
    Reading::Senseless(reply)
}

impl Reply {
    /// Sets the response code.
    pub fn code(&mut self, code: ResponseCode) {
        self.message.metadata.response_code = code;
    }

    /// The response code.
    pub fn status(&self) -> u16 {
        self.message.metadata.response_code.into()
    }

    /// Adds answers.
    pub fn answers(&mut self, records: Vec<Record>) {
        self.message.add_answers(records);
    }

    /// Says why, to clients that can hear it.
    pub fn explain(&mut self, why: Explanation, text: &str) {
        let end = (0..=MAX_TEXT.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        self.explanation = Some((why, text.get(..end).unwrap_or_default().to_owned()));
    }

    /// The bytes. What does not fit a datagram is left out, and the client asks again over TCP.
    pub fn render(mut self, carrier: Carrier) -> Option<Vec<u8>> {
        if self.payload.is_some() {
            let mut edns = Edns::new();
            edns.set_max_payload(OUR_PAYLOAD);
            if let Some((why, text)) = &self.explanation {
                let data = [&(*why as u16).to_be_bytes()[..], text.as_bytes()].concat();
                edns.options_mut().insert(EdnsOption::Unknown(EXTENDED_ERROR, data));
            }
            self.message.set_edns(edns);
        }
        let whole = self.message.to_vec().ok()?;
        let limit = match carrier {
            Carrier::Udp => usize::from(self.payload.unwrap_or(0).clamp(*UDP.start(), *UDP.end())),
            Carrier::Tcp => MAX_ANSWER,
        };
        if whole.len() <= limit {
            return Some(whole);
        }
        let mut cut = self.message.truncate();
        if carrier == Carrier::Tcp {
            cut.metadata.truncation = false;
            cut.metadata.response_code = ResponseCode::ServFail;
        }
        cut.to_vec().ok()
    }
}

#[cfg(test)]
mod tests {
    use hickory_proto::rr::{
        Name, RData, RecordType,
        rdata::{A, TXT},
    };
    use proptest::prelude::*;

    use super::*;

    fn question(change: impl FnOnce(&mut Message)) -> Vec<u8> {
        let mut message = Message::query();
        message.add_query(Query::query(Name::from_ascii("a.test.").unwrap(), RecordType::A));
        change(&mut message);
        message.to_vec().unwrap()
    }

    fn code(bytes: &[u8]) -> Option<u16> {
        match read(bytes) {
            Reading::Nothing => None,
            Reading::Senseless(reply) | Reading::Question(_, reply) => Some(reply.status()),
        }
    }

    #[test]
    fn what_makes_no_sense() {
        let twice = question(|message| {
            message.add_query(Query::new());
        });
        let none = question(|message| message.queries.clear());
        let update = question(|message| message.metadata.op_code = OpCode::Notify);
        let version = question(|message| {
            message.set_edns(Edns::new().set_version(1).clone());
        });
        let answer = question(|message| message.metadata.message_type = MessageType::Response);
        for (bytes, expected) in [
            (&b""[..], None),
            (&[0; 11], None),
            (&[0xff; 40], None),
            (&[1, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xff], Some(1)),
            (&question(|_| {}), Some(0)),
            (&twice, Some(1)),
            (&none, Some(1)),
            (&update, Some(4)),
            (&version, Some(16)),
            (&answer, None),
        ] {
            assert_eq!(code(bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn an_explanation_reaches_those_who_can_hear_it() {
        for (edns, heard) in [(true, true), (false, false)] {
            let bytes = question(|message| {
                if edns {
                    message.set_edns(Edns::new());
                }
            });
            let Reading::Question(_, mut reply) = read(&bytes) else { panic!("a question") };
            reply.explain(Explanation::Blocked, &"ä".repeat(100));
            let bytes = reply.render(Carrier::Udp).unwrap();
            let text = [&[0, 15][..], "ä".repeat(80).as_bytes()].concat();
            assert_eq!(bytes.windows(text.len()).any(|window| window == text), heard);
        }
    }

    #[test]
    fn what_does_not_fit_is_cut() {
        let text = "x".repeat(200);
        for (payload, carrier, records, length, truncated, code) in [
            (None, Carrier::Udp, 1, 200..512, false, 0),
            (None, Carrier::Udp, 3, 0..512, true, 0),
            (Some(1232), Carrier::Udp, 3, 600..1232, false, 0),
            (Some(100), Carrier::Udp, 3, 0..512, true, 0),
            (Some(65_535), Carrier::Udp, 30, 0..512, true, 0),
            (None, Carrier::Tcp, 30, 6000..7000, false, 0),
            (None, Carrier::Tcp, 300, 0..512, false, 2),
        ] {
            let bytes = question(|message| {
                if let Some(payload) = payload {
                    message.set_edns(Edns::new().set_max_payload(payload).clone());
                }
            });
            let Reading::Question(query, mut reply) = read(&bytes) else { panic!("a question") };
            let record =
                Record::from_rdata(query.name().clone(), 1, RData::TXT(TXT::new(vec![text.clone()])));
            reply.answers(vec![record; records]);
            let bytes = reply.render(carrier).unwrap();
            let reply = Message::from_vec(&bytes).unwrap();
            assert!(length.contains(&bytes.len()), "{payload:?} {carrier:?} {records}: {}", bytes.len());
            let told = (reply.metadata.truncation, u16::from(reply.metadata.response_code));
            assert_eq!(told, (truncated, code), "{payload:?} {carrier:?} {records}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_get_a_small_reply_or_none(start in 0usize..30, junk in proptest::collection::vec(any::<u8>(), 0..60)) {
            let mut bytes = question(|message| {
                message.set_edns(Edns::new());
            });
            bytes.truncate(start);
            bytes.extend(junk);
            match read(&bytes) {
                Reading::Nothing => {}
                Reading::Senseless(mut reply) | Reading::Question(_, mut reply) => {
                    let record = Record::from_rdata(Name::root(), 1, RData::A(A::new(192, 0, 2, 1)));
                    reply.answers(vec![record; 100]);
                    reply.explain(Explanation::Filtered, &"x".repeat(1000));
                    prop_assert!(reply.render(Carrier::Udp).unwrap().len() <= 4096);
                }
            }
        }
    }
}
