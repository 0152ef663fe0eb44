//! The instance CA, taken out of a running instance and into other stores.
//!
//! What the host is given is what the workload has, and never the key; the scripts of `tools/trust` put it into real
//! truststores of Java and NSS, and replace it there.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use harness::{HOST, Lab, Running, Settings, TOKEN_POLICY, TestCa, User, for_each_user};

use crate::programs::SH;

for_each_user!(
    what_is_exported_is_what_the_workload_has,
    variables_are_those_of_the_workload,
    java_has_it_without_being_told
);

const CA: &str = "/run/proxy-everything/ca.pem";
const BUNDLE: &str = "/run/proxy-everything/ca-bundle.pem";

fn what_is_exported_is_what_the_workload_has(user: User) {
    let lab = Lab::new(user);
    let mut running = lab.run("", &[]).start(&[SH, "-c", "while read path; do base64 -w0 $path; echo; done"]);
    let mut inside = |path: &str| STANDARD.decode(running.ask(path)).unwrap();
    let (ca, bundle) = (inside(CA), inside(BUNDLE));
    assert!(ca.starts_with(b"-----BEGIN CERTIFICATE-----"));
    assert_eq!(export(&lab, &running, &[]), ca);
    assert_eq!(export(&lab, &running, &["--format", "pem"]), ca);
    assert_eq!(export(&lab, &running, &["--bundle"]), bundle);
    assert!(bundle.len() > ca.len() && bundle.ends_with(&ca), "the system's bundle, then the CA");
    assert_eq!(export(&lab, &running, &["--format", "der"]), der(&ca));

    for path in ["/v1/ca", "/v1/ca/bundle"] {
        let answer = running.admin("GET", path, "");
        assert!(answer.status == 200 && answer.head.contains("application/x-pem-file"), "{answer:?}");
        assert!(!answer.body.contains("PRIVATE"), "the key never leaves the proxy");
        assert_eq!(running.admin("POST", path, "").status, 405);
    }
    assert_eq!(lab.cli(&["ca", "export", "--bundle", "--format", "der"]).status.code(), Some(2));
    let _ = running.finish().ok();
}

fn variables_are_those_of_the_workload(user: User) {
    let lab = Lab::new(user);
    let finished = lab.run(TOKEN_POLICY, &[]).finish(&["/usr/bin/env"]).ok();
    let printed = String::from_utf8(lab.cli(&["ca", "env"]).stdout).unwrap();
    assert!(printed.contains(&format!("NODE_EXTRA_CA_CERTS={CA}\n")));
    assert!(printed.contains(&format!("SSL_CERT_FILE={BUNDLE}\n")));
    for line in printed.lines() {
        assert!(finished.stdout.lines().any(|given| given == line), "{line}");
    }
}

/// In the distribution's truststore and, for runtimes that came another way, in the one that all are told of.
fn java_has_it_without_being_told(user: User) {
    let lab = Lab::new(user);
    let script = "echo $JAVA_TOOL_OPTIONS; keytool -list -rfc -cacerts -storepass changeit; cat /run/proxy-everything/ca.pem;
cmp /run/proxy-everything/cacerts /etc/ssl/certs/java/cacerts && ! touch /etc/ssl/certs/java/cacerts";
    let finished = lab.run("", &[]).env("JAVA_TOOL_OPTIONS", "-Xmx256m").finish(&[SH, "-c", script]).ok();
    let options = "-Xmx256m -Djavax.net.ssl.trustStore=/run/proxy-everything/cacerts\n";
    let (list, ca) = finished.stdout.strip_prefix(options).unwrap().rsplit_once("-----BEGIN").unwrap();
    let base64 = |text: &str| text.split_whitespace().collect::<String>();
    let (_, ca) = ca.split_once('\n').unwrap();
    assert!(list.len() > ca.len() && base64(list).contains(&base64(ca)), "{list}{ca}");
}

#[test]
fn java() {
    let lab = Lab::new(User::Root);
    let cas = two(&lab);
    let keytool = fs::canonicalize("/usr/bin/keytool").expect("keytool, from a Java runtime");
    let runtime = keytool.ancestors().nth(2).unwrap();
    // A runtime of which only the truststore is the test's own.
    let home = lab.directory("java");
    fs::create_dir_all(home.join("lib/security")).unwrap();
    symlink(runtime.join("bin"), home.join("bin")).unwrap();
    let cacerts = home.join("lib/security/cacerts");
    fs::copy(runtime.join("lib/security/cacerts"), &cacerts).unwrap();
    let own = lab.path("own.p12");
    let before = aliases(&keytool, &cacerts);

    for ca in &cas {
        let own = ["--ca", ca, "--java-home", text(&home), "--store", text(&own)];
        let told = succeed(script(&lab, "java").args(own));
        assert!(String::from_utf8_lossy(&told.stdout).contains("-Djavax.net.ssl.trustStore=/"), "{told:?}");
    }
    assert_eq!(aliases(&keytool, &cacerts), before, "the runtime's own store was only copied");
    for ca in &cas {
        succeed(script(&lab, "java").args(["--ca", ca, "--java-home", text(&home)]));
    }
    for store in [&own, &cacerts] {
        assert_eq!(aliases(&keytool, store), before + 1, "the CA is there once");
        let mut export = keytool_on(&keytool, store);
        let found = succeed(export.args(["-exportcert", "-alias", "proxy-everything"])).stdout;
        assert_eq!(found, der(&fs::read(&cas[1]).unwrap()), "{} has the last CA", store.display());
    }
}

