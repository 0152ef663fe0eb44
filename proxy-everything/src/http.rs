//! HTTP towards the workload: receives an opened connection, hands on its requests one by one as exchanges. HTTP/1.1 and
//! HTTP/2 differ only in who parses them. Limits are set here, because the library's defaults are not meant for hostile peers.

mod flood;
mod forward;
pub mod strict;
mod streams;
mod target;
mod trailers;
mod wire;

use std::{
    convert::Infallible,
    error::Error,
    io::ErrorKind,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{
            AtomicBool, AtomicU64,
            Ordering::{Relaxed, SeqCst},
        },
    },
    time::Duration,
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use handlers::Body;
use http::{HeaderValue, Method, Request, Response, Version, header};
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use policy::CanonicalHost;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::Notify,
};

use flood::Guarded;
pub use forward::{clean_request, clean_response};
use streams::Streams;
pub use streams::Turn;
pub use target::target;
pub use trailers::sieve;
use wire::Gate;
pub use wire::Gated;

use crate::{
    audit::{ConnectionTrail, Protocol, Record},
    config::Limits,
    error::ConnectionError,
    exchange,
    in_force::{Rules, UnderWay},
    instance::Instance,
    socket::Traffic,
    upgrade::Switched,
};

/// How the workload's requests reach us, which decides what they may be for.
#[derive(Clone, Debug)]
pub enum Transport {
    /// Plain TCP.
    Plain,
    /// TLS that we opened, for this server name if the workload gave one.
    Tls(Option<CanonicalHost>),
}

/// Parallel streams on one connection; RFC 9113, 6.5.2 recommends at least 100.
const MAX_STREAMS: u32 = 128;
/// Streams of one connection that we have to reset, for what is wrong with them, before the connection ends.
const MAX_FAULTS: usize = 200;
/// Decoded header list of one request, in bytes.
const MAX_HEADER_LIST: u32 = 64 * 1024;
/// The read buffer of an HTTP/1.1 connection, in bytes: no less than what the gate lets pass.
const MAX_HTTP1_BUFFER: usize = 128 * 1024;
/// Flow-control window of an HTTP/2 stream, in bytes: what an upload may be ahead of its upstream. The workload is near.
const STREAM_WINDOW: u32 = 256 * 1024;
/// That of a connection has room for all of its streams, or uploads that stand still would hold up the others. It bounds what one
/// connection can make us keep: 32 MiB.
const CONNECTION_WINDOW: u32 = MAX_STREAMS * STREAM_WINDOW;

/// How long an HTTP/1.1 connection must have been unused before draining closes it: closed sooner, a request that is on its way would
/// be lost. Responses ask the client to close it before that (RFC 9112, 9.6).
const DRAIN_IDLE: Duration = Duration::from_millis(500);

/// How long a response that a new policy denies may take to end by itself. It does when the next part of it is asked for, but for
/// a client that reads nothing, nothing is asked for.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// A stream of HTTP/2 that goes on as something else.
type Tunnel<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// What every exchange of one connection needs.
struct Connection {
    instance: Arc<Instance>,
    transport: Transport,
    /// What its exchanges' records begin with.
    record: Arc<Record>,
    traffic: Arc<Traffic>,
    /// Exchanges begun, and under way, for noticing idleness.
    begun: AtomicU64,
    busy: AtomicU64,
    under_way: UnderWay,
    /// How an HTTP/1.1 connection goes on after its last response, and streams of HTTP/2 after their only one.
    switched: Mutex<Vec<Switched>>,
    /// There are more of them.
    switches: Notify,
    /// For HTTP/1.0 the end of a connection is the end of a response, so one that is cut off must end otherwise.
    ends_responses: AtomicBool,
    /// What the requests of HTTP/1.1 come through.
    gate: Arc<Gate>,
}

