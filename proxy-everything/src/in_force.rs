//! The rules in force, for what began under earlier ones and is still under way. Receives those of each new generation, before
//! anything can begin under it, and is asked by whoever waits or goes on: look-ups, connections that are being opened, tunnels,
//! exchanges and their bodies. Here ends what a new policy denies; what it still allows goes on as it began.

use std::{
    future::{Future, pending},
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use http::Method;
use policy::{Authority, Decision, Document, Overrides, Policy, RequestFacts, Scheme};
use tokio::sync::watch;

use crate::{audit::Notes, config::Limits, error::UpstreamError, upstream::Resolver};

/// The part of a generation that says no.
#[derive(Clone)]
pub struct Rules {
    /// The number of the generation.
    pub generation: u64,
    /// What may pass.
    pub policy: Arc<Policy>,
    /// Where names may lead.
    pub resolver: Resolver,
}

impl Rules {
    /// Whether a connection to `to` may lead to `address`; without a scheme it is one of raw bytes.
    pub fn may_dial(&self, scheme: Option<Scheme>, to: &Authority, address: SocketAddr) -> bool {
        self.policy.may_pass(scheme, to) && self.resolver.judge(address, scheme, to, &self.policy).is_ok()
    }
}

/// The rules in force for one workload. A clone is another handle on the same.
#[derive(Clone)]
pub struct InForce(watch::Sender<Rules>);

impl Default for InForce {
    /// Those of an empty document, which denies everything.
    fn default() -> Self {
        let nothing = Document::default();
        let resolver = Resolver::new(&nothing, &Limits::from(&nothing.limits), Arc::default());
        Self(watch::Sender::new(Rules {
            generation: 0,
            policy: Policy::compile(&nothing, &Overrides::default()).into(),
            resolver,
        }))
    }
}

impl InForce {
    /// From now on these are in force.
    pub fn replace(&self, rules: Rules) {
        self.0.send_replace(rules);
    }

    /// Whether `allowed` is true of them now.
    pub fn allow(&self, allowed: impl FnOnce(&Rules) -> bool) -> bool {
        allowed(&self.0.borrow())
    }

    /// What `verdict` has to say of the rules in force, as soon as there are some of which it has to say something.
    pub async fn until<T>(&self, mut verdict: impl FnMut(&Rules) -> Option<T>) -> T {
        let mut said = None;
        let mut receiver = self.0.subscribe();
        let heard = receiver.wait_for(|rules| {
            said = verdict(rules);
            said.is_some()
        });
        let _ = heard.await.is_ok();
        match said {
            Some(said) => said,
            // There is always a sender, which is `self`.
            None => pending().await,
        }
    }

    /// Does `work` for as long as `allowed` is true of the rules in force.
    pub async fn hold<T>(
        &self,
        allowed: impl Fn(&Rules) -> bool,
        work: impl Future<Output = Result<T, UpstreamError>>,
    ) -> Result<T, UpstreamError> {
        tokio::select! {
            // First, so that nothing is begun that was denied while something else was waited for.
            biased;
            () = self.until(|rules| (!allowed(rules)).then_some(())) => Err(UpstreamError::Revoked),
            done = work => done,
        }
    }

    /// For a request that `generation` let pass. It is asked about again only by rules that are not that generation's.
    pub fn permit(&self, asked: Asked, generation: u64) -> Permit {
        let mut rules = self.0.subscribe();
        if rules.borrow().generation != generation {
            rules.mark_changed();
        }
        Permit { rules, request: Arc::new(asked) }
    }
}

/// A decision that let a request pass, as long as that is under way.
#[derive(Clone)]
pub struct Permit {
    rules: watch::Receiver<Rules>,
    request: Arc<Asked>,
}

/// What a request was decided by.
#[derive(Clone)]
pub struct Asked {
    /// As the workload used it.
    pub scheme: Scheme,
    /// Where it goes.
    pub authority: Authority,
    /// Where it would have gone without TLS, if TLS is what it was given on the way.
    pub plain: Option<Authority>,
    /// As it was sent.
    pub method: Method,
    /// As it was sent, without the query.
    pub path: Box<str>,
    /// Which address it was sent to.
    pub notes: Arc<Notes>,
}

impl Permit {
    /// What was let pass.
    pub fn asked(&self) -> &Asked {
        &self.request
    }

    /// Whether the rules in force let it pass, too. One look at a number until there are new ones, a decision from then on.
    pub fn holds(&self) -> bool {
        !self.rules.has_changed().unwrap_or(false) || self.request.passes(&self.rules.borrow())
    }

    /// The same for the request's body, which may last longer than the response.
    #[must_use]
    pub fn apart(&self) -> Self {
        Self { rules: self.rules.clone(), request: Arc::new((*self.request).clone()) }
    }

    /// Returns once it holds no more.
    pub fn revoked(&self) -> impl Future<Output = ()> + Send + 'static {
        let (mut rules, request) = (self.rules.clone(), Arc::clone(&self.request));
        async move {
            while rules.changed().await.is_ok() {
                if !request.passes(&rules.borrow_and_update()) {
                    return;
                }
            }
            // The instance has ended, and its rules with it.
            pending().await
        }
    }
}

