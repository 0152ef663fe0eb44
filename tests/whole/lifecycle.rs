//! `run` behaves like the command it runs.
//!
//! Exit codes, signals, standard streams and the terminal's ctrl-C are passed on; failures of the proxy itself have
//! codes of their own.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use harness::{Lab, TOKEN_POLICY, User, for_each_user};
use nix::pty::openpty;
use nix::sys::signal::Signal;

use crate::programs::{PYTHON, SECCOMP, SH, SIGNALS, UNTIL_UNAVAILABLE};

for_each_user!(
    exit_codes,
    our_own_failures,
    what_forbids_namespaces_is_named,
    without_records_nothing_passes,
    streams,
    signals_are_passed_on,
    ctrl_c_arrives_once,
    class_and_id,
    a_policy_may_lie_where_the_command_sees_nothing,
    the_manual_and_completions_are_written
);

fn exit_codes(user: User) {
    let lab = Lab::new(user);
    for (script, code) in [("exit 0", 0), ("exit 7", 7), ("kill -TERM $$", 143), ("kill -KILL $$", 137)] {
        let finished = lab.run(TOKEN_POLICY, &[]).finish(&[SH, "-c", script]);
        assert_eq!(finished.code(), code, "{script}: {}", finished.stderr);
    }
}

fn our_own_failures(user: User) {
    let lab = Lab::new(user);
    let file = lab.write("plain.txt", "not a program");
    for (command, code) in
        [("/no/such/command", 127), ("no-such-command", 127), (file.to_str().unwrap(), 126)]
    {
        let finished = lab.run(TOKEN_POLICY, &[]).finish(&[command]);
        assert_eq!(finished.code(), code, "{command}: {}", finished.stderr);
        assert!(finished.stderr.contains(command), "{}", finished.stderr);
    }
    let missing = lab.cli(&["run", "--policy", "no-such-policy.yaml", "--", "/bin/true"]);
    assert_eq!(missing.status.code(), Some(125));
    assert!(String::from_utf8(missing.stderr).unwrap().contains("no-such-policy.yaml"));
    let faulty = lab.run("nonsense: 1", &[]).finish(&["/bin/true"]);
    assert_eq!(faulty.code(), 125, "{}", faulty.stderr);
}

fn a_policy_may_lie_where_the_command_sees_nothing(user: User) {
    let lab = Lab::new(user);
    let state = lab.directory("own-state");
    let policy = lab.write("own-state/egress.yaml", "enableInternet: false");
    let [state, policy] = [&state, &policy].map(|path| path.to_str().unwrap());
    let seen = lab.cli(&[
        "run",
        "--state-dir",
        state,
        "--policy",
        policy,
        "--audit",
        "-",
        "--",
        SH,
        "-c",
        &format!("echo began; cat {policy}"),
    ]);
    let said = String::from_utf8_lossy(&seen.stdout).into_owned();
    assert!(said == "began\n" && seen.status.code() == Some(1), "{seen:?}");
}

/// Each wrapper forbids user namespaces as some system does; the message names the cure.
fn what_forbids_namespaces_is_named(user: User) {
    let lab = Lab::new(user);
    let switched_off = "echo 0 > /proc/sys/user/max_user_namespaces; exec \"$@\"";
    let wrappers = [
        (
            &["/usr/bin/unshare", "--user", "--map-root-user", SH, "-c", switched_off, "sh"][..],
            "sysctl -w user.",
        ),
        (&[PYTHON, "-c", SECCOMP], "--security-opt seccomp=unconfined"),
    ];
    for (wrapper, cure) in wrappers {
        let finished = lab.run(TOKEN_POLICY, &[]).through(wrapper).finish(&["/bin/true"]);
        assert_eq!(finished.code(), 125, "{}", finished.stderr);
        assert!(finished.stderr.contains("cannot create a user namespace"), "{}", finished.stderr);
        assert!(finished.stderr.contains(cure), "{}", finished.stderr);
    }
}

/// On a full disk, requests are refused as soon as a record could not be written.
fn without_records_nothing_passes(user: User) {
    let lab = Lab::new(user);
    let mut program = lab.program();
    program.args(["run", "--audit", "/dev/full", "--state-dir"]).arg(lab.path("state"));
    let output = program.args(["--", PYTHON, "-c", UNTIL_UNAVAILABLE]).output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(stdout.contains("\"reason\":\"audit_failed\""), "{stdout}");
}

