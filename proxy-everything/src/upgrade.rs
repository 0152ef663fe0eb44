//! Upgrades: an HTTP/1.1 request after which its connection goes on with another protocol, most often WebSocket (RFC 9110, 7.8), or a
//! stream of HTTP/2 that becomes a WebSocket (RFC 8441). Says
//! what a request asks for and whether the upstream agreed; receives both connections once they have switched, and passes bytes on,
//! unseen, both ways, half-closes included. The exchange is under way until then: its record is written at the end, and a new
//! policy that denies it ends it.

mod handshake;

use std::{
    io::{self, ErrorKind},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use bytes::BytesMut;
use handlers::{Upgrade, credentials::Frames};
use http::{HeaderMap, HeaderValue, Request, StatusCode, header, response};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio_rustls::server::TlsStream;

use handshake::Handshake;

use crate::{
    audit::ExchangeTrail,
    credentials::{InPlay, Readers, Unread},
    error::UpstreamError,
    http::Gated,
    in_force::Permit,
    socket::WorkloadSocket,
    splice,
    upstream::UpstreamStream,
};

/// Each direction's buffer, in bytes: one TLS record. There may be thousands of such connections, most of them idle.
const BUFFER: usize = 16 * 1024;

/// Protocols that carry HTTP, whose requests nobody would decide.
const HTTP_AGAIN: [&str; 4] = ["h2", "h2c", "http", "tls"];

/// What the workload asks for.
pub struct Wanted {
    /// For whoever fetches onward.
    pub protocol: Upgrade,
    workload: OnUpgrade,
    /// On a stream of HTTP/2.
    handshake: Option<Handshake>,
}

/// The two connections, as soon as the last byte of HTTP has passed.
pub struct Ends {
    workload: OnUpgrade,
    upstream: OnUpgrade,
    protocol: Upgrade,
}

/// What `request` asks its connection to become. The answer to nothing, to what is not let pass, and to what cannot be read in one way only
/// is an ordinary one.
pub fn wanted<B: http_body::Body>(request: &mut Request<B>) -> Option<Wanted> {
    // Where it is missing, the HTTP library would not switch: HTTP/1.0, requests of HTTP/2 for no stream of bytes. Nobody else is to find it.
    let workload = request.extensions_mut().remove::<OnUpgrade>()?;
    if let Some((handshake, protocol)) = Handshake::open(request) {
        return Some(Wanted { protocol: Upgrade(protocol), workload, handshake: Some(handshake) });
    }
    let protocol = named(request.headers())?;
    let name = name(protocol)?;
    let passes =
        request.body().is_end_stream() && !HTTP_AGAIN.iter().any(|one| name.eq_ignore_ascii_case(one));
    passes.then(|| Wanted { protocol: Upgrade(protocol.clone()), workload, handshake: None })
}

/// Whether the head of a response with status 101 says that what was asked for comes next.
pub fn agrees(headers: &HeaderMap, asked: &Upgrade) -> bool {
    named(headers).is_some_and(|named| named.as_bytes().eq_ignore_ascii_case(asked.0.as_bytes()))
}

/// Completes the `head` of a response with status 101. No other one leads anywhere, and without both connections there is nothing to say.
pub fn switch(wanted: Option<Wanted>, head: &mut response::Parts) -> Result<Option<Ends>, UpstreamError> {
    let upstream = head.extensions.remove::<OnUpgrade>();
    if head.status != StatusCode::SWITCHING_PROTOCOLS {
        // On a stream, this would be the word that opens it.
        let opens = head.status.is_success() && wanted.is_some_and(|wanted| wanted.handshake.is_some());
        return if opens { Err(UpstreamError::Upgrade) } else { Ok(None) };
    }
    let (Some(wanted), Some(upstream)) = (wanted, upstream) else { return Err(UpstreamError::Upgrade) };
    head.headers.remove(header::CONTENT_LENGTH);
    match wanted.handshake {
        Some(handshake) => {
            handshake.close(&mut head.headers)?;
            head.status = StatusCode::OK;
        }
        None => {
            head.headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
            head.headers.insert(header::UPGRADE, wanted.protocol.0.clone());
        }
    }
    Ok(Some(Ends { workload: wanted.workload, upstream, protocol: wanted.protocol }))
}

/// Whether its bytes can be read.
pub fn is_websocket(protocol: &Upgrade) -> bool {
    name(&protocol.0).is_some_and(|name| name.eq_ignore_ascii_case("websocket"))
}

/// The one protocol that a head names and `Connection` speaks of.
fn named(headers: &HeaderMap) -> Option<&HeaderValue> {
    let mut options = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    let mut values = headers.get_all(header::UPGRADE).iter();
    match (values.next(), values.next()) {
        (Some(one), None) if options.any(|option| option.trim().eq_ignore_ascii_case("upgrade")) => Some(one),
        _ => None,
    }
}

/// A protocol's name, without its version; a list has none.
fn name(protocol: &HeaderValue) -> Option<&str> {
    let mut halves = protocol.to_str().ok()?.splitn(2, '/');
    let name = halves.clone().next()?;
    halves.all(is_token).then_some(name)
}

/// RFC 9110, 5.6.2.
fn is_token(text: &str) -> bool {
    let may_be_in = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(may_be_in)
}

/// An exchange whose connection goes on with another protocol.
pub struct Switched {
    ends: Ends,
    trail: ExchangeTrail,
    permit: Permit,
    idle: Duration,
    frames: Readers,
}

impl Switched {
    /// For at most as long as `permit` holds and something moves every `idle`. What can be read goes through what `play` has in its way.
    pub fn new(ends: Ends, trail: ExchangeTrail, permit: Permit, idle: Duration, play: &InPlay) -> Self {
        let frames =
            if is_websocket(&ends.protocol) { play.readers(trail.notes()) } else { Readers::default() };
        Self { ends, trail, permit, idle, frames }
    }

    /// Passes bytes on until both sides have ended.
    pub async fn run(mut self) {
        let Ends { workload, upstream, .. } = &mut self.ends;
        // Nothing to wait for: HTTP is over on both, in one way or another.
        let Ok((workload, upstream)) = tokio::try_join!(workload, upstream) else {
            return self.trail.broke("aborted");
        };
        let (mut workload, mut upstream) = (TokioIo::new(workload), TokioIo::new(upstream));
        let frames = std::mem::take(&mut self.frames);
        if let Err(kind) = self.pass_on(&mut workload, &mut upstream, frames).await {
            self.trail.broke(kind);
            reset(workload.into_inner(), upstream.into_inner());
        }
    }

    async fn pass_on(
        &self,
        workload: &mut TokioIo<Upgraded>,
        upstream: &mut TokioIo<Upgraded>,
        frames: Readers,
    ) -> Result<(), &'static str> {
        let notes = self.trail.notes();
        let (from_workload, to_workload) = split(workload);
        let (from_upstream, to_upstream) = split(upstream);
        let both = async {
            tokio::try_join!(
                pass(from_workload, to_upstream, frames.to_upstream, &notes.from_workload),
                pass(from_upstream, to_workload, frames.to_workload, &notes.to_workload),
            )
        };
        let total = || notes.from_workload.load(Relaxed) + notes.to_workload.load(Relaxed);
        tokio::select! {
            // First, so that nothing passes if the policy changed while the two switched.
            biased;
            () = self.permit.revoked() => Err(UpstreamError::Revoked.kind()),
            passed = both => self.how_ended(passed),
            () = splice::idle(total, self.idle) => Err("idle"),
        }
    }

    fn how_ended<T>(&self, passed: io::Result<T>) -> Result<(), &'static str> {
        let Err(error) = passed else { return Ok(()) };
        if let Some(unread) = Unread::of(&error) {
            return Err(unread.kind(self.trail.notes()));
        }
        // Closing TCP without closing TLS first is common. All that came has been passed on, and so is how it ended.
        if error.kind() == ErrorKind::UnexpectedEof {
            return Ok(());
        }
        // What breaks because of it may be told sooner.
        Err(if self.permit.holds() { "broken" } else { UpstreamError::Revoked.kind() })
    }
}

