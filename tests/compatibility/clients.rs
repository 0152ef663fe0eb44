//! The clients of HTTP, and how each of them is started.
//!
//! Paths are from the root of the repository; what is below `target/clients` is made by `make`.

/// A client of HTTP.
pub(crate) struct Client {
    pub(crate) name: &'static str,
    /// The words of its command line.
    pub(crate) command: &'static str,
    /// How it comes to trust the CA.
    pub(crate) trust: &'static str,
    /// What a user should know.
    pub(crate) special: &'static str,
}

/// What each of them is asked to do; `tests/clients/matrix/checks.*` do it.
pub(crate) const CHECKS: &[&str] = &[
    "get",
    "post",
    "stream",
    "down",
    "up",
    "http2",
    "compressed",
    "redirect",
    "denied",
    "certificate",
    "websocket",
];

const fn client(
    name: &'static str,
    command: &'static str,
    trust: &'static str,
    special: &'static str,
) -> Client {
    Client { name, command, trust, special }
}

/// In order of their worth.
pub(crate) const CLIENTS: &[Client] = &[
    client("curl", "/bin/bash tests/clients/matrix/curl.sh", "`CURL_CA_BUNDLE`", ""),
    client(
        "libcurl with GnuTLS",
        "/usr/bin/python3 tests/clients/matrix/py_pycurl.py",
        "`/etc/ssl/certs/ca-certificates.crt`",
        "Debian's pycurl",
    ),
    client(
        "wget",
        "/bin/bash tests/clients/matrix/wget.sh",
        "`/etc/ssl/certs/ca-certificates.crt`",
        "GnuTLS",
    ),
    client(
        "Python urllib",
        "/usr/bin/python3 tests/clients/matrix/py_urllib.py",
        "`SSL_CERT_FILE`",
        "with `VERIFY_X509_STRICT`, the default since Python 3.13",
    ),
    client(
        "requests",
        "target/clients/python/bin/python tests/clients/matrix/py_requests.py",
        "`REQUESTS_CA_BUNDLE`",
        "",
    ),
    client(
        "httpx",
        "target/clients/python/bin/python tests/clients/matrix/py_httpx.py",
        "`SSL_CERT_FILE`",
        "",
    ),
    client(
        "aiohttp",
        "target/clients/python/bin/python tests/clients/matrix/py_aiohttp.py",
        "`SSL_CERT_FILE`",
        "",
    ),
    client(
        "curl_cffi",
        "target/clients/python/bin/python tests/clients/matrix/py_curl_cffi.py",
        "`CURL_CA_BUNDLE`",
        "BoringSSL with the handshake of a Chrome",
    ),
    client("Node fetch", "/usr/bin/node tests/clients/matrix/js_fetch.mjs", "`NODE_EXTRA_CA_CERTS`", ""),
    client(
        "Node https",
        "/usr/bin/node tests/clients/matrix/js_https.mjs target/clients/npm/node_modules",
        "`NODE_EXTRA_CA_CERTS`",
        "with the package `ws`",
    ),
    client(
        "axios",
        "/usr/bin/node tests/clients/matrix/js_axios.mjs target/clients/npm/node_modules",
        "`NODE_EXTRA_CA_CERTS`",
        "",
    ),
    client(
        "got",
        "/usr/bin/node tests/clients/matrix/js_got.mjs target/clients/npm/node_modules",
        "`NODE_EXTRA_CA_CERTS`",
        "",
    ),
    client(
        "Node fetch, current",
        "target/clients/npm/bin/node tests/clients/matrix/js_fetch.mjs",
        "`NODE_EXTRA_CA_CERTS`",
        "",
    ),
    client(
        "Deno",
        "target/clients/npm/bin/deno run --no-prompt --allow-env --allow-net --allow-read tests/clients/matrix/js_fetch.mjs",
        "`DENO_CERT`",
        "",
    ),
    client(
        "Bun",
        "target/clients/npm/bin/bun tests/clients/matrix/js_fetch.mjs",
        "`NODE_EXTRA_CA_CERTS`",
        "",
    ),
    client("Go, Debian's", "target/clients/go/debian", "`SSL_CERT_FILE`", ""),
    client("Go, current", "target/clients/go/current", "`SSL_CERT_FILE`", ""),
    client("Java 17", "/usr/bin/java -cp target/clients/java Checks", "`JAVA_TOOL_OPTIONS`", ""),
    client(
        "Java, current",
        "target/clients/jdk/bin/java -cp target/clients/java Checks",
        "`JAVA_TOOL_OPTIONS`",
        "",
    ),
    client("Ruby", "/usr/bin/ruby tests/clients/matrix/checks.rb", "`SSL_CERT_FILE`", ""),
    client(
        "PHP curl",
        "/usr/bin/php tests/clients/matrix/checks.php",
        "`/etc/ssl/certs/ca-certificates.crt`",
        "",
    ),
    client("PHP streams", "/usr/bin/php tests/clients/matrix/checks.php streams", "`SSL_CERT_FILE`", ""),
    client("Perl LWP", "/usr/bin/perl tests/clients/matrix/checks.pl", "`PERL_LWP_SSL_CA_FILE`", ""),
    client(
        "Chromium",
        "/bin/bash tests/clients/matrix/chromium.sh target/clients/npm/node_modules",
        "`tools/trust/nss`",
        "without its own sandbox, `--no-sandbox`",
    ),
];
