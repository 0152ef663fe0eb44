//! WebSocket, and other protocols that an HTTP/1.1 connection may go on with: decided, given its credentials and recorded as any exchange;
//! then bytes pass both ways, until a side ends, nothing moves, or a new policy denies it. Nothing becomes a request that was not decided.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, ChildStdout, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use harness::{Finished, HOST, Lab, Running, Settings, TOKEN_POLICY, User, Versions, for_each_user, wait};
use serde_json::{Value, json};

use crate::handlers::built_example;
use crate::programs::{
    BYTES, NODE, PYTHON, WEBSOCKET, WEBSOCKET_CLIENT, WEBSOCKET_SERVER, WEBSOCKET_TALK, WIRE,
};

for_each_user!(
    with_tls,
    without_tls,
    a_denied_one_is_closed,
    an_idle_one_is_closed,
    an_upstream_without_http1,
    early_bytes_come_after_the_switch,
    early_bytes_are_the_next_request,
    who_may_switch,
    a_handler_that_answers,
    through_programs,
    a_program_that_answers,
);

const PLAIN: &str = "allowedHosts: [\"http://api.example.test\"]";
const UPGRADE: &str =
    "GET / HTTP/1.1\r\nHost: api.example.test\r\nConnection: upgrade\r\nUpgrade: foo/1\r\n\r\n";

/// The real one, outside.
pub(crate) struct Server {
    child: Child,
    lines: BufReader<ChildStdout>,
    port: String,
}

impl Server {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::of(&[&[PYTHON, "-c", WEBSOCKET_SERVER], arguments].concat())
    }

    /// Any program that prints its port first.
    pub(crate) fn of(command_line: &[&str]) -> Self {
        let mut command = User::Root.command(command_line[0]);
        command.args(&command_line[1..]).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        let mut server = Self { child, lines, port: String::new() };
        server.port = server.hear();
        server
    }

    pub(crate) fn tls(lab: &Lab) -> Self {
        let file = lab.write("server.pem", &lab.ca.server_pem(HOST));
        Self::start(&[file.to_str().unwrap()])
    }

    pub(crate) fn policy(&self, text: &str) -> String {
        format!("{text}\nresolve: {{ {HOST}: \"127.0.0.1:{}\" }}", self.port)
    }

    pub(crate) fn hear(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sockets of one run of `WEBSOCKET_CLIENT`.
const SOCKETS: usize = 104;

/// With a token that they never had.
fn with_tls(user: User) {
    let lab = Lab::new(user);
    let mut server = Server::tls(&lab);
    let url = format!("wss://{HOST}");
    // A hundred handshakes by one thread, on a machine that may be busy.
    let policy = server.policy(&format!("{TOKEN_POLICY}\nlimits: {{ tlsHandshakeTimeoutMs: 60000 }}"));
    for (command, sockets) in
        [(&[PYTHON, "-c", WEBSOCKET_CLIENT, &url][..], SOCKETS), (&[NODE, "-e", WEBSOCKET, &url], 1)]
    {
        let finished = lab.run(&policy, &[]).start(command).finish_abrupt().ok();
        assert_eq!(finished.stdout, "done\n");
        assert_recorded(&finished, sockets);
        for _ in 0..sockets {
            let line =
                std::iter::repeat_with(|| server.hear()).find(|line| line.starts_with("open")).unwrap();
            assert_eq!(line, format!("open {}", lab.canary.value()));
        }
    }
}

fn without_tls(user: User) {
    let lab = Lab::new(user);
    let server = Server::start(&[]);
    let url = format!("ws://{HOST}");
    let command = [PYTHON, "-c", WEBSOCKET_CLIENT, &url];
    let finished = lab.run(&server.policy(PLAIN), &[]).start(&command).finish_abrupt().ok();
    assert_eq!(finished.stdout, "done\n");
    assert_recorded(&finished, SOCKETS);
}

/// One record each, of what passed.
fn assert_recorded(finished: &Finished, sockets: usize) {
    let exchanges = finished.audit.exchanges();
    assert_eq!((exchanges.len(), finished.audit.connections().len()), (sockets, sockets), "{exchanges:#?}");
    for record in exchanges {
        let told = (&record["decision"], &record["status"], &record["error"]);
        assert_eq!(told, (&"allow".into(), &101.into(), &Value::Null), "{record}");
        assert!(record["upstream"].is_string() && record["bytesFromWorkload"].as_u64() > Some(0), "{record}");
    }
    let bytes = |name: &str| -> u64 {
        finished.audit.exchanges().iter().filter_map(|record| record[name].as_u64()).max().unwrap()
    };
    assert!(bytes("bytesFromWorkload") > 1000 && bytes("bytesToWorkload") > 1000);
}

fn talking<'a>(lab: &'a Lab, server: &mut Server, policy: &str, path: &str) -> Running<'a> {
    let url = format!("wss://{HOST}{path}");
    let running = lab.run(&server.policy(policy), &[]).start(&[PYTHON, "-c", WEBSOCKET_TALK, &url]);
    assert_eq!(server.hear(), "open -");
    running
}

