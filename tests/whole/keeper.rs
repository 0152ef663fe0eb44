//! A proxy that crashes, stands still, is replaced or is told to end: the workload keeps its network, its CA and its policy, or
//! has no network at all. Never does anything pass by.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::Output;
use std::time::{Duration, Instant};

use harness::{Attached, Capture, HOST, Lab, Origin, Program, Settings, User, Workload, processes, wait};
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::Pid;
use serde_json::Value;

use crate::programs::{CRASH, CURL, LOAD, ONCE, PYTHON, TUNNEL};
use crate::tunnel::{greeter, this_machine};

/// Where the workload thinks the allowed host is; a documentation address, like the one that nothing is allowed for.
const ALLOWED: &str = "192.0.2.80";
const DENIED: &str = "192.0.2.66";
const POLICY: &str = "allowedHosts: [api.example.test]";
/// Milliseconds. The promise is 500; the rest is for a busy machine and a slow build.
const RECOVERY: f64 = 2000.0;

/// A workload that is attached and may reach the origin.
fn attached<'a>(lab: &'a Lab, origin: &'a Origin, workload: &Workload, more: &[&str]) -> Attached<'a> {
    let pid = workload.pid().to_string();
    let mut attached = lab.attach(POLICY, &[origin], &[&["--pid", &pid], more].concat());
    assert_eq!(attached.hear(), format!("attached {}", workload.id()));
    attached
}

/// The instance's CA, in a file.
fn roots(lab: &Lab, attached: &Attached<'_>, workload: &Workload) -> PathBuf {
    lab.write("instance.pem", &attached.admin(&workload.id(), "GET", "/v1/ca").body)
}

fn ask(lab: &Lab, workload: &Workload, path: &str) -> Program {
    let roots = lab.path("instance.pem");
    let command = [PYTHON, "-c", ONCE, roots.to_str().unwrap(), HOST, ALLOWED, path];
    Program::start(workload.command(&command))
}

fn signal(pid: u32, signal: Signal) {
    kill(Pid::from_raw(pid.try_into().unwrap()), signal).unwrap();
}

#[test]
fn fifty_crashes_let_nothing_out_and_lose_nothing() {
    let (lab, workload) = (Lab::new(User::Root), Workload::start(User::Root));
    let origin = lab.origin(Settings::default());
    let attached = attached(&lab, &origin, &workload, &["--publish", "0:8080"]);
    assert!(
        attached.apply(&workload.id(), &format!("{POLICY}\ndeniedHosts: [denied.test]")).status.success()
    );
    let state = || {
        let status = attached.admin(&workload.id(), "GET", "/v1/status").json();
        let ca = attached.admin(&workload.id(), "GET", "/v1/ca").body;
        let policy = attached.admin(&workload.id(), "GET", "/v1/policy").body;
        (status["instance"].clone(), status["generation"].clone(), status["published"].clone(), ca, policy)
    };
    let before = state();
    assert_eq!((&before.0, &before.1), (&workload.id().into(), &2.into()));
    let roots = roots(&lab, &attached, &workload);
    let outside = Capture::start(std::process::id(), &format!("host {DENIED} or host {ALLOWED}"));
    let command = [PYTHON, "-c", CRASH, roots.to_str().unwrap(), HOST, ALLOWED, DENIED];
    let mut program = Program::start(workload.command(&command));
    assert_eq!(program.hear(), "ready");
    program.ask("probe");
    let mut times: Vec<f64> = (0..50)
        .map(|_| {
            attached.kill_worker();
            program.ask("probe").parse().unwrap()
        })
        .collect();
    let counts: Value = serde_json::from_str(&program.ask("stop")).unwrap();
    assert!(counts["TimeoutError"].is_null(), "connections hang: {counts}");
    assert!(counts["connected"].as_u64() > Some(500), "{counts}");
    outside.assert_nothing();
    assert_eq!(state(), before);
    times.sort_by(f64::total_cmp);
    println!("recovery in ms: p50 {} p99 {}; {counts}", times[25], times[49]);
    assert!(times[49] < RECOVERY, "{times:?}");
    let finished = attached.stop_abrupt();
    assert_eq!(finished.stdout.matches("attached").count(), 1, "{}", finished.stdout);
}

