//! Published ports: a sealed workload serves, and has no network all the same.
//!
//! The client is outside and speaks to the port that the status names; the server is inside and listens on one family only.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use harness::{Lab, Program, Running, User, Workload, for_each_user, wait};
use serde_json::Value;

use crate::programs::{PYTHON, SERVER};

for_each_user!(
    a_server_inside_is_reached,
    sockets_are_used_again,
    the_forty_ninth_waits,
    what_does_not_listen_resets,
    the_end_of_an_upload_arrives,
    a_port_in_use_stops_everything,
);

const POLICY: &str = "enableInternet: false";

/// Where a status says that the first published port is.
fn published(status: &Value) -> SocketAddr {
    status["published"][0]["outside"].as_str().expect("a published port").parse().expect("an address")
}

fn served<'a>(lab: &'a Lab, address: &str) -> (Running<'a>, SocketAddr) {
    let run = lab.run(POLICY, &[]).arguments(&["--publish", "0:8080"]);
    let mut running = run.start(&[PYTHON, "-c", SERVER, address, "8080"]);
    assert_eq!(running.hear(), "ready");
    let outside = published(&running.admin("GET", "/v1/status", "").json());
    assert!(outside.ip().is_loopback() && outside.port() != 0, "{outside}");
    (running, outside)
}

fn connect(outside: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(outside).unwrap();
    stream.set_read_timeout(Some(wait::DEADLINE)).unwrap();
    stream
}

/// Sends `c` and `bytes`, closes its half, and hears how many arrived.
fn count(outside: SocketAddr, bytes: usize) -> (SocketAddr, String) {
    let mut stream = connect(outside);
    stream.write_all(b"c").unwrap();
    stream.write_all(&vec![b'x'; bytes]).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    (stream.local_addr().unwrap(), answer)
}

/// Ends a server that would go on.
fn stop(running: Running<'_>) -> harness::Finished {
    running.signal(nix::sys::signal::Signal::SIGTERM);
    running.finish()
}

fn a_server_inside_is_reached(user: User) {
    let lab = Lab::new(user);
    for address in ["127.0.0.1", "::1"] {
        let (running, outside) = served(&lab, address);
        let (client, answer) = count(outside, 1_000_000);
        assert_eq!(answer, "1000000", "{address}");
        let finished = stop(running);
        let records = finished.audit.inbound();
        let [record] = records[..] else { panic!("{records:#?}") };
        assert_eq!(record["source"], client.to_string(), "{record}");
        assert_eq!(record["destination"], outside.to_string(), "{record}");
        let inside = SocketAddr::new(address.parse().unwrap(), 8080).to_string();
        assert_eq!((&record["upstream"], &record["decision"]), (&inside.into(), &"allow".into()), "{record}");
        let bytes = (&record["bytesFromWorkload"], &record["bytesToWorkload"]);
        assert_eq!(bytes, (&7.into(), &1_000_001.into()), "{record}");
    }
}

fn sockets_are_used_again(user: User) {
    let lab = Lab::new(user);
    let (running, outside) = served(&lab, "127.0.0.1");
    for number in 0..200 {
        // A client that vanishes frees its socket too.
        let mut vanishing = connect(outside);
        vanishing.write_all(b"cx").unwrap();
        let now = Some(Duration::ZERO);
        socket_linger(&vanishing, now);
        drop(vanishing);
        assert_eq!(count(outside, number).1, number.to_string());
    }
    let records = stop(running).audit.inbound().len();
    assert_eq!(records, 400);
}

/// Closing then resets.
fn socket_linger(stream: &TcpStream, time: Option<Duration>) {
    let linger = nix::libc::linger { l_onoff: i32::from(time.is_some()), l_linger: 0 };
    nix::sys::socket::setsockopt(stream, nix::sys::socket::sockopt::Linger, &linger).unwrap();
}

fn the_forty_ninth_waits(user: User) {
    let lab = Lab::new(user);
    let (mut running, outside) = served(&lab, "127.0.0.1");
    let clients: Vec<_> = (0..70)
        .map(|_| {
            let mut stream = connect(outside);
            stream.write_all(b"cx").unwrap();
            stream
        })
        .collect();
    let most = (1..=48).map(|_| running.hear()).any(|line| line == "open 48");
    assert!(most, "48 are not open at once");
    for mut stream in clients {
        stream.shutdown(Shutdown::Write).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, "1");
    }
    let finished = stop(running);
    assert!(!finished.stdout.contains("open 49"), "{}", finished.stdout);
    assert_eq!(finished.audit.inbound().len(), 70);
}

