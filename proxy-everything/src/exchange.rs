//! An exchange: one request and its response. The second of the two places where policy is asked. The policy decides, the
//! handlers run, the upstream answers; whatever happens, the workload gets a response and the audit log one record. The
//! generation is taken once, at the start, so that an exchange is served by one policy throughout; it ends early if a new one
//! denies it.

use std::sync::Arc;

use handlers::{Body, BodyError, Chain, Context, Fetch, HandlerError, Outcome};
use http::{Request, Response};
use hyper::body::Incoming;
use policy::{Decision, RequestFacts, Rule, Scheme};

use crate::{
    audit::{ExchangeTrail, Notes, Record},
    body,
    config::{Bound, Generation},
    error::{ExchangeError, UpstreamError, refusal},
    fetch,
    http::{Transport, clean_request, clean_response, target},
    in_force::{Asked, Permit, UnderWay},
    instance::Instance,
    linger::{Lingering, lingering},
    tail::Tail,
    upgrade::{self, Ends, Switched, Wanted},
};

/// Answers `request`, which came over `transport` on the connection that `connection` describes, and whose responses are `under_way`; says
/// whether the connection goes on with another protocol after it.
pub async fn run(
    mut request: Request<Incoming>,
    instance: Arc<Instance>,
    transport: &Transport,
    connection: &Record,
    under_way: &UnderWay,
) -> (Response<Body>, Option<Switched>) {
    let generation = instance.current();
    let id = instance.next_request();
    let mut trail = ExchangeTrail::open(Arc::clone(&instance), connection, generation.number(), id);
    trail.asked(request.method(), Some(request.uri().path()));
    let idle = generation.limits().body_idle();
    let wanted = upgrade::wanted(&mut request);
    let request = lingering(request);
    let exchange = Exchange { instance, generation: Arc::clone(&generation), trail: &mut trail };
    let answer = exchange.answer(request, wanted, transport, connection).await;
    let (response, permit) = match answer {
        Ok(Answer { response, permit, ends }) => {
            under_way.add(&permit);
            if let Some(ends) = ends {
                trail.answered(response.status());
                let switched = Switched::new(ends, trail, permit, generation.limits().splice_idle());
                return (response, Some(switched));
            }
            (response, Some(permit))
        }
        Err(error) => {
            trail.failed(&error);
            (refusal(&error, &trail.request_id(), generation.policy()), None)
        }
    };
    trail.answered(response.status());
    (response.map(|body| body::response(body, trail, idle, permit)), None)
}

/// What a request that was let pass came to.
struct Answer {
    response: Response<Body>,
    permit: Permit,
    /// Of the tunnel that its connection becomes, if it does.
    ends: Option<Ends>,
}

struct Exchange<'a> {
    instance: Arc<Instance>,
    generation: Arc<Generation>,
    trail: &'a mut ExchangeTrail,
}

