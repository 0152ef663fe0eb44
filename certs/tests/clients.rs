//! Real clients against real leaves: `openssl verify -x509_strict`, curl, Python with the strict flags
//! that are its default from 3.13 on, Node, and Java's keytool for its store.
//!
//! A rustls server on a loopback port presents each leaf; each client, given only the CA's PEM, must
//! accept it for its own name and refuse it for another name and under another CA. The clients are
//! named by absolute path: a machine without one of them fails here and is not passed over.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the helpers of a test fail by panicking, like the test itself"
)]

use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use certs::{InstanceCa, Leaf, SubjectName};
use rustls::pki_types::UnixTime;
use rustls::sign::SingleCertAndKey;
use rustls::{ServerConfig, ServerConnection, Stream};

const CURL: &str = "/usr/bin/curl";
const KEYTOOL: &str = "/usr/bin/keytool";
const NODE: &str = "/usr/bin/node";
const OPENSSL: &str = "/usr/bin/openssl";
const PYTHON: &str = "/usr/bin/python3";

/// A stuck peer ends a test after this long.
const PATIENCE: Duration = Duration::from_secs(20);

/// Host in a leaf, and a host that the same leaf must be refused for.
fn cases() -> Vec<(String, String)> {
    let label = "a".repeat(49);
    let name = |len: usize| format!("{label}.{label}.{label}.{label}.{label}.test")[255 - len..].to_owned();
    let other = || "other.test".to_owned();
    vec![
        ("api.example.test".to_owned(), other()),
        ("localhost".to_owned(), other()),
        ("xn--bcher-kva.example".to_owned(), other()),
        (name(64), other()),
        (name(65), other()),
        (name(253), other()),
        ("192.0.2.7".to_owned(), "192.0.2.8".to_owned()),
        ("2001:db8::7".to_owned(), "2001:db8::8".to_owned()),
    ]
}

fn subject(host: &str) -> SubjectName {
    host.parse().map_or_else(|_| SubjectName::Dns(host.to_owned()), SubjectName::Ip)
}

/// A CA, and the files with its certificate and with that of a namesake it must not be mistaken for.
struct Bench {
    files: tempfile::TempDir,
    ca: InstanceCa,
}

impl Bench {
    fn new() -> Self {
        let ca = InstanceCa::new("clients", UnixTime::now()).unwrap();
        let stranger = InstanceCa::new("clients", UnixTime::now()).unwrap();
        let files = tempfile::tempdir().unwrap();
        fs::write(files.path().join("ca.pem"), ca.pem()).unwrap();
        fs::write(files.path().join("stranger.pem"), stranger.pem()).unwrap();
        Self { files, ca }
    }

    fn leaf(&self, host: &str) -> Leaf {
        self.ca.issue(&subject(host), UnixTime::now()).unwrap()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }
}

/// What a client is asked to do: reach the server there, as this host, trusting this CA.
struct Visit<'a> {
    server: SocketAddr,
    host: &'a str,
    ca: &'a Path,
}