const ALLOW: &str = "allowedHosts: [api.example.test]";

/// In the middle of what it sends, which fills every buffer.
fn a_denied_one_is_closed(user: User) {
    let denials =
        ["deniedHosts: [api.example.test]", "allowedHosts: [{ host: api.example.test, paths: [/other] }]"];
    for denial in denials {
        let lab = Lab::new(user);
        let mut server = Server::tls(&lab);
        let mut running = talking(&lab, &mut server, ALLOW, "/count");
        assert_eq!(running.ask("pour"), "open");
        assert_eq!(server.hear(), "many");
        let output = running.apply(&server.policy(denial));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let changed = Instant::now();
        assert_eq!((server.hear(), running.hear()), ("closed 1006".into(), "closed 1006".into()), "{denial}");
        // The promise is one second; the rest is for a busy machine.
        assert!(changed.elapsed() < Duration::from_secs(3), "{:?}", changed.elapsed());
        let record = only_exchange(&running.finish_abrupt().ok());
        assert_eq!((&record["status"], &record["error"]), (&101.into(), &"revoked".into()), "{record}");
        assert_eq!(record["generation"], 1, "{record}");
    }
}

fn an_idle_one_is_closed(user: User) {
    let lab = Lab::new(user);
    let mut server = Server::tls(&lab);
    let policy = format!("{ALLOW}\nlimits: {{ spliceIdleTimeoutMs: 300 }}");
    let mut running = talking(&lab, &mut server, &policy, "/echo");
    assert_eq!((running.hear(), running.hear()), ("open".into(), "closed 1006".into()));
    assert_eq!(server.hear(), "closed 1006");
    let record = only_exchange(&running.finish_abrupt().ok());
    assert_eq!((&record["status"], &record["error"]), (&101.into(), &"idle".into()), "{record}");
}

fn only_exchange(finished: &Finished) -> Value {
    let exchanges = finished.audit.exchanges();
    assert_eq!(exchanges.len(), 1, "{exchanges:#?}");
    exchanges[0].clone()
}

/// HTTP/2 has another way to do it, which is not ours yet.
fn an_upstream_without_http1(user: User) {
    let lab = Lab::new(user);
    let origin = lab.origin(Settings { versions: Versions::Http2, ..Settings::default() });
    let mut running = lab.run(ALLOW, &[&origin]).start(&[PYTHON, "-c", WIRE, HOST, HOST]);
    assert_eq!(running.ask(&format!("send {}", json!(UPGRADE))), "sent");
    assert_eq!(running.ask("head"), "502");
    let finished = running.finish().ok();
    assert_eq!(only_exchange(&finished)["error"], "upstream_tls_handshake");
    assert!(origin.requests().is_empty());
}

/// One connection: the head that came, whether anything had come behind it before the answer, and what came after it.
#[derive(Debug)]
pub(crate) struct Heard {
    head: String,
    early: bool,
    rest: String,
}

/// Answers every connection with the same bytes, and tells what it heard.
pub(crate) fn scripted(answer: &'static str) -> (u16, Receiver<Heard>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let tell = tell.clone();
            std::thread::spawn(move || tell.send(serve(stream.unwrap(), answer)));
        }
    });
    (port, told)
}

