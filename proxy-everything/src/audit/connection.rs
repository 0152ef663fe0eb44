//! The record of a connection in the making. Opened when the connection is accepted, filled in by whoever learns something about
//! it, written when it ends, because dropping the trail is what writes it: no way out of a function can forget to.

use std::{net::SocketAddr, sync::Arc};

use policy::{CanonicalHost, Denial, Tunnel};

use super::{Decision, Kind, Protocol, Record};
use crate::{error::ConnectionError, instance::Instance, socket::Traffic};

/// Everything a connection's record will say.
pub struct ConnectionTrail {
    instance: Arc<Instance>,
    traffic: Arc<Traffic>,
    record: Record,
}

impl ConnectionTrail {
    /// Begins the record of a connection from `source` to `destination`.
    pub fn open(
        instance: &Arc<Instance>,
        source: SocketAddr,
        destination: SocketAddr,
        traffic: Arc<Traffic>,
    ) -> Self {
        let mut record = Record::new(Kind::Connection, Protocol::Opaque, instance, source, destination);
        record.connection = Some(instance.next_connection());
        Self { instance: Arc::clone(instance), traffic, record }
    }

    /// What has been noted so far: an exchange on this connection begins with a copy.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// What has passed so far.
    pub fn traffic(&self) -> Arc<Traffic> {
        Arc::clone(&self.traffic)
    }

    /// Where the workload wanted to go.
    pub fn destination(&self) -> SocketAddr {
        self.record.destination
    }

    /// What the connection turned out to speak.
    pub fn protocol(&mut self, protocol: Protocol) {
        self.record.protocol = protocol;
    }

    /// The TLS server name.
    pub fn server_name(&mut self, name: &CanonicalHost) {
        self.record.sni = Some(name.to_string().into());
    }

    /// It may go on as HTTP, each exchange judged by itself.
    pub fn inspected(&mut self) {
        self.record.decision = Some(Decision::Allow);
    }

    /// Its bytes are passed on, by the word of `generation`.
    pub fn spliced(&mut self, tunnel: &Tunnel, generation: u64) {
        self.record.decision = Some(Decision::Allow);
        self.record.generation = generation;
        self.record.rule = Some(tunnel.rule.label());
        self.record.authority = Some(tunnel.to.to_string());
    }

    /// It is refused, by the word of `generation`.
    pub fn denied(&mut self, denial: &Denial, generation: u64) {
        self.record.decision = Some(Decision::Deny);
        self.record.generation = generation;
        self.record.rule = Some(denial.rule.label());
        self.record.error = Some(denial.reason.as_str());
    }

    /// Where its bytes were passed on to.
    pub fn upstream(&mut self, address: SocketAddr) {
        self.record.upstream = Some(address);
    }

    /// It failed before it came to an orderly end.
    pub fn failed(&mut self, error: &ConnectionError) {
        tracing::debug!(connection = ?self.record.connection, %error, "connection failed");
        self.record.error = Some(error.kind());
        if error.is_denial() {
            self.record.decision = Some(Decision::Deny);
        }
    }
}

impl Drop for ConnectionTrail {
    fn drop(&mut self) {
        self.record.bytes_from_workload = self.traffic.from_workload();
        self.record.bytes_to_workload = self.traffic.to_workload();
        self.record.end();
        self.instance.audit.write(&self.record, &self.instance.records);
    }
}
