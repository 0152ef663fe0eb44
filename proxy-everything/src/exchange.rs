//! An exchange: one request and its response. The second of the two places where policy is asked. The policy decides, the
//! handlers run, the upstream answers; whatever happens, the workload gets a response and the audit log one record. The
//! generation is taken once, at the start, so that an exchange is served by one policy throughout; it ends early if a new one
//! denies it.

mod onward;

use std::sync::Arc;

use handlers::{Body, Context, HandlerError, Outcome, Secrets};
use http::{Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use policy::{BindingId, Decision, Rule, Scheme, Upgrade};

use crate::{
    audit::{ExchangeTrail, Record},
    body,
    config::{Bound, Generation},
    credentials::{InPlay, Passing},
    error::{ExchangeError, Tongue, UpstreamError, refusal},
    http::{Transport, Turn, clean_request, clean_response, sieve, target},
    in_force::{Asked, Permit, UnderWay},
    instance::Instance,
    linger::{Lingering, lingering},
    tail::Tail,
    upgrade::{self, Ends, Switched, Wanted},
    upstream::Prior,
};
use onward::{Behind, Onward};

/// Answers `request`, which came over `transport` on the connection that `connection` describes, and whose responses are `under_way`; says
/// whether the connection goes on with another protocol after it.
pub async fn run(
    mut request: Request<Incoming>,
    instance: Arc<Instance>,
    transport: &Transport,
    connection: &Arc<Record>,
    under_way: &UnderWay,
) -> (Response<Body>, Option<Switched>) {
    let generation = instance.current();
    let id = instance.next_request();
    let mut trail = ExchangeTrail::open(Arc::clone(&instance), connection, generation.number(), id);
    let wanted = upgrade::wanted(&mut request);
    let tongue = Tongue::of(request.headers());
    trail.asked(request.method(), Some(request.uri().path()));
    let idle = generation.limits().body_idle();
    let prior = match (transport, request.version()) {
        (Transport::Plain, Version::HTTP_2) => Prior::Http2,
        _ => Prior::Nothing,
    };
    let request = lingering(request);
    let exchange =
        Exchange { instance, generation: Arc::clone(&generation), trail: &mut trail, connection, prior };
    let answer = exchange.answer(request, wanted, transport).await;
    let (response, permit) = match answer {
        Ok(Answer { response, permit, play, ends }) => {
            under_way.add(&permit);
            if let Some(ends) = ends {
                // On a stream of HTTP/2 too, which has another word for it.
                trail.answered(StatusCode::SWITCHING_PROTOCOLS);
                let idle = generation.limits().splice_idle();
                let switched = Switched::new(ends, trail, permit, idle, &play);
                return (response, Some(switched));
            }
            (response, Some(permit))
        }
        Err(error) => {
            trail.failed(&error);
            (refusal(&error, &trail.request_id(), generation.policy(), tongue), None)
        }
    };
    trail.answered(response.status());
    (response.map(|body| body::response(body, trail, idle, permit, Turn::current())), None)
}

/// Answers a request of which nothing is known but what is wrong with it, on the connection that `connection` describes.
pub fn refuse(error: &ExchangeError, instance: &Arc<Instance>, connection: &Record) -> Response<Body> {
    let generation = instance.current();
    let id = instance.next_request();
    let mut trail = ExchangeTrail::open(Arc::clone(instance), connection, generation.number(), id);
    trail.failed(error);
    let response = refusal(error, &trail.request_id(), generation.policy(), Tongue::Http);
    trail.answered(response.status());
    let idle = generation.limits().body_idle();
    response.map(|body| body::response(body, trail, idle, None, None))
}

/// What a request that was let pass came to.
struct Answer {
    response: Response<Body>,
    permit: Permit,
    play: Arc<InPlay>,
    /// Of the tunnel that its connection becomes, if it does.
    ends: Option<Ends>,
}

struct Exchange<'a> {
    instance: Arc<Instance>,
    generation: Arc<Generation>,
    trail: &'a mut ExchangeTrail,
    connection: &'a Arc<Record>,
    prior: Prior,
}

