//! A server that repeats a secret in whatever form, coding, place and pieces: the workload gets none of them, and nothing that it could put
//! together again. What is no secret arrives when it is sent.

use harness::{Finished, HOST, Lab, User, for_each_user, processes};
use serde_json::json;

use super::server::{ONE, Server, TWO};
use crate::programs::{CURL, PYTHON, SH};
use crate::websocket;

for_each_user!(
    nothing_comes_back,
    no_byte_comes_back_alone,
    events_are_not_held_back,
    a_body_that_grows_without_measure,
    a_message_in_pieces,
    sent_once,
);

const POLICY: &str = r#"
allowedHosts: ["*.example.test"]
outbound: token
handlers: { token: { inject: { x-auth-token: "${T}" }, basic: { username: me, password: "${T}" } } }
secrets: { T: { env: API_TOKEN } }
"#;

/// As the server knows them.
const FORMS: [&str; 17] = [
    "raw",
    "basic",
    "base64",
    "base64after1",
    "base64after2",
    "base64url",
    "json",
    "JSON",
    "hex",
    "HEX",
    "percent",
    "PERCENT",
    "decimal",
    "entities",
    "ENTITIES",
    "utf16le",
    "utf16be",
];
const CODINGS: [&str; 8] = ["identity", "gzip", "deflate", "bare", "br", "zstd", "members", "twice"];
const PLACES: [&str; 8] = ["page", "header", "location", "cookie", "reason", "part", "parts", "trailer"];
/// From where it is taken as a whole. HTTP/2 has no phrase.
const GONE: [&str; 2] = ["/raw/identity/whole/name", "/raw/identity/whole/phrase"];
/// Of a letter in the form that makes least of it.
const MASKED: &str = "******************************";

/// Each as a path, and whether there must be something in the place of what was taken out.
fn cases() -> Vec<(String, bool)> {
    let mut cases = Vec::new();
    for form in FORMS {
        cases.push(format!("{form}/identity/bytes/body"));
    }
    for form in ["raw", "basic", "utf16le"] {
        for coding in CODINGS {
            cases.extend(["whole", "bytes"].map(|cut| format!("{form}/{coding}/{cut}/body")));
        }
    }
    for form in ["raw", "basic", "JSON", "PERCENT"] {
        cases.extend(PLACES.map(|place| format!("{form}/identity/bytes/{place}")));
    }
    let masked = cases.into_iter().map(|case| (format!("/{case}"), true));
    masked.chain(GONE.map(|case| (case.to_owned(), false))).collect()
}

