//! Deadlines and bounds that an operator may set.
//!
//! Each number carries its unit in its name, none may be zero, and each fits 32 bits, so that no sum of a clock and a
//! deadline can overflow. A key that is left out has the default.

use serde_saphyr::Spanned;

use super::source::{Entries, unknown_key};
use crate::Fault;

/// The numbers under `limits`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// For a TCP connection to the upstream, all its addresses together.
    pub connect_timeout_ms: u32,
    /// For a TLS handshake, on either side, and before that for the first bytes of a connection.
    pub tls_handshake_timeout_ms: u32,
    /// For the first byte of a connection to a port where servers speak first.
    pub sniff_timeout_ms: u32,
    /// For a request's head to be complete.
    pub request_head_timeout_ms: u32,
    /// For the upstream's response head.
    pub response_head_timeout_ms: u32,
    /// Between two pieces of a body.
    pub body_idle_timeout_ms: u32,
    /// Between two requests on a connection.
    pub keep_alive_timeout_ms: u32,
    /// Between two pieces of a connection that passes unseen.
    pub splice_idle_timeout_ms: u32,
    /// For a handler to answer, waiting included.
    pub handler_timeout_ms: u32,
    /// For a handler to compute, waiting not included.
    pub handler_cpu_ms: u32,
    /// Linear memory of one handler instance.
    pub handler_memory_mib: u32,
    /// Connections of the workload that are open at once.
    pub max_connections: u32,
    /// Size of an upstream's response head.
    pub max_response_head_kib: u32,
    /// For a name to be looked up.
    pub dns_timeout_ms: u32,
    /// DNS questions of the workload.
    pub dns_questions_per_second: u32,
    /// Names that no entry spells out and that the resolver has not been asked for lately.
    pub dns_new_names_per_minute: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect_timeout_ms: 10_000,
            tls_handshake_timeout_ms: 10_000,
            sniff_timeout_ms: 100,
            request_head_timeout_ms: 30_000,
            response_head_timeout_ms: 300_000,
            body_idle_timeout_ms: 120_000,
            keep_alive_timeout_ms: 300_000,
            splice_idle_timeout_ms: 3_600_000,
            handler_timeout_ms: 300_000,
            handler_cpu_ms: 500,
            handler_memory_mib: 64,
            max_connections: 10_000,
            max_response_head_kib: 64,
            dns_timeout_ms: 5_000,
            dns_questions_per_second: 2_000,
            dns_new_names_per_minute: 120,
        }
    }
}

impl Limits {
    /// These, with the numbers of `entries` in their place.
    pub(super) fn read(self, entries: Entries<Spanned<u32>>) -> Result<Self, Fault> {
        let mut limits = self;
        for (key, number) in entries.0 {
            let known = limits.fields().map(|(name, _)| name);
            let Some((name, field)) = limits.fields().into_iter().find(|(name, _)| *name == key.value) else {
                return Err(unknown_key(key.referenced.into(), &key.value, known));
            };
            if number.value == 0 {
                return Err(Fault::new(number.referenced.into(), format!("`{name}` must not be zero")));
            }
            *field = number.value;
        }
        Ok(limits)
    }

    /// All numbers by name.
    pub(crate) fn all(&self) -> Vec<(&'static str, u32)> {
        self.clone().fields().into_iter().map(|(name, number)| (name, *number)).collect()
    }

    /// The numbers that are not the default ones.
    pub(super) fn changed(&self) -> impl Iterator<Item = (&'static str, u32)> {
        let pairs = self.all().into_iter().zip(Self::default().all());
        pairs.filter(|(now, default)| now != default).map(|(now, _)| now)
    }

    fn fields(&mut self) -> [(&'static str, &mut u32); 16] {
        [
            ("connectTimeoutMs", &mut self.connect_timeout_ms),
            ("tlsHandshakeTimeoutMs", &mut self.tls_handshake_timeout_ms),
            ("sniffTimeoutMs", &mut self.sniff_timeout_ms),
            ("requestHeadTimeoutMs", &mut self.request_head_timeout_ms),
            ("responseHeadTimeoutMs", &mut self.response_head_timeout_ms),
            ("bodyIdleTimeoutMs", &mut self.body_idle_timeout_ms),
            ("keepAliveTimeoutMs", &mut self.keep_alive_timeout_ms),
            ("spliceIdleTimeoutMs", &mut self.splice_idle_timeout_ms),
            ("handlerTimeoutMs", &mut self.handler_timeout_ms),
            ("handlerCpuMs", &mut self.handler_cpu_ms),
            ("handlerMemoryMib", &mut self.handler_memory_mib),
            ("maxConnections", &mut self.max_connections),
            ("maxResponseHeadKib", &mut self.max_response_head_kib),
            ("dnsTimeoutMs", &mut self.dns_timeout_ms),
            ("dnsQuestionsPerSecond", &mut self.dns_questions_per_second),
            ("dnsNewNamesPerMinute", &mut self.dns_new_names_per_minute),
        ]
    }
}