impl Exchange<'_> {
    async fn answer(
        mut self,
        request: Request<Lingering>,
        wanted: Option<Wanted>,
        transport: &Transport,
    ) -> Result<Answer, ExchangeError> {
        self.may_begin()?;
        let (scheme, authority) = target(&request, transport, self.connection.destination)?;
        self.trail.target(scheme, &authority);
        let (method, path) = (request.method().clone(), request.uri().path().into());
        let notes = Arc::clone(self.trail.notes());
        let mut asked = Asked { scheme, authority, plain: None, method, path, notes };
        let (rule, binding) = self.decide(&mut asked)?;
        let bound = binding.and_then(|id| self.generation.chain(id));
        self.trail.allowed(&rule, bound.map(|bound| bound.used.clone()).unwrap_or_default());

        let (mut head, body) = request.into_parts();
        clean_request(&mut head, asked.scheme, &asked.authority)?;
        if let Some(wanted) = &wanted {
            head.extensions.insert(wanted.protocol.clone());
        }
        let permit = self.instance.in_force.permit(asked);
        let notes = &permit.asked().notes;
        let idle = self.generation.limits().body_idle();
        let body = body::request(body, Arc::clone(notes), idle, &permit);
        let request = Request::from_parts(head, body);
        let (response, play) = tokio::select! {
            biased;
            () = permit.revoked() => return Err(UpstreamError::Revoked.into()),
            // What fails because of it may be told sooner.
            response = self.respond(request, bound, &permit, &rule) => {
                response.map_err(|error| if permit.holds() { error } else { UpstreamError::Revoked.into() })?
            }
        };
        let (mut head, body) = play.scrubbed(response, notes)?.into_parts();
        let body = sieve(body, &head.headers);
        clean_response(&mut head);
        let ends = upgrade::switch(wanted, &mut head)?;
        Ok(Answer { response: Response::from_parts(head, body), permit, play, ends })
    }

    /// Lets it pass or not. A plain request that is to go on over TLS is decided again, as what it becomes.
    fn decide(&mut self, asked: &mut Asked) -> Result<(Rule, Option<BindingId>), ExchangeError> {
        let (rule, binding) = self.judge(asked)?;
        let bound = binding.and_then(|id| self.generation.chain(id));
        if asked.scheme == Scheme::Https || bound.is_none_or(|bound| bound.upgrade == Upgrade::Keep) {
            return Ok((rule, binding));
        }
        asked.upgrade();
        self.trail.target(asked.scheme, &asked.authority);
        self.judge(asked)
    }

    fn judge(&mut self, asked: &Asked) -> Result<(Rule, Option<BindingId>), ExchangeError> {
        match self.generation.policy().decide(&asked.facts()) {
            Decision::Deny(denial) => Err(ExchangeError::Denied(denial)),
            Decision::Forward { rule, binding, monitored } => {
                if let Some(denial) = &monitored {
                    self.trail.monitored(denial);
                }
                Ok((rule, binding))
            }
        }
    }

    /// Nothing passes of which nobody would hear.
    fn may_begin(&self) -> Result<(), ExchangeError> {
        if self.instance.audit.is_failing() {
            return Err(ExchangeError::NoAudit);
        }
        if self.generation.tails().iter().any(Tail::is_failing) {
            return Err(ExchangeError::NoTail);
        }
        Ok(())
    }

    /// The response, and the secrets that may be in it.
    async fn respond(
        &self,
        mut request: Request<Body>,
        bound: Option<&Bound>,
        permit: &Permit,
        rule: &Rule,
    ) -> Result<(Response<Body>, Arc<InPlay>), ExchangeError> {
        let asked = permit.asked();
        let uses = bound.map(|bound| bound.uses.as_slice()).unwrap_or_default();
        let policy = self.generation.policy();
        let passing = Passing { policy, rule, facts: asked.facts(), who: self.instance.facts(), uses };
        let play = Arc::new(self.generation.credentials().in_play(&passing).await?);
        asked.notes.may_use(&play);
        play.narrow(&mut request);
        let onward = Onward {
            generation: Arc::clone(&self.generation),
            notes: Arc::clone(&asked.notes),
            permit: permit.clone(),
            play: Arc::clone(&play),
            prior: self.prior,
        };
        let response = match bound {
            None => onward.send(request).await?,
            Some(bound) => self.handle(request, bound, onward, rule).await?,
        };
        Ok((response, play))
    }

    fn context(&self, matched: Arc<str>, secrets: Secrets) -> Context {
        Context {
            instance: Arc::clone(&self.instance.id),
            class: Arc::clone(&self.instance.class),
            matched,
            request_id: self.trail.request_id(),
            source: self.trail.source(),
            logs: self.trail.logs(),
            secrets,
        }
    }

    async fn handle(
        &self,
        request: Request<Body>,
        bound: &Bound,
        onward: Onward,
        rule: &Rule,
    ) -> Result<Response<Body>, ExchangeError> {
        let context = self.context(Arc::clone(&bound.pattern), onward.play.secrets().clone());
        let behind = Behind {
            onward,
            instance: Arc::clone(&self.instance),
            connection: Arc::clone(self.connection),
            request: self.trail.request_id(),
        };
        match bound.chain.run(request, &context, Arc::new(behind)).await {
            Ok(Outcome::Response(response)) => Ok(response),
            Ok(Outcome::Denied { status, reason, .. }) => {
                Err(ExchangeError::DeniedByHandler { status, reason, rule: rule.to_string() })
            }
            Err(error) => Err(self.explain(error)),
        }
    }

    /// A handler that gave up because the upstream failed is not to blame.
    fn explain(&self, error: HandlerError) -> ExchangeError {
        tracing::info!(request = %self.trail.request_id(), %error, "handler");
        match self.trail.notes().upstream_error() {
            Some(upstream) => ExchangeError::Upstream(upstream),
            None => ExchangeError::Handler { status: error.status(), kind: error.kind() },
        }
    }
}
