//! Guests as text: components of a few instructions.
//!
//! Each is the body of one core function. It receives the request flattened (locals 0 to 12) and returns the address
//! of a `result<response, string>`; it may call `fetch`, and has 16 pages of memory.
#![allow(dead_code, reason = "each test binary uses its own part")]

/// Answers with status 299 and no body. The status is at 4, the headers at 8, the body at 16.
pub(crate) const ANSWER: &str = "(i32.store16 (i32.const 4) (i32.const 299)) (i32.const 0)";
pub(crate) const TRAP: &str = "unreachable";
pub(crate) const SPIN: &str = "(loop $again (br $again)) unreachable";
pub(crate) const HOARD: &str =
    "(loop $again (br_if $again (i32.ge_s (memory.grow (i32.const 16)) (i32.const 0)))) unreachable";
/// Answers, and keeps one MiB more with each call.
pub(crate) const LEAK: &str = "(if (i32.lt_s (memory.grow (i32.const 16)) (i32.const 0)) (then unreachable))
    (i32.store16 (i32.const 4) (i32.const 299)) (i32.const 0)";
/// Its own error: the method, which is at hand as a string.
pub(crate) const FAIL: &str =
    "(i32.store (i32.const 0) (i32.const 1)) (i32.store (i32.const 4) (local.get 0))
    (i32.store (i32.const 8) (local.get 1)) (i32.const 0)";
pub(crate) const BAD_STATUS: &str = "(i32.store16 (i32.const 4) (i32.const 199)) (i32.const 0)";
/// Counts its calls in the status: 201, 202, ...
pub(crate) const COUNT: &str = "(global.set $count (i32.add (global.get $count) (i32.const 1)))
    (i32.store16 (i32.const 4) (i32.add (i32.const 200) (global.get $count))) (i32.const 0)";
/// Traps on every third call.
pub(crate) const THIRD: &str = "(global.set $count (i32.add (global.get $count) (i32.const 1)))
    (if (i32.eq (global.get $count) (i32.const 3)) (then unreachable))
    (i32.store16 (i32.const 4) (i32.add (i32.const 200) (global.get $count))) (i32.const 0)";
/// Fetches the request and returns the response. The flattened request is the record, word by word.
pub(crate) const FORWARD: &str = "(call $store) (call $fetch (i32.const 1024) (i32.const 1) (i32.const 2048))
    (i32.load (i32.const 2048))";
/// Fetches until it is stopped.
pub(crate) const FETCH_FOREVER: &str = "(call $store)
    (loop $again
      (call $fetch (i32.const 1024) (i32.const 1) (i32.const 2048))
      (br_if $again (i32.eqz (i32.load8_u (i32.load (i32.const 2048))))))
    (i32.load (i32.const 2048))";
/// Fetches the same request to the authority that is its path without the slash.
pub(crate) const ELSEWHERE: &str = "(call $store)
    (i32.store (i32.const 1040) (i32.add (local.get 6) (i32.const 1)))
    (i32.store (i32.const 1044) (i32.sub (local.get 7) (i32.const 1)))
    (call $fetch (i32.const 1024) (i32.const 1) (i32.const 2048))
    (i32.load (i32.const 2048))";

/// A component whose `handle` has this body. Its heap only grows: 16 pages last for the 1024 calls of an instance.
pub(crate) fn guest(body: &str) -> String {
    guest_with(body, "")
}

pub(crate) fn guest_with(body: &str, more: &str) -> String {
    let params = "(param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)";
    let store: String = (0..13)
        .map(|word| format!("(i32.store (i32.const {}) (local.get {word}))", 1024 + 4 * word))
        .collect();
    let body = body.replace("(call $store)", &store);
    format!(
        r#"(component
  (import "egress:handler/types@0.1.0" (instance $types
    (export "body" (type $body (sub resource)))
    (type $p (variant (case "empty") (case "bytes" (list u8)) (case "stream" (own $body))))
    (export "payload" (type $payload (eq $p)))
    (type $h (list (tuple string string)))
    (export "headers" (type $headers (eq $h)))
    (type $q (record (field "method" string) (field "scheme" string) (field "authority" string)
      (field "path" string) (field "headers" $headers) (field "body" $payload)))
    (export "request" (type $request (eq $q)))
    (type $r (record (field "status" u16) (field "headers" $headers) (field "body" $payload)))
    (export "response" (type $response (eq $r)))))
  (alias export $types "request" (type $request))
  (alias export $types "response" (type $response))
  (import "egress:handler/http@0.1.0" (instance $http
    (alias outer 1 $request (type $q))
    (export "request" (type $request (eq $q)))
    (alias outer 1 $response (type $r))
    (export "response" (type $response (eq $r)))
    (export "fetch" (func (param "requests" (list $request)) (result (list (result $response (error string))))))))
  (core module $heap
    (memory (export "memory") 16)
    (global $free (mut i32) (i32.const 4096))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (global.get $free)
      (global.set $free (i32.add (global.get $free) (i32.and (i32.add (local.get 3) (i32.const 15)) (i32.const -8))))))
  (core instance $heap (instantiate $heap))
  (core func $fetch (canon lower (func $http "fetch") (memory (core memory $heap "memory"))
    (realloc (core func $heap "realloc"))))
  (core module $main
    (import "heap" "memory" (memory 16))
    (import "host" "fetch" (func $fetch (param i32 i32 i32)))
    (global $count (mut i32) (i32.const 0))
    {more}
    (func (export "handle") {params} (result i32)
      {body}))
  (core instance $main (instantiate $main (with "heap" (instance $heap))
    (with "host" (instance (export "fetch" (func $fetch))))))
  (type $handle (func async (param "request" $request) (result (result $response (error string)))))
  (func $handle (type $handle) (canon lift (core func $main "handle") (memory (core memory $heap "memory"))
    (realloc (core func $heap "realloc"))))
  (export "handle" (func $handle)))"#
    )
}

