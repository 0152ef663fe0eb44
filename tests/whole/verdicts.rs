//! One verdict everywhere: the table of `tests/cases/verdicts.yaml` on the wire, spelled as it stands there.
//!
//! The same request as HTTP/1 in origin form and in absolute form, with a body, as HTTP/2, over TLS with the name as server name,
//! and its host as a DNS question. What the policy crate says of the same table is tested there.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, TcpListener, UdpSocket};
use std::thread;

use harness::{Lab, User, for_each_user};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::programs::{PYTHON, VERDICTS};

for_each_user!(the_table);

const TABLE: &str = include_str!("../cases/verdicts.yaml");
const HANDLERS: &str = "
handlers: { h: { respond: { body: 'handler h' } }, g: { respond: { body: 'handler g' } }, c: { respond: { body: 'handler c' } } }
limits: { dnsNewNamesPerMinute: 100000, dnsQuestionsPerSecond: 100000 }
";
/// An address that stands for any.
const ANY: &str = "198.51.100.1";

#[derive(Deserialize)]
struct Group {
    policy: String,
    /// Names that DNS denies.
    #[serde(default)]
    unknown: Vec<String>,
    verdicts: BTreeMap<String, Vec<String>>,
}

/// A request of the table in one form, and what is to come of it.
struct Case {
    sent: Value,
    wanted: String,
}

fn the_table(user: User) {
    let lab = Lab::new(user);
    let (resolver, upstream) = (failing_resolver(), closing_server());
    let groups: Vec<Group> = serde_saphyr::from_str(TABLE).expect("the table");
    let mut wrong = Vec::new();
    for group in &groups {
        let cases = cases(group);
        let policy = format!(
            "{}{HANDLERS}dns: {{ servers: [\"127.0.0.1:{resolver}\"] }}\n{}",
            group.policy,
            resolved(group, upstream)
        );
        let mut running = lab.run(&policy, &[]).start(&[PYTHON, "-c", VERDICTS]);
        for case in &cases {
            let told = told(&running.ask(&case.sent.to_string()));
            // The customary refusal does not say why.
            let fits = told == case.wanted
                || (told == "denied" && group.policy.contains("compat") && case.wanted == "host_denied");
            if !fits {
                wrong.push(format!("{} is to be {} and is {told}", case.sent, case.wanted));
            }
        }
        drop(running.finish().ok());
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn cases(group: &Group) -> Vec<Case> {
    let mut cases = Vec::new();
    for (verdict, requests) in &group.verdicts {
        let wanted = verdict.trim_end_matches(", monitored");
        requests.iter().for_each(|text| forms(text, wanted, &mut cases));
    }
    let unknown = |name: &String| Case {
        sent: json!({ "form": "dns", "authority": name }),
        wanted: "unknown".to_owned(),
    };
    cases.extend(group.unknown.iter().map(unknown));
    cases
}

/// `[METHOD ]scheme://authority[/path]` in every form that can say it.
fn forms(text: &str, wanted: &str, cases: &mut Vec<Case>) {
    let (before, rest) = text.split_once("://").expect(text);
    let (method, scheme) = before.rsplit_once(' ').unwrap_or(("GET", before));
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    // What is not ASCII comes from people; on the wire nobody has a use for it.
    let wanted = if authority.is_ascii() { wanted } else { "malformed" };
    let (host, port) = split(authority, scheme);
    let address = address(host).unwrap_or_else(|| ANY.parse().expect("an address"));
    // These are the workload's own, and nobody else hears of them.
    if address.is_loopback() || address.is_unspecified() {
        return;
    }
    let path = if path.is_empty() { "/" } else { path };
    let mut add = |form: &str, name: Option<&str>| {
        let mut sent = json!({ "form": form, "authority": authority, "method": method, "path": path, "address": address, "port": port });
        if let Some(name) = name {
            sent["name"] = name.into();
        }
        cases.push(Case { sent, wanted: wanted.to_owned() });
    };
    // An address is no server name.
    let name = if address.to_string() == ANY { host.trim_end_matches('.') } else { "" };
    let overs = match (wanted, scheme) {
        // Whatever the connection says of itself.
        ("malformed", _) => vec![None, Some("good.test")],
        (_, "http") => vec![None],
        _ => vec![Some(name)],
    };
    for over in overs {
        ["http1", "absolute", "upload", "http2"].into_iter().for_each(|form| add(form, over));
    }
    if wanted.starts_with("pass") && address.to_string() == ANY {
        let sent = json!({ "form": "dns", "authority": host });
        cases.push(Case { sent, wanted: "exists".to_owned() });
    }
}

/// Where a case connects to; what is no authority goes to the scheme's own port.
fn split<'a>(authority: &'a str, scheme: &str) -> (&'a str, u16) {
    let default = if scheme == "http" { 80 } else { 443 };
    let after_host = authority.rfind(']').unwrap_or(0);
    match authority[after_host..].find(':') {
        Some(colon) => {
            let (host, port) = authority.split_at(after_host + colon);
            (host, port[1..].parse().ok().filter(|port| *port != 0).unwrap_or(default))
        }
        None => (authority, default),
    }
}

fn address(host: &str) -> Option<IpAddr> {
    let bare = host.trim_end_matches('.').trim_start_matches('[').trim_end_matches(']');
    bare.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

/// What the client printed, as a verdict.
fn told(line: &str) -> String {
    let text: String = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line:?}"));
    let (status, body) = text.split_once(' ').unwrap_or((&text, ""));
    let problem: Value = serde_json::from_str(body).unwrap_or_default();
    match (status, problem["reason"].as_str()) {
        ("400", Some("path_ambiguous")) => "path_ambiguous".to_owned(),
        ("400" | "421" | "refused", _) => "malformed".to_owned(),
        // It passed, and there is nothing at the other end, or nowhere to go.
        ("502" | "503" | "504", _) | ("403", Some("address_refused")) => "pass".to_owned(),
        ("520", _) => "denied".to_owned(),
        (_, Some(reason)) => reason.to_owned(),
        ("200", None) => body.replace("handler", "pass"),
        _ => text.clone(),
    }
}

/// Addresses that pass lead to a server that hangs up.
fn resolved(group: &Group, upstream: u16) -> String {
    let passing = group.verdicts.iter().filter(|(verdict, _)| verdict.starts_with("pass"));
    let hosts = passing.flat_map(|(_, requests)| requests).filter_map(|text| {
        let (before, rest) = text.split_once("://")?;
        let authority = rest.split('/').next()?;
        address(split(authority, before).0)
    });
    let entries: BTreeMap<String, String> = hosts
        .map(|address| match address {
            IpAddr::V4(_) => address.to_string(),
            IpAddr::V6(_) => format!("[{address}]"),
        })
        .map(|host| (host, format!("127.0.0.1:{upstream}")))
        .collect();
    format!("resolve: {}\n", json!(entries))
}

/// Answers every question with SERVFAIL, so that what passes goes nowhere. Ends with the tests.
fn failing_resolver() -> u16 {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind");
    let port = socket.local_addr().expect("an address").port();
    thread::spawn(move || {
        let mut packet = [0; 1500];
        while let Ok((length, from)) = socket.recv_from(&mut packet) {
            if length > 3 {
                packet[2..4].copy_from_slice(&[0x81, 0x82]);
                let _ = socket.send_to(&packet[..length], from);
            }
        }
    });
    port
}

fn closing_server() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || listener.incoming().for_each(drop));
    port
}