fn nothing_comes_back(user: User) {
    let lab = Lab::new(user);
    let server = Server::start(&lab);
    let placeholder = POLICY
        .replace("outbound: token\n", "")
        .replace("env: API_TOKEN", "env: API_TOKEN, hosts: ['*.example.test'], placeholder: { env: FAKE }");
    for (policy, header) in [(POLICY, ""), (&placeholder, r#"-H "x-auth-token: $FAKE""#)] {
        for (host, version) in [(ONE, "--http1.1"), (TWO, "--http2")] {
            let cases = cases();
            let urls: String = cases.iter().map(|(path, _)| format!(" https://{host}{path}")).collect();
            let script = format!(
                "exec {CURL} -sSi {version} --compressed -H 'te: trailers' {header} -w '\\n=====\\n' {urls}"
            );
            let run = lab.run(&server.policy(policy), &[]);
            let finished = run.start(&[SH, "-c", &script]).finish_abrupt().ok();
            let answers: Vec<&str> = finished.stdout.split("\n=====\n").collect();
            assert_eq!(answers.len(), cases.len() + 1, "{}", finished.stderr);
            let token = lab.canary.value().as_bytes();
            for ((path, masked), answer) in cases.iter().zip(answers) {
                assert!(answer.starts_with("HTTP/"), "{host}{path}: {answer}");
                // Trailers that HTTP/1.1 does not announce are not passed on.
                let masked = *masked && !(host == ONE && path.ends_with("/trailer"));
                assert!(!masked || answer.contains(MASKED), "{host}{path}: {answer:?}");
                let part = token.windows(10).find(|part| answer.contains(std::str::from_utf8(part).unwrap()));
                assert!(part.is_none(), "{host}{path}: {answer}");
            }
        }
    }
}

/// Of a short text around the token.
const SCAN: &str = r#"
import http.client, sys
for host in sys.argv[1:]:
    connection = http.client.HTTPSConnection(host, timeout=60)
    for name in ("Range", "Request-Range"):
        for at in range(50):
            connection.request("GET", "/range", headers={name: f"bytes={at}-{at}", "If-Range": "x"})
            answer = connection.getresponse()
            print(answer.status, answer.read().decode().strip(), flush=True)
"#;

fn no_byte_comes_back_alone(user: User) {
    let lab = Lab::new(user);
    let server = Server::start(&lab);
    let run = lab.run(&server.policy(POLICY), &[]);
    let finished = run.start(&[PYTHON, "-c", SCAN, ONE, TWO]).finish_abrupt().ok();
    let whole = format!("200 you sent {}", "*".repeat(lab.canary.value().len()));
    let lines: Vec<&str> = finished.stdout.lines().collect();
    assert_eq!(lines, vec![&*whole; 200]);
}

/// The second event comes only once the first has arrived.
const EVENTS: &str = r#"
import http.client, sys
for host in sys.argv[1:]:
    events, other = (http.client.HTTPSConnection(host, timeout=60) for _ in range(2))
    events.request("GET", "/events")
    answer = events.getresponse()
    text = b""
    while not text.endswith(b"\n\n"):
        text += answer.read1()
    other.request("GET", "/go")
    other.getresponse().read()
    print((text + answer.read()).decode().replace("\n", "|"), flush=True)
"#;

fn events_are_not_held_back(user: User) {
    let lab = Lab::new(user);
    let server = Server::start(&lab);
    let run = lab.run(&server.policy(POLICY), &[]);
    let finished = run.start(&[PYTHON, "-c", EVENTS, ONE, TWO]).finish_abrupt().ok();
    let event = format!("data: {}||", "*".repeat(lab.canary.value().len()));
    assert_eq!(finished.stdout, format!("{event}{event}\n").repeat(2));
}

/// What may come of a body that has no good measure, with what is on its way.
const MAX_BODY: u64 = 66 << 20;
const MAY_GROW_KIB: u64 = 24 * 1024;

/// The proxy neither keeps it nor goes on with it.
fn a_body_that_grows_without_measure(user: User) {
    let lab = Lab::new(user);
    let server = Server::start(&lab);
    let ask = |path: &str| {
        format!("{CURL} -sS -o /dev/null -w '%{{exitcode}} %{{size_download}}\\n' https://{TWO}{path}\n")
    };
    let bombs: String =
        ["gzip", "br", "zstd", "twice"].map(|coding| ask(&format!("/bomb/{coding}"))).concat();
    let script = format!("{}read line\n{bombs}read line", ask("/raw/gzip/whole/body"));
    let mut running = lab.run(&server.policy(POLICY), &[]).start(&[SH, "-c", &script]);
    assert!(running.hear().starts_with("0 "));
    let before = processes::peak_kib(running.pid()).unwrap();
    running.say("");
    for coding in ["gzip", "br", "zstd", "twice"] {
        let line = running.hear();
        let (code, size) = line.split_once(' ').unwrap();
        assert!(code != "0" && size.parse::<u64>().unwrap() < MAX_BODY, "{coding}: {line}");
    }
    let after = processes::peak_kib(running.pid()).unwrap();
    assert!(after < before + MAY_GROW_KIB, "{before} KiB became {after} KiB");
    running.say("");
    let finished = running.finish_abrupt().ok();
    assert_eq!(errors(&finished)[1..], ["body_broke"; 4]);
}

fn errors(finished: &Finished) -> Vec<&str> {
    finished.audit.exchanges().iter().map(|record| record["error"].as_str().unwrap_or("")).collect()
}

/// A server that repeats a message character by character, each in a frame of its own, and then as the reason for which it closes.
const PIECES: &str = r#"
import asyncio, os, sys, websockets

async def main():
    async with websockets.connect(sys.argv[1] + "/pieces") as socket:
        await socket.send("a " + os.environ["FAKE"] + " b")
        print(await socket.recv(), flush=True)
        try:
            await socket.recv()
        except websockets.ConnectionClosed:
            print(socket.close_code, socket.close_reason, flush=True)

asyncio.run(main())
"#;

fn a_message_in_pieces(user: User) {
    let lab = Lab::new(user);
    let server = websocket::Server::tls(&lab);
    let policy = r#"
allowedHosts: [api.example.test]
secrets: { T: { env: API_TOKEN, hosts: [api.example.test], placeholder: { env: FAKE } } }
"#;
    let run = lab.run(&server.policy(policy), &[]);
    let finished = run.start(&[PYTHON, "-c", PIECES, &format!("wss://{HOST}")]).finish_abrupt().ok();
    let stars = "*".repeat(lab.canary.value().len());
    assert_eq!(finished.stdout, format!("a {stars} b\n4002 a {stars} b\n"));
    assert_eq!(finished.audit.exchanges()[0]["scrubbed"], json!(["T"]));
}

/// A connection that breaks once the request is on its way says nothing of whether the server has done what it was asked.
fn sent_once(user: User) {
    let lab = Lab::new(user);
    let mut server = Server::start(&lab);
    // The first one leaves a connection that the second may use.
    let one = |host: &str, more: &str| {
        format!(
            "{CURL} -sS -o /dev/null -o /dev/null -w '%{{http_code}}\\n' {more} https://{host}/ https://{host}/reset\n"
        )
    };
    let script: String =
        [ONE, TWO].map(|host| ["", "-d x", "-X PUT"].map(|more| one(host, more)).concat()).concat();
    let script = format!("{script}{CURL} -sS -o /dev/null https://{ONE}/end");
    let run = lab.run(&server.policy(POLICY), &[]);
    let finished = run.start(&[SH, "-c", &script]).finish_abrupt().ok();
    assert_eq!(finished.stdout, "200\n502\n".repeat(6));
    let asked = server.asked();
    let resets =
        |method: &str| asked.iter().filter(|line| line.contains(&format!("{method} /reset "))).count();
    // What only asks, and is lost with a connection of HTTP/1.1 that was used before, is sent again, once.
    assert_eq!(["GET", "POST", "PUT"].map(resets), [3, 2, 2], "{asked:?}");
}
