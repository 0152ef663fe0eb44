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
        "egress:handler/http.send": trappable,
        "egress:handler/http.[method]sink.write": async,
        "egress:handler/http.[method]sink.finish": async,
        "egress:handler/http.[drop]sink": trappable,
        "egress:handler/types.[method]body.read": async,
        "egress:handler/types.[drop]body": trappable,
        "egress:handler/blobstore.get": async,
        "egress:handler/blobstore.head": async,
        "egress:handler/blobstore.put": async,
        "egress:handler/blobstore.delete": async,
        "egress:handler/blobstore.list": async,
        "wasi:keyvalue/store.[method]bucket.get": async,
        "wasi:keyvalue/store.[method]bucket.set": async,
        "wasi:keyvalue/store.[method]bucket.delete": async,
        "wasi:keyvalue/store.[method]bucket.exists": async,
        "wasi:keyvalue/store.[method]bucket.list-keys": async,
        "wasi:keyvalue/store.[drop]bucket": trappable,
        "wasi:keyvalue/atomics.increment": async,
        "wasi:keyvalue/batch.get-many": async,
        "wasi:keyvalue/batch.set-many": async,
        "wasi:keyvalue/batch.delete-many": async,
    },
    with: {
        "egress:handler/types.body": crate::script::bodies::Held,
        "egress:handler/http.sink": crate::script::pipe::Sink,
        "wasi:keyvalue/store.bucket": crate::script::keyvalue::Opened,
        // The runtime's own, of which only the traits differ.
        "wasi:random/random": wasmtime_wasi::p2::bindings::random::random,
    },
});

/// The exports of filters.
pub mod filter {
    pub mod request {
        wasmtime::component::bindgen!({
            path: "wit",
            world: "request-filter",
            exports: { default: async },
            with: {
                "egress:handler/types": super::super::egress::handler::types,
                "egress:handler/context": super::super::egress::handler::context,
                "egress:handler/secrets": super::super::egress::handler::secrets,
                "egress:handler/log": super::super::egress::handler::log,
                "egress:handler/rate-limit": super::super::egress::handler::rate_limit,
                "wasi:config/store": super::super::wasi::config::store,
                "wasi:random/random": wasmtime_wasi::p2::bindings::random::random,
            },
        });
    }

    pub mod response {
        wasmtime::component::bindgen!({
            path: "wit",
            world: "response-filter",
            exports: { default: async },
            with: {
                "egress:handler/types": super::super::egress::handler::types,
                "egress:handler/context": super::super::egress::handler::context,
                "egress:handler/secrets": super::super::egress::handler::secrets,
                "egress:handler/log": super::super::egress::handler::log,
                "egress:handler/rate-limit": super::super::egress::handler::rate_limit,
                "wasi:config/store": super::super::wasi::config::store,
                "wasi:random/random": wasmtime_wasi::p2::bindings::random::random,
                "egress:handler/filtering": super::request::egress::handler::filtering,
            },
        });
    }

    pub use request::egress::handler::filtering::*;
}

/// The export of tails.
pub mod tail {
    wasmtime::component::bindgen!({
        path: "wit",
        world: "tail",
        require_store_data_send: true,
        with: {
            "egress:handler/types": super::egress::handler::types,
            "egress:handler/http": super::egress::handler::http,
            "egress:handler/context": super::egress::handler::context,
            "egress:handler/secrets": super::egress::handler::secrets,
            "egress:handler/log": super::egress::handler::log,
            "egress:handler/blobstore": super::egress::handler::blobstore,
            "egress:handler/rate-limit": super::egress::handler::rate_limit,
            "wasi:config/store": super::wasi::config::store,
            "wasi:keyvalue": super::wasi::keyvalue,
            "wasi:random/random": wasmtime_wasi::p2::bindings::random::random,
        },
    });
}