fn streams(user: User) {
    let lab = Lab::new(user);
    let script = "while read line; do echo \"out $line\"; echo \"err $line\" >&2; done";
    let mut running = lab.run(TOKEN_POLICY, &[]).start(&[SH, "-c", script]);
    assert_eq!(running.ask("one"), "out one");
    assert_eq!(running.ask("two"), "out two");
    let finished = running.finish().ok();
    assert_eq!(finished.stdout, "out one\nout two\n");
    assert!(finished.stderr.contains("err one\nerr two\n"), "{}", finished.stderr);
}

fn signals_are_passed_on(user: User) {
    let lab = Lab::new(user);
    for (signal, name) in [
        (Signal::SIGTERM, "TERM"),
        (Signal::SIGINT, "INT"),
        (Signal::SIGHUP, "HUP"),
        (Signal::SIGUSR1, "USR1"),
    ] {
        let mut running = lab.run(TOKEN_POLICY, &[]).start(&[PYTHON, "-c", SIGNALS, name]);
        assert_eq!(running.hear(), "ready");
        running.signal(signal);
        assert_eq!(running.hear(), format!("got {name}"));
        assert_eq!(running.finish().code(), 42);
    }
}

/// On a terminal the whole foreground group gets the interrupt; the command must not get a second one from us.
fn ctrl_c_arrives_once(user: User) {
    let lab = Lab::new(user);
    let pty = openpty(None, None).unwrap();
    let (mut keyboard, terminal) = (File::from(pty.master), File::from(pty.slave));
    let run = lab.run(TOKEN_POLICY, &[]).through(&["/usr/bin/setsid", "--ctty", "--wait"]);
    let mut process = run.process(&[PYTHON, "-c", SIGNALS, "TERM"], 0);
    let stream = || Stdio::from(terminal.try_clone().unwrap());
    let mut child = process.stdin(stream()).stdout(stream()).stderr(stream()).spawn().unwrap();
    drop((process, terminal));
    let mut screen = BufReader::new(keyboard.try_clone().unwrap()).lines().map_while(Result::ok);
    assert!(screen.any(|line| line.trim() == "ready"), "not ready");
    keyboard.write_all(b"\x03").unwrap();
    let arrived = screen.any(|line| line.trim_end().ends_with("got INT"));
    assert!(arrived, "no interrupt; the proxy ended: {:?}", child.wait());
    // Signals to the proxy are passed on in their order: had it passed the interrupt on, that would come first.
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(child.id().try_into().unwrap()), Signal::SIGTERM)
        .unwrap();
    let rest: Vec<_> = screen.collect();
    assert!(!rest.iter().any(|line| line.contains("got INT")), "a second interrupt: {rest:?}");
    assert_eq!(child.wait().unwrap().code(), Some(42), "{rest:?}");
}

fn class_and_id(user: User) {
    let lab = Lab::new(user);
    let running = lab.run(TOKEN_POLICY, &[]).arguments(&["--class", "builder"]);
    let finished = running.finish(&["/usr/bin/curl", "-s", "http://192.0.2.1/"]).ok();
    let record = finished.audit.exchanges()[0].clone();
    assert_eq!((&record["instance"], &record["class"]), (&"run-0".into(), &"builder".into()));
    for id in ["../escape", "a/b", "", &"x".repeat(300)] {
        let refused = lab.run(TOKEN_POLICY, &[]).id(id).finish(&["/bin/echo", "started"]);
        assert_ne!(refused.code(), 0, "{id:?}");
        assert_eq!(refused.stdout, "");
    }
}

fn the_manual_and_completions_are_written(user: User) {
    let lab = Lab::new(user);
    let pages = lab.path("home/man/pages");
    assert!(lab.cli(&["man", pages.to_str().unwrap()]).status.success());
    let run = std::fs::read_to_string(pages.join("proxy-everything-run.1")).unwrap();
    assert!(run.contains(".TH") && run.contains("\\-\\-policy"), "{run}");
    for shell in ["bash", "zsh", "fish"] {
        let script = lab.cli(&["completions", shell]).stdout;
        assert!(String::from_utf8(script).unwrap().contains("state-dir"), "{shell}");
    }
}
