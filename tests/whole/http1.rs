//! HTTP/1.1 so faithful that nobody notices: what a client and a server say to each other arrives as it was said, when it was said, and it
//! can be seen where it ends. What is no HTTP/1.1 is answered and recorded.

use harness::{HOST, Lab, Run, Running, Settings, User, for_each_user, wait};
use serde_json::{Value, json};

use crate::programs::{CURL, PYTHON, RAW, SH};
use crate::raw::RawOrigin;

for_each_user!(
    bad_heads_are_answered_and_recorded,
    broken_bodies,
    connect_and_trace,
    expectations,
    old_clients,
    where_a_response_ends,
    chunks_come_when_they_are_sent,
    many_at_once,
    bodies_and_no_bodies,
    trailers,
    the_next_response_is_ones_own,
    slow_clients,
    a_client_that_reads_nothing,
);

const TRANSPORTS: [(&str, &str); 2] = [("PLAIN", "http"), ("TLS", "https")];

fn allow(scheme: &str) -> String {
    format!("allowedHosts: [\"{scheme}://{HOST}\"]")
}

fn client<'a>(run: Run<'a>, transport: &str) -> Running<'a> {
    let mut running = run.start(&[PYTHON, "-c", RAW, transport, HOST]);
    assert_eq!(running.ask("open"), "opened");
    running
}

fn send(running: &mut Running<'_>, text: &str) {
    let sent = running.ask(&format!("send {}", json!(text.replace("\nH\r", &format!("\nHost: {HOST}\r")))));
    assert_eq!(sent, "sent");
}

fn until(running: &mut Running<'_>, text: &str) -> String {
    serde_json::from_str(&running.ask(&format!("until {}", json!(text)))).unwrap()
}

/// What comes until the end, and how it ends.
fn rest(running: &mut Running<'_>) -> (String, String) {
    serde_json::from_str(&running.ask("rest")).unwrap()
}

/// The bytes of a path of the origin that answers with `text`.
fn say(verb: &str, text: &str) -> String {
    format!("/{verb}/{}", text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>())
}

fn bad_heads_are_answered_and_recorded(user: User) {
    let lab = Lab::new(user);
    for (transport, scheme) in TRANSPORTS {
        for (bad, status) in [
            ("GET / HTTP/1.1\nH\r\n\r\n".to_owned(), 400),
            (
                "POST / HTTP/1.1\r\nH\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
                    .into(),
                400,
            ),
            ("GET / HTTP/1.1\r\n\r\n".into(), 400),
            ("GET / HTTP/1.2\r\nH\r\n\r\n".into(), 505),
            (format!("GET /{} HTTP/1.1\r\nH\r\n\r\n", "a".repeat(70_000)), 414),
            (format!("GET / HTTP/1.1\r\nH\r\n{}\r\n", "A: b\r\n".repeat(130)), 431),
            (format!("GET / HTTP/1.1\r\nH\r\nA: {}\r\n\r\n", "b".repeat(150_000)), 431),
        ] {
            let origin = RawOrigin::start(&lab, transport);
            let mut running = client(lab.run(&origin.policy(&allow(scheme)), &[]), transport);
            let first = "GET /first HTTP/1.1\r\nH\r\n\r\n";
            send(&mut running, &format!("{first}{bad}{first}"));
            let (text, end) = rest(&mut running);
            let short: String = bad.chars().take(60).collect();
            let (answer, problem) = text.rsplit_once("\r\n\r\n").expect(&text);
            assert!(text.starts_with("HTTP/1.1 200") && answer.contains("/first"), "{short:?}: {text}");
            assert!(answer.contains(&format!("HTTP/1.1 {status}")), "{short:?}: {text}");
            assert!(
                answer.contains("application/problem+json") && answer.contains("connection: close"),
                "{text}"
            );
            let problem: Value = serde_json::from_str(problem.trim()).expect(&text);
            assert_eq!(
                (&problem["reason"], &problem["status"]),
                (&"malformed_request".into(), &status.into())
            );
            assert_eq!(end, "closed", "{short:?}");
            let finished = running.finish_abrupt().ok();
            let exchanges = finished.audit.exchanges();
            assert_eq!(exchanges.len(), 2, "{exchanges:#?}");
            let told = ["status", "error", "decision", "request"].map(|name| exchanges[1][name].clone());
            let expected =
                [status.into(), "malformed_request".into(), "deny".into(), problem["requestId"].clone()];
            assert_eq!(told, expected, "{short:?}");
            assert_eq!(origin.seen().len(), 1, "{short:?}");
        }
    }
}