/// Serves `stream` until either side closes it, or it has been idle for too long.
pub async fn serve<S>(
    stream: S,
    transport: Transport,
    version: Protocol,
    mut trail: ConnectionTrail,
    instance: &Arc<Instance>,
) where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    trail.protocol(version);
    trail.inspected();
    let limits = instance.current().limits().clone();
    let connection = Arc::new(Connection {
        instance: Arc::clone(instance),
        transport,
        record: Arc::new(trail.record().clone()),
        traffic: trail.traffic(),
        begun: AtomicU64::new(0),
        busy: AtomicU64::new(0),
        under_way: UnderWay::default(),
        switched: Mutex::default(),
        switches: Notify::new(),
        ends_responses: AtomicBool::new(false),
        gate: Arc::default(),
    });
    let served = async {
        match version {
            Protocol::Http2 => http2(stream, &connection, &limits).await,
            _ => {
                let stream = Gated::new(stream, Arc::clone(&connection.gate));
                http1(stream, &connection, &limits).await.err().and_then(ended_by)
            }
        }
    };
    let ended = tokio::select! {
        ended = served => ended,
        () = connection.stuck() => None,
        () = connection.unread(limits.body_idle()) => None,
    };
    if let Some(error) = ended {
        trail.failed(&error);
    }
}

/// Clients that close TCP without closing TLS first are common, and lose nothing between two exchanges; an exchange that is
/// cut off, by them or by us, leaves a record of its own.
fn is_plain_end(error: &hyper::Error) -> bool {
    if error.is_user() {
        return true;
    }
    let cause = error.source().and_then(|cause| cause.downcast_ref::<std::io::Error>());
    cause.is_some_and(|cause| matches!(cause.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset))
}

/// What the connection's record says. A keep-alive connection that nobody used again has come to an ordinary end.
fn ended_by(error: hyper::Error) -> Option<ConnectionError> {
    if is_plain_end(&error) {
        return None;
    }
    Some(if error.is_timeout() { ConnectionError::Idle } else { ConnectionError::Http(error) })
}

async fn http1<S>(stream: Gated<S>, connection: &Arc<Connection>, limits: &Limits) -> hyper::Result<()>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let result = http1_exchanges(TokioIo::new(stream), connection, limits).await;
    for switched in connection.switched() {
        switched.run().await;
    }
    result
}

async fn http1_exchanges<I>(io: I, connection: &Arc<Connection>, limits: &Limits) -> hyper::Result<()>
where
    I: hyper::rt::Read + hyper::rt::Write + Send + Unpin + 'static,
{
    // In a box of its own: an idle connection would keep room for an exchange, which is far larger than itself.
    let exchange = |request| Box::pin(one(request, Arc::clone(connection)));
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.request_head())
        .max_buf_size(MAX_HTTP1_BUFFER)
        .serve_connection(io, service_fn(exchange))
        .with_upgrades();
    let mut served = pin!(served);
    tokio::select! {
        result = served.as_mut() => return connection.ends(result),
        () = connection.unused(limits.keep_alive(), DRAIN_IDLE) => served.as_mut().graceful_shutdown(),
    }
    connection.ends(served.await)
}

async fn http2<S>(stream: S, connection: &Arc<Connection>, limits: &Limits) -> Option<ConnectionError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let guarded = Guarded::new(stream);
    let flooded = guarded.flooded();
    let streams = Streams::default();
    let served = http2::Builder::new(streams.clone())
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_local_error_reset_streams(MAX_FAULTS)
        .max_header_list_size(MAX_HEADER_LIST)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .enable_connect_protocol()
        .serve_connection(TokioIo::new(guarded), service_fn(|request| one(request, Arc::clone(connection))));
    let mut served = pin!(served);
    let ended = async {
        tokio::select! {
            result = served.as_mut() => return result,
            // GOAWAY says which requests were too late (RFC 9113, 6.8), so nothing is lost by sending it at once.
            () = connection.unused(limits.keep_alive(), Duration::ZERO) => served.as_mut().graceful_shutdown(),
        }
        tokio::select! {
            result = served => result,
            // The library holds the last piece of a response back for as long as its window is too small.
            () = connection.quiet(limits.body_idle()) => Ok(()),
        }
    };
    let mut tunnels = FuturesUnordered::new();
    let result = tokio::select! {
        result = ended => result,
        () = streams.watch(limits.body_idle()) => Ok(()),
        () = connection.pass_on(&mut tunnels) => Ok(()),
    };
    // They end because their streams have, but what came before that is passed on.
    while tunnels.next().await.is_some() {}
    if flooded.load(Relaxed) { Some(ConnectionError::Flood) } else { result.err().and_then(ended_by) }
}

