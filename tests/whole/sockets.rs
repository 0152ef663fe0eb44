//! Unix sockets are ways out of a network too.
//!
//! Whatever the host listens at when the command starts cannot be connected to, wherever it is, unless the user keeps it.
//! That a socket can be reached at all is shown from outside, by the same program and the same user.

use std::ffi::OsString;
use std::fs;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use harness::{Finished, Lab, TOKEN_POLICY, User, for_each_user, wait};

use crate::programs::{CONNECT, PYTHON, SH};

for_each_user!(
    listeners_are_hidden,
    named_sockets_are_hidden,
    a_real_agent,
    kept_sockets_work,
    masks_hide,
    keeping_what_is_ours_is_refused,
);

/// A socket of the host that this test listens at, for everybody.
fn listen(path: &Path) -> UnixListener {
    let listener = UnixListener::bind(path).expect("bind a unix socket");
    fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap();
    listener
}

/// A folder below `/run` of the host.
struct InRun(PathBuf);

impl InRun {
    fn new(lab: &Lab) -> Self {
        let name = lab.root().file_name().unwrap().to_str().unwrap();
        let folder = Path::new("/run").join(name);
        fs::create_dir(&folder).expect("make a folder in /run");
        lab.user.own(&folder);
        Self(folder)
    }
}

impl Drop for InRun {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What connecting to each socket gives inside.
fn inside(lab: &Lab, arguments: &[&str], variables: &[(&str, &str)], sockets: &[&str]) -> Vec<String> {
    let run = lab.run(TOKEN_POLICY, &[]).arguments(arguments);
    let run = variables.iter().fold(run, |run, (name, value)| run.env(name, value));
    let Finished { stdout, .. } = run.finish(&[&[PYTHON, "-c", CONNECT], sockets].concat()).ok();
    stdout.lines().map(str::to_owned).collect()
}

fn assert_reachable_from_outside(user: User, sockets: &[&str]) {
    let output = user.command(PYTHON).args(["-c", CONNECT]).args(sockets).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "connected\n".repeat(sockets.len()));
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

fn listeners_are_hidden(user: User) {
    let lab = Lab::new(user);
    let in_run = InRun::new(&lab);
    let [engine, editor] = ["docker.sock", "an editor's socket"].map(|name| lab.path(name));
    let bus = in_run.0.join("bus");
    let _listeners = [&engine, &editor, &bus].map(|path| listen(path));
    let odd = lab.root().join(OsString::from_vec(b"odd \xff".to_vec()));
    let odd_listener = listen(&odd);
    let stale = lab.path("stale.sock");
    drop(listen(&stale));
    let hidden_name = format!("{}-abstract", lab.root().display());
    let _hidden = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&hidden_name).unwrap()).unwrap();

    let name = format!("@{hidden_name}");
    let sockets = [text(&engine), text(&editor), text(&bus), &name];
    assert_reachable_from_outside(user, &sockets);
    let found = inside(&lab, &[], &[], &sockets);
    assert_eq!(found, ["ECONNREFUSED", "ECONNREFUSED", "ENOENT", "ECONNREFUSED"]);

    // No argument of a test can be in another encoding, so the command finds this one by itself.
    let script =
        format!("cd {}; for file in odd*; do {PYTHON} -c \"$1\" \"$file\"; done", lab.root().display());
    let run = lab.run(TOKEN_POLICY, &[]).finish(&[SH, "-c", &script, "sh", CONNECT]).ok();
    assert_eq!(run.stdout, "ECONNREFUSED\n");
    drop(odd_listener);
}

/// Also where nobody listens: what variables and custom name is hidden by its path.
fn named_sockets_are_hidden(user: User) {
    let lab = Lab::new(user);
    fs::create_dir(lab.path("home/.gnupg")).unwrap();
    let [bus, engine, gpg] =
        ["bus", "engine", "home/.gnupg/S.gpg-agent"].map(|name| lab.write(name, "visible"));
    let run = lab
        .run(TOKEN_POLICY, &[])
        .env("DBUS_SESSION_BUS_ADDRESS", &format!("unix:path={},guid=0", text(&bus)));
    let run = run.env("DOCKER_HOST", &format!("unix://{}", text(&engine)));
    let script = r#"wc -c "$@" | tail -n 1"#;
    let finished = run.finish(&[SH, "-c", script, "sh", text(&bus), text(&engine), text(&gpg)]).ok();
    assert_eq!(finished.stdout, "0 total\n");
}

