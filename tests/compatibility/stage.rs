//! Where the clients run: the origins that all of them talk to, and a run of the product for each client.
//!
//! Clients find the addresses in their environment, and are told of no proxy and no CA.

use std::path::{Path, PathBuf};

use harness::origin::pattern_sha256;
use harness::{Certificate, Finished, Lab, Origin, Server, Settings, Transport, User, Versions};

use crate::clients::{CHECKS, Client};
use crate::tools::Tool;
use crate::verdict::Verdict;

const WEBSOCKET_SERVER: &str = include_str!("../clients/websocket_server.py");
/// Bytes of the large answer.
const DOWN: u64 = 100 * 1024 * 1024;
/// Seconds until a client is given up.
const LIMIT: &str = "150";
/// Of nobody, and allowed by no policy.
const DENIED: &str = "https://192.0.2.66";

/// The lab with its origins.
pub(crate) struct Stage {
    lab: Lab,
    origins: Vec<Origin>,
    socket: Server,
    digest: String,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let lab = Lab::new(User::Root);
        let origin = |name: &str, versions, certificate| {
            let transport = Transport::Tls(certificate);
            lab.origin(Settings { names: vec![name.to_owned()], versions, transport, ..Settings::default() })
        };
        let origins = vec![
            origin("web.example.test", Versions::Both, Certificate::Valid),
            origin("old.example.test", Versions::Http1, Certificate::Valid),
            origin("expired.example.test", Versions::Both, Certificate::Expired),
        ];
        let program = ["/usr/bin/python3", "-c", WEBSOCKET_SERVER];
        let socket = Server::start(&lab, &["socket.example.test"], (&program, &[]), &[]);
        Self { lab, origins, socket, digest: pattern_sha256(DOWN) }
    }

    /// A client of HTTP, and its checks.
    pub(crate) fn client(&self, client: &Client) -> Verdict {
        if let Some(missing) = missing(client.command) {
            return Verdict::missing(&missing);
        }
        let origins: String = self.origins.iter().map(Origin::resolve_entries).collect();
        let policy = format!(
            "allowedHosts: [\"*.example.test\"]\nresolve:\n{origins}{}",
            self.socket.resolve_entries(443)
        );
        let variables = [
            ("WEB", "https://web.example.test"),
            ("OLD", "https://old.example.test"),
            ("EXPIRED", "https://expired.example.test"),
            ("DENIED", DENIED),
            ("SOCKET", "wss://socket.example.test"),
            ("NAME", &client.name.replace(' ', "-")),
            ("DIGEST", &self.digest),
        ];
        let finished = self.run(&policy, &variables, client.command);
        finished.audit.assert_one_record_each();
        let mut verdict = Verdict::read((&finished.stdout, &finished.stderr, finished.code()), CHECKS);
        verdict.spoke_http2(finished.audit.exchanges().iter().any(|record| record["protocol"] == "h2"));
        verdict
    }

    /// A tool with a server of its own.
    pub(crate) fn tool(&self, tool: &Tool) -> Verdict {
        if let Some(missing) = missing(tool.command) {
            return Verdict::missing(&missing);
        }
        let served = (tool.serve)(&self.lab);
        let policy = format!("{}\nresolve:\n{}", served.policy, served.resolve);
        let variables: Vec<_> =
            served.variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let finished = self.run(&policy, &variables, tool.command);
        Verdict::read((&finished.stdout, &finished.stderr, finished.code()), &["works"])
    }

    fn run(&self, policy: &str, variables: &[(&str, &str)], command: &str) -> Finished {
        let mut run = self.lab.run(policy, &[]).env("PYTHONDONTWRITEBYTECODE", "1");
        for (name, value) in variables {
            run = run.env(name, value);
        }
        let script = format!("cd '{}' && exec {command}", root().display());
        // Servers that are programs are not counted, so that records and requests are not compared.
        run.start(&["/usr/bin/timeout", "-k", "5", LIMIT, "/bin/sh", "-c", &script]).finish_abrupt()
    }
}

/// The program of a command, if it is not there.
fn missing(command: &str) -> Option<String> {
    command
        .split(' ')
        .filter(|word| word.contains('/'))
        .map(str::to_owned)
        .find(|word| !root().join(word).exists())
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository").to_owned()
}
