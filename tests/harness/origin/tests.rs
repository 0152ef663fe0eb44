//! The origin is what it says it is: curl talks to it directly, without the proxy.
//!
//! What the whole-system tests say about the proxy is worth as much as the far side that they measure it with.

use std::process::Command;

use http::Version;
use serde_json::Value;
use tempfile::TempDir;

use super::*;

struct Rig {
    origin: Origin,
    directory: TempDir,
}

impl Rig {
    fn new(settings: Settings) -> Self {
        let (ca, directory) = (TestCa::new(), TempDir::new().unwrap());
        std::fs::write(directory.path().join("ca.pem"), ca.pem()).unwrap();
        Self { origin: Origin::start(&ca, Settings { token: "right".into(), ..settings }), directory }
    }

    fn curl(&self, family: usize, arguments: &[&str], path: &str) -> (Option<i32>, String) {
        let public = self.origin.public_port();
        let scheme = if public == 80 { "http" } else { "https" };
        let connect_to = format!("{HOST}:{public}:{}", self.origin.addresses()[family]);
        let output = Command::new("/usr/bin/curl")
            .args(["-sS", "--connect-to", &connect_to, "--cacert"])
            .arg(self.directory.path().join("ca.pem"))
            .args(arguments)
            .arg(format!("{scheme}://{HOST}{path}"))
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    }
}

#[test]
fn it_answers_on_both_families_in_both_versions() {
    let rig = Rig::new(Settings::default());
    for family in [0, 1] {
        for flag in ["--http1.1", "--http2"] {
            assert_eq!(
                rig.curl(family, &[flag, "-H", "x-auth-token: right"], "/token").1,
                "the token is right\n"
            );
            assert_eq!(rig.curl(family, &[flag], "/token").1, "the token is missing or wrong\n");
        }
    }
    let versions: Vec<_> = rig.origin.requests().iter().map(|seen| seen.version).collect();
    let (one, two) = (Version::HTTP_11, Version::HTTP_2);
    assert_eq!(versions, [one, one, two, two, one, one, two, two]);
}

#[test]
fn it_streams_and_counts() {
    let rig = Rig::new(Settings::default());
    let file = rig.directory.path().join("body");
    let length = 3_000_001;
    rig.curl(0, &["-o", file.to_str().unwrap()], &format!("/stream/{length}"));
    let (_, answer) = rig.curl(0, &["-T", file.to_str().unwrap()], "/upload");
    let received: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!((&received["length"], &received["sha256"]), (&length.into(), &pattern_sha256(length).into()));
}

#[test]
fn it_says_its_version_compresses_and_waits_between_parts() {
    let rig = Rig::new(Settings::default());
    for (flag, version) in [("--http1.1", "HTTP/1.1"), ("--http2", "HTTP/2.0")] {
        let (_, told) = rig.curl(0, &[flag, "-i"], "/version");
        let told = told.replace('\r', "");
        assert!(
            told.ends_with(&format!("\n\n{version}\n")) && told.contains(&format!("x-version: {version}\n"))
        );
    }
    assert_eq!(rig.curl(0, &["--compressed"], "/gzip").1, "hello in gzip\n");
    assert_eq!(rig.curl(0, &["--max-time", "2"], "/parts/a"), (Some(28), "one\n".to_owned()));
    rig.curl(0, &[], "/more/a");
    assert_eq!(rig.curl(0, &[], "/parts/a").1, "one\ntwo\n");
}

#[test]
fn it_can_be_plain_or_one_version_only_or_badly_certified() {
    let plain = Rig::new(Settings { transport: Transport::Plain, ..Settings::default() });
    assert_eq!(plain.curl(0, &[], "/").1, "hello from api.example.test\n");
    for versions in [Versions::Http1, Versions::Http2] {
        let rig = Rig::new(Settings { versions, ..Settings::default() });
        assert_eq!(rig.curl(0, &[], "/").0, Some(0));
    }
    use Certificate::{Expired, SelfSigned, UnknownIssuer, WrongName};
    for certificate in [Expired, WrongName, SelfSigned, UnknownIssuer] {
        let rig = Rig::new(Settings { transport: Transport::Tls(certificate), ..Settings::default() });
        assert_eq!(rig.curl(0, &[], "/").0, Some(60), "{certificate:?}");
        assert!(rig.origin.requests().is_empty());
    }
}

#[test]
fn it_serves_files_of_one_directory_only() {
    let served = TempDir::new().unwrap();
    std::fs::write(served.path().join("one"), "1").unwrap();
    let rig = Rig::new(Settings { files: Some(served.path().to_owned()), ..Settings::default() });
    assert_eq!(rig.curl(0, &[], "/files/one").1, "1");
    for path in ["/files/two", "/files/../one", "/files//etc/passwd"] {
        assert_eq!(rig.curl(0, &["--path-as-is"], path).1, "no such file\n", "{path}");
    }
}
