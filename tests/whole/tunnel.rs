//! Raw TCP: with a rule for address and port it passes both ways unchanged, at once; without one it is reset; denied by a
//! new policy, it ends.
//!
//! The far side speaks first, as SMTP and SSH servers do, and ends each half of the connection by itself.

use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use harness::{Authority, Lab, Running, User, for_each_user};
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::{RData, RecordType};

use crate::programs::{BANNER, FIRST_BYTES, FLOOD, PYTHON, TUNNEL};

for_each_user!(
    bytes_pass_both_ways,
    a_denied_tunnel_is_closed,
    a_greeting_comes_at_once,
    much_passes_unchanged,
    only_with_a_rule,
    a_name_and_its_port,
    what_dns_says_is_judged,
);

/// A server that greets, repeats every line, and says goodbye when it has heard the end.
pub(crate) fn greeter(address: IpAddr) -> u16 {
    let listener = TcpListener::bind((address, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || greet(stream.unwrap()));
        }
    });
    port
}

/// Ends early when the tunnel is cut.
fn greet(mut stream: TcpStream) -> std::io::Result<()> {
    stream.write_all(b"welcome\n")?;
    for line in BufReader::new(stream.try_clone()?).lines() {
        writeln!(stream, "heard {}", line?)?;
    }
    stream.write_all(b"goodbye\n")?;
    stream.shutdown(Shutdown::Both)
}

fn connected(lab: &Lab) -> Running<'_> {
    let address = this_machine();
    let port = greeter(address).to_string();
    let policy = format!("raw: [\"{address}:{port}\"]");
    let mut running = lab.run(&policy, &[]).start(&[PYTHON, "-c", TUNNEL, &address.to_string(), &port]);
    assert_eq!(running.hear(), "welcome");
    assert_eq!(running.ask("one"), "heard one");
    running
}

/// An address of this machine that is not loopback, since the sandbox has a loopback of its own. Nothing is sent.
pub(crate) fn this_machine() -> IpAddr {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    socket.connect("192.0.2.1:9").expect("a default route");
    socket.local_addr().unwrap().ip()
}

fn bytes_pass_both_ways(user: User) {
    let lab = Lab::new(user);
    let mut running = connected(&lab);
    assert_eq!(running.ask("two"), "heard two");
    assert_eq!(running.ask("half-close"), "goodbye");
    assert_eq!(running.hear(), "end");
    let finished = running.finish().ok();
    let record = finished.audit.connections()[0].clone();
    assert_eq!((&record["decision"], &record["protocol"]), (&"allow".into(), &"opaque".into()), "{record}");
    assert!(record["rule"].as_str().unwrap().starts_with("raw "), "{record}");
    assert_eq!((&record["authority"], &record["upstream"]), (&record["destination"], &record["destination"]));
    assert_eq!(
        (&record["bytesFromWorkload"], &record["bytesToWorkload"]),
        (&8.into(), &36.into()),
        "{record}"
    );
}

fn a_denied_tunnel_is_closed(user: User) {
    let lab = Lab::new(user);
    let mut running = connected(&lab);
    assert!(running.apply(&format!("deniedHosts: [\"{}\"]", this_machine())).status.success());
    let start = Instant::now();
    assert_eq!(running.hear(), "end");
    // The promise is one second; the rest is for a busy machine.
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    let finished = running.finish().ok();
    assert_eq!(finished.audit.connections()[0]["error"], "revoked");
}

/// The wait for a first byte of the workload would take a minute.
fn a_greeting_comes_at_once(user: User) {
    let lab = Lab::new(user);
    let port = greeter(Ipv4Addr::LOCALHOST.into());
    let limits = "limits: { sniffTimeoutMs: 60000, tlsHandshakeTimeoutMs: 60000 }";
    // What the operator writes down is dialled instead, for raw rules too.
    let policy = format!("raw: [\"192.0.2.7:22\"]\nresolve: {{ 192.0.2.7: \"127.0.0.1:{port}\" }}\n{limits}");
    let finished = lab.run(&policy, &[]).finish(&[PYTHON, "-c", BANNER, "192.0.2.7", "22"]).ok();
    let (greeting, seconds) = finished.stdout.trim().split_once('\n').unwrap();
    assert_eq!(greeting, "welcome");
    // Milliseconds; the rest is for a busy machine.
    assert!(seconds.parse::<f64>().unwrap() < 2.0, "{seconds} seconds to the greeting");
}

