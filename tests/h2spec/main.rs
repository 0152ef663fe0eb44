//! Another's suite of conformance tests for HTTP/2, run from inside the sandbox against the proxy.
//!
//! h2spec is in no package registry, so that its program must be given: `make test-h2spec H2SPEC=/path/to/h2spec`. It is run with an
//! upstream of HTTP/1.1 and with one of HTTP/2, over TLS and without; what it prints is passed on, and a failure of it fails this.
#![forbid(unsafe_code)]
#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use std::process::ExitCode;

use harness::{Certificate, HOST, Lab, Settings, Transport, User, Versions};

fn main() -> ExitCode {
    let Some(program) = std::env::args().nth(1) else {
        eprintln!(
            "usage: h2spec PROGRAM [ARGUMENT...]\nh2spec itself is not part of this project; build it and name its program"
        );
        return ExitCode::from(64);
    };
    let more: Vec<String> = std::env::args().skip(2).collect();
    let mut code = 0;
    let tls = Transport::Tls(Certificate::Valid);
    for (transport, versions) in
        [(tls, Versions::Http1), (tls, Versions::Http2), (Transport::Plain, Versions::Http2)]
    {
        let lab = Lab::new(User::Root);
        let origin = lab.origin(Settings { transport, versions, ..Settings::default() });
        let mut command = vec![program.as_str(), "-h", HOST, "-p"];
        // The sandbox's CA is trusted by its environment, which this program does not look at.
        command.extend(if transport == tls { &["443", "-t", "-k"][..] } else { &["80"] });
        command.extend(more.iter().map(String::as_str));
        let policy = format!("allowedHosts: [{HOST}, \"http://{HOST}\"]");
        let finished = lab.run(&policy, &[&origin]).start(&command).finish_abrupt();
        println!("{}{}", finished.stdout, finished.stderr);
        println!("{transport:?}, upstream {versions:?}: {}", finished.code());
        code = code.max(finished.code());
    }
    ExitCode::from(u8::try_from(code).expect("an exit status"))
}
