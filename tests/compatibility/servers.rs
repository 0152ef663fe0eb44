//! The servers of the tools: others' own, each started for one tool and gone with it.

use std::any::Any;
use std::path::{Path, PathBuf};
use std::process::Command;

use harness::{Lab, Origin, Server, Settings, Transport, User};

const GIT: &str = concat!(include_str!("../clients/tools_serve.py"), include_str!("../clients/tools_git.py"));
const INDEX: &str =
    concat!(include_str!("../clients/tools_serve.py"), include_str!("../clients/tools_pypi.py"));
const REGISTRY: &str = include_str!("../clients/tools_npm.cjs");
const START: &str = include_str!("../clients/matrix/start.py");
const GRPC: &str = include_str!("../clients/matrix/serve_grpc.py");
const SSH: &str = include_str!("../clients/matrix/serve_ssh.py");
const PYTHON: &str = "/usr/bin/python3";

/// A server that runs, and how it is reached.
pub(crate) struct Served {
    pub(crate) policy: String,
    pub(crate) resolve: String,
    pub(crate) variables: Vec<(&'static str, String)>,
    /// It serves for as long as this is there.
    _server: Vec<Box<dyn Any>>,
}

impl Served {
    fn https(server: Server, variables: Vec<(&'static str, String)>) -> Self {
        let policy = "allowedHosts: [\"*.example.test\"]".to_owned();
        Self { policy, resolve: server.resolve_entries(443), variables, _server: vec![Box::new(server)] }
    }

    fn raw(server: Server, name: &str, port: u16, variables: Vec<(&'static str, String)>) -> Self {
        let policy = format!("raw: [\"{name}:{port}\"]");
        Self { policy, resolve: server.resolve_entries(port), variables, _server: vec![Box::new(server)] }
    }
}

pub(crate) fn git(lab: &Lab) -> Served {
    let folder = lab.directory("git");
    outside(&folder, "git init -q --bare code.git && git -C code.git symbolic-ref HEAD refs/heads/main");
    let words = [PYTHON, "-c", GIT];
    let server =
        Server::start(lab, &["git.example.test"], (&words, &[text(&folder)]), &[("ACCOUNT", "me:word")]);
    Served::https(server, vec![("URL", "https://me:word@git.example.test/code.git".to_owned())])
}

pub(crate) fn python_index(lab: &Lab) -> Served {
    let folder = lab.path("index");
    std::fs::create_dir_all(&folder).expect("make a folder");
    let python = made("target/python-tools/bin/python");
    let (words, account) = ([text(&python), "-c", INDEX], [("ACCOUNT", "me:word")]);
    let server = Server::start(lab, &["pypi.example.test"], (&words, &[text(&folder)]), &account);
    Served::https(server, vec![("URL", "https://me:word@pypi.example.test/simple/".to_owned())])
}

pub(crate) fn registry(lab: &Lab) -> Served {
    let (folder, program) = (lab.directory("registry"), lab.write("registry.cjs", REGISTRY));
    let verdaccio = made("target/verdaccio");
    let words = ["/usr/bin/node", text(&program), text(&verdaccio)];
    let mut server = Server::start(lab, &["npm.example.test"], (&words, &[text(&folder)]), &[]);
    let token = server.hear();
    Served::https(server, vec![("TOKEN", token)])
}

/// A registry of one crate, as files.
pub(crate) fn crates(lab: &Lab) -> Served {
    let mut served = files(
        lab,
        "crates",
        r#"mkdir -p private-thing-1.0.0/src index/pr/iv
printf '[package]\nname = "private-thing"\nversion = "1.0.0"\nedition = "2021"\n' > private-thing-1.0.0/Cargo.toml
echo 'pub fn said() -> &'"'"'static str { "installed" }' > private-thing-1.0.0/src/lib.rs
mkdir -p download/private-thing/1.0.0
tar czf download/private-thing/1.0.0/download private-thing-1.0.0
sum=$(sha256sum < download/private-thing/1.0.0/download | cut -d' ' -f1)
echo '{"dl":"https://files.example.test/files/download"}' > index/config.json
printf '{"name":"private-thing","vers":"1.0.0","deps":[],"cksum":"%s","features":{},"yanked":false}\n' $sum > index/pr/iv/private-thing"#,
    );
    // The program itself: what chooses among several looks into a home.
    let sysroot = Command::new("rustc").args(["--print", "sysroot"]).output().expect("run rustc").stdout;
    served.variables.push(("SYSROOT", String::from_utf8(sysroot).expect("a path").trim().to_owned()));
    served
}

/// A source of one Debian package, as files.
pub(crate) fn packages(lab: &Lab) -> Served {
    files(
        lab,
        "packages",
        r#"mkdir -p thing/DEBIAN
printf 'Package: private-thing\nVersion: 1.0\nArchitecture: all\nMaintainer: a <a@b>\nDescription: a thing\n' > thing/DEBIAN/control
dpkg-deb --root-owner-group --build thing private-thing_1.0_all.deb > /dev/null
{ cat thing/DEBIAN/control; printf 'Filename: source/private-thing_1.0_all.deb\nSize: %s\nSHA256: %s\n\n' \
  $(stat -c %s private-thing_1.0_all.deb) $(sha256sum < private-thing_1.0_all.deb | cut -d' ' -f1); } > Packages
mkdir source && mv Packages *.deb source/"#,
    )
}

/// Serves what a script makes, over HTTPS and over HTTP.
fn files(lab: &Lab, name: &str, script: &str) -> Served {
    let folder = lab.directory(name);
    outside(&folder, script);
    let names = vec!["files.example.test".to_owned()];
    let serve = |transport| {
        let files = Some(folder.clone());
        lab.origin(Settings { names: names.clone(), files, transport, ..Settings::default() })
    };
    let origins = [serve(Settings::default().transport), serve(Transport::Plain)];
    Served {
        policy: "allowedHosts: [files.example.test]".to_owned(),
        resolve: origins.iter().map(Origin::resolve_entries).collect(),
        variables: vec![],
        _server: origins.into_iter().map(|origin| Box::new(origin) as Box<dyn Any>).collect(),
    }
}

pub(crate) fn grpc(lab: &Lab) -> Served {
    let python = made("target/clients/python/bin/python");
    let server = Server::start(lab, &["grpc.example.test"], (&[text(&python), "-c", GRPC], &[]), &[]);
    Served::https(server, vec![])
}

pub(crate) fn redis(lab: &Lab) -> Served {
    let command = ["redis-server", "--port", "PORT", "--bind", "127.0.0.1", "--save", ""];
    Served::raw(started(lab, "redis.example.test", &command), "redis.example.test", 6379, vec![])
}

/// Its server refuses to be root.
pub(crate) fn postgres(lab: &Lab) -> Served {
    const NOBODY: &str = "setpriv --reuid nobody --regid nogroup --clear-groups";
    const PROGRAMS: &str = "$(ls -d /usr/lib/postgresql/*/bin | tail -n 1)";
    let folder = lab.directory("postgres");
    lab.write("postgres/server.pem", &lab.ca.server_pem("postgres.example.test"));
    outside(
        &folder,
        &format!(
            "mkdir data && chmod 600 server.pem && chown -R nobody:nogroup . && chmod 755 .. &&
{NOBODY} {PROGRAMS}/initdb -D data -A trust -U me > log"
        ),
    );
    let serve = format!(
        "cd '{0}' && exec {NOBODY} --pdeathsig KILL {PROGRAMS}/postgres -D '{0}/data' -k '{0}' -p PORT \\
-c listen_addresses=127.0.0.1 -c ssl=on -c ssl_cert_file='{0}/server.pem' -c ssl_key_file='{0}/server.pem'",
        folder.display()
    );
    let server = started(lab, "postgres.example.test", &["sh", "-c", &serve]);
    let roots = lab.path("ca.pem").display().to_string();
    Served::raw(server, "postgres.example.test", 5432, vec![("ROOTS", roots)])
}

pub(crate) fn ssh(lab: &Lab) -> Served {
    let python = made("target/clients/python/bin/python");
    let server = Server::start(lab, &["ssh.example.test"], (&[text(&python), "-c", SSH], &[]), &[]);
    Served::raw(server, "ssh.example.test", 22, vec![])
}

/// A server that wants a number for its port.
fn started(lab: &Lab, name: &str, command: &[&str]) -> Server {
    Server::start(lab, &[name], (&[PYTHON, "-c", START], command), &[])
}

/// What is to be there before a server starts.
fn outside(folder: &Path, script: &str) {
    let mut command: Command = User::Root.command("/bin/sh");
    let done = command.args(["-euc", script]).current_dir(folder).output().expect("run a script");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

fn made(path: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    assert!(path.exists(), "{} is missing; `make test-clients` makes it", path.display());
    path
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}
