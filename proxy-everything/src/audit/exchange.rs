//! The record of an exchange in the making. Opened with the request, written when the last byte of the response has gone or
//! will never go. What happens beyond the handlers, where only a shared reference is at hand, is noted in [`Notes`].

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Instant, SystemTime},
};

use handlers::{Logs, credentials::Found};
use http::{Method, StatusCode};
use policy::{Authority, Denial, Rule, Scheme};
use tokio::sync::SetOnce;

use super::{
    Decision, Kind, Record, Used,
    record::{LogLine, Monitored, Stray},
};
use crate::{
    credentials::InPlay,
    error::{ExchangeError, UpstreamError},
    instance::Instance,
    tail,
};

/// What is learned while the exchange runs.
#[derive(Default)]
pub struct Notes {
    /// Bytes of the request's body that the workload has sent.
    pub from_workload: AtomicU64,
    /// Bytes of the response's body that it was given.
    pub to_workload: AtomicU64,
    /// Set when the request's body has been sent, or will not be.
    pub sent: SetOnce<Sent>,
    upstream: Mutex<Upstream>,
    play: OnceLock<Arc<InPlay>>,
    found: Mutex<Vec<Found>>,
    stray: OnceLock<Stray>,
    cut_off: OnceLock<&'static str>,
}

/// How a request's body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// With its last byte, or because nobody wanted more of it.
    Over,
    /// It broke off, was malformed, or stood still.
    Broken,
}

#[derive(Debug, Default)]
struct Upstream {
    address: Option<SocketAddr>,
    error: Option<UpstreamError>,
}

impl Notes {
    /// The upstream that answered.
    pub fn reached(&self, address: SocketAddr) {
        self.upstream.lock().unwrap_or_else(PoisonError::into_inner).address = Some(address);
    }

    /// The upstream could not be reached, or did not answer.
    pub fn not_reached(&self, error: UpstreamError) {
        self.upstream.lock().unwrap_or_else(PoisonError::into_inner).error = Some(error);
    }

    /// Why the last attempt failed, if it did.
    pub fn upstream_error(&self) -> Option<UpstreamError> {
        self.upstream.lock().unwrap_or_else(PoisonError::into_inner).error.clone()
    }

    /// These secrets may be used.
    pub fn may_use(&self, play: &Arc<InPlay>) {
        let _ = self.play.set(Arc::clone(play));
    }

    /// What is found of them in the response, now and while its body passes.
    pub fn finds(&self, found: Found) {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).push(found);
    }

    /// A placeholder stands where its secret must not go. Whoever goes on in spite of it is told by `has_stray`.
    pub fn stray(&self, stray: Stray) {
        let _ = self.stray.set(stray);
    }

    /// The connection to the workload is given up, for this reason.
    pub fn cut_off(&self, kind: &'static str) {
        let _ = self.cut_off.set(kind);
    }

    /// Whether there is such a placeholder.
    pub fn has_stray(&self) -> bool {
        self.stray.get().is_some()
    }

    /// The upstream that answered, if one did.
    pub fn address(&self) -> Option<SocketAddr> {
        self.upstream.lock().unwrap_or_else(PoisonError::into_inner).address
    }
}

/// Everything an exchange's record will say.
pub struct ExchangeTrail {
    instance: Arc<Instance>,
    notes: Arc<Notes>,
    logs: Logs,
    /// Shared with what handlers may fetch, which begins with a copy.
    record: Arc<Record>,
}

impl ExchangeTrail {
    /// Begins the record of the exchange `request` on the connection that `connection` describes.
    pub fn open(instance: Arc<Instance>, connection: &Record, generation: u64, request: Arc<str>) -> Self {
        let record = Record {
            time: SystemTime::now(),
            kind: Kind::Exchange,
            generation,
            request: Some(request),
            decision: None,
            rule: None,
            error: None,
            handlers: Used::default(),
            log: Vec::new(),
            secrets: Vec::new(),
            stray: None,
            scrubbed: Vec::new(),
            began: Instant::now(),
            ..connection.clone()
        };
        Self { instance, notes: Arc::default(), logs: Logs::default(), record: record.into() }
    }

    /// Begins the record of a request that `handler` makes of another host, in the exchange that `parent` is the record of.
    pub fn fetch(instance: Arc<Instance>, parent: &Record, handler: &Arc<str>) -> Self {
        let request = parent.request.clone().unwrap_or_default();
        let mut trail = Self::open(instance, parent, parent.generation, request);
        let record = trail.record_mut();
        record.kind = Kind::Fetch;
        record.path = None;
        record.handlers = Used::named(handler);
        trail
    }

