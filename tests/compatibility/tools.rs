//! The tools whose work is more than HTTP, and what each is to do with its server.

use harness::Lab;

use crate::servers::{self, Served};

/// A tool with a server of its own.
pub(crate) struct Tool {
    pub(crate) name: &'static str,
    /// The words of its command line. The program prints its version, and whether it `works`.
    pub(crate) command: &'static str,
    /// How it comes to trust the CA.
    pub(crate) trust: &'static str,
    /// What it is to do.
    pub(crate) does: &'static str,
    /// Starts its server.
    pub(crate) serve: fn(&Lab) -> Served,
}

const fn tool(
    name: &'static str,
    command: &'static str,
    trust: &'static str,
    does: &'static str,
    serve: fn(&Lab) -> Served,
) -> Tool {
    Tool { name, command, trust, does, serve }
}

const UNOPENED: &str = "sees its server's own certificate";

/// In order of their worth.
pub(crate) const TOOLS: &[Tool] = &[
    tool(
        "git",
        "/bin/bash tests/clients/matrix/tools.sh git",
        "`GIT_SSL_CAINFO`",
        "clones, pushes, and fetches what another one pushed",
        servers::git,
    ),
    tool(
        "pip",
        "/bin/bash tests/clients/matrix/tools.sh pip target/python-tools/bin/python",
        "`PIP_CERT`",
        "installs from an index",
        servers::python_index,
    ),
    tool(
        "uv",
        "/bin/bash tests/clients/matrix/tools.sh uv target/clients/python/bin/uv",
        "`SSL_CERT_FILE` with `UV_SYSTEM_CERTS`",
        "installs from an index",
        servers::python_index,
    ),
    tool(
        "npm",
        "/bin/bash tests/clients/matrix/tools.sh npm /usr/bin/npm",
        "`npm_config_cafile`",
        "publishes to a registry, and installs from it",
        servers::registry,
    ),
    tool(
        "cargo",
        "/bin/bash tests/clients/matrix/tools.sh cargo",
        "`CARGO_HTTP_CAINFO`",
        "fetches a crate from a sparse registry, and builds with it",
        servers::crates,
    ),
    tool(
        "apt",
        "/bin/bash tests/clients/matrix/tools.sh apt /usr/bin/apt-get",
        "`/etc/ssl/certs/ca-certificates.crt`",
        "reads a source over HTTPS and over HTTP, and downloads from both",
        servers::packages,
    ),
    tool(
        "grpcio",
        "/bin/bash tests/clients/matrix/tools.sh grpc target/clients/python/bin/python",
        "`GRPC_DEFAULT_SSL_ROOTS_FILE_PATH`",
        "calls, one by one and both ways at once",
        servers::grpc,
    ),
    tool(
        "@grpc/grpc-js",
        "/bin/bash tests/clients/matrix/tools.sh grpc_js target/clients/npm/node_modules",
        "`GRPC_DEFAULT_SSL_ROOTS_FILE_PATH`",
        "calls, one by one and both ways at once",
        servers::grpc,
    ),
    tool(
        "redis-cli",
        "/bin/bash tests/clients/matrix/tools.sh redis",
        "–",
        "sets and gets, by `raw`",
        servers::redis,
    ),
    tool(
        "psql",
        "/bin/bash tests/clients/matrix/tools.sh psql",
        UNOPENED,
        "asks over TLS with `verify-full`, by `raw`",
        servers::postgres,
    ),
    tool(
        "ssh",
        "/bin/bash tests/clients/matrix/tools.sh ssh target/clients/python/bin/python",
        "–",
        "runs a command, by `raw`",
        servers::ssh,
    ),
];
