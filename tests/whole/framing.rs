//! HTTP/1.1 that can be read in two ways is not read at all.
//!
//! Each line is what a hostile workload sends on one connection. The origin must never see a request that hides in
//! another's body, nor one for a host that the policy did not judge.

use harness::{Lab, Settings, Transport, User, for_each_user};

use crate::programs::{BYTES, PYTHON};

for_each_user!(ambiguous_requests, pipelined_requests);

const POLICY: &str = "allowedHosts: [\"http://api.example.test\"]";

/// The origin sees nothing of these.
const REFUSED: [&str; 13] = [
    "GET / HTTP/1.1\r\nHost: H\r\nHost: H\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: H\r\nHost: evil.test\r\n\r\n",
    "GET / HTTP/1.1\r\n\r\n",
    "GET http://evil.test/ HTTP/1.1\r\nHost: H\r\n\r\n",
    "GET http://H/ HTTP/1.1\r\nHost: evil.test\r\n\r\n",
    "GET http://H@evil.test/ HTTP/1.1\r\nHost: H\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: H, evil.test\r\n\r\n",
    "GET / HTTP/1.1\r\nHost : H\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: H\r\n folded: x\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: H\r\nX: a\0b\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: H\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nHIDDEN",
    "POST / HTTP/1.1\r\nHost: H\r\nContent-Length: +3\r\n\r\nabc",
    "POST / HTTP/1.1\r\nHost: H\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\nHIDDEN",
];

/// The origin may see the first request of these; what is hidden behind it never.
const AMBIGUOUS: [&str; 4] = [
    "POST / HTTP/1.1\r\nHost: H\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\nHIDDEN",
    "POST / HTTP/1.1\r\nHost: H\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nHIDDEN",
    "POST / HTTP/1.1\r\nHost: H\r\nTransfer-Encoding: chunked\r\n\r\n5;ext=\"\n\"\r\nhello\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: H\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff1\r\nhello\r\n0\r\n\r\nHIDDEN",
];

fn ambiguous_requests(user: User) {
    let lab = Lab::new(user);
    for (texts, most) in [(&REFUSED[..], 0), (&AMBIGUOUS[..], 1)] {
        for text in texts {
            let origin = lab.origin(Settings { transport: Transport::Plain, ..Settings::default() });
            // Where the connection goes on, the last request ends it.
            let sent = hex(&format!("{text}GET /last HTTP/1.1\r\nHost: H\r\nConnection: close\r\n\r\n"));
            let command = [PYTHON, "-c", BYTES, "api.example.test", &sent];
            let finished = lab.run(POLICY, &[&origin]).start(&command).finish_abrupt().ok();
            let seen: Vec<_> = origin.requests().iter().map(|seen| seen.uri.path().to_owned()).collect();
            let first = seen.iter().filter(|path| *path == "/").count();
            assert!(
                first <= most && !seen.iter().any(|path| path == "/smuggled"),
                "{text:?} became {seen:?}"
            );
            assert!(most == 1 || finished.stdout.starts_with("HTTP/1.1 4"), "{text:?}: {}", finished.stdout);
        }
    }
}

/// Each request on a connection is judged by itself, and the answers come in order.
fn pipelined_requests(user: User) {
    let lab = Lab::new(user);
    let origin = lab.origin(Settings { transport: Transport::Plain, ..Settings::default() });
    let text = "GET /1 HTTP/1.1\r\nHost: H\r\n\r\nGET /2 HTTP/1.1\r\nHost: evil.test\r\n\r\n\
                POST /3 HTTP/1.1\r\nHost: H\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc";
    let command = [PYTHON, "-c", BYTES, "api.example.test", &hex(text)];
    let finished = lab.run(POLICY, &[&origin]).finish(&command).ok();
    assert_eq!(finished.stdout, "HTTP/1.1 200\nHTTP/1.1 403\nHTTP/1.1 200\nend\n");
    let seen: Vec<_> = origin.requests().iter().map(|seen| seen.uri.path().to_owned()).collect();
    assert_eq!(seen, ["/1", "/3"]);
}

/// The bytes of a case, in hex for the command line.
fn hex(text: &str) -> String {
    let text = text.replace("HIDDEN", "GET /smuggled HTTP/1.1\r\nHost: H\r\n\r\n");
    let text = text.replace(": H\r\n", ": api.example.test\r\n").replace("//H", "//api.example.test");
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}