async fn one(request: Request<Incoming>, connection: Arc<Connection>) -> Result<Response<Body>, Infallible> {
    let busy = Busy::new(&connection);
    let instance = Arc::clone(&connection.instance);
    if let Some(fault) = connection.gate.fault(busy.number) {
        return Ok(exchange::refuse(&fault.into(), &instance, &connection.record));
    }
    let (version, method) = (request.version(), request.method().clone());
    if version == Version::HTTP_10 {
        connection.ends_responses.store(true, SeqCst);
    }
    let answered =
        exchange::run(request, instance, &connection.transport, &connection.record, &connection.under_way);
    let (mut response, switched) = answered.await;
    connection.gate.answered(busy.number, switched.is_some());
    if let Some(switched) = switched {
        connection.switched.lock().unwrap_or_else(PoisonError::into_inner).push(switched);
        connection.switches.notify_one();
    } else if version < Version::HTTP_2 && connection.instance.is_draining() {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    if version == Version::HTTP_2 && method == Method::HEAD {
        // On HTTP/1.1 the library sees to it: that there is one can be said, but it is not there (RFC 9110, 9.3.2).
        response = response.map(|_| handlers::full(""));
    }
    Ok(response)
}

impl Connection {
    /// Says how the connection, which is about to be dropped, ends: in order if no request came, and by a reset if the body of a
    /// response broke off and its client could not tell otherwise.
    fn ends(&self, result: hyper::Result<()>) -> hyper::Result<()> {
        match &result {
            Err(error) if error.is_timeout() => self.gate.ends_in_order(),
            Err(error) if error.is_user() && self.ends_responses.load(SeqCst) => self.traffic.cut_off(),
            _ => {}
        }
        result
    }

    fn switched(&self) -> Vec<Switched> {
        std::mem::take(&mut *self.switched.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns once nothing has been asked for or moved for longer than bodies may take to notice that, which is twice `limit`.
    async fn quiet(&self, limit: Duration) {
        let mut seen = None;
        loop {
            let moved = self.traffic.total();
            if self.busy.load(SeqCst) == 0 && seen == Some(moved) {
                return;
            }
            seen = Some(moved);
            tokio::time::sleep(limit.saturating_mul(2)).await;
        }
    }

    /// Runs the streams that become tunnels, without an end.
    async fn pass_on<'a>(&'a self, tunnels: &mut FuturesUnordered<Tunnel<'a>>) {
        loop {
            tokio::select! {
                Some(()) = tunnels.next() => {}
                () = self.switches.notified() => {
                    for switched in self.switched() {
                        let busy = Busy::new(self);
                        tunnels.push(Box::pin(async move {
                            switched.run().await;
                            drop(busy);
                        }));
                    }
                }
            }
        }
    }

    /// Returns once a response that a new policy denies has not ended in time.
    async fn stuck(&self) {
        loop {
            let denied = |rules: &Rules| (!self.under_way.passes(rules)).then_some(());
            self.instance.in_force.until(denied).await;
            tokio::time::sleep(LAST_WORDS).await;
            if !self.instance.in_force.allow(|rules| self.under_way.passes(rules)) {
                return;
            }
        }
    }

    /// Returns once the client has taken nothing of a response for `limit`, or up to twice as long.
    async fn unread(&self, limit: Duration) {
        self.gate.stuck(limit).await;
        // Here, because what is served is dropped next, and its records are written.
        self.under_way.stalled();
    }

    /// Returns once the connection should end: it is idle for `limit`, or when nothing new may begin, for `draining`.
    async fn unused(&self, limit: Duration, draining: Duration) {
        tokio::select! {
            () = self.idle(limit) => return,
            () = self.instance.draining() => {}
        }
        if !draining.is_zero() {
            self.idle(draining).await;
        }
    }

    /// Returns once no exchange has begun or been under way for `limit`, or up to twice as long.
    async fn idle(&self, limit: Duration) {
        let mut seen = None;
        loop {
            let begun = self.begun.load(SeqCst);
            if self.busy.load(SeqCst) == 0 && seen == Some(begun) {
                return;
            }
            seen = Some(begun);
            tokio::time::sleep(limit).await;
        }
    }
}

/// Counts an exchange as under way, also when its task is cancelled.
struct Busy<'a> {
    connection: &'a Connection,
    /// Of its request on the connection, from 1 on.
    number: u64,
}

impl<'a> Busy<'a> {
    fn new(connection: &'a Connection) -> Self {
        let number = connection.begun.fetch_add(1, SeqCst) + 1;
        connection.busy.fetch_add(1, SeqCst);
        Self { connection, number }
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.connection.busy.fetch_sub(1, SeqCst);
    }
}