fn much_passes_unchanged(user: User) {
    let lab = Lab::new(user);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut heard = stream.try_clone().unwrap();
        let _ = std::io::copy(&mut heard, &mut stream);
        let _ = stream.shutdown(Shutdown::Write);
    });
    let policy = format!("raw: [\"192.0.2.7:5432\"]\nresolve: {{ 192.0.2.7: \"127.0.0.1:{port}\" }}");
    let finished = lab.run(&policy, &[]).finish(&[PYTHON, "-c", FLOOD, "192.0.2.7", "5432", "1024"]).ok();
    let (sent, heard) = finished.stdout.trim().split_once('\n').unwrap();
    assert!(sent.ends_with(" 1073741824"), "{sent}");
    assert_eq!(sent, heard);
    let record = finished.audit.connections()[0].clone();
    for bytes in ["bytesFromWorkload", "bytesToWorkload"] {
        assert_eq!(record[bytes], 1_073_741_824, "{record}");
    }
}

/// Databases, mail, SSH: reset, whatever else is allowed, and soon where the workload waits for a greeting.
fn only_with_a_rule(user: User) {
    let lab = Lab::new(user);
    let policy = "enableInternet: true\noutboundByHost: { 192.0.2.80: h }\nhandlers: { h: { respond: {} } }\nallowedHosts: ['*', '192.0.2.0/24']\nlimits: { tlsHandshakeTimeoutMs: 60000 }";
    let finished = lab.run(policy, &[]).finish(&[PYTHON, "-c", FIRST_BYTES]).ok();
    let mut told = finished.json_lines();
    assert_eq!(told.pop().unwrap()["early"], "HTTP/1.1 200", "a connection opened ahead of time");
    assert_eq!(told.len(), 10);
    for one in told {
        assert_eq!(one["end"], "reset", "{one}");
        assert!(one["seconds"].as_f64() < Some(5.0), "{one}");
    }
    let connections = finished.audit.connections();
    let refused: Vec<_> = connections.iter().filter(|record| record["decision"] == "deny").collect();
    assert_eq!(refused.len(), 10, "{connections:#?}");
    for record in refused {
        assert_eq!((&record["error"], &record["rule"]), (&"not_http".into(), &"raw".into()), "{record}");
    }
}

/// The workload asks for the name and connects to what it was told, as every database client does.
fn a_name_and_its_port(user: User) {
    let lab = Lab::new(user);
    let port = greeter(Ipv4Addr::LOCALHOST.into());
    let policy = format!(
        "raw: [\"db.example.test:5432\"]\nresolve: {{ \"db.example.test:5432\": \"127.0.0.1:{port}\" }}"
    );
    let finished = lab.run(&policy, &[]).finish(&[PYTHON, "-c", BANNER, "db.example.test", "5432"]).ok();
    assert_eq!(finished.stdout.lines().next(), Some("welcome"));
    let record = finished.audit.connections()[0].clone();
    assert_eq!(
        (&record["decision"], &record["authority"]),
        (&"allow".into(), &"db.example.test:5432".into()),
        "{record}"
    );
    assert!(record["rule"].as_str().unwrap().starts_with("raw db.example.test:5432"), "{record}");
    assert_eq!(record["upstream"], format!("127.0.0.1:{port}"), "{record}");
    other_port_is_refused(&lab, &policy, "5433");
}

fn other_port_is_refused(lab: &Lab, policy: &str, port: &str) {
    let policy = format!("{policy}\nlimits: {{ sniffTimeoutMs: 100, tlsHandshakeTimeoutMs: 100 }}");
    let finished = lab.run(&policy, &[]).finish(&[PYTHON, "-c", BANNER, "db.example.test", port]);
    assert!(finished.stderr.contains("ConnectionResetError"), "{}{}", finished.stdout, finished.stderr);
    let record = finished.audit.connections()[0].clone();
    assert_eq!((&record["decision"], &record["error"]), (&"deny".into(), &"not_http".into()), "{record}");
}

/// The name leads to an address that is not public, which the policy must name.
fn what_dns_says_is_judged(user: User) {
    fn script(name: &str, kind: RecordType) -> Option<Vec<RData>> {
        match (name, kind, this_machine()) {
            ("db.example.test", RecordType::A, IpAddr::V4(address)) => Some(vec![RData::A(A(address))]),
            _ => Some(vec![]),
        }
    }
    let lab = Lab::new(user);
    let (authority, address) = (Authority::start(script), this_machine());
    let port = greeter(address).to_string();
    let policy = format!("raw: [\"db.example.test:{port}\"]\n{}", authority.entry());
    let refused = lab.run(&policy, &[]).finish(&[PYTHON, "-c", BANNER, "db.example.test", &port]);
    assert_ne!(refused.code(), 0, "{}", refused.stdout);
    let policy = format!("{policy}allowedHosts: [{address}]\n");
    let finished = lab.run(&policy, &[]).finish(&[PYTHON, "-c", BANNER, "db.example.test", &port]).ok();
    assert_eq!(finished.stdout.lines().next(), Some("welcome"));
    let record = finished.audit.connections()[0].clone();
    assert_eq!(record["authority"], format!("db.example.test:{port}"), "{record}");
    assert_eq!(record["upstream"], format!("{address}:{port}"), "{record}");
    other_port_is_refused(&lab, &policy, "5433");
}