    /// What the record says so far.
    pub fn record(&self) -> &Arc<Record> {
        &self.record
    }

    fn record_mut(&mut self) -> &mut Record {
        Arc::make_mut(&mut self.record)
    }

    /// What is learned on the way.
    pub fn notes(&self) -> &Arc<Notes> {
        &self.notes
    }

    /// The id that a refusal names.
    pub fn request_id(&self) -> Arc<str> {
        self.record.request.clone().unwrap_or_default()
    }

    /// Where the workload asked from.
    pub fn source(&self) -> SocketAddr {
        self.record.source
    }

    /// Takes what handlers write.
    pub fn logs(&self) -> Logs {
        self.logs.clone()
    }

    /// The request line, before it is known whether it makes sense.
    pub fn asked(&mut self, method: &Method, path: Option<&str>) {
        let record = self.record_mut();
        record.method = Some(method.to_string());
        if let Some(path) = path {
            record.set_path(path);
        }
    }

    /// The scheme and the canonical authority.
    pub fn target(&mut self, scheme: Scheme, authority: &Authority) {
        let record = self.record_mut();
        record.scheme = Some(scheme.as_str());
        record.authority = Some(authority.to_string());
    }

    /// It may pass, by `rule`, through `handlers`.
    pub fn allowed(&mut self, rule: &Rule, handlers: Used) {
        let record = self.record_mut();
        record.decision = Some(Decision::Allow);
        record.rule = Some(rule.label());
        record.handlers = handlers;
    }

    /// It may pass although it would be refused.
    pub fn monitored(&mut self, denial: &Denial) {
        let Denial { reason, rule, .. } = denial;
        self.record_mut().monitored = Some(Monitored { reason: reason.as_str(), rule: rule.to_string() });
    }

    /// It was refused, or failed.
    pub fn failed(&mut self, error: &ExchangeError) {
        tracing::debug!(request = ?self.record.request, %error, "exchange failed");
        let record = self.record_mut();
        record.error = Some(error.kind());
        if error.is_denial() {
            record.decision = Some(Decision::Deny);
        }
        if let Some(rule) = error.rule() {
            record.rule = Some(rule.into());
        }
    }

    /// The body of the response broke off.
    pub fn broke(&mut self, kind: &'static str) {
        self.record_mut().error.get_or_insert(kind);
    }

    /// The status that the workload is given.
    pub fn answered(&mut self, status: StatusCode) {
        self.record_mut().status = Some(status.as_u16());
    }
}

impl ExchangeTrail {
    /// What became of secrets.
    fn secrets(&mut self) {
        let Self { record, notes, instance, .. } = self;
        let record = Arc::make_mut(record);
        record.secrets = notes.play.get().map(|play| play.uses()).unwrap_or_default();
        let found = notes.found.lock().unwrap_or_else(PoisonError::into_inner);
        let found: BTreeSet<_> =
            found.iter().flat_map(Found::counts).map(|(name, _)| Arc::clone(name)).collect();
        record.scrubbed = found.into_iter().collect();
        if !record.scrubbed.is_empty() {
            instance.leaks.scrubbed.fetch_add(1, Relaxed);
        }
        record.stray = notes.stray.get().cloned();
        if record.stray.is_some() {
            instance.leaks.strays.fetch_add(1, Relaxed);
            // The response may have begun already.
            record.error = Some(UpstreamError::PlaceholderElsewhere.kind());
            record.decision = Some(Decision::Deny);
        }
    }
}

impl Drop for ExchangeTrail {
    fn drop(&mut self) {
        self.secrets();
        let Self { record, notes, logs, .. } = self;
        let record = Arc::make_mut(record);
        if let Some(kind) = notes.cut_off.get() {
            record.error.get_or_insert(kind);
        }
        if record.status.is_none() {
            record.error.get_or_insert("aborted");
        }
        record.bytes_from_workload = notes.from_workload.load(Relaxed);
        record.bytes_to_workload = notes.to_workload.load(Relaxed);
        record.upstream = notes.address();
        let (lines, dropped) = logs.take();
        record.log = lines.iter().cloned().map(LogLine::from).collect();
        record.log_dropped = dropped;
        record.end();
        self.instance.audit.write(&self.record, &self.instance.records);
        if self.record.kind == Kind::Exchange {
            tail::tell(&self.instance, &self.record, &lines);
        }
    }
}
