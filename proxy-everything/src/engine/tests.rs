//! A scripted engine: real HTTP on a real unix socket, one scripted answer for each request.

use std::{
    collections::{BTreeMap, VecDeque},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use proptest::prelude::*;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
};

use super::*;

const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

struct Scripted {
    folder: TempDir,
    targets: Arc<Mutex<Vec<String>>>,
}

/// What the engine does after a request.
enum Act {
    Answer(String),
    /// The parts of a chunked answer that ends.
    Stream(Vec<Vec<u8>>),
    /// Nothing, for as long as the client waits.
    Silence,
}

impl Scripted {
    fn start(acts: Vec<Act>) -> Self {
        let folder = TempDir::new().unwrap();
        let listener = UnixListener::bind(folder.path().join("engine.sock")).unwrap();
        let (targets, acts) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(VecDeque::from(acts))));
        let heard = Arc::clone(&targets);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, Arc::clone(&heard), Arc::clone(&acts)));
            }
        });
        Self { folder, targets }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("engine.sock")
    }

    async fn engine(&self) -> Engine {
        Engine::find(Some(&format!("unix://{}", self.path().display()))).await.unwrap()
    }

    fn targets(&self) -> Vec<String> {
        self.targets.lock().unwrap().clone()
    }
}

async fn serve(
    mut stream: UnixStream,
    heard: Arc<Mutex<Vec<String>>>,
    acts: Arc<Mutex<VecDeque<Act>>>,
) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    let (target, _) = head.strip_prefix("GET ").unwrap().split_once(" HTTP/1.1\r\n").unwrap();
    heard.lock().unwrap().push(target.to_owned());
    let act = acts.lock().unwrap().pop_front().expect("a request too many");
    match act {
        Act::Answer(text) => stream.write_all(text.as_bytes()).await.ok()?,
        Act::Stream(parts) => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await.ok()?;
            for part in parts {
                let chunk = [format!("{:x}\r\n", part.len()).as_bytes(), &part, b"\r\n"].concat();
                stream.write_all(&chunk).await.ok()?;
            }
            stream.write_all(b"0\r\n\r\n").await.ok()?;
        }
        Act::Silence => drop(stream.read_u8().await),
    }
    Some(())
}

fn answer(status: u16, body: &str) -> Act {
    Act::Answer(format!("HTTP/1.1 {status} Status\r\ncontent-length: {}\r\n\r\n{body}", body.len()))
}

fn line(action: &str, id: &str) -> String {
    format!(
        "{{\"Type\":\"container\",\"Action\":\"{action}\",\"Actor\":{{\"ID\":\"{id}\",\"Attributes\":{{\"a\":\"b\"}}}}}}\n"
    )
}

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
}

#[tokio::test]
async fn a_container_is_read() {
    let body = format!(
        r#"{{"Id":"{ID}","Name":"/box","State":{{"Running":true,"Pid":77}},"Config":{{"Labels":{{"k":"v"}}}},
            "HostConfig":{{"NetworkMode":"none"}},"Other":[1,2]}}"#
    );
    let server = Scripted::start(vec![answer(200, &body)]);
    let expected = Container {
        id: ID.into(),
        name: "box".into(),
        pid: Some(77),
        labels: labels(&[("k", "v")]),
        network_mode: "none".into(),
    };
    assert_eq!(server.engine().await.inspect("box").await.unwrap(), expected);
    assert_eq!(server.targets(), ["/containers/box/json"]);
}

