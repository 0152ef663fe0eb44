//! The scripted DNS: a server on 127.0.0.1 that answers for every domain there is, and remembers what it was asked.
//!
//! Receives a function from name and type to records; of names that begin with `silent` it says nothing. It runs on a
//! thread of its own, on a port that the kernel picks, and ends when it is dropped.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{Name, RData, Record, RecordType};

/// What a name has; `None` is a name that does not exist, an empty list one without such a record.
pub(crate) type Script = fn(&str, RecordType) -> Option<Vec<RData>>;

/// Seconds that its records may be kept.
const TTL: u32 = 600;

/// A running server.
pub struct Authority {
    address: SocketAddr,
    questions: Arc<Mutex<Vec<(String, RecordType)>>>,
    thread: Option<JoinHandle<()>>,
}

impl Authority {
    /// Starts listening.
    pub fn start(script: Script) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("listen on 127.0.0.1");
        let address = socket.local_addr().expect("an address");
        let questions: Arc<Mutex<Vec<_>>> = Arc::default();
        let seen = Arc::clone(&questions);
        let thread = std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            // An empty datagram is the end.
            while let Ok((length @ 1.., from)) = socket.recv_from(&mut buffer) {
                let request = Message::from_vec(&buffer[..length]).expect("a DNS message");
                let query = request.queries.first().expect("a question").clone();
                let name = query.name().to_ascii().trim_end_matches('.').to_lowercase();
                seen.lock().unwrap_or_else(PoisonError::into_inner).push((name.clone(), query.query_type()));
                if name.starts_with("silent.") {
                    continue;
                }
                let reply = answer(&request, &script(&name, query.query_type()), query.name());
                let _ = socket.send_to(&reply, from);
            }
        });
        Self { address, questions, thread: Some(thread) }
    }

    /// Every question so far, in the order in which they came.
    pub fn questions(&self) -> Vec<(String, RecordType)> {
        self.questions.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The key of a policy that makes this the proxy's resolver.
    pub fn entry(&self) -> String {
        format!("dns: {{ servers: [\"{}\"], types: [TXT] }}\n", self.address)
    }
}

fn answer(request: &Message, found: &Option<Vec<RData>>, name: &Name) -> Vec<u8> {
    let mut reply = Message::response(request.metadata.id, request.metadata.op_code);
    reply.add_queries(request.queries.iter().cloned());
    match found {
        None => reply.metadata.response_code = ResponseCode::NXDomain,
        Some(data) => {
            let record = |data: &RData| Record::from_rdata(name.clone(), TTL, data.clone());
            reply.add_answers(data.iter().map(record));
        }
    }
    reply.to_vec().expect("a message")
}

impl Drop for Authority {
    fn drop(&mut self) {
        if let Ok(socket) = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)) {
            let _ = socket.send_to(&[], self.address);
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
