//! `egress:handler/http`: fetching onward, and answering before the call is over.
//!
//! Receives a guest's requests, the pieces of bodies that it makes and its early answer; hands them to [`Onward`],
//! [`Sinks`](super::pipe::Sinks) and whoever waits for the answer.

use std::{future::poll_fn, pin::Pin, task::Poll, time::Duration};

use tokio::time::timeout;
use wasmtime::component::Resource;

use super::{
    bindings::egress::handler::{
        http,
        types::{self, Request, Response},
    },
    bodies::Held,
    message,
    onward::Pending,
    pipe::Sink,
    state::State,
};
use crate::{HandlerError, Outcome};

/// Sent and not waited for; far more than may be fetched, so that most of what was refused is told as such.
const MAX_SENT: usize = 4096;

/// What a task of a fetch comes to.
type Fetched = Option<Result<Outcome, HandlerError>>;

impl State {
    fn start(&mut self, request: Request) -> Result<Pending, String> {
        let secrets = self.secrets();
        let onward = self.call.0.as_mut().and_then(|call| call.onward.as_mut());
        let onward = onward.ok_or("fetch outside of a call")?;
        onward.fetch(request, &mut self.bodies, &secrets)
    }

    fn settle(&mut self, fetched: Fetched) -> Result<Response, String> {
        let onward = self.call.0.as_mut().and_then(|call| call.onward.as_mut());
        let response = onward.ok_or("fetch outside of a call")?.settle(fetched)?;
        message::fetched(response, &mut self.bodies)
    }

    /// The first of what was sent that has come to something.
    async fn first(&mut self) -> Option<(u32, Result<Fetched, String>)> {
        let sent = &mut self.call.0.as_mut()?.sent;
        if sent.is_empty() {
            return None;
        }
        let (place, result) = poll_fn(|context| {
            for (place, (_, one)) in sent.iter_mut().enumerate() {
                match one {
                    Err(refused) => return Poll::Ready((place, Err(refused.clone()))),
                    Ok(pending) => {
                        if let Poll::Ready(fetched) = Pin::new(pending).poll(context) {
                            return Poll::Ready((place, Ok(fetched)));
                        }
                    }
                }
            }
            Poll::Pending
        })
        .await;
        Some((sent.remove(place).0, result))
    }
}

impl http::Host for State {
    async fn fetch(&mut self, requests: Vec<Request>) -> Vec<Result<Response, String>> {
        // All are under way before the first is waited for.
        let started: Vec<_> = requests.into_iter().map(|request| self.start(request)).collect();
        let mut responses = Vec::with_capacity(started.len());
        for started in started {
            let response = match started {
                Ok(pending) => {
                    let fetched = pending.await;
                    self.settle(fetched)
                }
                Err(refused) => Err(refused),
            };
            responses.push(response);
        }
        responses
    }

    fn send(&mut self, request: Request) -> wasmtime::Result<u32> {
        let started = self.start(request);
        let Some(call) = &mut self.call.0 else { return Ok(0) };
        if call.sent.len() >= MAX_SENT {
            self.limits.exceeded();
            wasmtime::bail!("more than {MAX_SENT} requests were sent and not waited for");
        }
        let number = call.next;
        call.next = call.next.wrapping_add(1);
        call.sent.push((number, started));
        Ok(number)
    }

    async fn next(&mut self, timeout_ms: Option<u32>) -> Option<(u32, Result<Response, String>)> {
        let idle = self.call.0.as_ref().is_none_or(|call| call.sent.is_empty());
        let (number, fetched) = match timeout_ms.map(|ms| Duration::from_millis(ms.into())) {
            None => self.first().await?,
            Some(time) if idle => {
                tokio::time::sleep(time).await;
                return None;
            }
            Some(time) => timeout(time, self.first()).await.ok()??,
        };
        Some((number, fetched.and_then(|fetched| self.settle(fetched))))
    }

    fn pipe(&mut self) -> (Resource<Sink>, Resource<Held>) {
        // Over the bound the guest gets numbers that stand for nothing, and hears so when it uses them.
        let none = || (Resource::new_own(u32::MAX), Resource::new_own(u32::MAX));
        let Some((sink, body)) = self.sinks.pipe() else { return none() };
        match self.bodies.hold(body.into()) {
            Some(body) => (Resource::new_own(sink), Resource::new_own(body)),
            None => none(),
        }
    }

    fn respond(&mut self, response: Response) -> Result<(), String> {
        let call = self.call.0.as_ref().ok_or("outside of a call")?;
        if call.answer.is_given() {
            return Err("the call was answered already".to_owned());
        }
        let response = message::response(response, &mut self.bodies, &call.context.secrets)?;
        call.pace.renew();
        if call.answer.give(Ok(Outcome::Response(response))) {
            Ok(())
        } else {
            Err("nobody waits".to_owned())
        }
    }
}

impl http::HostSink for State {
    async fn write(&mut self, sink: Resource<Sink>, bytes: Vec<u8>) -> Result<(), String> {
        let length = bytes.len();
        self.sinks.write(sink.rep(), bytes).await?;
        self.moved(length);
        Ok(())
    }

    async fn finish(&mut self, sink: Resource<Sink>) -> Result<(), String> {
        self.sinks.finish(sink.rep()).await
    }

    fn drop(&mut self, sink: Resource<Sink>) -> wasmtime::Result<()> {
        self.sinks.forget(sink.rep());
        Ok(())
    }
}

impl types::HostBody for State {
    async fn read(&mut self, body: Resource<Held>, max: u32) -> Result<Vec<u8>, String> {
        let chunk = self.bodies.read(body.rep(), max).await?;
        self.moved(chunk.len());
        Ok(chunk)
    }

    fn drop(&mut self, body: Resource<Held>) -> wasmtime::Result<()> {
        self.bodies.forget(body.rep());
        Ok(())
    }
}

impl State {
    /// So many bytes of a body went through the guest: it may compute some more, and take longer if it has answered.
    fn moved(&mut self, bytes: usize) {
        self.limits.earn(bytes);
        if let Some(call) = self.call.0.as_ref().filter(|call| call.answer.is_given()) {
            call.pace.renew();
        }
    }
}