fn serve(mut stream: TcpStream, answer: &str) -> Heard {
    stream.set_read_timeout(Some(wait::DEADLINE)).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    stream.set_nonblocking(true).unwrap();
    let early = !matches!(stream.peek(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock);
    stream.set_nonblocking(false).unwrap();
    stream.write_all(answer.as_bytes()).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut rest = String::new();
    let _ = stream.read_to_string(&mut rest);
    Heard { head: String::from_utf8(head).unwrap(), early, rest }
}

/// What `sent`, on one plain connection, is answered, and what the server of `answer` heard.
fn exchange(lab: &Lab, sent: &str, answer: &'static str) -> (Finished, Receiver<Heard>) {
    let (port, told) = scripted(answer);
    let policy = format!("{PLAIN}\nresolve: {{ {HOST}: \"127.0.0.1:{port}\" }}");
    let bytes: String = sent.bytes().map(|byte| format!("{byte:02x}")).collect();
    let finished = lab.run(&policy, &[]).start(&[PYTHON, "-c", BYTES, HOST, &bytes]).finish_abrupt().ok();
    (finished, told)
}

/// The server says something at once, too, and ends its half first.
fn early_bytes_come_after_the_switch(user: User) {
    let lab = Lab::new(user);
    let answer =
        "HTTP/1.1 101 Go On\r\nConnection: upgrade\r\nUpgrade: FOO/1\r\nContent-Length: 3\r\n\r\nLATE";
    let (finished, told) = exchange(&lab, &format!("{UPGRADE}EARLY"), answer);
    assert_eq!(finished.stdout, "HTTP/1.1 101\nend\n");
    let heard = told.recv().unwrap();
    assert!(!heard.early && heard.rest == "EARLY", "{heard:?}");
    let head = heard.head.to_lowercase();
    for line in ["\r\nconnection: upgrade\r\n", "\r\nupgrade: foo/1\r\n"] {
        assert_eq!(head.matches(line).count(), 1, "{head}");
    }
    let record = only_exchange(&finished);
    let bytes = (&record["bytesFromWorkload"], &record["bytesToWorkload"]);
    assert_eq!((bytes, &record["error"]), ((&5.into(), &4.into()), &Value::Null), "{record}");
}

fn early_bytes_are_the_next_request(user: User) {
    let lab = Lab::new(user);
    let hidden = "GET /hidden HTTP/1.1\r\nHost: evil.test\r\nConnection: close\r\n\r\n";
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    let (finished, told) = exchange(&lab, &format!("{UPGRADE}{hidden}"), answer);
    assert_eq!(finished.stdout, "HTTP/1.1 200\nHTTP/1.1 403\nend\n");
    let heard = told.recv().unwrap();
    assert!(!heard.early && heard.rest.is_empty(), "{heard:?}");
    assert!(told.try_recv().is_err(), "a second connection");
    let exchanges = finished.audit.exchanges();
    let errors: Vec<_> = exchanges.iter().map(|record| record["error"].clone()).collect();
    assert_eq!(errors, [Value::Null, "host_not_allowed".into()]);
}

/// Both must want it, and agree on what comes next.
fn who_may_switch(user: User) {
    const SWITCH: &str = "HTTP/1.1 101 Go On\r\nConnection: upgrade\r\nUpgrade: foo/1\r\n\r\n";
    const SILENT: &str = "HTTP/1.1 101 Go On\r\nConnection: upgrade\r\n\r\n";
    let lab = Lab::new(user);
    for (headers, answer, asked) in [
        ("Connection: upgrade\r\nUpgrade: bar\r\n", SWITCH, true),
        ("Connection: upgrade\r\nUpgrade: foo/1\r\n", SILENT, true),
        ("", SWITCH, false),
        ("Upgrade: foo/1\r\n", SWITCH, false),
        ("Connection: upgrade\r\n", SWITCH, false),
        ("Connection: upgrade\r\nUpgrade: foo/1, bar\r\n", SWITCH, false),
        ("Connection: upgrade\r\nUpgrade: foo/1\r\nUpgrade: bar\r\n", SWITCH, false),
        ("Connection: upgrade\r\nUpgrade: foo/1\r\nContent-Length: 1\r\n\r\nx", SWITCH, false),
        ("Connection: upgrade, http2-settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n", SWITCH, false),
        ("Connection: upgrade\r\nUpgrade: TLS/1.2\r\n", SWITCH, false),
        ("Connection: upgrade\r\nUpgrade: HTTP/2.0\r\n", SWITCH, false),
    ] {
        let end = if headers.ends_with('x') { "" } else { "\r\n" };
        let last = "GET /last HTTP/1.1\r\nHost: evil.test\r\nConnection: close\r\n\r\n";
        let sent = format!("POST / HTTP/1.1\r\nHost: {HOST}\r\n{headers}{end}{last}");
        let (finished, told) = exchange(&lab, &sent, answer);
        assert_eq!(finished.stdout, "HTTP/1.1 502\nHTTP/1.1 403\nend\n", "{headers:?}");
        let heard = told.recv().unwrap();
        assert_eq!(heard.head.to_lowercase().contains("\r\nupgrade:"), asked, "{headers:?}: {heard:?}");
        assert!(!heard.rest.contains("/last"), "{headers:?}: {heard:?}");
        assert_eq!(finished.audit.exchanges()[0]["error"], "upstream_upgrade", "{headers:?}");
    }
}

fn a_handler_that_answers(user: User) {
    let lab = Lab::new(user);
    let policy = "outbound: own\nhandlers: { own: { respond: { status: 200, body: mine } } }";
    let sent = format!("{UPGRADE}{}", UPGRADE.replace("upgrade", "close"));
    let bytes: String = sent.bytes().map(|byte| format!("{byte:02x}")).collect();
    let finished = lab.run(policy, &[]).finish(&[PYTHON, "-c", BYTES, HOST, &bytes]).ok();
    assert_eq!(finished.stdout, "HTTP/1.1 200\nHTTP/1.1 200\nend\n");
}

/// A filter and a handler see the handshake and hand it on; what comes after it they do not see.
fn through_programs(user: User) {
    let lab = Lab::new(user);
    let mut server = Server::tls(&lab);
    let [tag, token] = ["tag", "token-by-host"].map(|name| built_example(&lab, name).display().to_string());
    let policy = format!(
        "outboundByHost: {{ {HOST}: [tag, token] }}\nhandlers: {{ tag: {{ wasm: {tag:?} }}, token: {{ wasm: {token:?}, secrets: [SECRET] }} }}\nsecrets: {{ SECRET: {{ env: API_TOKEN }} }}"
    );
    let url = format!("wss://{HOST}/close");
    let run = lab.run(&server.policy(&policy), &[]);
    let mut running = run.start(&[PYTHON, "-c", WEBSOCKET_TALK, &url]);
    assert_eq!([running.hear(), running.hear()], ["open", "closed 4001"]);
    assert_eq!(server.hear(), format!("open {}", lab.canary.value()));
    let record = only_exchange(&running.finish_abrupt().ok());
    let told = (&record["status"], &record["decision"], &record["handlers"]);
    assert_eq!(told, (&101.into(), &"allow".into(), &json!(["tag", "token"])), "{record}");
    assert!(record["bytesToWorkload"].as_u64() > Some(0), "{record}");
}

/// The connection goes on as it was.
fn a_program_that_answers(user: User) {
    let lab = Lab::new(user);
    let pages = built_example(&lab, "synthetic").display().to_string();
    let policy = format!(
        "outbound: own\nhandlers: {{ own: {{ wasm: {pages:?}, params: {{ pages: {{ /: mine }} }} }} }}"
    );
    let sent = format!("{UPGRADE}{}", UPGRADE.replace("upgrade", "close"));
    let bytes: String = sent.bytes().map(|byte| format!("{byte:02x}")).collect();
    let finished = lab.run(&policy, &[]).finish(&[PYTHON, "-c", BYTES, HOST, &bytes]).ok();
    assert_eq!(finished.stdout, "HTTP/1.1 200\nHTTP/1.1 200\nend\n");
}
