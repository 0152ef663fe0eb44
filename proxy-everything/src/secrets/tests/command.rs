//! Secrets that programs print.

use std::{fs, time::Instant};

use serde_json::{Value as Json, json};

use super::{Lab, Visible};

fn shell(script: &str) -> Json {
    json!({ "command": { "run": ["sh", "-c", script], "timeoutSeconds": 1 } })
}

#[tokio::test]
async fn what_it_prints() {
    let lab = Lab::new();
    for (script, expected) in [
        ("echo token-value", "token-value"),
        (r#"printf '{"value":"from-json","ttlSeconds":60}'"#, "from-json"),
        ("echo $PE_INSTANCE $PE_CLASS $HOME", &*format!("web-1 builder {}", std::env::var("HOME").unwrap())),
        ("pwd; cat", "/"),
        // Of this process's environment nothing else, and what a shell adds by itself.
        ("env | cut -d= -f1 | sort | tr '\\n' ' '", "HOME PATH PE_CLASS PE_INSTANCE PWD "),
        ("ls -l /proc/self/fd | grep -c ' [3-9] '; true", "1"),
        ("echo words >&2; echo value", "value"),
    ] {
        let opened =
            lab.open(json!({ "T": shell(script) })).unwrap_or_else(|error| panic!("{script}: {error}"));
        assert_eq!(opened.value("T").await.unwrap(), expected, "{script}");
    }
    let arguments = json!({ "command": { "run": ["/bin/echo", "a b", "${instance}", "$HOME"] } });
    assert_eq!(lab.open(json!({ "T": arguments })).unwrap().value("T").await.unwrap(), "a b web-1 $HOME");
}

#[tokio::test]
async fn what_it_does_wrong() {
    let lab = Lab::new();
    for (script, fault) in [
        ("echo canary; exit 3", "exit status: 3"),
        ("echo canary; kill -9 $$", "signal: 9"),
        ("true", "empty"),
        ("printf 'canary\\nline'", "more than one line"),
        ("printf 'canary\\377'", "not UTF-8"),
        (r#"printf '{"value":"canary","ttlSeconds":"x"}'"#, "ttlSeconds"),
        ("yes canary | head -c 1000000", "more than 65536 bytes"),
        ("echo canary; sleep 60", "has not ended after 1s"),
    ] {
        let began = Instant::now();
        let error = lab.refused(json!({ "T": shell(script) }));
        assert!(error.contains(fault), "{script}: {error}");
        assert!(began.elapsed().as_secs() < 5, "{script}");
    }
    for (program, fault) in
        [("no-such-program", "no program `no-such-program`"), ("/no/such/program", "No such file")]
    {
        let error = lab.refused(json!({ "T": { "command": { "run": [program] } } }));
        assert!(error.contains(fault), "{error}");
    }
}

/// Whether a process with this in its command line is there.
fn runs(mark: &str) -> bool {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let mut lines = processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
    lines.any(|line| String::from_utf8_lossy(&line).contains(mark))
}

#[tokio::test]
async fn nothing_of_it_is_left() {
    let lab = Lab::new();
    // A child that keeps the output open, in the group and out of it.
    for (number, script) in
        ["sleep 71.NUMBER & echo value", "setsid sleep 71.NUMBER & echo value"].iter().enumerate()
    {
        let mark = format!("71.{}{number}", std::process::id());
        let script = script.replace("71.NUMBER", &mark);
        let began = Instant::now();
        let opened = lab.open(json!({ "T": shell(&script) })).unwrap();
        assert_eq!(opened.value("T").await.unwrap(), "value");
        assert!(began.elapsed().as_secs() < 5);
    }
    let mark = format!("72.{}", std::process::id());
    assert!(lab.refused(json!({ "T": shell(&format!("sleep {mark} & wait")) })).contains("has not ended"));
    let began = Instant::now();
    while runs(&mark) {
        assert!(began.elapsed().as_secs() < 5, "its child goes on");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_workloads_own_programs_are_not_run() {
    let lab = Lab::new();
    let lab = Lab { visible: Visible::shared([].into(), [].into(), Vec::new()), ..lab };
    let path = lab.folder.path().join("tool");
    fs::write(&path, "#!/bin/sh\necho canary\n").unwrap();
    for run in [json!([path]), json!(["sh", path])] {
        let error = lab.refused(json!({ "T": { "command": { "run": run } } }));
        assert!(error.contains("belongs to the command's user"), "{error}");
    }
}