struct Agent(Child);

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn a_real_agent(user: User) {
    let lab = Lab::new(user);
    let socket = lab.path("work/agent");
    let mut agent = user.command("/usr/bin/ssh-agent");
    let _agent = Agent(
        agent.args(["-D", "-a", text(&socket)]).stdout(Stdio::null()).spawn().expect("start ssh-agent"),
    );
    wait::until("ssh-agent to listen", || {
        fs::metadata(&socket).is_ok_and(|found| found.file_type().is_socket()).then_some(())
    });
    // 2: no agent can be reached; 1: it has no keys.
    let script =
        "echo \"${SSH_AUTH_SOCK-none}\"; SSH_AUTH_SOCK=\"$1\" /usr/bin/ssh-add -l >/dev/null 2>&1; echo $?";
    let command = [SH, "-c", script, "sh", text(&socket)];
    for (arguments, expected) in [
        (&[][..], "none\n2\n".to_owned()),
        (&["--keep", text(&socket)], format!("{}\n1\n", socket.display())),
    ] {
        let run = lab.run(TOKEN_POLICY, &[]).arguments(arguments).env("SSH_AUTH_SOCK", text(&socket));
        assert_eq!(run.finish(&command).ok().stdout, expected, "{arguments:?}");
    }
}

fn kept_sockets_work(user: User) {
    let lab = Lab::new(user);
    let in_run = InRun::new(&lab);
    let runtime = lab.directory("runtime");
    let nested = in_run.0.join("user/1000");
    fs::create_dir_all(&nested).unwrap();
    let places = [
        lab.path("engine"),
        nested.join("bus"),
        nested.join("other"),
        runtime.join("bus"),
        runtime.join("other"),
    ];
    let _listeners = places.each_ref().map(|path| listen(path));
    let sockets = places.each_ref().map(|path| text(path));
    let [engine, bus, _, runtime_bus, runtime_other] = sockets;
    let variables = [("XDG_RUNTIME_DIR", text(&runtime))];
    let refused = "ECONNREFUSED";
    let (yes, none) = ("connected", "ENOENT");
    for (arguments, expected) in [
        (&[][..], [refused, none, none, none, none]),
        (&["--keep", engine, "--keep", bus, "--keep", runtime_bus], [yes, yes, none, yes, none]),
        (&["--keep", text(&in_run.0)], [refused, yes, yes, none, none]),
        (&["--keep", text(&in_run.0), "--mask", bus], [refused, refused, yes, none, none]),
        (&["--keep", runtime_bus, "--keep", runtime_other], [refused, none, none, yes, yes]),
        (
            &["--keep", engine, "--mask", engine, "--keep", bus, "--mask", text(&nested)],
            [refused, none, none, none, none],
        ),
    ] {
        assert_eq!(inside(&lab, arguments, &variables, &sockets), expected, "{arguments:?}");
    }
    // A kept socket is of use to those who find it: the variable stays.
    let address = format!("unix:path={bus}");
    let run =
        lab.run(TOKEN_POLICY, &[]).arguments(&["--keep", bus]).env("DBUS_SESSION_BUS_ADDRESS", &address);
    let environment =
        run.env("DOCKER_HOST", &format!("unix://{engine}")).finish(&["/usr/bin/env"]).ok().stdout;
    assert!(environment.contains(&format!("DBUS_SESSION_BUS_ADDRESS={address}\n")), "{environment}");
    assert!(!environment.contains("DOCKER_HOST"), "{environment}");
}

fn masks_hide(user: User) {
    let lab = Lab::new(user);
    let file = lab.write("private.txt", "private\n");
    let folder = lab.directory("private");
    let within = lab.write("private/file", "private\n");
    let script = r#"cat "$@" 2>/dev/null; echo x 2>/dev/null >> "$1"; echo end"#;
    let command = [SH, "-c", script, "sh", text(&file), text(&within)];
    let run =
        |arguments: &[&str]| lab.run(TOKEN_POLICY, &[]).arguments(arguments).finish(&command).ok().stdout;
    assert_eq!(run(&["--mask", text(&file), "--mask", text(&folder)]), "end\n");
    assert_eq!(fs::read_to_string(&file).unwrap(), "private\n");
    assert_eq!(run(&[]), "private\nprivate\nend\n");
    let missing = lab.run(TOKEN_POLICY, &[]).arguments(&["--mask", "/no/such/file"]).finish(&command);
    assert_eq!((missing.code(), &missing.stdout[..]), (125, ""));
    assert!(missing.stderr.contains("--mask /no/such/file: No such file"), "{}", missing.stderr);
}

fn keeping_what_is_ours_is_refused(user: User) {
    const POLICY: &str = "secrets: { TOKEN: { file: secret.txt } }";
    let lab = Lab::new(user);
    let secret = lab.write("secret.txt", lab.canary.value());
    for (path, reason) in [
        (lab.path("state"), "state is never shown"),
        (lab.root().to_owned(), "is never shown"),
        (secret, "secret.txt is never shown"),
        ("/".into(), "is never shown"),
        ("/run".into(), "/run/proxy-everything is never shown"),
        ("/no/such/socket".into(), "No such file"),
    ] {
        let run = lab.run(POLICY, &[]).arguments(&["--keep", text(&path)]).id("run-0");
        let finished = run.finish(&["/bin/echo", "started"]);
        assert_eq!((finished.code(), &finished.stdout[..]), (125, ""), "{}", path.display());
        assert!(finished.stderr.contains(reason), "{}: {}", path.display(), finished.stderr);
    }
}
