//! A policy from what was seen: the narrowest one that lets the same requests pass.
//!
//! Receives lines of audit files and hands on a draft for a person to read. Hosts, ports, schemes and methods are the very ones that were
//! seen; of paths, segments that look like numbers or keys become `*`, and where there are too many, their tails become `/**`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use serde_json::json;

use crate::{Authority, PathPattern, Scheme, Url, condition::check_method, path::plain, recorded::Recorded};

/// Paths of one method on one host, beyond which tails are cut.
const MAX_PATHS: usize = 20;
/// Paths with a `*` amid them in one draft; a document may have 1,000.
const MAX_COSTLY: usize = 500;
/// Shortest run of hexadecimal digits that is taken for a key, in characters.
const MIN_KEY: usize = 16;

/// What is done with requests that were refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// They stay refused.
    Refuse,
    /// They pass.
    Allow,
}

/// What was seen so far.
#[derive(Debug, Default)]
pub struct Learned {
    hosts: BTreeMap<(Authority, Scheme), BTreeMap<String, Seen>>,
    raw: BTreeSet<String>,
    passthrough: BTreeSet<String>,
    requests: u64,
}

/// The requests of one method.
#[derive(Debug, Default)]
struct Seen {
    requests: u64,
    /// How many of them were refused, or would have been.
    refused: u64,
    paths: BTreeSet<String>,
    handlers: BTreeSet<String>,
    secrets: BTreeSet<String>,
}

impl Seen {
    /// Both together, as far as they are told.
    fn and(mut self, more: Self) -> Self {
        self.requests += more.requests;
        self.refused += more.refused;
        self.handlers.extend(more.handlers);
        self.secrets.extend(more.secrets);
        self
    }
}

/// The paths of an entry; `None` is all of them.
type Paths = Option<BTreeSet<String>>;

impl Learned {
    /// Takes note of a line, if it is of this class.
    pub fn add(&mut self, line: &str, denied: Denied, class: Option<&str>) -> Result<(), serde_json::Error> {
        let record = Recorded::parse(line)?;
        if class.is_some_and(|class| class != record.class) {
            return Ok(());
        }
        let passes = record.decision == "allow" || (record.decision == "deny" && denied == Denied::Allow);
        match (&*record.kind, &record.authority, record.url().zip(record.method.clone())) {
            ("exchange", _, Some((url, method))) if passes => self.exchange(&record, url, method),
            ("connection", Some(authority), _) if passes && record.decision == "allow" => {
                let list = if record.protocol == "tls" { &mut self.passthrough } else { &mut self.raw };
                list.insert(authority.clone());
            }
            _ => {}
        }
        Ok(())
    }

    fn exchange(&mut self, record: &Recorded, url: Url, method: String) {
        let seen = self.hosts.entry((url.authority, url.scheme)).or_default().entry(method).or_default();
        seen.requests += 1;
        seen.refused += u64::from(record.decision == "deny" || record.monitored.is_some());
        seen.paths.insert(url.path);
        seen.handlers.extend(record.handlers.iter().cloned());
        seen.secrets.extend(record.secrets.iter().map(|secret| secret.name.clone()));
        self.requests += 1;
    }

    /// The policy, as YAML.
    pub fn draft(&self) -> String {
        let requests = self.requests;
        let mut text = format!("# Drafted from {requests} requests. What is not here is refused.\n");
        let mut costly = 0;
        let mut entries = String::new();
        for ((authority, scheme), methods) in &self.hosts {
            if self.passthrough.contains(&authority.to_string()) && *scheme == Scheme::Https {
                continue;
            }
            draft_host(&mut entries, &format!("{scheme}://{authority}"), methods, &mut costly);
        }
        for authority in &self.passthrough {
            let _ =
                writeln!(entries, "  - {}  # passed through, unseen", json!(format!("https://{authority}")));
        }
        text += if entries.is_empty() { "allowedHosts: []\n" } else { "allowedHosts:\n" };
        text += &entries;
        for (key, list) in [("raw", &self.raw), ("passthrough", &self.passthrough)] {
            if !list.is_empty() {
                let _ = writeln!(text, "{key}:");
            }
            for authority in list {
                let _ = writeln!(text, "  - {}", json!(authority));
            }
        }
        text
    }
}