/// The policy in force is the keeper's, and not the file's, which somebody may be editing.
#[test]
fn a_faulty_policy_file_does_not_end_what_is_served() {
    let (lab, workload) = (Lab::new(User::Root), Workload::start(User::Root));
    let origin = lab.origin(Settings::default());
    let attached = attached(&lab, &origin, &workload, &[]);
    roots(&lab, &attached, &workload);
    lab.write("policy-0.yaml", "nonsense: 1");
    attached.kill_worker();
    let mut again = ask(&lab, &workload, "/");
    assert_eq!(
        (again.hear().as_str(), again.hear().as_str()),
        ("connected", "200 hello from api.example.test")
    );
    assert!(attached.log().contains("nonsense"), "{}", attached.log());
    drop(attached.stop_abrupt());
}

/// A process without a root file system of its own sees the machine's, which must not trust the CA of a workload.
#[test]
fn the_machine_itself_does_not_trust_the_ca() {
    let (lab, workload) = (Lab::new(User::Root), Workload::start(User::Root));
    let bundle = || std::fs::read_to_string("/etc/ssl/certs/ca-certificates.crt").unwrap();
    let origin = lab.origin(Settings::default());
    let attached = attached(&lab, &origin, &workload, &[]);
    let ca = attached.admin(&workload.id(), "GET", "/v1/ca").body;
    let line = ca.lines().nth(3).unwrap();
    assert!(!bundle().contains(line), "the CA is in the machine's trust store");
    assert_eq!(attached.stop().code(), 0);
}

#[test]
fn a_proxy_that_stands_still_is_killed() {
    let (lab, workload) = (Lab::new(User::Root), Workload::start(User::Root));
    let origin = lab.origin(Settings::default());
    let attached = attached(&lab, &origin, &workload, &[]);
    roots(&lab, &attached, &workload);
    let worker = attached.worker();
    let start = Instant::now();
    signal(worker, Signal::SIGSTOP);
    let mut asked = ask(&lab, &workload, "/");
    assert_eq!(asked.hear(), "connected");
    wait::until("the worker to be killed", || processes::gone(worker).then_some(()));
    assert!(!asked.has_said("200"), "a process that is stopped answers");
    assert!((8.0..30.0).contains(&start.elapsed().as_secs_f64()), "{:?}", start.elapsed());
    // It was never accepted, or it is reset; either way the next one is answered.
    let answer = asked.hear();
    assert!(!answer.starts_with("TimeoutError"), "{answer}");
    let mut again = ask(&lab, &workload, "/");
    assert_eq!(
        (again.hear().as_str(), again.hear().as_str()),
        ("connected", "200 hello from api.example.test")
    );
    drop(attached.stop_abrupt());
}

#[test]
fn upgrades_lose_no_request() {
    let (lab, workload) = (Lab::new(User::Root), Workload::start(User::Root));
    let origin = lab.origin(Settings::default());
    let (address, port) = (this_machine(), greeter(this_machine()));
    let program = lab.path("proxy");
    std::fs::copy(lab.program().get_program(), &program).unwrap();
    let mut command = User::Root.command(&program);
    command.current_dir(lab.root()).env("PROXY_EVERYTHING_LOG", "info");
    let policy = format!("{POLICY}\nraw: [\"{address}:{port}\"]");
    let pid = workload.pid().to_string();
    let arguments = ["--pid", &pid, "--drain-timeout-ms", "60000"];
    let mut attached = lab.attach_by(command, &policy, &[&origin], &arguments);
    let id = workload.id();
    assert_eq!(attached.hear(), format!("attached {id}"));
    let roots = roots(&lab, &attached, &workload);
    let mut load = workload.command(&[PYTHON, "-c", LOAD, HOST, "/", "4"]);
    load.env("SSL_CERT_FILE", &roots);
    let mut load = Program::start(load);
    assert_eq!(load.hear(), "started");
    let mut tunnel =
        Program::start(workload.command(&[PYTHON, "-c", TUNNEL, &address.to_string(), &port.to_string()]));
    assert_eq!(tunnel.hear(), "welcome");
    let held = ask_held(&lab, &workload, &origin);

    let first = attached.worker();
    attached.upgrade(&id);
    assert_eq!(tunnel.ask("one"), "heard one");
    origin.release();
    let mut held = held;
    assert_eq!(held.hear(), "200 released");
    assert_eq!(tunnel.ask("half-close"), "goodbye");
    wait::until("the first worker to be gone", || processes::gone(first).then_some(()));
    attached.upgrade(&id);
    attached.upgrade(&id);

    // What does not start takes nothing over. A worker that drains answers for a moment still.
    wait::until("one worker", || (processes::descendants(attached.pid()).len() == 1).then_some(()));
    let serving = attached.admin(&id, "GET", "/v1/status").json()["pid"].clone();
    std::fs::remove_file(&program).unwrap();
    lab.write("proxy", "#!/bin/sh\nexit 1\n");
    assert!(User::Root.command("/bin/chmod").arg("+x").arg(&program).status().unwrap().success());
    attached.signal(Signal::SIGUSR2);
    wait::until("the failure to be told", || attached.log().contains("the old one goes on").then_some(()));
    assert_eq!(attached.admin(&id, "GET", "/v1/status").json()["pid"], serving);

    let counts: Value = serde_json::from_str(&load.ask("stop")).unwrap();
    let kinds: Vec<_> = counts.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(kinds, ["200"], "failed requests: {counts}");
    println!("requests over three upgrades: {counts}");
    let finished = attached.stop_abrupt();
    assert_eq!(
        finished.stdout,
        format!("attached {id}\nended {id}\n").lines().next().unwrap().to_owned() + "\n"
    );
}

