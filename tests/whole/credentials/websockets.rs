//! Secrets in the messages of WebSockets: put in the place of placeholders, and taken out of what comes back.

use harness::{HOST, Lab, User, for_each_user};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::programs::PYTHON;
use crate::websocket::Server;

for_each_user!(messages_are_read, a_message_elsewhere_is_refused);

const POLICY: &str = r#"
allowedHosts: ["api.example.test", "http://api.example.test"]
secrets: { T: { env: API_TOKEN, hosts: [api.example.test], placeholder: { env: FAKE } } }
"#;

/// Offers compression, which would hide the messages. The second one comes in several frames.
const TALK: &str = r#"
import asyncio, os, sys, websockets

async def main():
    fake = os.environ["FAKE"]
    async with websockets.connect(sys.argv[1] + "/hash") as socket:
        await socket.send("a " + fake + " b")
        print(await socket.recv(), flush=True)
    async with websockets.connect(sys.argv[1] + "/echo") as socket:
        await socket.send(["a ", fake[:10], fake[10:], " b"])
        print(await socket.recv(), flush=True)
        await socket.send(b"\0" + fake.encode())
        print((await socket.recv() == b"\0" + fake.encode()), socket.extensions, flush=True)

try:
    asyncio.run(main())
except websockets.ConnectionClosed:
    print("closed", flush=True)
except (OSError, EOFError):
    print("closed", flush=True)
"#;

fn messages_are_read(user: User) {
    let lab = Lab::new(user);
    let server = Server::tls(&lab);
    let url = format!("wss://{HOST}");
    let run = lab.run(&server.policy(POLICY), &[]);
    let finished = run.start(&[PYTHON, "-c", TALK, &url]).finish_abrupt().ok();
    let token = lab.canary.value();
    let hash = format!("{:x}", Sha256::digest(format!("a {token} b")));
    let stars = "*".repeat(token.len());
    let heard: Vec<_> = finished.stdout.lines().collect();
    assert_eq!(heard, [hash, format!("a {stars} b"), "True []".to_owned()], "{finished:?}");
    for record in finished.audit.exchanges() {
        assert_eq!(record["secrets"][0]["where"], "websocket", "{record}");
    }
    assert_eq!(finished.audit.exchanges()[1]["scrubbed"], json!(["T"]));
}

fn a_message_elsewhere_is_refused(user: User) {
    let lab = Lab::new(user);
    let server = Server::start(&[]);
    let url = format!("ws://{HOST}");
    let run = lab.run(&server.policy(POLICY), &[]);
    let finished = run.start(&[PYTHON, "-c", TALK, &url]).finish_abrupt().ok();
    assert_eq!(finished.stdout, "closed\n");
    let record = finished.audit.exchanges()[0];
    assert_eq!((&record["error"], &record["status"]), (&json!("placeholder_elsewhere"), &json!(101)));
    assert_eq!(record["stray"], json!({ "name": "T", "where": "websocket" }));
}
