//! The Rust side of `wit/handler.wit`, generated at compile time.
//!
//! Receives the WIT; hands on its types and the traits that [`super::state`] implements. `fetch` and `read` are async
//! on the host though not in the WIT: they block the guest that waits, and no thread of ours.

#![allow(missing_docs, unreachable_pub, unused_qualifications, reason = "generated code")]

wasmtime::component::bindgen!({
    path: "wit",
    world: "handler",
    imports: {
        "egress:handler/http.fetch": async,
        "egress:handler/http.[method]body.read": async,
        "egress:handler/http.[drop]body": trappable,
    },
    with: { "egress:handler/http.body": crate::script::bodies::Held },
});
