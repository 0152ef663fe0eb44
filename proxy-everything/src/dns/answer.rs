//! Who gets what. Receives one question, hands on its answer and what the record says of it. The order is the one that
//! nothing leaks in: the policy first, then the type, then the bounds, and only then a resolver. A name that handlers
//! serve, or that the policy leads somewhere by itself, gets an address of its own and no resolver is asked: the proxy
//! resolves when it dials, after it has decided.

use hickory_proto::{
    op::{Query, ResponseCode},
    rr::{
        DNSClass, Name, RData, Record, RecordType,
        rdata::{A, AAAA, HTTPS, PTR},
    },
};
use policy::{AddressRefusal, CanonicalHost, Denial, Reason, Rule, Served};

use super::{message::Explanation, names, service};
use crate::{
    audit::Decision, capture, config::Generation, error::UpstreamError, instance::Instance,
    upstream::LookupError,
};

/// Seconds that a client may keep an address of the proxy's own making; short, because the policy may change.
const SYNTHETIC_TTL: u32 = 5;
/// Seconds; see `upstream/lookup.rs`, whose bounds do not hold for what stands in the system's files.
const TTL: std::ops::RangeInclusive<u32> = 1..=86_400;

/// Addresses in one answer: a name with thousands must not push all others out of memory.
const MAX_ADDRESSES: usize = 64;

/// What is sent, and what the record says.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) code: ResponseCode,
    pub(super) records: Vec<Record>,
    pub(super) explanation: Option<(Explanation, String)>,
    pub(super) decision: Decision,
    pub(super) rule: Option<Rule>,
    pub(super) error: Option<&'static str>,
    /// Who denied it, if a later generation than it began under.
    pub(super) generation: Option<u64>,
}

impl Answer {
    fn allowed(rule: Option<Rule>, code: ResponseCode, records: Vec<Record>) -> Self {
        Self {
            code,
            records,
            explanation: None,
            decision: Decision::Allow,
            rule,
            error: None,
            generation: None,
        }
    }

    /// A refusal for reasons that are not the policy's own words.
    pub(super) fn refused(code: ResponseCode, error: &'static str, why: Explanation, text: &str) -> Self {
        let explanation = Some((why, text.to_owned()));
        Self {
            code,
            records: Vec::new(),
            explanation,
            decision: Decision::Deny,
            rule: None,
            error: Some(error),
            generation: None,
        }
    }

    fn denied(denial: Denial) -> Self {
        let why = match denial.reason {
            Reason::HostDenied => Explanation::Blocked,
            _ => Explanation::Prohibited,
        };
        let text = denial.rule.to_string();
        let answer = Self::refused(ResponseCode::NXDomain, denial.reason.as_str(), why, &text);
        Self { rule: Some(denial.rule), ..answer }
    }
}

/// Answers `query` as `generation` says.
pub(super) async fn answer(query: &Query, instance: &Instance, generation: &Generation) -> Answer {
    if query.query_class() != DNSClass::IN {
        return unsupported();
    }
    if query.query_type() == RecordType::PTR {
        return pointer(query.name(), instance);
    }
    // A name that is spelled like an address is nobody's name.
    let host = CanonicalHost::parse(&query.name().to_ascii()).ok().filter(|host| host.name().is_some());
    let Some(host) = host else {
        let text = "no host has such a name";
        return Answer::refused(ResponseCode::NXDomain, "malformed_host", Explanation::Prohibited, text);
    };
    let resolution = match generation.policy().resolves(&host) {
        Ok(resolution) => resolution,
        Err(denial) => return Answer::denied(denial),
    };
    let kind = query.query_type();
    let usual = [RecordType::A, RecordType::AAAA, RecordType::CNAME, RecordType::HTTPS, RecordType::SVCB];
    if !usual.contains(&kind) && !generation.dns_types().iter().any(|listed| listed.code() == u16::from(kind))
    {
        return Answer { rule: Some(resolution.rule), ..unsupported() };
    }
    let asked = Asked { name: query.name(), host, kind, rule: resolution.rule, instance, generation };
    if resolution.served == Served::Handlers || generation.resolver().states(&asked.host) {
        return asked.synthetic(SYNTHETIC_TTL);
    }
    asked.real().await
}

fn unsupported() -> Answer {
    let text = "this type of record is not let through; the policy may list it under dns.types";
    Answer::refused(ResponseCode::Refused, "dns_type", Explanation::Prohibited, text)
}

/// From what was handed out, and nobody is asked: the network behind an address is none of the workload's business.
fn pointer(name: &Name, instance: &Instance) -> Answer {
    let whole = name.parse_arpa_name().ok().filter(|net| net.prefix_len() == net.max_prefix_len());
    let address = whole.map(|net| net.addr());
    let names = address.map_or_else(Vec::new, |address| instance.names.of(address));
    let names = names.iter().filter_map(|host| Name::from_ascii(format!("{host}.")).ok());
    let records = |host| Record::from_rdata(name.clone(), SYNTHETIC_TTL, RData::PTR(PTR(host)));
    let records: Vec<Record> = names.map(records).collect();
    let code = if records.is_empty() { ResponseCode::NXDomain } else { ResponseCode::NoError };
    Answer::allowed(None, code, records)
}

