(component
  ;; An unmodified component of `wasi:http` that returns without having answered.
  (import "wasi:http/types@0.2.0" (instance $types
    (export "incoming-request" (type (sub resource)))
    (export "response-outparam" (type (sub resource)))))
  (alias export $types "incoming-request" (type $request))
  (alias export $types "response-outparam" (type $out))
  (core module $code (func (export "handle") (param i32 i32)))
  (core instance $code (instantiate $code))
  (func $handle (param "request" (own $request)) (param "response-out" (own $out)) (canon lift (core func $code "handle")))
  (instance $handler (export "handle" (func $handle)))
  (export "wasi:http/incoming-handler@0.2.0" (instance $handler)))
