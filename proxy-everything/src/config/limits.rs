//! Deadlines and sizes, from the document's numbers to the units that the code uses. Receives the parsed `limits`, hands on
//! durations and bytes; the only place where a unit in a key's name is turned into a unit.

use std::{sync::Arc, time::Duration};

/// The document's `limits`.
#[derive(Clone, Debug)]
pub struct Limits(Arc<policy::Limits>);

impl From<&policy::Limits> for Limits {
    fn from(limits: &policy::Limits) -> Self {
        Self(Arc::new(limits.clone()))
    }
}

impl Limits {
    /// `connectTimeoutMs`: TCP to the upstream, all its addresses together.
    pub fn connect(&self) -> Duration {
        milliseconds(self.0.connect_timeout_ms)
    }

    /// `tlsHandshakeTimeoutMs`: a handshake, on either side; before that, the first bytes of a connection.
    pub fn tls_handshake(&self) -> Duration {
        milliseconds(self.0.tls_handshake_timeout_ms)
    }

    /// `sniffTimeoutMs`: how long a workload may say nothing on a port where servers speak first.
    pub fn sniff(&self) -> Duration {
        milliseconds(self.0.sniff_timeout_ms)
    }

    /// `requestHeadTimeoutMs`: the whole head of an HTTP/1.1 request, the wait for it included.
    pub fn request_head(&self) -> Duration {
        milliseconds(self.0.request_head_timeout_ms)
    }

    /// `responseHeadTimeoutMs`: from the request to the head of its response.
    pub fn response_head(&self) -> Duration {
        milliseconds(self.0.response_head_timeout_ms)
    }

    /// `bodyIdleTimeoutMs`: a body in which nothing moves.
    pub fn body_idle(&self) -> Duration {
        milliseconds(self.0.body_idle_timeout_ms)
    }

    /// `keepAliveTimeoutMs`: a connection on which nothing is under way.
    pub fn keep_alive(&self) -> Duration {
        milliseconds(self.0.keep_alive_timeout_ms)
    }

    /// `spliceIdleTimeoutMs`: a tunnel in which nothing moves.
    pub fn splice_idle(&self) -> Duration {
        milliseconds(self.0.splice_idle_timeout_ms)
    }

    /// `dnsTimeoutMs`: a look-up, all servers and repetitions together.
    pub fn dns(&self) -> Duration {
        milliseconds(self.0.dns_timeout_ms)
    }

    /// `dnsQuestionsPerSecond`: of the workload.
    pub fn dns_questions_per_second(&self) -> u32 {
        self.0.dns_questions_per_second
    }

    /// `dnsNewNamesPerMinute`: that no entry of the policy spells out.
    pub fn dns_new_names_per_minute(&self) -> u32 {
        self.0.dns_new_names_per_minute
    }

    /// `maxConnections`: of the workload, at once.
    pub fn max_connections(&self) -> usize {
        usize::try_from(self.0.max_connections).unwrap_or(usize::MAX)
    }

    /// `maxResponseHeadKib`, in bytes.
    pub fn max_response_head(&self) -> usize {
        usize::try_from(self.0.max_response_head_kib).unwrap_or(usize::MAX).saturating_mul(1024)
    }

    /// `handlerCpuMs`, `handlerTimeoutMs` and `handlerMemoryMib`: one call of a handler that is a program.
    pub fn script(&self) -> handlers::ScriptLimits {
        handlers::ScriptLimits {
            cpu: milliseconds(self.0.handler_cpu_ms),
            deadline: milliseconds(self.0.handler_timeout_ms),
            memory_bytes: usize::try_from(self.0.handler_memory_mib)
                .unwrap_or(usize::MAX)
                .saturating_mul(1024 * 1024),
        }
    }
}

fn milliseconds(number: u32) -> Duration {
    Duration::from_millis(number.into())
}
