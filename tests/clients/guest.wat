(component
  ;; A handler that answers nothing: the tests put a hostile body in its place.
  (import "egress:handler/http@0.1.0" (instance $http
    (export "body" (type $body (sub resource)))
    (type $payload' (variant (case "empty") (case "bytes" (list u8)) (case "stream" (own $body))))
    (export "payload" (type $payload (eq $payload')))
    (type $headers' (list (tuple string string)))
    (export "headers" (type $headers (eq $headers')))
    (type $request' (record
      (field "method" string) (field "scheme" string) (field "authority" string) (field "path" string)
      (field "headers" $headers) (field "body" $payload)))
    (export "request" (type $request (eq $request')))
    (type $response' (record (field "status" u16) (field "headers" $headers) (field "body" $payload)))
    (export "response" (type $response (eq $response')))))
  (alias export $http "request" (type $request))
  (alias export $http "response" (type $response))
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