/// Runs the three cases for each host with one kind of client.
fn check_client(client: impl Fn(&Visit<'_>) -> Command) {
    let bench = Bench::new();
    let (ca, stranger) = (bench.file("ca.pem"), bench.file("stranger.pem"));
    for (host, other) in cases() {
        let server = serve(&bench.leaf(&host));
        let visit = |host, ca| run(client(&Visit { server, host, ca }));
        assert_eq!(visit(&host, &ca), Ok("hello".to_owned()), "{host}");
        assert!(visit(&other, &ca).is_err(), "{host} was taken for {other}");
        assert!(visit(&host, &stranger).is_err(), "{host} was trusted under another CA");
    }
}

#[test]
fn curl() {
    check_client(|visit| {
        let mut curl = Command::new(CURL);
        let authority = authority(visit.host);
        curl.args(["--silent", "--show-error", "--fail", "--noproxy", "*", "--max-time", "20", "--cacert"])
            .arg(visit.ca)
            .args(["--connect-to", &format!("{authority}:443:{}", visit.server)])
            .arg(format!("https://{authority}/"));
        curl
    });
}

#[test]
fn python_strict() {
    check_client(|visit| script(PYTHON, "-c", include_str!("clients/strict.py"), visit));
}

#[test]
fn node() {
    check_client(|visit| script(NODE, "-e", include_str!("clients/client.js"), visit));
}

#[test]
fn openssl_strict() {
    let bench = Bench::new();
    let leaf_file = bench.file("leaf.der");
    for (host, other) in cases() {
        fs::write(&leaf_file, &bench.leaf(&host).key.cert[0]).unwrap();
        let verify = |host: &str, ca: &str| {
            let kind = if host.parse::<IpAddr>().is_ok() { "-verify_ip" } else { "-verify_hostname" };
            let mut openssl = Command::new(OPENSSL);
            openssl
                .args(["verify", "-x509_strict", "-check_ss_sig", "-purpose", "sslserver"])
                .args([kind, host, "-no-CApath", "-no-CAstore", "-CAfile"])
                .arg(bench.file(ca))
                .arg(&leaf_file);
            run(openssl)
        };
        assert_eq!(verify(&host, "ca.pem"), Ok(format!("{}: OK\n", leaf_file.display())), "{host}");
        assert!(verify(&other, "ca.pem").is_err(), "{host} was taken for {other}");
        assert!(verify(&host, "stranger.pem").is_err(), "{host} was trusted under another CA");
    }
}

fn script(interpreter: &str, flag: &str, text: &str, visit: &Visit<'_>) -> Command {
    let mut command = Command::new(interpreter);
    command.args([flag, text, &visit.server.port().to_string(), visit.host]).arg(visit.ca);
    command
}

/// How a host is written in a URL.
fn authority(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

/// What the client printed, or why it failed. One that cannot be started at all ends the test.
fn run(mut command: Command) -> Result<String, String> {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?} did not start: {error}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

/// A TLS server on a free loopback port that presents this leaf and says hello to all who believe it.
fn serve(leaf: &Leaf) -> SocketAddr {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let resolver = SingleCertAndKey::from((*leaf.key).clone());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(resolver));
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            // Errors are the client's refusals; the client's own exit code is what the test looks at.
            let _ = hello(&config, socket);
        }
    });
    address
}

fn hello(config: &Arc<ServerConfig>, mut socket: TcpStream) -> std::io::Result<()> {
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    let mut connection = ServerConnection::new(config.clone()).map_err(std::io::Error::other)?;
    let mut stream = Stream::new(&mut connection, &mut socket);
    let mut request = Vec::new();
    let mut chunk = [0; 1024];
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read(&mut chunk)? {
            0 => return Ok(()),
            read => request.extend(&chunk[..read]),
        }
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")?;
    stream.conn.send_close_notify();
    stream.flush()
}

/// Its fingerprint is that of the CA, the digest of the store is right, and what is no certificate is not in it.
#[test]
fn java_reads_its_own_store() {
    let bench = Bench::new();
    let odd = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
    let bundle = format!("{odd}{}", bench.ca.pem());
    fs::write(bench.file("cacerts"), certs::java_trust_store(&bundle)).unwrap();
    let told = Command::new(KEYTOOL)
        .args(["-list", "-rfc", "-storepass", "changeit", "-keystore"])
        .arg(bench.file("cacerts"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&told.stdout).replace("\r\n", "\n");
    assert!(told.status.success() && text.contains("contains 1 entry"), "{text}");
    let base64 = |pem: &str| pem.lines().filter(|line| !line.starts_with('-')).collect::<String>();
    let (_, found) = text.split_once("-----BEGIN CERTIFICATE-----").unwrap();
    let (found, _) = found.split_once("-----END").unwrap();
    assert_eq!(base64(found), base64(bench.ca.pem()));
}
