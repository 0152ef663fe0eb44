//! The Rust side of `wit/handler.wit`, generated at compile time.
//!
//! Receives the WIT; hands on its types and the traits that [`super::state`] and its neighbours implement. What waits is
//! async on the host though not in the WIT: it blocks the guest that waits, and no thread of ours.

#![allow(missing_docs, unreachable_pub, unused_qualifications, reason = "generated code")]

wasmtime::component::bindgen!({
    path: "wit",
    world: "handler",
    imports: {
        "egress:handler/http.fetch": async,
        "egress:handler/http.next": async,
        "egress:handler/http.[method]sink.write": async,
        "egress:handler/types.[method]body.read": async,
        "egress:handler/blobstore": async,
        "wasi:keyvalue": async,
    },
});
