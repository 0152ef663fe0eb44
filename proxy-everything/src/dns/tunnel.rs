//! What a name may look like, and how many new ones there may be, before a resolver is asked for it. Whoever runs the
//! servers of a domain reads every name below it that anybody looks up, so under a pattern such as `*.example.com` names
//! themselves carry data. Names that an entry spells out carry none and are not bound. The same bounds hold for DNS
//! questions and for requests, since a `Host` header is looked up too.
//!
//! What is left is slow, not nothing: two new names a second at most, once the first 120 are spent, of some 50 octets
//! each.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use hickory_proto::op::ResponseCode;
use policy::{CanonicalHost, Named, Policy};
use tokio::sync::Semaphore;

use super::{lru::Lru, rate::Bucket};
use crate::config::Limits;

/// Octets of a name. Real ones rarely have more than 100 (signed storage and load balancers); tunnels fill all 253.
const MAX_NAME: usize = 130;
/// Octets of a label. The longest that load balancers make has 49 (a name of 32, a hyphen, 16 hexadecimal digits);
/// tunnels use 57 to 63.
const MAX_LABEL: usize = 52;
/// From this length on, text without a hyphen is measured. Words are shorter; UUIDs and words in a row have hyphens.
const MEASURED: usize = 28;
/// Bits per character: the most that hexadecimal digits can have, so no hash is ever over it. Random base32 has 4.1 for
/// 28 characters, 4.5 for 52; base64 more.
const MAX_ENTROPY: f64 = 4.0;
/// Names that were let through and may be asked for again at no charge.
const MAX_KNOWN: usize = 4096;
/// Questions under way at once.
const MAX_QUESTIONS: usize = 256;

/// Why a name must not be looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameRefusal {
    /// It looks like data.
    #[error("the name looks like data, and no entry of the policy spells it out")]
    Tunnel,
    /// There were too many new ones.
    #[error("too many new names in a short time")]
    Rate,
}

impl NameRefusal {
    /// What DNS answers: such a name does not exist, or it may later.
    pub(super) fn code(self) -> ResponseCode {
        match self {
            Self::Tunnel => ResponseCode::NXDomain,
            Self::Rate => ResponseCode::Refused,
        }
    }

    /// The word for machines.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Tunnel => "dns_tunnel",
            Self::Rate => "dns_rate",
        }
    }
}

/// What one workload may ask for.
#[derive(Debug)]
pub struct Bounds {
    questions: Mutex<Bucket>,
    new_names: Mutex<NewNames>,
    /// Questions under way.
    pub(super) slots: Arc<Semaphore>,
}

#[derive(Debug)]
struct NewNames {
    bucket: Bucket,
    known: Lru<CanonicalHost, ()>,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            questions: Mutex::new(Bucket::per(Duration::from_secs(1))),
            new_names: Mutex::new(NewNames {
                bucket: Bucket::per(Duration::from_secs(60)),
                known: Lru::new(MAX_KNOWN),
            }),
            slots: Arc::new(Semaphore::new(MAX_QUESTIONS)),
        }
    }
}

impl Bounds {
    /// Whether one more question may be answered now.
    pub(super) fn question(&self, limits: &Limits) -> Result<(), NameRefusal> {
        let mut bucket = self.questions.lock().unwrap_or_else(PoisonError::into_inner);
        let free = bucket.take(limits.dns_questions_per_second(), Instant::now());
        if free { Ok(()) } else { Err(NameRefusal::Rate) }
    }

    /// Whether a resolver may be asked for `host` now.
    pub fn look_up(&self, host: &CanonicalHost, policy: &Policy, limits: &Limits) -> Result<(), NameRefusal> {
        if policy.named(host) == Named::Exactly {
            return Ok(());
        }
        if host.name().is_some_and(looks_like_data) {
            return Err(NameRefusal::Tunnel);
        }
        let mut names = self.new_names.lock().unwrap_or_else(PoisonError::into_inner);
        if names.known.get(host).is_some() {
            return Ok(());
        }
        if !names.bucket.take(limits.dns_new_names_per_minute(), Instant::now()) {
            return Err(NameRefusal::Rate);
        }
        names.known.put(host.clone(), ());
        Ok(())
    }
}

fn looks_like_data(name: &str) -> bool {
    let dense = |run: &str| run.len() >= MEASURED && entropy(run) > MAX_ENTROPY;
    name.len() > MAX_NAME
        || name.split('.').any(|label| label.len() > MAX_LABEL || label.split(['-', '_']).any(dense))
}