/// A question for a name that may be known.
struct Asked<'a> {
    name: &'a Name,
    host: CanonicalHost,
    kind: RecordType,
    rule: Rule,
    instance: &'a Instance,
    generation: &'a Generation,
}

impl Asked<'_> {
    fn synthetic(self, ttl: u32) -> Answer {
        let (v4, v6) = self.instance.names.synthetic(&self.host);
        let data = match self.kind {
            RecordType::A => Some(RData::A(A(v4))),
            RecordType::AAAA => Some(RData::AAAA(AAAA(v6))),
            _ => None,
        };
        let records = data.map(|data| Record::from_rdata(self.name.clone(), ttl, data));
        Answer::allowed(Some(self.rule), ResponseCode::NoError, records.into_iter().collect())
    }

    async fn real(self) -> Answer {
        if self.instance.audit.is_failing() {
            return self.failed(
                "audit_failed",
                Explanation::Prohibited,
                "the proxy cannot write its records",
            );
        }
        let (resolver, policy) = (self.generation.resolver(), self.generation.policy());
        let denied = self.instance.in_force.until(|rules| {
            let denial = rules.policy.resolves(&self.host).err()?;
            Some(Answer { generation: Some(rules.generation), ..Answer::denied(denial) })
        });
        let found = tokio::select! {
            biased;
            answer = denied => return answer,
            found = resolver.records(&self.host, self.kind, policy) => found,
        };
        let error = match found {
            Ok(found) => return self.found(&found),
            Err(error) => error,
        };
        let text = error.to_string();
        match error {
            UpstreamError::Resolve(LookupError::NoName) => {
                Answer::allowed(Some(self.rule), ResponseCode::NXDomain, Vec::new())
            }
            UpstreamError::Resolve(LookupError::NoRecord) => {
                Answer::allowed(Some(self.rule), ResponseCode::NoError, Vec::new())
            }
            UpstreamError::NameRefused(refusal) => {
                let answer = Answer::refused(refusal.code(), refusal.kind(), Explanation::Filtered, &text);
                Answer { rule: Some(self.rule), ..answer }
            }
            UpstreamError::Resolve(LookupError::Failed) => {
                self.failed(error.kind(), Explanation::NetworkError, &text)
            }
            error => self.failed(error.kind(), Explanation::NoReachableAuthority, &text),
        }
    }

    fn failed(self, error: &'static str, why: Explanation, text: &str) -> Answer {
        let answer = Answer::refused(ResponseCode::ServFail, error, why, text);
        Answer { decision: Decision::Allow, rule: Some(self.rule), ..answer }
    }

    /// Under the name that was asked for, whatever names led there; no longer than the shortest of them may be kept.
    fn found(self, found: &[Record]) -> Answer {
        let ttl = found.iter().map(|record| record.ttl).min().unwrap_or(0).clamp(*TTL.start(), *TTL.end());
        if self.kind.is_ip_addr() {
            return self.addresses(found, ttl);
        }
        let own = |record: &&Record| !self.kind.is_cname() || record.name == *self.name;
        let records = found.iter().filter(|record| record.record_type() == self.kind).filter(own);
        let data = records.filter_map(|record| match &record.data {
            RData::HTTPS(record) => service::rebuild(record).map(|record| RData::HTTPS(HTTPS(record))),
            RData::SVCB(record) => service::rebuild(record).map(RData::SVCB),
            data => Some(data.clone()),
        });
        let records = data.map(|data| Record::from_rdata(self.name.clone(), ttl, data)).collect();
        Answer::allowed(Some(self.rule), ResponseCode::NoError, records)
    }

    /// Each address is judged by itself. One that would lead to the workload's own network means the host's here, so the name
    /// gets an address of its own instead. That there is nothing left is an empty answer and not NXDOMAIN: the other family
    /// may have an address.
    fn addresses(self, found: &[Record], ttl: u32) -> Answer {
        let mut refusal = None;
        let mut records = Vec::new();
        for record in found.iter().filter(|record| record.record_type() == self.kind).take(MAX_ADDRESSES) {
            let Some(address) = record.data.ip_addr() else { continue };
            match self.generation.policy().check_answer(address) {
                Ok(()) if capture::stays_inside(address) || names::is_synthetic(address) => {
                    return self.synthetic(ttl.min(SYNTHETIC_TTL));
                }
                Ok(()) => {
                    self.instance.names.give(&self.host, address);
                    records.push(Record::from_rdata(self.name.clone(), ttl, record.data.clone()));
                }
                Err(error) => refusal = Some(error),
            }
        }
        match refusal {
            Some(refusal) if records.is_empty() => self.refused(refusal),
            _ => Answer::allowed(Some(self.rule), ResponseCode::NoError, records),
        }
    }

    fn refused(self, refusal: AddressRefusal) -> Answer {
        let rule = match &refusal {
            AddressRefusal::Denied { rule, .. } => rule.clone(),
            AddressRefusal::NotPublic { .. } => self.rule,
        };
        let error = UpstreamError::AddressRefused(refusal);
        let text = error.to_string();
        let answer = Answer::refused(ResponseCode::NoError, error.kind(), Explanation::Filtered, &text);
        Answer { rule: Some(rule), ..answer }
    }
}
