(component
  ;; A handler that answers nothing: the tests put a hostile body in its place.
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
  (core module $code
    (memory (export "memory") 4)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
    (func (export "callback") (param i32 i32 i32) (result i32) (i32.const 0))
    (func (export "handle") (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
      ;; BODY
      (i32.const 0)))
  (core instance $i (instantiate $code))
  (type $handle (func async (param "request" $request) (result (result $response (error string)))))
  (func (export "handle") (type $handle)
    (canon lift (core func $i "handle") async (callback (core func $i "callback"))
      (memory (core memory $i "memory")) (realloc (core func $i "realloc")))))