/// The new worker waits for the file of its policy, so a change is sure to come while it starts.
#[test]
fn a_change_during_an_upgrade_is_not_lost() {
    let (lab, workload) = (Lab::new(User::Root), Workload::start(User::Root));
    let id = workload.id();
    let mut attached = lab.attach(POLICY, &[], &["--pid", &workload.pid().to_string()]);
    assert_eq!(attached.hear(), format!("attached {id}"));
    let (first, policy) = (attached.worker(), lab.path("policy-0.yaml"));
    std::fs::remove_file(&policy).unwrap();
    nix::unistd::mkfifo(&policy, Mode::S_IRWXU).unwrap();
    attached.signal(Signal::SIGUSR2);
    let text = lab.policy(POLICY, &[]);
    // Each new worker has the pipe for itself.
    let reader = || {
        wait::until("a new worker to read", || {
            let flags = nix::libc::O_NONBLOCK;
            std::fs::File::options().write(true).custom_flags(flags).open(&policy).ok()
        })
    };
    let mut pipe = reader();
    let outdated =
        wait::until("it", || processes::descendants(attached.pid()).into_iter().find(|pid| *pid != first));
    assert!(attached.apply(&id, "deniedHosts: [denied.test]").status.success());
    pipe.write_all(text.as_bytes()).unwrap();
    drop(pipe);
    wait::until("it to be thrown away", || processes::gone(outdated).then_some(()));
    reader().write_all(text.as_bytes()).unwrap();
    let status = || attached.admin(&id, "GET", "/v1/status").json();
    wait::until("the old worker to be gone", || processes::gone(first).then_some(()));
    assert_eq!(status()["generation"], 2);
    assert!(attached.admin(&id, "GET", "/v1/policy").body.contains("denied.test"));
    drop(attached.stop_abrupt());
}

/// A request that is under way at the origin.
fn ask_held(lab: &Lab, workload: &Workload, origin: &Origin) -> Program {
    let mut held = ask(lab, workload, "/hold");
    assert_eq!(held.hear(), "connected");
    let arrived = || origin.requests().iter().any(|request| request.uri.path() == "/hold").then_some(());
    wait::until("the request to arrive", arrived);
    held
}

