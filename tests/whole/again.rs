//! Which connection a request gets, and how often it is sent: an address that is silent holds nobody up, and a request that meets
//! the end of an idle connection is sent once more, if that does no harm, and never otherwise.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use harness::{HOST, Lab, Settings, User, for_each_user};
use tokio::net::{TcpSocket, TcpStream as AsyncStream};

use crate::programs::{CURL, PYTHON, SEND};

for_each_user!(lost_requests, silent_addresses);

/// A plain server that answers the first request of each connection; what it does with a later one, its path says.
fn capricious(seen: Arc<Mutex<Vec<String>>>) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let seen = Arc::clone(&seen);
            thread::spawn(move || drop(serve(stream.unwrap(), &seen)));
        }
    });
    port
}

fn serve(mut stream: TcpStream, seen: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    for number in 0.. {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if reader.read_until(b'\n', &mut head)? == 0 {
                return Ok(());
            }
        }
        let head = String::from_utf8(head).unwrap().to_lowercase();
        let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        reader.read_exact(&mut body)?;
        let path = head.split(' ').nth(1).unwrap().to_owned();
        seen.lock().unwrap().push(path.clone());
        match path.split('-').next().unwrap() {
            _ if number == 0 => {}
            "/closed" => return Ok(()),
            "/reset" => return reset_at_close(&stream),
            "/begun" => return stream.write_all(b"HTTP/1.1 2"),
            _ => {}
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")?;
    }
    Ok(())
}

/// Closing it now is a reset.
fn reset_at_close(stream: &TcpStream) -> std::io::Result<()> {
    let linger = nix::libc::linger { l_onoff: 1, l_linger: 0 };
    nix::sys::socket::setsockopt(stream, nix::sys::socket::sockopt::Linger, &linger)?;
    Ok(())
}

fn lost_requests(user: User) {
    let lab = Lab::new(user);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let port = capricious(Arc::clone(&seen));
    let policy = format!("allowedHosts: [{HOST}]\nresolve: {{ {HOST}: \"127.0.0.1:{port}\" }}");
    let mut running = lab.run(&policy, &[]).start(&[PYTHON, "-c", SEND, HOST]);
    let count = |path: &str| seen.lock().unwrap().iter().filter(|one| *one == path).count();
    for (end, method, body, status, times) in [
        ("closed", "GET", "", "200", 2),
        ("closed", "HEAD", "", "200", 2),
        ("closed", "OPTIONS", "", "200", 2),
        ("reset", "GET", "", "200", 2),
        ("begun", "GET", "", "502", 1),
        ("closed", "GET", "x", "502", 1),
        ("closed", "POST", "", "502", 1),
        ("closed", "POST", "x", "502", 1),
        ("closed", "PUT", "x", "502", 1),
        ("closed", "DELETE", "", "502", 1),
        ("reset", "POST", "x", "502", 1),
    ] {
        let (warm, path) = (format!("/warm-{end}-{method}-{body}"), format!("/{end}-{method}-{body}"));
        let path = path.to_lowercase();
        assert_eq!(running.ask(&format!("GET {warm} ")), "200");
        assert_eq!(running.ask(&format!("{method} {path} {body}")), status, "{path}");
        assert_eq!(count(&path), times, "{path}");
    }
    let _ = running.finish_abrupt().ok();
}

/// An address whose queue of connections is full does not answer at all; one that nobody listens at refuses.
fn silent_addresses(user: User) {
    let lab = Lab::new(user);
    let origin = lab.origin(Settings::default());
    let [v4, v6] = origin.addresses();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _inside = runtime.enter();
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let full = socket.listen(1).unwrap();
    let silent = full.local_addr().unwrap();
    let filling = runtime.block_on(async {
        let mut filling = Vec::new();
        // Until one more is not taken.
        while let Ok(stream) =
            tokio::time::timeout(Duration::from_millis(300), AsyncStream::connect(silent)).await
        {
            filling.push(stream.unwrap());
        }
        filling
    });
    let closed = TcpSocket::new_v6().unwrap();
    closed.bind("[::1]:0".parse().unwrap()).unwrap();
    let closed = closed.local_addr().unwrap();
    for addresses in [
        format!("\"{silent}\", \"{v6}\""),
        format!("\"{silent}\", \"{silent}\", \"{v6}\""),
        format!("\"{closed}\", \"{v4}\""),
        format!("\"{closed}\", \"{silent}\", \"{v6}\""),
    ] {
        let resolve = format!("resolve: {{ \"{HOST}:443\": [{addresses}] }}");
        let policy = format!("allowedHosts: [{HOST}]\n{resolve}");
        let url = format!("https://{HOST}/");
        let command = [CURL, "-sS", "-o", "/dev/null", "-w", "%{http_code} %{time_total}", &url];
        let finished = lab.run(&policy, &[]).start(&command).finish_abrupt().ok();
        let (status, seconds) = finished.stdout.split_once(' ').unwrap();
        assert!(status == "200" && seconds.parse::<f64>().unwrap() < 1.0, "{addresses}: {}", finished.stdout);
    }
    drop(filling);
}
