//! Raw TCP: allowed for an address, it passes both ways unchanged; denied by a new policy, it ends at once.
//!
//! The far side speaks first, as SMTP and SSH servers do, and ends each half of the connection by itself.

use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use harness::{Lab, Running, User, for_each_user};

use crate::programs::{PYTHON, TUNNEL};

for_each_user!(bytes_pass_both_ways, a_denied_tunnel_is_closed);

/// A server that greets, repeats every line, and says goodbye when it has heard the end.
fn greeter(address: IpAddr) -> u16 {
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
    let policy = format!("allowedHosts: [\"{address}\"]\nlimits: {{ sniffTimeoutMs: 50 }}");
    let mut running = lab.run(&policy, &[]).start(&[PYTHON, "-c", TUNNEL, &address.to_string(), &port]);
    assert_eq!(running.hear(), "welcome");
    assert_eq!(running.ask("one"), "heard one");
    running
}

/// An address of this machine that is not loopback, since the sandbox has a loopback of its own. Nothing is sent.
fn this_machine() -> IpAddr {
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
