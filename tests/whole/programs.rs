//! The programs that run inside the sandbox.
//!
//! Absolute paths, because a user's own `python3` may be a shim that nobody else can read; the sources are part of the
//! test executable, so that nothing has to be readable where the sandbox runs.

pub(crate) const CURL: &str = "/usr/bin/curl";
pub(crate) const GH: &str = "/usr/bin/gh";
pub(crate) const GIT: &str = "/usr/bin/git";
pub(crate) const NODE: &str = "/usr/bin/node";
pub(crate) const NPM: &str = "/usr/bin/npm";
pub(crate) const PYTHON: &str = "/usr/bin/python3";
pub(crate) const SH: &str = "/bin/sh";

pub(crate) const ADMIN_ROUTES: &str = include_str!("../clients/admin_routes.py");
pub(crate) const ASK: &str = include_str!("../clients/ask.py");
pub(crate) const ATTACK_FRAMES: &str =
    concat!(include_str!("../clients/attack.py"), include_str!("../clients/attack_frames.py"));
pub(crate) const ATTACK_LOOP: &str =
    concat!(include_str!("../clients/attack.py"), include_str!("../clients/attack_loop.py"));
pub(crate) const ATTACK_NAMES: &str =
    concat!(include_str!("../clients/attack.py"), include_str!("../clients/attack_names.py"));
pub(crate) const ATTACK_NETWORK: &str =
    concat!(include_str!("../clients/attack.py"), include_str!("../clients/attack_network.py"));
pub(crate) const ATTACK_SOCKETS: &str =
    concat!(include_str!("../clients/attack.py"), include_str!("../clients/attack_sockets.py"));
pub(crate) const ATTACK_STEAL: &str =
    concat!(include_str!("../clients/attack.py"), include_str!("../clients/attack_steal.py"));
pub(crate) const BANNER: &str = include_str!("../clients/banner.py");
pub(crate) const BYSTANDERS: &str = include_str!("../clients/bystanders.py");
pub(crate) const BYTES: &str = include_str!("../clients/bytes.py");
pub(crate) const CERTIFICATES: &str = include_str!("../clients/certificates.py");
pub(crate) const CERTIFICATES_ASK: &str = include_str!("../clients/certificates_ask.py");
pub(crate) const CLIENT_DOORS: &str = include_str!("../clients/client_doors.mjs");
pub(crate) const CLIENT_FAULTS: &str = include_str!("../clients/client_faults.mjs");
pub(crate) const CLIENT_KEEP_ALIVE: &str = include_str!("../clients/client_keep_alive.py");
pub(crate) const CLIENT_LAYERS: &str = include_str!("../clients/client_layers.mjs");
pub(crate) const CLIENT_LISTS: &str = include_str!("../clients/client_lists.mjs");
pub(crate) const CLIENT_PARTS: &str = include_str!("../clients/client_parts.mjs");
pub(crate) const CONNECT: &str = include_str!("../clients/connect.py");
pub(crate) const CRASH: &str = include_str!("../clients/crash.py");
pub(crate) const DIALOGUE: &str = include_str!("../clients/dialogue.py");
pub(crate) const ECHO: &str = include_str!("../clients/echo.js");
pub(crate) const FETCH: &str = include_str!("../clients/fetch.js");
pub(crate) const FIRST_BYTES: &str = include_str!("../clients/first_bytes.py");
pub(crate) const FLOOD: &str = include_str!("../clients/flood.py");
pub(crate) const GENERATE: &str = include_str!("../clients/generate.py");
pub(crate) const GRPC_CLIENT: &str = include_str!("../clients/grpc_client.py");
pub(crate) const GRPC_CLIENT_NODE: &str = include_str!("../clients/grpc_client.js");
pub(crate) const GRPC_SERVER: &str = include_str!("../clients/grpc_server.py");
pub(crate) const H2_FLOODS: &str = concat!(
    include_str!("../clients/frames.py"),
    include_str!("../clients/h2_raw.py"),
    include_str!("../clients/h2_floods.py")
);
pub(crate) const H2_RULES: &str = concat!(
    include_str!("../clients/frames.py"),
    include_str!("../clients/h2_raw.py"),
    include_str!("../clients/h2_rules.py")
);
pub(crate) const H2_STALLS: &str = concat!(
    include_str!("../clients/frames.py"),
    include_str!("../clients/h2_raw.py"),
    include_str!("../clients/h2_stalls.py")
);
pub(crate) const H2_TALK: &str = concat!(
    include_str!("../clients/frames.py"),
    include_str!("../clients/h2_raw.py"),
    include_str!("../clients/h2_talk.py")
);
pub(crate) const H2_UPSTREAM: &str = include_str!("../clients/h2_upstream.py");
pub(crate) const H2_WEBSOCKET: &str = include_str!("../clients/h2_websocket.py");
pub(crate) const HANDSHAKES: &str = include_str!("../clients/handshakes.py");
pub(crate) const H2_WEBSOCKET_NODE: &str = include_str!("../clients/h2_websocket.js");
pub(crate) const HELLO: &str = include_str!("../clients/hello.py");
pub(crate) const IDLE: &str = include_str!("../clients/idle.py");
pub(crate) const LOAD: &str = include_str!("../clients/load.py");
pub(crate) const LEAK: &str = include_str!("../clients/leak.py");
pub(crate) const MANY: &str = include_str!("../clients/many.py");
pub(crate) const MATRIX: &str =
    concat!(include_str!("../clients/frames.py"), include_str!("../clients/matrix.py"));
