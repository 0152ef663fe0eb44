//! What the proxy does to nftables: one table of its own, in the workload's network only.
//!
//! The host's rules are the same before, during and after a run, and nothing of a run stays behind.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;

use harness::{Lab, TOKEN_POLICY, User, for_each_user, processes, wait};
use serde_json::Value;

use crate::programs::SH;

for_each_user!(one_table_inside, one_transaction, nothing_stays);

const WAIT_FOR_INPUT: [&str; 3] = [SH, "-c", "echo ready; read line"];

fn one_table_inside(user: User) {
    let before = host_rules();
    let lab = Lab::new(user);
    let mut running = lab.run(TOKEN_POLICY, &[]).start(&WAIT_FOR_INPUT);
    assert_eq!(running.hear(), "ready");
    let pid = processes::sandboxed(running.pid(), "sh").expect("the command in its network");
    let rules =
        output(&["/usr/bin/nsenter", "-t", &pid.to_string(), "-n", "/usr/sbin/nft", "-j", "list", "ruleset"]);
    let rules: Value = serde_json::from_str(&rules).unwrap();
    let tables: Vec<_> =
        rules["nftables"].as_array().unwrap().iter().filter_map(|item| item.get("table")).collect();
    assert_eq!(tables.len(), 1, "{tables:?}");
    assert_eq!((&tables[0]["family"], &tables[0]["name"]), (&"inet".into(), &"proxy_everything".into()));
    assert_eq!(host_rules(), before);
    running.say("go");
    let _ = running.finish().ok();
    assert_eq!(host_rules(), before);
}

/// The kernel numbers the transactions of a namespace from 2 on. What this test adds must be the next ones after a single one.
fn one_transaction(user: User) {
    let lab = Lab::new(user);
    let mut running = lab.run(TOKEN_POLICY, &[]).start(&WAIT_FOR_INPUT);
    assert_eq!(running.hear(), "ready");
    let pid = processes::sandboxed(running.pid(), "sh").expect("the command in its network").to_string();
    let inside = ["/usr/bin/nsenter", "-t", &pid, "-n", "/usr/sbin/nft"];
    let mut monitor = Command::new(inside[0]);
    let mut monitor = monitor.args(&inside[1..]).arg("monitor").stdout(Stdio::piped()).spawn().unwrap();
    let (told, lines) = channel();
    let output_of_monitor = BufReader::new(monitor.stdout.take().unwrap());
    std::thread::spawn(move || output_of_monitor.lines().try_for_each(|line| told.send(line.unwrap())));

    let mut added = 0;
    let first = wait::until("the monitor to see a transaction", || {
        added += 1;
        output(&[&inside[..], &["add", "table", "inet", &format!("of_the_test_{added}")]].concat());
        lines.try_recv().ok()
    });
    let seen: u32 = first.rsplit('_').next().and_then(|number| number.parse().ok()).expect(&first);
    let generation = lines.recv_timeout(wait::DEADLINE).unwrap();
    assert!(generation.starts_with(&format!("# new generation {} ", 2 + seen)), "{first}: {generation}");
    monitor.kill().unwrap();
    monitor.wait().unwrap();
    running.say("go");
    let _ = running.finish().ok();
}

fn nothing_stays(user: User) {
    let lab = Lab::new(user);
    let mut running = lab.run(TOKEN_POLICY, &[]).start(&WAIT_FOR_INPUT);
    assert_eq!(running.hear(), "ready");
    let (socket, below) = (running.socket(), processes::descendants(running.pid()));
    assert!(socket.exists() && !below.is_empty());
    running.say("go");
    let _ = running.finish().ok();
    assert!(!socket.exists(), "the admin socket stayed");
    for pid in below {
        wait::until("all processes to be gone", || processes::gone(pid).then_some(()));
    }
}

fn host_rules() -> String {
    output(&["/usr/sbin/nft", "list", "ruleset"])
}

fn output(command: &[&str]) -> String {
    let output = Command::new(command[0]).args(&command[1..]).output().expect("run a command");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