/// Lets a request or a response go on as it is.
pub(crate) const PASS: &str = "(i32.const 0)";
/// Refuses.
pub(crate) const DENY: &str = "(i32.store8 (i32.const 4) (i32.const 3)) (i32.const 0)";
/// Removes `x-secret` and sets `x-filter: yes`.
pub(crate) const EDIT: &str = "(i32.store8 (i32.const 4) (i32.const 1))
    (i32.store (i32.const 8) (i32.const 128)) (i32.store (i32.const 12) (i32.const 1))
    (i32.store (i32.const 128) (i32.const 80)) (i32.store (i32.const 132) (i32.const 8))
    (i32.store (i32.const 16) (i32.const 144)) (i32.store (i32.const 20) (i32.const 1))
    (i32.store (i32.const 144) (i32.const 64)) (i32.store (i32.const 148) (i32.const 8))
    (i32.store (i32.const 152) (i32.const 72)) (i32.store (i32.const 156) (i32.const 3))
    (i32.const 0)";
/// Sets a header whose name is the request's path.
pub(crate) const PATH_AS_NAME: &str = "(i32.store8 (i32.const 4) (i32.const 1))
    (i32.store (i32.const 16) (i32.const 144)) (i32.store (i32.const 20) (i32.const 1))
    (i32.store (i32.const 144) (local.get 6)) (i32.store (i32.const 148) (local.get 7))
    (i32.store (i32.const 152) (i32.const 72)) (i32.store (i32.const 156) (i32.const 3))
    (i32.const 0)";
/// Answers with 299 and `yes`.
pub(crate) const REPLY: &str =
    "(i32.store8 (i32.const 4) (i32.const 2)) (i32.store16 (i32.const 8) (i32.const 299))
    (i32.store (i32.const 20) (i32.const 72)) (i32.store (i32.const 24) (i32.const 3)) (i32.const 0)";

/// A filter without its functions.
const FILTER: &str = r#"(component
  (import "egress:handler/types@0.1.0" (instance $types
    (type $h (list (tuple string string)))
    (export "headers" (type (eq $h)))))
  (alias export $types "headers" (type $headers))
  (import "egress:handler/filtering@0.1.0" (instance $filtering
    (alias outer 1 $headers (type $h))
    (export "headers" (type $headers (eq $h)))
    (type $q (record (field "method" string) (field "scheme" string) (field "authority" string)
      (field "path" string) (field "headers" $headers)))
    (export "request-head" (type (eq $q)))
    (type $r (record (field "status" u16) (field "headers" $headers)))
    (export "response-head" (type (eq $r)))
    (type $e (record (field "remove" (list string)) (field "set" $headers) (field "path" (option string))))
    (export "edit" (type $edit (eq $e)))
    (type $y (record (field "status" u16) (field "headers" $headers) (field "body" (list u8))))
    (export "reply" (type $reply (eq $y)))
    (type $a (variant (case "pass") (case "forward" $edit) (case "respond" $reply) (case "deny" (option string))))
    (export "action" (type (eq $a)))))
  (alias export $filtering "request-head" (type $request))
  (alias export $filtering "response-head" (type $response))
  (alias export $filtering "action" (type $action))
  (core module $heap
    (memory (export "memory") 16)
    (data (i32.const 64) "x-filteryes") (data (i32.const 80) "x-secret")
    (global $free (mut i32) (i32.const 4096))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (global.get $free)
      (global.set $free (i32.add (global.get $free) (i32.and (i32.add (local.get 3) (i32.const 15)) (i32.const -8))))))
  (core instance $heap (instantiate $heap))
  (core module $main
    (import "heap" "memory" (memory 16))
    {cores})
  (core instance $main (instantiate $main (with "heap" (instance $heap))))
  {exports})"#;

/// A component whose `on-request` and `on-response` have these bodies. Each receives heads flattened, the words of four
/// strings and of a list for a request's, a status and the words of a list for a response's; and returns the address of
/// a `result<action, string>`. Its heap only grows: 16 pages last for the 1024 calls of an instance.
pub(crate) fn filter(on_request: Option<&str>, on_response: Option<&str>) -> String {
    let function = |name: &str, words: usize, body: &str| {
        let params = "i32 ".repeat(words);
        format!(r#"(func (export "{name}") (param {params}) (result i32) {body})"#)
    };
    let lifted = |name: &str, params: &str| {
        format!(
            r#"(func ${name} {params} (result (result $action (error string)))
              (canon lift (core func $main "{name}") (memory (core memory $heap "memory"))
                (realloc (core func $heap "realloc"))))
            (export "{name}" (func ${name}))"#
        )
    };
    let request = r#"(param "request" $request)"#;
    let both = r#"(param "request" $request) (param "response" $response)"#;
    let cores = [
        on_request.map(|body| function("on-request", 10, body)),
        on_response.map(|body| function("on-response", 13, body)),
    ];
    let exports =
        [on_request.map(|_| lifted("on-request", request)), on_response.map(|_| lifted("on-response", both))];
    let cores: String = cores.into_iter().flatten().collect();
    let exports: String = exports.into_iter().flatten().collect();
    FILTER.replace("{cores}", &cores).replace("{exports}", &exports)
}