fn what_does_not_listen_resets(user: User) {
    let lab = Lab::new(user);
    let run = lab.run(POLICY, &[]).arguments(&["--publish", "0:9999"]);
    let mut running = run.start(&[PYTHON, "-c", SERVER, "127.0.0.1", "8080"]);
    assert_eq!(running.hear(), "ready");
    let outside = published(&running.admin("GET", "/v1/status", "").json());
    for _ in 0..70 {
        let error = connect(outside).read(&mut [0]).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    }
    let finished = stop(running);
    let records = finished.audit.inbound();
    assert_eq!(records.len(), 70);
    for record in records {
        assert_eq!(
            (&record["error"], &record["upstream"]),
            (&"connect_failed".into(), &Value::Null),
            "{record}"
        );
    }
}

/// A workload that has said all it has to say still hears the rest, however slowly it reads.
fn the_end_of_an_upload_arrives(user: User) {
    let lab = Lab::new(user);
    let (mut running, outside) = served(&lab, "127.0.0.1");
    let mut stream = connect(outside);
    stream.write_all(b"e").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "bye");
    stream.write_all(&vec![b'x'; 3_000_000]).unwrap();
    drop(stream);
    assert_eq!(running.hear(), "open 1");
    assert_eq!(running.hear(), "late 3000000");
    let finished = stop(running);
    let record = finished.audit.inbound()[0].clone();
    assert_eq!((&record["bytesToWorkload"], &record["error"]), (&3_000_001.into(), &Value::Null), "{record}");
}

fn a_port_in_use_stops_everything(user: User) {
    let lab = Lab::new(user);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = format!("{}:80", taken.local_addr().unwrap().port());
    let finished = lab.run(POLICY, &[]).arguments(&["--publish", &port]).finish(&["/bin/echo", "started"]);
    assert_eq!((finished.code(), finished.stdout.as_str()), (125, ""), "{}", finished.stderr);
    assert!(finished.stderr.contains("cannot publish"), "{}", finished.stderr);
}

#[test]
fn an_attached_workload_serves_through_crashes_and_upgrades() {
    let (lab, workload) = (Lab::new(User::Root), Workload::start(User::Root));
    let (pid, id) = (workload.pid().to_string(), workload.id());
    let mut attached = lab.attach(POLICY, &[], &["--pid", &pid, "--publish", "0:8080"]);
    assert_eq!(attached.hear(), format!("attached {id}"));
    let mut server = Program::start(workload.command(&[PYTHON, "-c", SERVER, "127.0.0.1", "8080"]));
    assert_eq!(server.hear(), "ready");
    let outside = published(&attached.admin(&id, "GET", "/v1/status").json());
    assert_eq!(count(outside, 10).1, "10");

    // Cut off by a crash, the server learns of it.
    let mut cut = connect(outside);
    cut.write_all(b"cx").unwrap();
    wait::until("the connection inside", || server.has_said("open 1\nopen 1").then_some(()));
    attached.kill_worker();
    assert_eq!(count(outside, 11).1, "11");
    wait::until("the server to learn", || server.has_said("broke").then_some(()));
    assert!(cut.read(&mut [0]).map_or(true, |read| read == 0));

    // Over an upgrade it goes on, and nothing of another connection gets into it.
    let mut through = connect(outside);
    through.write_all(b"cx").unwrap();
    attached.upgrade(&id);
    (0..100).for_each(|number| assert_eq!(count(outside, number).1, number.to_string()));
    through.write_all(b"yz").unwrap();
    through.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    through.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "3");
    drop(attached.stop_abrupt());
}

#[test]
fn attach_says_that_a_port_is_in_use() {
    let (lab, workload) = (Lab::new(User::Root), Workload::start(User::Root));
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = format!("{}:80", taken.local_addr().unwrap().port());
    let arguments = ["--pid", &workload.pid().to_string(), "--publish", &port];
    let finished = lab.attach(POLICY, &[], &arguments).finish();
    assert_eq!((finished.code(), finished.stdout.as_str()), (125, ""), "{}", finished.stderr);
    assert!(finished.stderr.contains("cannot publish a port"), "{}", finished.stderr);
    let rules = workload.command(&["/usr/sbin/nft", "list", "ruleset"]).output().unwrap();
    assert!(rules.stdout.is_empty(), "something was sealed");
}
