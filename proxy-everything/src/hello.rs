//! Looking into a ClientHello: receives a connection that begins with a TLS record, hands on the server name it asks for,
//! with every byte still to be read by whoever comes next. rustls parses the message, whole, however it is cut; nothing is
//! guessed. Only for policies that pass some TLS through: all other is opened anyway, and says its name then.

use policy::CanonicalHost;
use rustls::server::Acceptor;
use tokio::time::{Instant, timeout_at};

use crate::{error::ConnectionError, socket::WorkloadSocket};

/// Bytes looked at; rustls itself takes messages of up to 64 KiB.
const MAX_HELLO: usize = 64 * 1024;

impl WorkloadSocket {
    /// The server name of the ClientHello, which must be there by `deadline`. `None`: there is none to go by. What is
    /// wrong then is found again, and answered with an alert, when the connection is opened.
    pub async fn server_name(&mut self, deadline: Instant) -> Result<Option<CanonicalHost>, ConnectionError> {
        let mut acceptor = Acceptor::default();
        let mut parsed = 0;
        while self.seen().len() <= MAX_HELLO {
            let unparsed = self.seen().get(parsed..).unwrap_or_default();
            match parse(&mut acceptor, unparsed) {
                Parsed::Whole(name) => return Ok(name),
                Parsed::Malformed => return Ok(None),
                Parsed::Partly => parsed = self.seen().len(),
            }
            let more = timeout_at(deadline, self.look_ahead()).await;
            let more = more.map_err(|_| ConnectionError::HandshakeTimeout)?;
            if more.map_err(ConnectionError::Workload)?.is_none() {
                return Err(ConnectionError::ClosedEarly);
            }
        }
        Ok(None)
    }
}

enum Parsed {
    Whole(Option<CanonicalHost>),
    Partly,
    Malformed,
}

fn parse(acceptor: &mut Acceptor, mut bytes: &[u8]) -> Parsed {
    while !bytes.is_empty() {
        match acceptor.read_tls(&mut bytes) {
            // It takes no more of a record that claims an impossible length.
            Ok(0) | Err(_) => return Parsed::Malformed,
            Ok(_) => {}
        }
        match acceptor.accept() {
            Ok(Some(accepted)) => {
                let name = accepted.client_hello().server_name().map(CanonicalHost::parse);
                return Parsed::Whole(name.and_then(Result::ok));
            }
            Ok(None) => {}
            Err(_) => return Parsed::Malformed,
        }
    }
    Parsed::Partly
}