/// An attached workload with a request under way, told to end.
fn ending(limit: &str, test: impl FnOnce(&Lab, &Workload, &Origin, Attached<'_>, Program)) {
    let (lab, workload) = (Lab::new(User::Root), Workload::start(User::Root));
    let origin = lab.origin(Settings::default());
    let mut command = lab.program();
    command.env("PROXY_EVERYTHING_LOG", "info");
    let pid = workload.pid().to_string();
    let arguments = ["--pid", &pid, "--drain-timeout-ms", limit];
    let mut attached = lab.attach_by(command, POLICY, &[&origin], &arguments);
    attached.hear();
    roots(&lab, &attached, &workload);
    let held = ask_held(&lab, &workload, &origin);
    attached.signal(Signal::SIGTERM);
    wait::until("draining to begin", || attached.log().contains("draining").then_some(()));
    test(&lab, &workload, &origin, attached, held);
}

#[test]
fn what_is_under_way_may_finish() {
    ending("60000", |lab, workload, origin, attached, mut held| {
        let mut late = ask(lab, workload, "/");
        late.hear();
        origin.release();
        assert_eq!(held.hear(), "200 released");
        let finished = attached.finish();
        assert_eq!(finished.code(), 0, "{}", finished.stderr);
        assert_eq!(late.hear(), "ConnectionResetError");
    });
}

/// The keeper kills what says nothing for ten seconds; who drains says something.
#[test]
fn draining_may_take_long() {
    ending("600000", |_, _, origin, attached, mut held| {
        let worker = attached.worker();
        let killed = wait::within(Duration::from_secs(13), || processes::gone(worker).then_some(()));
        assert!(killed.is_none(), "killed while it drains: {}", attached.log());
        origin.release();
        assert_eq!(held.hear(), "200 released");
        assert_eq!(attached.finish().code(), 0);
    });
}

#[test]
fn draining_has_a_limit() {
    ending("300", |_, _, _, attached, mut held| {
        assert_eq!(attached.finish_abrupt().code(), 0);
        let answer = held.hear();
        assert!(!answer.starts_with("200"), "{answer}");
    });
}

#[test]
fn the_second_signal_ends_at_once() {
    ending("600000", |_, _, _, attached, mut held| {
        attached.signal(Signal::SIGTERM);
        assert_eq!(attached.finish_abrupt().code(), 125);
        let answer = held.hear();
        assert!(!answer.starts_with("200"), "{answer}");
    });
}

#[test]
fn what_cannot_start_says_so_once() {
    let (lab, workload) = (Lab::new(User::Root), Workload::start(User::Root));
    let attach = |pid: &str, policy: &str| -> Output {
        let policy = lab.write("policy.yaml", policy);
        let state = lab.path("state");
        let common = ["--state-dir", state.to_str().unwrap(), "--policy", policy.to_str().unwrap()];
        lab.cli(&[&["attach", "--audit", "-", "--pid", pid], &common[..]].concat())
    };
    let pid = workload.pid().to_string();
    for (pid, policy, told) in
        [(&pid[..], "nonsense: 1", "nonsense"), ("4194304", POLICY, "4194304"), ("self", POLICY, "--pid")]
    {
        let output = attach(pid, policy);
        let stderr = String::from_utf8(output.stderr).unwrap();
        let code = if pid == "self" { 2 } else { 125 };
        assert_eq!(output.status.code(), Some(code), "{stderr}");
        assert!(stderr.contains(told) && !stderr.contains("started again"), "{stderr}");
        assert_eq!(stderr.matches("proxy-everything: ").count(), usize::from(code == 125), "{stderr}");
    }
}

/// It waits for its policy, so it can be killed before it is ready.
#[test]
fn what_crashes_before_it_is_ready_is_given_up() {
    let (lab, workload) = (Lab::new(User::Root), Workload::start(User::Root));
    let policy = lab.path("policy.yaml");
    nix::unistd::mkfifo(&policy, Mode::S_IRWXU).unwrap();
    let mut command = lab.program();
    command.args(["attach", "--audit", "-", "--pid", &workload.pid().to_string(), "--policy"]).arg(&policy);
    let mut keeper = command.stderr(std::process::Stdio::piped()).spawn().unwrap();
    for _ in 0..5 {
        let worker = wait::until("a worker", || processes::descendants(keeper.id()).pop());
        signal(worker, Signal::SIGKILL);
        let gone = || (!processes::descendants(keeper.id()).contains(&worker)).then_some(());
        wait::until("the worker to be noticed", gone);
    }
    let ended = wait::until("the keeper to end", || keeper.try_wait().unwrap());
    assert_eq!(ended.code(), Some(125));
    let stderr = std::io::read_to_string(keeper.stderr.take().unwrap()).unwrap();
    assert!(stderr.contains("died 5 times before it was ready"), "{stderr}");
}

#[test]
fn without_its_keeper_a_workload_is_closed_and_can_be_attached_again() {
    let (lab, workload) = (Lab::new(User::Root), Workload::start(User::Root));
    let origin = lab.origin(Settings::default());
    let first = attached(&lab, &origin, &workload, &[]);
    roots(&lab, &first, &workload);
    let worker = first.worker();
    first.kill_keeper();
    wait::until("the worker to be gone", || processes::gone(worker).then_some(()));
    let outside = Capture::start(std::process::id(), &format!("host {DENIED}"));
    let connect = [CURL, "-sS", "--max-time", "20", &format!("http://{DENIED}/")];
    let refused = workload.command(&connect).output().unwrap();
    let stderr = String::from_utf8(refused.stderr).unwrap();
    // "Could not connect", and not by a timeout, which would be 28.
    assert_eq!(refused.status.code(), Some(7), "{stderr}");
    outside.assert_nothing();
    let rules = workload.command(&["/usr/sbin/nft", "list", "ruleset"]).output().unwrap();
    assert!(String::from_utf8(rules.stdout).unwrap().contains("tproxy"), "the rules are gone");

    let second = attached(&lab, &origin, &workload, &[]);
    roots(&lab, &second, &workload);
    let mut again = ask(&lab, &workload, "/");
    assert_eq!(
        (again.hear().as_str(), again.hear().as_str()),
        ("connected", "200 hello from api.example.test")
    );
    drop((first, second.stop_abrupt()));
}

#[test]
fn it_ends_with_the_last_workload() {
    let (lab, one, other) = (Lab::new(User::Root), Workload::start(User::Root), Workload::start(User::Root));
    let (first, second) = (one.pid().to_string(), other.pid().to_string());
    let mut attached = lab.attach(POLICY, &[], &["--pid", &first, "--pid", &second]);
    assert_eq!(attached.hear(), format!("attached {}", one.id()));
    assert_eq!(attached.hear(), format!("attached {}", other.id()));
    let (first, second) = (one.id(), other.id());
    one.end();
    assert_eq!(attached.hear(), format!("ended {first}"));
    assert!(attached.socket(&second).exists() && !attached.socket(&first).exists());
    attached.kill_worker();
    other.end();
    assert_eq!(attached.hear(), format!("ended {second}"));
    assert_eq!(attached.finish().code(), 0);
}

/// Of the same user, like what it guards, in a user namespace of that user.
#[test]
fn keeper_and_worker_are_opaque() {
    let (lab, workload) = (Lab::new(User::Nobody), Workload::start(User::Nobody));
    let mut attached = lab.attach(POLICY, &[], &["--pid", &workload.pid().to_string()]);
    assert_eq!(attached.hear(), format!("attached {}", workload.id()));
    for pid in [attached.pid(), attached.worker()] {
        // proc(5): the files of a process that cannot be dumped belong to root.
        let cat = |name: &str| {
            let path = format!("/proc/{pid}/{name}");
            User::Nobody.command("/bin/cat").arg(path).output().unwrap()
        };
        for name in ["environ", "maps", "mem"] {
            assert!(!cat(name).status.success(), "{name} of {pid} can be read");
        }
        for name in ["environ", "cmdline"] {
            let text = std::fs::read(format!("/proc/{pid}/{name}")).unwrap();
            assert!(!String::from_utf8_lossy(&text).contains("PRIVATE KEY"), "{name}");
        }
    }
    let found =
        User::Root.command("/bin/grep").args(["-rl", "PRIVATE KEY"]).arg(lab.root()).output().unwrap();
    assert_eq!(String::from_utf8(found.stdout).unwrap(), "", "a key is in a file");
    assert_eq!(attached.stop().code(), 0);
}

/// Under one process, many workloads: what each costs.
#[test]
fn twenty_workloads_cost_little() {
    let lab = Lab::new(User::Root);
    let measure = |count: usize| {
        let workloads: Vec<_> = (0..count).map(|_| Workload::start(User::Root)).collect();
        let pids: Vec<_> = workloads.iter().map(|workload| workload.pid().to_string()).collect();
        let arguments: Vec<_> = pids.iter().flat_map(|pid| ["--pid", pid]).collect();
        let start = Instant::now();
        let mut attached = lab.attach(POLICY, &[], &arguments);
        (0..count).for_each(|_| assert!(attached.hear().starts_with("attached ")));
        let ready = start.elapsed();
        let (keeper, worker) = (pss_kib(attached.pid()), pss_kib(attached.worker()));
        println!("{count} instances: ready in {ready:?}, keeper {keeper} KiB, worker {worker} KiB");
        drop(attached.stop());
        (ready, keeper, worker)
    };
    let (one, twenty) = (measure(1), measure(20));
    assert!(one.0 < Duration::from_secs(10) && twenty.0 < Duration::from_secs(30), "{one:?} {twenty:?}");
    // The workers' own; handlers, which none of them has, would come to it.
    assert!(twenty.1 < 20 * 1024 && twenty.2 < one.2 + 20 * 2048, "{one:?} {twenty:?}");
}

fn pss_kib(pid: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
}