/// Shannon's, of the characters as they are distributed in `text` itself, in bits per character.
fn entropy(text: &str) -> f64 {
    let mut counts = std::collections::BTreeMap::<u8, u32>::new();
    for byte in text.bytes() {
        *counts.entry(byte).or_default() += 1;
    }
    let length = text.len() as f64;
    counts.values().map(|&count| f64::from(count) / length).map(|share| -share * share.log2()).sum()
}

#[cfg(test)]
mod tests {
    use policy::{Document, Overrides};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_of_the_real_world_pass() {
        for name in [
            "d111111abcdef8.cloudfront.net",
            "ec2-203-0-113-25.eu-central-1.compute.amazonaws.com",
            "k8s-default-myingres-0a1b2c3d4e-1234567890.eu-west-1.elb.amazonaws.com",
            "a0f1e2d3c4b5a69788796a5b4c3d2e1f-1234567890.us-east-1.elb.amazonaws.com",
            "my-load-balancer-name-of-32-char-0123456789abcdef.elb.us-east-1.amazonaws.com",
            "my-company-production-artifacts-eu.s3.dualstack.eu-central-1.amazonaws.com",
            "550e8400-e29b-41d4-a716-446655440000.cfargotunnel.com",
            "d41d8cd98f00b204e9800998ecf8427e.example.com",
            "da39a3ee5e6b4b0d3255bfef95601890afd80709.example.com",
            "rr4---sn-4g5ednsz.googlevideo.com",
            "deploy-preview-1234--my-wonderful-site.netlify.app",
            "my-project-git-feature-branch-name-my-team.vercel.app",
            "us-central1-my-project-name.cloudfunctions.net",
            "productionresultssa12.blob.core.windows.net",
            "pipelinesghubeus22.actions.githubusercontent.com",
            "pkg-containers.githubusercontent.com",
            "prod-registry-k8s-io-eu-west-1.s3.dualstack.eu-west-1.amazonaws.com",
            "e1234.dscb.akamaiedge.net.0.1.cn.akamaiedge.net",
            "www.google.com.edgekey.net.globalredir.akadns.net",
            "files.pythonhosted.org",
            "llanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogogoch.co.uk",
        ] {
            // The last one is a real name, with a label of 58: such a name must be spelled out.
            assert_eq!(looks_like_data(name), name.starts_with("llan"), "{name}");
        }
    }

    #[test]
    fn data_does_not() {
        for name in [
            // iodine, dnscat2, dns2tcp: base32, hexadecimal digits, base64.
            "paaqbhg2bcd7xkzvq5mnyfjwtrl4u3eo6sia7kcbxzgq2mhvw5dfntpjrlu.t.example.com",
            "7f2a01b40c9d8e3f7f2a01b40c9d8e3f7f2a01b40c9d8e3f7f2a01b40c9d.t.example.com",
            "qw7e5rtz3uiop2asdf6ghjk4lyxcvbnm.example.com",
            "0a1b.0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f.0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f.0a1b2c3d4e5f60718293a4b5c6.example.com",
        ] {
            assert!(looks_like_data(name), "{name}");
        }
    }

    proptest! {
        #[test]
        fn hexadecimal_digits_are_never_too_dense(hash in "[0-9a-f]{28,52}") {
            let name = format!("{hash}.example.com");
            prop_assert!(!looks_like_data(&name));
        }
    }

    #[test]
    fn new_names_are_counted_and_names_that_are_spelled_out_are_not() {
        let document = "allowedHosts: ['*.a.test', exact.a.test]\nlimits: {dnsNewNamesPerMinute: 3, dnsQuestionsPerSecond: 2}";
        let document = Document::parse(document).unwrap();
        let (policy, limits) =
            (Policy::compile(&document, &Overrides::default()), Limits::from(&document.limits));
        let bounds = Bounds::default();
        let look_up = |name: &str| bounds.look_up(&CanonicalHost::parse(name).unwrap(), &policy, &limits);
        let dense = format!("{}.a.test", "x".repeat(60));
        for (name, wanted) in [
            ("1.a.test", Ok(())),
            ("2.a.test", Ok(())),
            (dense.as_str(), Err(NameRefusal::Tunnel)),
            ("3.a.test", Ok(())),
            ("4.a.test", Err(NameRefusal::Rate)),
            ("1.a.test", Ok(())),
            ("exact.a.test", Ok(())),
        ] {
            assert_eq!(look_up(name), wanted, "{name}");
        }
        let questions = [(); 3].map(|()| bounds.question(&limits));
        assert_eq!(questions, [Ok(()), Ok(()), Err(NameRefusal::Rate)]);
    }
}