/// The entries of one host: methods with the same paths stand together.
fn draft_host(text: &mut String, host: &str, methods: &BTreeMap<String, Seen>, costly: &mut usize) {
    let mut entries: BTreeMap<(Paths, bool), (Vec<&str>, Seen)> = BTreeMap::new();
    for (method, seen) in methods {
        let paths = generalise(&seen.paths, costly);
        let listed = check_method(method).is_ok();
        let (together, sum) = entries.entry((paths, listed)).or_default();
        together.push(method);
        sum.requests += seen.requests;
        sum.refused += seen.refused;
        sum.handlers.extend(seen.handlers.iter().cloned());
        sum.secrets.extend(seen.secrets.iter().cloned());
    }
    // An entry without methods that asks for paths would refuse the ambiguous ones of every method.
    if entries.keys().any(|(paths, _)| paths.is_none()) && entries.keys().any(|(_, listed)| !listed) {
        let all = entries.into_values().reduce(|(methods, sum), (_, more)| (methods, sum.and(more)));
        entries = all.map(|all| ((None, false), all)).into_iter().collect();
    }
    for ((paths, listed), (together, sum)) in entries {
        let methods = if listed { format!(", methods: {}", json!(together)) } else { String::new() };
        let paths = paths.map(|paths| format!(", paths: {}", json!(paths))).unwrap_or_default();
        let refused = if sum.refused > 0 {
            format!(", {} of them refused or noted", sum.refused)
        } else {
            String::new()
        };
        let named = |how: &str, names: &BTreeSet<String>| match join(names) {
            names if names.is_empty() => String::new(),
            names => format!(", {how} {names}"),
        };
        let (handlers, secrets) = (named("through", &sum.handlers), named("with", &sum.secrets));
        let requests = sum.requests;
        let _ = writeln!(
            text,
            "  - {{ host: {}{methods}{paths} }}  # {requests} seen{refused}{handlers}{secrets}",
            json!(host)
        );
    }
}

/// Names of handlers and secrets go into a comment, and the file that they come from may not be what it should.
fn join(names: &BTreeSet<String>) -> String {
    let safe = |name: &String| name.chars().filter(|c| c.is_ascii_graphic()).collect::<String>();
    names.iter().map(safe).collect::<Vec<_>>().join(", ")
}

/// Patterns for these paths; `None` if they cannot be listed.
fn generalise(paths: &BTreeSet<String>, costly: &mut usize) -> Paths {
    let patterns: Option<BTreeSet<String>> = paths.iter().map(|path| pattern(path)).collect();
    let patterns = shorten(patterns?)?;
    let is_costly = |text: &String| PathPattern::parse(text).is_ok_and(|pattern| pattern.is_costly());
    *costly += patterns.iter().filter(|text| is_costly(text)).count();
    if *costly <= MAX_COSTLY {
        return Some(patterns);
    }
    let cut = |text: String| match text.split_once('*') {
        Some((before, _)) => {
            before.rsplit_once('/').map_or_else(|| "/**".to_owned(), |(before, _)| format!("{before}/**"))
        }
        None => text,
    };
    Some(patterns.into_iter().map(cut).collect())
}

/// The pattern for one path.
fn pattern(path: &str) -> Option<String> {
    let segment = |segment: &str| if is_variable(segment) { "*".to_owned() } else { segment.to_owned() };
    let text = path.split('/').map(segment).collect::<Vec<_>>().join("/");
    let pattern = PathPattern::parse(&text).ok()?;
    pattern.matches(&plain(path).ok()?).then(|| pattern.as_str().to_owned())
}

/// Numbers, UUIDs, hashes: another request has another one.
fn is_variable(segment: &str) -> bool {
    let digits = !segment.is_empty() && segment.bytes().all(|byte| byte.is_ascii_digit());
    let hex = segment.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    let some = segment.bytes().filter(u8::is_ascii_hexdigit).count() >= MIN_KEY;
    digits || (hex && some && segment.bytes().any(|byte| byte.is_ascii_digit())) || segment.contains("**")
}

/// Cuts tails until few are left: the deepest that will do.
fn shorten(patterns: BTreeSet<String>) -> Paths {
    let depth = |text: &String| text.split('/').count();
    let mut deepest = patterns.iter().map(depth).max().unwrap_or_default();
    let mut patterns = patterns;
    while patterns.len() > MAX_PATHS {
        deepest -= 1;
        if deepest < 2 {
            return None;
        }
        let cut = |text: String| {
            if depth(&text) <= deepest {
                return text;
            }
            let kept: Vec<&str> = text.split('/').take(deepest).collect();
            format!("{}/**", kept.join("/"))
        };
        patterns = patterns.into_iter().map(cut).collect();
    }
    Some(patterns)
}

#[cfg(test)]
mod tests;