/// The upstream must not take them for whole.
fn broken_bodies(user: User) {
    let lab = Lab::new(user);
    let origin = RawOrigin::start(&lab, "PLAIN");
    let mut running = client(lab.run(&origin.policy(&allow("http")), &[]), "PLAIN");
    send(&mut running, "POST /echo HTTP/1.1\r\nH\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nx\r\n");
    let (text, _) = rest(&mut running);
    assert!(text.starts_with("HTTP/1.1 400") && text.contains("request_broke"), "{text}");
    let finished = running.finish_abrupt().ok();
    let record = finished.audit.exchanges()[0].clone();
    assert_eq!((&record["status"], &record["error"]), (&400.into(), &"request_broke".into()), "{record}");
    assert!(origin.seen().iter().all(|one| one["whole"] == false));
}

fn connect_and_trace(user: User) {
    let lab = Lab::new(user);
    for (transport, scheme) in TRANSPORTS {
        let origin = RawOrigin::start(&lab, transport);
        let mut running = client(lab.run(&origin.policy(&allow(scheme)), &[]), transport);
        for line in [format!("CONNECT {HOST}:443"), "TRACE /".to_owned()] {
            send(&mut running, &format!("{line} HTTP/1.1\r\nH\r\n\r\n"));
            let head = until(&mut running, "\r\n\r\n");
            assert!(
                head.starts_with("HTTP/1.1 405") && head.contains("\r\nallow: GET, HEAD, POST"),
                "{head}"
            );
            assert!(until(&mut running, "}\n").contains("connect directly"));
        }
        // They did not become tunnels.
        send(&mut running, "GET /last HTTP/1.1\r\nH\r\nConnection: close\r\n\r\n");
        assert!(rest(&mut running).0.contains("HTTP/1.1 200"));
        drop(running.finish_abrupt().ok());
        assert_eq!(origin.seen().len(), 1);
    }
}