impl Asked {
    /// What the policy goes by.
    pub fn facts(&self) -> RequestFacts<'_> {
        self.facts_of(self.scheme, &self.authority)
    }

    /// A plain request becomes one over TLS.
    pub fn upgrade(&mut self) {
        let port = self.authority.port;
        let port = if port == Scheme::Http.default_port() { Scheme::Https.default_port() } else { port };
        let secure = Authority { host: self.authority.host.clone(), port };
        self.plain = Some(std::mem::replace(&mut self.authority, secure));
        self.scheme = Scheme::Https;
    }

    fn facts_of<'a>(&'a self, scheme: Scheme, authority: &'a Authority) -> RequestFacts<'a> {
        let Authority { host, port } = authority;
        RequestFacts { scheme, host, port: *port, method: self.method.as_str(), path: &self.path }
    }

    fn passes(&self, rules: &Rules) -> bool {
        let forwards =
            |facts: &RequestFacts<'_>| matches!(rules.policy.decide(facts), Decision::Forward { .. });
        let may_lead_to = |address| {
            rules.resolver.judge(address, Some(self.scheme), &self.authority, &rules.policy).is_ok()
        };
        forwards(&self.facts())
            && self.plain.as_ref().is_none_or(|plain| forwards(&self.facts_of(Scheme::Http, plain)))
            && self.notes.address().is_none_or(may_lead_to)
    }
}

/// The responses under way on one connection.
#[derive(Default)]
pub struct UnderWay(Mutex<Vec<Weak<Asked>>>);

impl UnderWay {
    /// One more, for as long as `permit` and its clones exist.
    pub fn add(&self, permit: &Permit) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|one| one.strong_count() > 0);
        all.push(Arc::downgrade(&permit.request));
    }

    /// The workload takes nothing of them.
    pub fn stalled(&self) {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().filter_map(Weak::upgrade).for_each(|one| one.notes.cut_off("body_stalled"));
    }

    /// Whether all of them may go on.
    pub fn passes(&self, rules: &Rules) -> bool {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().filter_map(Weak::upgrade).all(|one| one.passes(rules))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn asked() -> Asked {
        let authority = Authority::parse("good.test", Scheme::Https).unwrap();
        let notes = Arc::default();
        Asked { scheme: Scheme::Https, authority, plain: None, method: Method::GET, path: "/".into(), notes }
    }

    #[test]
    fn rules_that_came_between_a_decision_and_its_permit_are_asked() {
        // These deny everything, and are generation 0.
        let rules = InForce::default();
        let decided_by_these = rules.permit(asked(), 0);
        assert!(decided_by_these.holds());
        assert!(decided_by_these.revoked().now_or_never().is_none());
        let decided_before = rules.permit(asked(), 1);
        assert!(!decided_before.holds());
        assert!(decided_before.revoked().now_or_never().is_some());
    }

    #[test]
    fn new_rules_are_asked() {
        let rules = InForce::default();
        let permit = rules.permit(asked(), 0);
        let mut revoked = Box::pin(permit.revoked());
        assert!(revoked.as_mut().now_or_never().is_none());
        let same = rules.0.borrow().clone();
        rules.replace(Rules { generation: 1, ..same });
        assert!(!permit.holds() && revoked.now_or_never().is_some());
    }
}