#[test]
fn nss() {
    let lab = Lab::new(User::Root);
    let cas = two(&lab);
    let profile = lab.path("home/.mozilla/firefox/abc.default");
    succeed(script(&lab, "nss").args(["--ca", &cas[0], text(&profile)]));
    let chromium = lab.path("home/.pki/nssdb");
    assert!(!chromium.exists(), "only what was named");
    for ca in &cas {
        let told = succeed(script(&lab, "nss").args(["--ca", ca])).stdout;
        assert_eq!(String::from_utf8_lossy(&told).lines().count(), 2);
    }
    for folder in [&profile, &chromium] {
        let database = format!("sql:{}", folder.display());
        let certutil = |arguments: &[&str]| {
            succeed(Command::new("/usr/bin/certutil").args(["-d", &database]).args(arguments))
        };
        certutil(&["-V", "-n", "proxy-everything", "-u", "L"]);
        let found = certutil(&["-L", "-n", "proxy-everything", "-r"]).stdout;
        assert_eq!(found, der(&fs::read(&cas[1]).unwrap()), "{database} has the last CA");
    }
}

#[test]
fn an_nss_client_in_the_sandbox() {
    let lab = Lab::new(User::Root);
    let origin = lab.origin(Settings::default());
    let client =
        format!("/usr/bin/tstclnt -Q -h {HOST} -p 443 -d sql:db </dev/null >/dev/null 2>&1; echo $?");
    let import = format!("{} --ca {CA} db >/dev/null", tools().join("nss").display());
    let steps =
        format!("mkdir db && certutil -N -d sql:db --empty-password && {client}; {import} && {client}");
    let finished = lab.run(TOKEN_POLICY, &[&origin]).finish(&[SH, "-c", &steps]).ok();
    let codes: Vec<_> = finished.stdout.lines().collect();
    assert!(matches!(codes[..], [before, "0"] if before != "0"), "{finished:?}");
}

#[test]
fn scripts_explain_themselves() {
    let lab = Lab::new(User::Root);
    for name in ["java", "nss"] {
        let help = succeed(script(&lab, name).arg("--help")).stdout;
        assert!(String::from_utf8_lossy(&help).starts_with("usage: tools/trust/"));
        for wrong in [&[][..], &["--ca"], &["--nonsense"]] {
            let output = script(&lab, name).args(wrong).output().unwrap();
            assert_eq!(output.status.code(), Some(64), "{name} {wrong:?}");
        }
        let output =
            script(&lab, name).args(["--ca", "/nonexistent", "--store", "/nonexistent"]).output().unwrap();
        assert_ne!(output.status.code(), Some(0), "{name}");
    }
}

fn export(lab: &Lab, running: &Running<'_>, flags: &[&str]) -> Vec<u8> {
    let socket = running.socket();
    let output = lab.cli(&[&["ca", "export", "--socket", text(&socket)], flags].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// A file with a real instance's CA, and one with another.
fn two(lab: &Lab) -> [String; 2] {
    let mut running = lab.run("", &[]).start(&["/bin/cat"]);
    running.ask("ready");
    let first = String::from_utf8(export(lab, &running, &[])).unwrap();
    let _ = running.finish().ok();
    [("first.pem", first), ("second.pem", TestCa::new().pem())]
        .map(|(name, pem)| text(&lab.write(name, &pem)).to_owned())
}

/// By another program than the one under test.
fn der(pem: &[u8]) -> Vec<u8> {
    let mut openssl = Command::new("/usr/bin/openssl");
    openssl.args(["x509", "-outform", "DER"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = openssl.spawn().unwrap();
    child.stdin.take().unwrap().write_all(pem).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    output.stdout
}

fn script(lab: &Lab, name: &str) -> Command {
    let mut command = lab.user.command(SH);
    command.arg(tools().join(name)).env("HOME", lab.path("home")).current_dir(lab.path("work"));
    command
}

fn tools() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("tools/trust")
}

fn keytool_on(keytool: &PathBuf, store: &Path) -> Command {
    let mut command = Command::new(keytool);
    command.args(["-keystore", text(store), "-storepass", "changeit"]);
    command
}

fn aliases(keytool: &PathBuf, store: &Path) -> usize {
    let listed = succeed(keytool_on(keytool, store).arg("-list")).stdout;
    String::from_utf8_lossy(&listed).matches("trustedCertEntry").count()
}

fn succeed(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {output:?}");
    output
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
