# The checks of the matrix for a client on the command line. A client has `version`; `ask METHOD URL [BODY-FILE]`, which follows redirects
# and leaves `status`, `headers` and `body` in files of those names; `parts URL`, which prints a body as it comes; and `protocol URL`,
# which prints the version of HTTP or nothing. Prints the version and one line of JSON for each check.
set -u
down=104857600
reason() { grep -q "\"reason\":\"$1\"" body; }
is() { [ "$1" = "$2" ] || { echo "$1 instead of $2"; return 1; }; }

get() {
  ask GET "$WEB/version" && is "$(cat status)" 200 && grep -qi '^ *x-version: HTTP/2.0' headers && is "$(cat body)" HTTP/2.0 &&
    ask GET "$OLD/version" && is "$(cat body)" HTTP/1.1
}
post() {
  printf 'the body' > sent
  ask POST "$WEB/echo" sent && grep -q '"body":"the body"' body && grep -q '"method":"POST"' body
}
stream() {
  parts "$WEB/parts/$NAME" | {
    read -r -t 60 line && is "$line" one && ask GET "$WEB/more/$NAME" && read -r -t 60 line && is "$line" two
  }
}
down() { is "$(parts "$WEB/stream/$down" | sha256sum | cut -d' ' -f1)" "$DIGEST"; }
up() {
  head -c 20971520 /dev/urandom > sent
  ask POST "$WEB/upload" sent && grep -q "$(sha256sum < sent | cut -d' ' -f1)" body
}
http2() {
  local spoken
  spoken=$(protocol "$WEB/version")
  [ -n "$spoken" ] || { echo HTTP/1.1; return 2; }
  is "$spoken" 2
}
compressed() { ask GET "$WEB/gzip" && is "$(cat body)" "hello in gzip"; }
redirect() {
  ask GET "$WEB/moved?$OLD/version" && is "$(cat body)" HTTP/1.1 && ask GET "$WEB/moved?$DENIED/" && is "$(cat status)" 403 && reason host_not_allowed
}
denied() { ask GET "$DENIED/" && is "$(cat status)" 403 && reason host_not_allowed; }
certificate() { ask GET "$EXPIRED/" && is "$(cat status)" 502 && reason upstream_tls_expired; }
websocket() { echo "no WebSocket" && return 2; }

run() {
  local why result
  folder=$(mktemp -d) && cd "$folder" || exit 1
  printf '{"version":"%s"}\n' "$(version)"
  for check in get post stream down up http2 compressed redirect denied certificate websocket; do
    why=$($check 2>&1 | tail -n 3 | tr -d '"\\' | tr '\n\t\r' '   '; exit "${PIPESTATUS[0]}")
    case $? in 0) result=pass why='' ;; 2) result=none ;; *) result=fail ;; esac
    printf '{"check":"%s","result":"%s","why":"%s"}\n' "$check" "$result" "$why"
  done
  rm -r "$folder"
}