impl Exchange<'_> {
    async fn answer(
        self,
        request: Request<Lingering>,
        wanted: Option<Wanted>,
        transport: &Transport,
        connection: &Record,
    ) -> Result<Answer, ExchangeError> {
        self.may_begin()?;
        let (scheme, authority) = target(&request, transport, connection.destination)?;
        self.trail.target(scheme, &authority);
        let facts = RequestFacts {
            scheme,
            host: &authority.host,
            port: authority.port,
            method: request.method().as_str(),
            path: request.uri().path(),
        };
        let (rule, binding, monitored) = match self.generation.policy().decide(&facts) {
            Decision::Deny(denial) => return Err(ExchangeError::Denied(denial)),
            Decision::Forward { rule, binding, monitored } => (rule, binding, monitored),
        };
        if let Some(denial) = &monitored {
            self.trail.monitored(denial);
        }
        let bound = binding.and_then(|id| self.generation.chain(id));
        self.trail.allowed(&rule, bound.map(|bound| bound.used.clone()).unwrap_or_default());

        let (mut head, body) = request.into_parts();
        let (method, path) = (head.method.clone(), head.uri.path().into());
        clean_request(&mut head, scheme, &authority)?;
        if let Some(wanted) = &wanted {
            head.extensions.insert(wanted.protocol.clone());
        }
        let notes = self.trail.notes();
        let asked = Asked { scheme, authority, method, path, notes: Arc::clone(notes) };
        let permit = self.instance.in_force.permit(asked);
        let idle = self.generation.limits().body_idle();
        let request = Request::from_parts(head, body::request(body, Arc::clone(notes), idle, &permit));
        let onward = Onward {
            generation: Arc::clone(&self.generation),
            notes: Arc::clone(notes),
            permit: permit.clone(),
        };
        let response = tokio::select! {
            biased;
            () = permit.revoked() => return Err(UpstreamError::Revoked.into()),
            // What fails because of it may be told sooner.
            response = self.respond(request, bound, onward, scheme, &rule) => {
                response.map_err(|error| if permit.holds() { error } else { UpstreamError::Revoked.into() })?
            }
        };
        let (mut head, body) = response.into_parts();
        clean_response(&mut head);
        let ends = upgrade::switch(wanted, &mut head)?;
        Ok(Answer { response: Response::from_parts(head, body), permit, ends })
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

    async fn respond(
        &self,
        request: Request<Body>,
        bound: Option<&Bound>,
        onward: Onward,
        scheme: Scheme,
        rule: &Rule,
    ) -> Result<Response<Body>, ExchangeError> {
        let Some(bound) = bound else { return Ok(onward.send(request).await?) };
        let context = self.context(Arc::clone(&bound.pattern));
        self.handle(request, &bound.chain, &context, onward, scheme, rule).await
    }

    fn context(&self, matched: Arc<str>) -> Context {
        Context {
            instance: Arc::clone(&self.instance.id),
            class: Arc::clone(&self.instance.class),
            matched,
            request_id: self.trail.request_id(),
            source: self.trail.source(),
            logs: self.trail.logs(),
        }
    }

    async fn handle(
        &self,
        request: Request<Body>,
        chain: &Chain,
        context: &Context,
        onward: Onward,
        scheme: Scheme,
        rule: &Rule,
    ) -> Result<Response<Body>, ExchangeError> {
        if chain.holds_secrets() && scheme == Scheme::Http {
            return Err(ExchangeError::SecretOnPlaintext { rule: rule.to_string() });
        }
        let behind =
            Behind { onward, instance: Arc::clone(&self.instance), record: self.trail.record().clone() };
        match chain.run(request, context, Arc::new(behind)).await {
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

/// The end of every handler chain: the upstream, as this exchange's generation configures it.
#[derive(Clone)]
struct Onward {
    generation: Arc<Generation>,
    notes: Arc<Notes>,
    permit: Permit,
}

impl Onward {
    async fn send(&self, request: Request<Body>) -> Result<Response<Body>, UpstreamError> {
        // A handler may have thought for long.
        let result = if self.permit.holds() {
            self.generation.upstream().send(request, &self.notes).await
        } else {
            Err(UpstreamError::Revoked)
        };
        if let Err(error) = &result {
            self.notes.not_reached(error.clone());
        }
        result
    }
}

/// What lies behind the handlers of an exchange.
struct Behind {
    onward: Onward,
    instance: Arc<Instance>,
    record: Record,
}

impl Fetch for Behind {
    fn fetch(&self, request: Request<Body>) -> handlers::Fetching {
        let onward = self.onward.clone();
        Box::pin(async move { onward.send(request).await.map_err(BodyError::from) })
    }

    fn elsewhere(&self, handler: &str, request: Request<Body>) -> handlers::Fetching {
        fetch::elsewhere(&self.instance, &self.onward.generation, &self.record, handler, request)
    }
}