/// One that is dropped because of it was not asked in time.
impl Drop for Switched {
    fn drop(&mut self) {
        if !self.permit.holds() {
            self.trail.broke(UpstreamError::Revoked.kind());
        }
    }
}

/// One direction, to its end. What was read has been sent before the next is read, so that nothing is lost when reading fails.
async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut frames: Option<Frames>,
    count: &AtomicU64,
) -> io::Result<()> {
    let (mut buffer, mut made) = (vec![0; BUFFER], BytesMut::new());
    loop {
        let length = from.read(&mut buffer).await?;
        let Some(data @ [_, ..]) = buffer.get(..length) else { break };
        match &mut frames {
            None => to.write_all(data).await?,
            Some(frames) => {
                let read = frames.push(data, &mut made);
                to.write_all(&made.split()).await?;
                read.map_err(io::Error::other)?;
            }
        }
        to.flush().await?;
        count.fetch_add(length as u64, Relaxed);
    }
    // Who has gone needs no goodbye.
    let _ = to.shutdown().await;
    Ok(())
}

/// Ends both so that it can be seen; what was not sent yet is not sent.
fn reset(workload: Upgraded, upstream: Upgraded) {
    if let Ok(upstream) = upstream.downcast::<TokioIo<UpstreamStream>>() {
        // A socket that cannot be set so is closed normally, which ends it too.
        let _ = upstream.io.inner().abandon();
    }
    match workload.downcast::<TokioIo<Gated<WorkloadSocket>>>() {
        Ok(plain) => plain.io.inner().stream().abandon(),
        Err(other) => {
            if let Ok(tls) = other.downcast::<TokioIo<Gated<TlsStream<WorkloadSocket>>>>() {
                tls.io.inner().stream().get_ref().0.abandon();
            }
        }
    }
}