#[test]
fn only_a_running_container_has_a_pid() {
    for (state, pid) in [
        (r#"{"Running":true,"Pid":7}"#, Some(7)),
        (r#"{"Running":false,"Pid":7}"#, None),
        (r#"{"Running":true,"Pid":0}"#, None),
        (r#"{"Running":true,"Pid":-7}"#, None),
        (r#"{"Running":true,"Pid":4294967296}"#, None),
        (r#"{"Pid":7}"#, None),
        (r#"{"Running":null,"Pid":null}"#, None),
        ("null", None),
    ] {
        let text = format!(r#"{{"Id":"abc","State":{state},"Config":{{"Labels":null}}}}"#);
        assert_eq!(answer::container(text.as_bytes()).unwrap().pid, pid, "{state}");
    }
}

#[tokio::test]
async fn answers_that_make_no_sense_are_errors() {
    let bodies = [
        "",
        "null",
        "[]",
        "{}",
        "{\"Id\":7}",
        "{\"Id\":\"../../x\"}",
        "{\"Id\":\"\"}",
        "{\"Id\":\"a\",\"State\":[]}",
    ];
    let server = Scripted::start(bodies.iter().map(|body| answer(200, body)).collect());
    let engine = server.engine().await;
    for body in bodies {
        let error = engine.inspect("box").await.unwrap_err();
        assert!(matches!(error, EngineError::Nonsense { .. }), "{body}: {error}");
    }
}

#[tokio::test]
async fn an_unknown_container_is_named() {
    let server = Scripted::start(vec![answer(404, r#"{"message":"No such container: box"}"#)]);
    let error = server.engine().await.inspect("box").await.unwrap_err();
    assert!(matches!(&error, EngineError::NoSuchContainer { name, .. } if name == "box"), "{error}");
    assert!(error.to_string().contains("engine.sock"), "{error}");
}

#[tokio::test]
async fn what_is_not_a_name_is_not_asked_for() {
    let server = Scripted::start(vec![]);
    let engine = server.engine().await;
    for name in
        ["", ".", "..", "../info", "a/b", "/box", "-box", "a b", "a%2fb", "a?b", "a#b", "a\r\nb", "bäx"]
    {
        let error = engine.inspect(name).await.unwrap_err();
        assert!(matches!(error, EngineError::NoSuchContainer { .. }), "{name:?}: {error}");
    }
    assert_eq!(server.targets(), [""; 0]);
}

#[tokio::test]
async fn an_engines_own_error_is_repeated_in_part() {
    let long = format!(r#"{{"message":"{}"}}"#, "x".repeat(10_000));
    let server = Scripted::start(vec![answer(500, &long), answer(503, "<html>")]);
    let engine = server.engine().await;
    let error = engine.inspect("box").await.unwrap_err().to_string();
    assert!(error.contains("500 Internal Server Error: xxx") && error.len() < 500, "{error}");
    assert!(engine.inspect("box").await.unwrap_err().to_string().contains("503"));
}

#[tokio::test]
async fn an_answer_without_end_is_refused() {
    let server = Scripted::start(vec![Act::Stream(vec![vec![b' '; 1 << 20]; 20])]);
    let error = server.engine().await.inspect("box").await.unwrap_err();
    assert!(error.to_string().contains("limit exceeded"), "{error}");
}

#[tokio::test]
async fn a_silent_engine_is_given_up() {
    let server = Scripted::start(vec![Act::Silence]);
    let error = server.engine().await.inspect("box").await.unwrap_err();
    assert!(matches!(error, EngineError::Timeout { .. }), "{error}");
}

#[tokio::test]
async fn running_containers_are_listed_by_label() {
    let server =
        Scripted::start(vec![answer(200, &format!(r#"[{{"Id":"{ID}"}},{{"Id":"abc","Names":[]}}]"#))]);
    assert_eq!(server.engine().await.running("my.label").await.unwrap(), [ID, "abc"]);
    let filters = "%7B%22label%22%3A%5B%22my.label%22%5D%2C%22status%22%3A%5B%22running%22%5D%7D";
    assert_eq!(server.targets(), [format!("/containers/json?filters={filters}")]);
}

#[tokio::test]
async fn events_are_told_in_their_order_and_odd_lines_skipped() {
    let text = [
        &line("start", ID),
        "\n\r\nnot json\n{}\nnull\n[]\n{\"Action\":\"start\"}\n{\"Action\":\"start\",\"Actor\":{\"ID\":\"../x\"}}\n",
        &line("exec_start: /bin/sh", ID),
        &line("died", ID),
        &line("remove", "abc"),
        "{\"Action\":\"destroy\",\"Actor\":{\"ID\":\"abc\",\"Attributes\":null}}\n",
        &line("destroy", "abc"),
    ]
    .concat();
    for size in [1, 7, 1 << 16] {
        let server =
            Scripted::start(vec![Act::Stream(text.as_bytes().chunks(size).map(<[u8]>::to_vec).collect())]);
        let mut events = server.engine().await.follow(Filter::Label("a".into())).await.unwrap();
        for (kind, id, pairs) in [
            (EventKind::Started, ID, &[("a", "b")][..]),
            (EventKind::Died, ID, &[("a", "b")]),
            (EventKind::Removed, "abc", &[("a", "b")]),
            (EventKind::Removed, "abc", &[("a", "b")]),
        ] {
            let expected = Event { kind, id: id.into(), labels: labels(pairs) };
            assert_eq!(events.next().await.unwrap(), expected);
        }
        for _ in 0..2 {
            let error = events.next().await.unwrap_err();
            assert!(matches!(error, EngineError::Ended { .. }), "{error}");
        }
    }
}

#[tokio::test]
async fn events_of_other_containers_are_not_told() {
    let text = line("start", "other") + &line("die", ID);
    let server = Scripted::start((0..6).map(|_| Act::Stream(vec![text.clone().into()])).collect());
    let engine = server.engine().await;
    for (filter, told) in [
        (Filter::Container(ID.into()), &[ID][..]),
        (Filter::Container(ID[..12].into()), &[]),
        (Filter::Label("a".into()), &["other", ID]),
        (Filter::Label("a=b".into()), &["other", ID]),
        (Filter::Label("a=c".into()), &[]),
        (Filter::Label("b".into()), &[]),
    ] {
        let mut events = engine.follow(filter.clone()).await.unwrap();
        let mut heard = Vec::new();
        while let Ok(event) = events.next().await {
            heard.push(event.id);
        }
        assert_eq!(heard, told, "{filter:?}");
    }
}

#[tokio::test]
async fn events_are_asked_for_from_now_on() {
    let server = Scripted::start(vec![Act::Stream(vec![])]);
    let before = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let mut events = server.engine().await.follow(Filter::Label("a".into())).await.unwrap();
    assert!(events.next().await.is_err());
    let target = server.targets().remove(0);
    let query = target.strip_prefix("/events?").unwrap();
    let query: BTreeMap<_, _> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let filters = r#"{"event":["start","die","died","destroy","remove"],"type":["container"]}"#;
    assert_eq!(query["filters"], filters);
    let since: u64 = query["since"].parse().unwrap();
    assert!((before..before + 60).contains(&since), "{query:?}");
}

#[tokio::test]
async fn a_line_without_end_ends_the_events() {
    let server = Scripted::start(vec![Act::Stream(vec![vec![b'x'; 1 << 16]; 40])]);
    let mut events = server.engine().await.follow(Filter::Container(ID.into())).await.unwrap();
    let error = events.next().await.unwrap_err();
    assert!(error.to_string().contains("longer than 1 MiB"), "{error}");
    assert!(matches!(events.next().await, Err(EngineError::Ended { .. })));
}

#[tokio::test]
async fn events_that_are_refused_say_why() {
    let server = Scripted::start(vec![answer(400, r#"{"message":"bad filter"}"#)]);
    let mut events = server.engine().await.follow(Filter::Label("x".into())).await.unwrap();
    assert!(events.next().await.unwrap_err().to_string().contains("400 Bad Request: bad filter"));
    assert!(matches!(events.next().await, Err(EngineError::Ended { .. })));
}

#[tokio::test]
async fn a_dropped_question_loses_no_event() {
    let text = line("start", ID);
    let (first, second) = text.split_at(30);
    let server = Scripted::start(vec![Act::Stream(vec![first.into(), second.into()])]);
    let mut events = server.engine().await.follow(Filter::Container(ID.into())).await.unwrap();
    let event = loop {
        tokio::select! {
            biased;
            event = events.next() => break event,
            () = tokio::task::yield_now() => {}
        }
    };
    assert_eq!(event.unwrap().kind, EventKind::Started);
}

#[tokio::test]
async fn a_place_that_is_named_is_the_only_one_tried() {
    let server = Scripted::start(vec![]);
    let usual = [server.path().display().to_string()];
    let usual: Vec<_> = usual.iter().map(String::as_str).collect();
    let nothing = |_: &str| None;
    assert!(find::find(None, nothing, &usual).await.is_ok());
    for missing in ["unix:///nonexistent/engine.sock", "/nonexistent/engine.sock"] {
        let error = find::find(Some(missing), nothing, &usual).await.unwrap_err();
        assert!(error.to_string().contains("the socket is missing"), "{error}");
        for variable in ["DOCKER_HOST", "CONTAINER_HOST"] {
            let set = |name: &str| (name == variable).then(|| missing.to_owned());
            assert!(find::find(None, set, &usual).await.is_err(), "{variable}={missing}");
        }
    }
    for value in ["tcp://192.0.2.1:2375", "ssh://root@host", "unix://", "unix://relative.sock"] {
        let error = find::find(Some(value), nothing, &usual).await.unwrap_err();
        assert!(matches!(error, EngineError::NotASocket { .. }), "{value}: {error}");
    }
    let empty = |_: &str| Some(String::new());
    assert!(find::find(None, empty, &usual).await.is_ok(), "an empty variable is none");
}

#[tokio::test]
async fn sockets_that_nobody_answers_on_are_skipped() {
    let server = Scripted::start(vec![]);
    let stale = server.folder.path().join("stale.sock");
    drop(UnixListener::bind(&stale).unwrap());
    let places =
        [stale.display().to_string(), "/nonexistent/e.sock".into(), server.path().display().to_string()];
    let places: Vec<_> = places.iter().map(String::as_str).collect();
    let found = find::find(None, |_| None, &places).await.unwrap();
    assert_eq!(Engine(found).to_string(), format!("unix://{}", server.path().display()));
    let error = find::find(None, |_| None, &places[..2]).await.unwrap_err();
    assert!(matches!(error, EngineError::NotFound), "{error}");
    // The user's own podman comes after the usual places.
    let folder = server.folder.path().join("podman");
    std::fs::create_dir(&folder).unwrap();
    std::fs::hard_link(server.path(), folder.join("podman.sock")).unwrap();
    let user = server.folder.path().display().to_string();
    let variable = |name: &str| (name == "XDG_RUNTIME_DIR").then(|| user.clone());
    let found = find::find(None, variable, &places[..2]).await.unwrap();
    assert!(Engine(found).to_string().ends_with("/podman/podman.sock"));
}

#[tokio::test]
async fn programs_come_last() {
    let server = Scripted::start(vec![]);
    let folder = server.folder.path();
    let path = folder.display().to_string();
    let variable = |name: &str| (name == "PATH").then(|| format!("/nonexistent:{path}"));
    let arguments = "[ \"$*\" = 'context inspect --format {{.Endpoints.docker.Host}}' ]";
    program(folder, "docker", &format!("{arguments} && echo unix://{path}/engine.sock"));
    let found = Engine(find::find(None, variable, &[]).await.unwrap());
    assert_eq!(found.to_string(), format!("unix://{path}/engine.sock"));
    program(folder, "docker", "echo ssh://elsewhere");
    assert!(matches!(find::find(None, variable, &[]).await, Err(EngineError::NotASocket { .. })));
    program(
        folder,
        "podman",
        "case \"$*\" in
          *'--type container'*' -- box') echo '{\"Id\":\"abc\",\"State\":{\"Running\":true,\"Pid\":7}}' ;;
          *' -- crash') echo 'database is locked' >&2; exit 125 ;;
          *) echo 'Error: inspecting object: no such container nix' >&2; exit 125 ;;
        esac",
    );
    let engine = Engine(find::find(None, variable, &[]).await.unwrap());
    assert_eq!(engine.inspect("box").await.unwrap().pid, Some(7));
    assert!(matches!(engine.inspect("nix").await, Err(EngineError::NoSuchContainer { .. })));
    let error = engine.inspect("crash").await.unwrap_err();
    assert!(error.to_string().ends_with("podman failed: database is locked"), "{error}");
    assert!(matches!(engine.running("x").await, Err(EngineError::NeedsSocket)));
}

#[test]
fn errors_name_their_cure() {
    for (kind, cure) in [
        (std::io::ErrorKind::PermissionDenied, "run as root, or add yourself to the group docker"),
        (std::io::ErrorKind::NotFound, "is the engine running?"),
        (std::io::ErrorKind::ConnectionRefused, "nobody listens"),
    ] {
        let error = EngineError::Connect { engine: "unix:///x".into(), source: kind.into() };
        assert!(error.to_string().contains(cure), "{error}");
    }
}

fn program(folder: &Path, name: &str, script: &str) {
    let path = folder.join(name);
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

proptest! {
    #[test]
    fn no_answer_breaks_us(text in ".*", bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for text in [text.as_bytes(), &bytes] {
            let _ = answer::container(text);
            let _ = answer::ids(text);
            let _ = answer::event(text);
        }
    }
}
