//! The environment of a workload: receives ours, hands on what the command may have. Secrets are taken out, our CA is put where
//! each runtime looks for it, and what would lead a client astray, to a proxy or to an agent's socket that is not there, goes.

use std::{
    collections::BTreeSet,
    ffi::{OsStr, OsString},
    fs,
    path::PathBuf,
};

use crate::{
    capture::{INSIDE_BUNDLE, INSIDE_CA},
    hidden::{below_any, sockets},
    instance::Given,
};

/// These *replace* the trust store, so they name the system's bundle together with our CA.
const REPLACING: [&str; 16] = [
    "AWS_CA_BUNDLE",
    "BUNDLE_SSL_CA_CERT",
    "CARGO_HTTP_CAINFO",
    "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE",
    "CURL_CA_BUNDLE",
    "DENO_CERT",
    "GIT_SSL_CAINFO",
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
    "HTTPLIB2_CA_CERTS",
    "NIX_SSL_CERT_FILE",
    "PERL_LWP_SSL_CA_FILE",
    "PIP_CERT",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_FILE",
    "WEBSOCKET_CLIENT_CA_BUNDLE",
    "npm_config_cafile",
];
/// This one *extends* it.
const EXTENDING: &str = "NODE_EXTRA_CA_CERTS";
/// uv has roots of its own and leaves them aside only when told to.
const UV_SYSTEM_ROOTS: &str = "UV_SYSTEM_CERTS";

/// Options of every Java runtime, each of which may have roots of its own beside it. They go after the workload's: the last one holds.
const JAVA_OPTIONS: &str = "JAVA_TOOL_OPTIONS";
const JAVA_STORE: &str = "-Djavax.net.ssl.trustStore=/run/proxy-everything/cacerts";

/// Pointing to sockets that are hidden, to proxies that cannot be reached, or to folders of roots without ours.
const REMOVED: [&str; 17] = [
    "ALL_PROXY",
    "DBUS_SESSION_BUS_ADDRESS",
    "DBUS_SYSTEM_BUS_ADDRESS",
    "DOCKER_HOST",
    "FTP_PROXY",
    "GIT_SSL_CAPATH",
    "GPG_AGENT_INFO",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "SSH_AUTH_SOCK",
    "SSL_CERT_DIR",
    "all_proxy",
    "ftp_proxy",
    "http_proxy",
    "https_proxy",
    "NOTIFY_SOCKET",
    "CONTAINER_HOST",
];

/// What the command gets of `ours`, without the variables that feed secrets. One that leads to a kept socket stays.
pub fn for_workload(
    ours: impl Iterator<Item = (OsString, OsString)>,
    secrets: &BTreeSet<String>,
    kept: &[PathBuf],
) -> Vec<(OsString, OsString)> {
    let is_ours_to_set = |name: &OsStr| {
        REPLACING.iter().any(|set| name == *set) || name == EXTENDING || name == UV_SYSTEM_ROOTS
    };
    let is_kept = |name: &OsStr, value: &OsStr| {
        let socket = sockets::named(name, value).and_then(|path| fs::canonicalize(path).ok());
        socket.is_some_and(|path| below_any(&path, kept))
    };
    let is_removed =
        |name: &OsStr, value: &OsStr| REMOVED.iter().any(|removed| name == *removed) && !is_kept(name, value);
    let is_secret = |name: &OsStr| name.to_str().is_some_and(|name| secrets.contains(name));
    let stays =
        |name: &OsStr, value: &OsStr| !is_ours_to_set(name) && !is_removed(name, value) && !is_secret(name);
    let mut given: Vec<_> = ours.filter(|(name, value)| stays(name, value)).collect();
    let java = given.iter().position(|(name, _)| name == JAVA_OPTIONS).map(|at| given.remove(at).1);
    for (name, value) in trust() {
        let mut whole = OsString::new();
        if let Some(own) = java.as_ref().filter(|_| name == JAVA_OPTIONS) {
            whole.push(own);
            whole.push(" ");
        }
        whole.push(value);
        given.push((name.into(), whole));
    }
    given
}

/// Sets the variables that placeholders are for.
pub fn put(environment: &mut Vec<(OsString, OsString)>, placeholders: &[Given]) {
    for Given { env, value, .. } in placeholders {
        let Some(name) = env else { continue };
        environment.retain(|(known, _)| known != name.as_str());
        environment.push((name.into(), value.into()));
    }
}

/// The variables that make a program trust the CA, with their values inside.
pub fn trust() -> impl Iterator<Item = (&'static str, &'static str)> {
    let others = [(EXTENDING, INSIDE_CA), (UV_SYSTEM_ROOTS, "true"), (JAVA_OPTIONS, JAVA_STORE)];
    REPLACING.into_iter().map(|name| (name, INSIDE_BUNDLE)).chain(others)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::INSIDE_JAVA;

    #[test]
    fn what_a_workload_gets() {
        let directory = tempfile::tempdir().unwrap();
        let kept = fs::canonicalize(directory.path()).unwrap();
        let bus = format!("unix:path={},guid=1", kept.display());
        let ours = [
            ("DBUS_SESSION_BUS_ADDRESS", &bus[..]),
            ("PATH", "/bin"),
            ("TOKEN", "secret"),
            ("https_proxy", "http://proxy:3128"),
            ("SSH_AUTH_SOCK", "/tmp/agent"),
            ("SSL_CERT_FILE", "/etc/own.pem"),
            ("JAVA_TOOL_OPTIONS", "-Xmx1g"),
        ];
        let ours = ours.into_iter().map(|(name, value)| (name.into(), value.into()));
        let given = for_workload(ours, &BTreeSet::from(["TOKEN".to_owned()]), &[kept]);
        let value = |wanted: &str| {
            given.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.to_str().unwrap())
        };
        for (name, expected) in [
            ("PATH", Some("/bin")),
            ("TOKEN", None),
            ("https_proxy", None),
            ("SSH_AUTH_SOCK", None),
            ("DBUS_SESSION_BUS_ADDRESS", Some(&bus)),
            ("SSL_CERT_FILE", Some(INSIDE_BUNDLE)),
            ("NODE_EXTRA_CA_CERTS", Some(INSIDE_CA)),
            ("GIT_SSL_CAINFO", Some(INSIDE_BUNDLE)),
            ("JAVA_TOOL_OPTIONS", Some(&format!("-Xmx1g {JAVA_STORE}"))),
        ] {
            assert_eq!(value(name), expected, "{name}");
        }
        assert!(JAVA_STORE.ends_with(&format!("={INSIDE_JAVA}")));
        let mut given = given.clone();
        let placeholder = |env: Option<&str>| Given {
            secret: "S".to_owned(),
            env: env.map(str::to_owned),
            value: "made-up".to_owned(),
        };
        put(&mut given, &[placeholder(None), placeholder(Some("TOKEN")), placeholder(Some("PATH"))]);
        let made_up: Vec<_> =
            given.iter().filter(|(_, value)| value == "made-up").map(|(name, _)| name).collect();
        assert_eq!(made_up, ["TOKEN", "PATH"]);
        let names: BTreeSet<_> = given.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), given.len(), "no variable twice");
    }
}
