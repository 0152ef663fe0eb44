//! What docs/policy.md says, written down a second time and as naively as possible: every rule is looked at, nothing is indexed.
//!
//! Receives the text of a policy and requests as they are spelled; hands on the verdict in words. It shares no code with the crate.

pub(crate) mod host;
mod path;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};

use host::{Host, Pattern};

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Spec {
    compat: Option<String>,
    denied_hosts: Vec<Rule>,
    allowed_hosts: Option<Vec<Rule>>,
    outbound_by_host: Pairs,
    outbound: Option<Route>,
    enable_internet: Option<bool>,
    monitor: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Rule {
    Pattern(String),
    Keys {
        host: String,
        #[serde(default)]
        methods: Vec<String>,
        #[serde(default)]
        paths: Vec<String>,
        #[serde(default)]
        monitor: bool,
    },
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Route {
    Handler(String),
    Rules(Vec<Step>),
}

#[derive(Clone, Debug, Deserialize)]
struct Step {
    handlers: String,
    #[serde(default)]
    methods: Vec<String>,
    #[serde(default)]
    paths: Vec<String>,
}

/// A mapping in the order of the text.
#[derive(Debug, Default)]
struct Pairs(Vec<(String, Route)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Pairs;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a mapping")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

/// A request as it is spelled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) scheme: &'a str,
    pub(crate) authority: &'a str,
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
}

/// One rule of a list, with what it leads to.
struct Line<'a> {
    pattern: Pattern,
    methods: &'a [String],
    paths: &'a [String],
    /// Empty where none is named.
    handler: &'a str,
}

const AMBIGUOUS: &str = "path_ambiguous";

impl Spec {
    pub(crate) fn parse(text: &str) -> Self {
        serde_saphyr::from_str::<Option<Self>>(text).expect(text).unwrap_or_default()
    }

    /// `malformed`, the reason of a refusal, `pass`, or `pass HANDLER`; behind it `, monitored` if it passed with a note.
    pub(crate) fn verdict(&self, request: Request<'_>) -> String {
        let Some((host, port)) = host::authority(request.authority, request.scheme) else {
            return "malformed".to_owned();
        };
        let asked = Asked { loose: self.compat.is_some(), host, port, request };
        self.judge(&asked).unwrap_or_else(str::to_owned)
    }

    /// The verdict, or at once the reason of a refusal.
    fn judge(&self, asked: &Asked<'_>) -> Result<String, &'static str> {
        let mut noted = false;
        let mut refuse = |reason| {
            noted = true;
            if self.monitor { Ok(()) } else { Err(reason) }
        };
        // What is only noted hides no rule that is not.
        let unclear = |rule: &Rule| matches!(find(vec![rule.line()], asked), Err(AMBIGUOUS));
        if self.monitor && self.denied(false).any(unclear) {
            return Err(AMBIGUOUS);
        }
        if find(self.denied(false).map(Rule::line).collect(), asked)?.is_some() {
            refuse("host_denied")?;
        }
        let mut allowed = false;
        if let Some(list) = &self.allowed_hosts {
            allowed = find(list.iter().map(Rule::line).collect(), asked)?.is_some();
            if !allowed {
                refuse("host_not_allowed")?;
            }
        }
        let by_host = self.outbound_by_host.0.iter().flat_map(|(key, route)| route.lines(key)).collect();
        let catch_all = || self.outbound.iter().flat_map(|route| route.lines("*")).collect();
        let handler = match find(by_host, asked)? {
            Some(handler) => Some(handler),
            None => find(catch_all(), asked)?,
        };
        let passes = allowed || self.enable_internet.unwrap_or(asked.loose);
        if handler.is_none() && !passes {
            refuse("internet_disabled")?;
        }
        let watched = !matches!(find(self.denied(true).map(Rule::line).collect(), asked), Ok(None));
        let handler = handler.map(|name| format!(" {name}")).unwrap_or_default();
        Ok(format!("pass{handler}{}", if noted || watched { ", monitored" } else { "" }))
    }

    fn denied(&self, monitored: bool) -> impl Iterator<Item = &Rule> {
        self.denied_hosts.iter().filter(move |rule| rule.monitored() == monitored)
    }
}

impl Rule {
    fn line(&self) -> Line<'_> {
        let (host, methods, paths): (_, &[String], &[String]) = match self {
            Self::Pattern(host) => (host, &[], &[]),
            Self::Keys { host, methods, paths, .. } => (host, methods, paths),
        };
        Line { pattern: Pattern::parse(host), methods, paths, handler: "" }
    }

    fn monitored(&self) -> bool {
        matches!(self, Self::Keys { monitor: true, .. })
    }
}

impl Route {
    fn lines<'a>(&'a self, key: &str) -> Vec<Line<'a>> {
        let line = |handler: &'a String, methods: &'a [String], paths: &'a [String]| Line {
            pattern: Pattern::parse(key),
            methods,
            paths,
            handler,
        };
        match self {
            Self::Handler(name) => vec![line(name, &[], &[])],
            Self::Rules(steps) => {
                steps.iter().map(|step| line(&step.handlers, &step.methods, &step.paths)).collect()
            }
        }
    }
}

/// A request, understood.
struct Asked<'a> {
    loose: bool,
    host: Host,
    port: u16,
    request: Request<'a>,
}

/// The handler of the most specific of those that match; of equals the first.
fn find<'a>(lines: Vec<Line<'a>>, asked: &Asked<'_>) -> Result<Option<&'a str>, &'static str> {
    let Asked { loose, host, port, request } = asked;
    let mut best: Option<(_, Result<&str, &str>)> = None;
    for line in lines {
        let matches = line.pattern.matches(host, *loose)
            && line.pattern.port.is_none_or(|wanted| wanted == *port)
            && line.pattern.scheme.as_deref().is_none_or(|wanted| wanted == request.scheme)
            && (line.methods.is_empty() || line.methods.iter().any(|method| method == request.method));
        let found = match (line.paths, path::is_ambiguous(request.path)) {
            _ if !matches => continue,
            ([], _) => Ok(line.handler),
            (_, true) => Err(AMBIGUOUS),
            (paths, false) if paths.iter().any(|pattern| path::matches(pattern, request.path)) => {
                Ok(line.handler)
            }
            _ => continue,
        };
        let conditional = !(line.methods.is_empty() && line.paths.is_empty());
        let rank = line.pattern.rank(*loose, conditional);
        if best.as_ref().is_none_or(|(other, _)| rank > *other) {
            best = Some((rank, found));
        }
    }
    best.map(|(_, found)| found).transpose()
}