pub(crate) const MISDIRECTED: &str = include_str!("../clients/misdirected.py");
pub(crate) const NAMES: &str = include_str!("../clients/names.py");
pub(crate) const QUESTIONS: &str = include_str!("../clients/questions.py");
pub(crate) const ONCE: &str = include_str!("../clients/once.py");
pub(crate) const PINNED: &str = include_str!("../clients/pinned.py");
pub(crate) const RAW: &str = include_str!("../clients/raw.py");
pub(crate) const RAW_ORIGIN: &str = include_str!("../clients/raw_origin.py");
pub(crate) const SEARCH: &str = include_str!("../clients/search.py");
pub(crate) const SECCOMP: &str = include_str!("../clients/seccomp.py");
pub(crate) const SEND: &str = include_str!("../clients/send.py");
pub(crate) const SERVER: &str = include_str!("../clients/server.py");
pub(crate) const SHARED: &str = include_str!("../clients/shared.py");
pub(crate) const SIGNALS: &str = include_str!("../clients/signals.py");
pub(crate) const SMUGGLING: &str = include_str!("../clients/smuggling.py");
pub(crate) const STEADY: &str = include_str!("../clients/steady.py");
pub(crate) const STRICT: &str = include_str!("../clients/strict.py");
pub(crate) const TOOLS_API: &str =
    concat!(include_str!("../clients/tools_serve.py"), include_str!("../clients/tools_api.py"));
pub(crate) const TOOLS_AWS: &str =
    concat!(include_str!("../clients/tools_serve.py"), include_str!("../clients/tools_aws.py"));
pub(crate) const TOOLS_BOTO3: &str = include_str!("../clients/tools_boto3.py");
pub(crate) const TOOLS_GIT: &str =
    concat!(include_str!("../clients/tools_serve.py"), include_str!("../clients/tools_git.py"));
pub(crate) const TOOLS_LOGIN: &str = include_str!("../clients/tools_login.js");
pub(crate) const TOOLS_NPM: &str = include_str!("../clients/tools_npm.cjs");
pub(crate) const TOOLS_PYPI: &str =
    concat!(include_str!("../clients/tools_serve.py"), include_str!("../clients/tools_pypi.py"));
pub(crate) const TOOLS_SDKS: &str = include_str!("../clients/tools_sdks.py");
pub(crate) const TUNNEL: &str = include_str!("../clients/tunnel.py");
pub(crate) const TWO_THREADS: &str = include_str!("../clients/two_threads.py");
pub(crate) const UNCOVER: &str = include_str!("../clients/uncover.py");
pub(crate) const UNTIL_UNAVAILABLE: &str = include_str!("../clients/until_unavailable.py");
pub(crate) const VERDICTS: &str =
    concat!(include_str!("../clients/frames.py"), include_str!("../clients/verdicts.py"));
pub(crate) const WAYS_OUT: &str = include_str!("../clients/ways_out.py");
pub(crate) const WEBSOCKET: &str = include_str!("../clients/websocket.js");
pub(crate) const WEBSOCKET_CLIENT: &str = include_str!("../clients/websocket_client.py");
pub(crate) const WEBSOCKET_SERVER: &str = include_str!("../clients/websocket_server.py");
pub(crate) const WEBSOCKET_TALK: &str = include_str!("../clients/websocket_talk.py");
pub(crate) const WIRE: &str = include_str!("../clients/wire.py");
