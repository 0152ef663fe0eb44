//! Any bytes as a DNS question: the reply is a message that fits, for the same id, or there is none.

use proxy_everything::dns::message::{Carrier, Explanation, Reading, read};

/// One message.
pub(crate) fn run(bytes: &[u8]) {
    let mut reply = match read(bytes) {
        Reading::Nothing => return,
        Reading::Senseless(reply) | Reading::Question(_, reply) => reply,
    };
    reply.explain(Explanation::Filtered, "because");
    let reply = reply.render(Carrier::Udp).expect("a reply");
    assert!(reply.len() <= 4096 && reply[..2] == bytes[..2] && reply[2] & 0x80 != 0);
}