fn expectations(user: User) {
    let lab = Lab::new(user);
    let origin = RawOrigin::start(&lab, "PLAIN");
    let policy = format!("allowedHosts: [{{ host: \"http://{HOST}\", paths: [/echo] }}]");
    let mut running = client(lab.run(&origin.policy(&policy), &[]), "PLAIN");
    let expect = "HTTP/1.1\r\nH\r\nExpect: 100-continue\r\nContent-Length: 3\r\nConnection: close\r\n\r\n";
    send(&mut running, &format!("PUT /echo {expect}"));
    assert_eq!(until(&mut running, "\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    send(&mut running, "abc");
    let (text, _) = rest(&mut running);
    assert!(text.starts_with("HTTP/1.1 200") && text.contains("\"body\": \"abc\""), "{text}");
    assert_eq!(running.ask("open"), "opened");
    send(&mut running, &format!("PUT /denied {expect}"));
    let (text, _) = rest(&mut running);
    assert!(text.starts_with("HTTP/1.1 403") && !text.contains("100 Continue"), "{text}");
    drop(running.finish_abrupt().ok());
    let origin = lab.origin(Settings::default());
    let script = format!(
        "head -c 5000000 /dev/zero > ../home/large && {CURL} -sS --http1.1 -T ../home/large https://{HOST}/upload"
    );
    let finished = lab.run(&allow("https"), &[&origin]).finish(&[SH, "-c", &script]).ok();
    assert_eq!(finished.json_lines()[0]["length"], 5_000_000);
}

fn old_clients(user: User) {
    let lab = Lab::new(user);
    for (transport, scheme) in TRANSPORTS {
        let origin = RawOrigin::start(&lab, transport);
        let mut running = client(lab.run(&origin.policy(&allow(scheme)), &[]), transport);
        for _ in 0..2 {
            send(&mut running, "GET /kept HTTP/1.0\r\nH\r\nConnection: keep-alive\r\n\r\n");
            assert!(until(&mut running, "/kept").to_lowercase().contains("connection: keep-alive"));
        }
        send(&mut running, "GET /last HTTP/1.0\r\nH\r\n\r\n");
        let (text, end) = rest(&mut running);
        assert!(
            text.starts_with("HTTP/1.0 200") && text.ends_with("/last") && end == "closed",
            "{text} {end}"
        );
        assert_eq!(running.ask("open"), "opened");
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n";
        send(
            &mut running,
            &format!("GET {} HTTP/1.0\r\nH\r\n\r\n", say("say", &format!("{chunked}0\r\n\r\n"))),
        );
        let (text, end) = rest(&mut running);
        assert!(
            text.ends_with("\r\n\r\nabc") && !text.contains("chunked") && end == "closed",
            "{text} {end}"
        );
        // Its end is all that says that it is whole.
        assert_eq!(running.ask("open"), "opened");
        send(&mut running, &format!("GET {} HTTP/1.0\r\nH\r\n\r\n", say("cut", chunked)));
        let (text, end) = rest(&mut running);
        assert!(end == "reset" || end == "ragged", "{transport}: {text} {end}");
        drop(running.finish_abrupt().ok());
    }
}

fn where_a_response_ends(user: User) {
    let lab = Lab::new(user);
    for (transport, scheme) in TRANSPORTS {
        let origin = RawOrigin::start(&lab, transport);
        let mut running = client(lab.run(&origin.policy(&allow(scheme)), &[]), transport);
        send(&mut running, "GET /last HTTP/1.1\r\nH\r\nConnection: close\r\n\r\n");
        assert_eq!(rest(&mut running).1, "closed");
        for head in ["Content-Length: 10\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"] {
            for verb in ["cut", "reset"] {
                assert_eq!(running.ask("open"), "opened");
                let path = say(verb, &format!("HTTP/1.1 200 OK\r\n{head}"));
                send(&mut running, &format!("GET {path} HTTP/1.1\r\nH\r\nConnection: close\r\n\r\n"));
                let (text, end) = rest(&mut running);
                // A reset may overtake the head, on the origin's side.
                let is_cut = text.contains("HTTP/1.1 200") && !text.contains("\r\n0\r\n")
                    || text.contains("HTTP/1.1 502");
                assert!(is_cut, "{head:?} {verb}: {text} {end}");
            }
        }
        drop(running.finish_abrupt().ok());
    }
}

fn chunks_come_when_they_are_sent(user: User) {
    let lab = Lab::new(user);
    for (transport, scheme) in TRANSPORTS {
        let origin = RawOrigin::start(&lab, transport);
        let mut running = client(lab.run(&origin.policy(&allow(scheme)), &[]), transport);
        send(&mut running, "GET /steps HTTP/1.1\r\nH\r\n\r\n");
        assert!(until(&mut running, "one").contains("chunked"));
        // The other chunk waits for this; on the same connection it would wait for the other chunk.
        assert_eq!(running.ask("aside"), "opened");
        send(&mut running, "GET /next HTTP/1.1\r\nH\r\n\r\n");
        until(&mut running, "/next");
        assert_eq!(running.ask("back"), "opened");
        assert!(until(&mut running, "0\r\n\r\n").contains("two"));
        drop(running.finish_abrupt().ok());
    }
}

fn many_at_once(user: User) {
    let lab = Lab::new(user);
    let origin = RawOrigin::start(&lab, "TLS");
    let mut running = client(lab.run(&origin.policy(&allow("https")), &[]), "TLS");
    let paths: Vec<_> = (0..20).map(|number| format!("/number-{number}-")).collect();
    let texts: String = paths.iter().map(|path| format!("GET {path} HTTP/1.1\r\nH\r\n\r\n")).collect();
    send(&mut running, &texts);
    for path in &paths {
        assert!(until(&mut running, path).starts_with("HTTP/1.1 200"));
    }
    let finished = running.finish_abrupt().ok();
    assert_eq!(finished.audit.exchanges().len(), 20);
}

fn bodies_and_no_bodies(user: User) {
    let lab = Lab::new(user);
    let origin = RawOrigin::start(&lab, "TLS");
    let mut running = client(lab.run(&origin.policy(&allow("https")), &[]), "TLS");
    for method in ["GET", "DELETE", "OPTIONS"] {
        send(&mut running, &format!("{method} /echo HTTP/1.1\r\nH\r\nContent-Length: 3\r\n\r\nabc"));
        let text = until(&mut running, "}");
        assert!(text.contains("\"body\": \"abc\"") && text.contains(&format!("{method} /echo")), "{text}");
    }
    send(&mut running, "HEAD /abc HTTP/1.1\r\nH\r\n\r\n");
    assert!(until(&mut running, "\r\n\r\n").to_lowercase().contains("content-length: 4\r\n"));
    for (status, fields) in [
        ("204 No Content", ""),
        ("304 Not Modified", "ETag: \"a\"\r\n"),
        ("304 Not Modified", "Content-Length: 9\r\n"),
    ] {
        let path =
            say("say", &format!("HTTP/1.1 {status}\r\nSet-Cookie: a=1\r\n{fields}Set-Cookie: b=2\r\n\r\n"));
        send(&mut running, &format!("GET {path} HTTP/1.1\r\nH\r\n\r\n"));
        let head = until(&mut running, "\r\n\r\n");
        let cookies: Vec<_> = head.lines().filter(|line| line.starts_with("set-cookie")).collect();
        assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{head}");
        assert_eq!(cookies, ["set-cookie: a=1", "set-cookie: b=2"]);
    }
    send(&mut running, "GET /last HTTP/1.1\r\nH\r\nConnection: close\r\n\r\n");
    let (text, end) = rest(&mut running);
    assert!(text.starts_with("HTTP/1.1 200") && text.ends_with("/last") && end == "closed", "{text}");
    drop(running.finish_abrupt().ok());
}

fn trailers(user: User) {
    let lab = Lab::new(user);
    let origin = RawOrigin::start(&lab, "TLS");
    let mut running = client(lab.run(&origin.policy(&allow("https")), &[]), "TLS");
    let fields = "X-Sum: 1\r\nAuthorization: a\r\nX-Head: b\r\nContent-Type: c\r\nHost: d\r\n";
    let head = "X-Head: a\r\nTrailer: X-Sum, Authorization, X-Head, Content-Type, Host\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n";
    send(&mut running, &format!("POST /echo HTTP/1.1\r\nH\r\n{head}{fields}\r\n"));
    let text = until(&mut running, "}");
    assert!(text.contains("\"trailers\": [[\"x-sum\", \"1\"]]"), "{text}");
    let path = say("say", &format!("HTTP/1.1 200 OK\r\n{head}{fields}\r\n"));
    send(&mut running, &format!("GET {path} HTTP/1.1\r\nH\r\nTE: trailers\r\nConnection: te\r\n\r\n"));
    until(&mut running, "abc\r\n0\r\n");
    assert_eq!(until(&mut running, "\r\n\r\n"), "x-sum: 1\r\n\r\n");
    send(&mut running, &format!("GET {path} HTTP/1.1\r\nH\r\n\r\n"));
    assert!(!until(&mut running, "0\r\n\r\n").contains("x-sum: 1"));
    drop(running.finish_abrupt().ok());
}

/// Whatever the answer before it was like.
fn the_next_response_is_ones_own(user: User) {
    let lab = Lab::new(user);
    let origin = RawOrigin::start(&lab, "PLAIN");
    let mut running = client(lab.run(&origin.policy(&allow("http")), &[]), "PLAIN");
    let (length, chunked) = ("Content-Length: 3\r\n", "Transfer-Encoding: chunked\r\n");
    let other = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nPOISON";
    let interim = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    let answers = [
        (502, format!("200 OK\r\n{length}{chunked}\r\n3\r\nabc\r\n0\r\n\r\n")),
        (502, format!("200 OK\r\n{chunked}{length}\r\n3\r\nabc\r\n0\r\n\r\n{other}")),
        (502, format!("200 OK\r\n{length}Content-Length: 4\r\n\r\nabc")),
        (502, format!("200 OK\r\n{length}{length}\r\nabc")),
        (502, "200 OK\r\nContent-Length: 3, 3\r\n\r\nabc".to_owned()),
        (502, "200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n".to_owned()),
        (502, format!("200 OK\r\n{chunked}{chunked}\r\n3\r\nabc\r\n0\r\n\r\n")),
        (502, format!("200 OK\r\nA: b\r\n folded: c\r\n{length}\r\nabc")),
        (502, format!("200 OK\r\nA: b\0c\r\n{length}\r\nabc")),
        (502, format!("200 OK\r\nA: b\rc\r\n{length}\r\nabc")),
        (502, format!("101 Switching Protocols\r\nUpgrade: a\r\nConnection: upgrade\r\n\r\n{other}")),
        (502, format!("103 Early Hints\r\n\r\n{}{other}", interim.repeat(70))),
        (200, format!("103 Early Hints\r\n\r\n{}HTTP/1.1 200 OK\r\n{length}\r\nabc", interim.repeat(10))),
        (200, format!("200 OK\r\n{length}\r\nabc{other}")),
        (204, format!("204 No Content\r\n\r\n{other}")),
        (304, format!("304 Not Modified\r\n{length}\r\n{other}")),
    ];
    for (number, (status, answer)) in answers.iter().enumerate() {
        for verb in ["say", "early"] {
            let path = say(verb, &format!("HTTP/1.1 {answer}"));
            send(&mut running, &format!("GET {path} HTTP/1.1\r\nH\r\n\r\n"));
            let head = until(&mut running, "\r\n\r\n");
            assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{answer:?}: {head}");
            for tag in 0..2 {
                let tag = format!("/tag-{number}-{verb}-{tag}-");
                send(&mut running, &format!("GET {tag} HTTP/1.1\r\nH\r\n\r\n"));
                let text = until(&mut running, &tag);
                assert!(text.contains("HTTP/1.1 200") && !text.contains("POISON"), "{answer:?}: {text}");
            }
        }
    }
    let finished = running.finish_abrupt().ok();
    let first = finished.audit.exchanges()[0].clone();
    assert_eq!(first["error"], "upstream_framing", "{first}");
}

fn slow_clients(user: User) {
    let lab = Lab::new(user);
    let limits = "limits: { requestHeadTimeoutMs: 2000, bodyIdleTimeoutMs: 300 }";
    for (transport, scheme) in TRANSPORTS {
        let origin = RawOrigin::start(&lab, transport);
        let policy = format!("{}\n{limits}", allow(scheme));
        let mut running = client(lab.run(&origin.policy(&policy), &[]), transport);
        send(&mut running, "GET / HTTP/1.1\r\nHost");
        // It is over, and said so.
        let (text, end) = rest(&mut running);
        assert!(text.is_empty() && end == "closed", "{transport}: {text} {end}");
        assert_eq!(running.ask("open"), "opened");
        send(&mut running, "POST /echo HTTP/1.1\r\nH\r\nContent-Length: 9\r\n\r\nabc");
        let text = until(&mut running, "}");
        assert!(text.starts_with("HTTP/1.1 400") && text.contains("request_broke"), "{text}");
        let finished = running.finish_abrupt().ok();
        assert_eq!(finished.audit.connections()[0]["error"], "idle");
        assert!(origin.seen().iter().all(|one| one["whole"] == false));
    }
}

fn a_client_that_reads_nothing(user: User) {
    let lab = Lab::new(user);
    let origin = lab.origin(Settings::default());
    let policy = format!("{}\nlimits: {{ bodyIdleTimeoutMs: 500 }}", allow("https"));
    let mut running = client(lab.run(&policy, &[&origin]), "TLS");
    send(&mut running, "GET /stream/100000000 HTTP/1.1\r\nH\r\n\r\n");
    let record = wait::until("the end of the exchange", || {
        running.audit().exchanges().first().map(|one| (*one).clone())
    });
    assert_eq!((&record["status"], &record["error"]), (&200.into(), &"body_stalled".into()), "{record}");
    drop(running.finish_abrupt().ok());
}
