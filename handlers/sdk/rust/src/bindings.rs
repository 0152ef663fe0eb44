//! What the contract looks like in Rust: generated when the crate is compiled, one module for each kind of component.
//!
//! Imports and types are generated once, so that all kinds share them. An import that a component does not use does not
//! end up in it.

#![allow(missing_docs, unsafe_op_in_unsafe_fn, unused_imports, clippy::all, reason = "generated")]

wit_bindgen::generate!({
    path: "../../wit",
    inline: "
        package egress:sdk;
        world everything {
            include egress:handler/imports@0.1.0;
            import egress:handler/http@0.1.0;
            import egress:handler/blobstore@0.1.0;
            import egress:handler/filtering@0.1.0;
            import wasi:keyvalue/store@0.2.0-draft;
            import wasi:keyvalue/atomics@0.2.0-draft;
            import wasi:keyvalue/batch@0.2.0-draft;
        }
    ",
    world: "egress:sdk/everything",
    generate_all,
    generate_unused_types: true,
    async: false,
});

/// What one kind of component exports; what it imports is above.
macro_rules! kind {
    ($module:ident, $world:literal $(, $interface:literal: $path:path)*) => {
        #[doc(hidden)]
        pub mod $module {
            wit_bindgen::generate!({
                path: "../../wit",
                world: $world,
                with: {
                    "egress:handler/types@0.1.0": crate::bindings::egress::handler::types,
                    "egress:handler/context@0.1.0": crate::bindings::egress::handler::context,
                    "egress:handler/secrets@0.1.0": crate::bindings::egress::handler::secrets,
                    "egress:handler/log@0.1.0": crate::bindings::egress::handler::log,
                    "egress:handler/rate-limit@0.1.0": crate::bindings::egress::handler::rate_limit,
                    "wasi:config/store@0.2.0-rc.1": crate::bindings::wasi::config::store,
                    "wasi:random/random@0.2.6": crate::bindings::wasi::random::random,
                    $($interface: $path,)*
                },
                pub_export_macro: true,
                async: false,
            });
        }
    };
}

/// The same for one that may fetch and keep things.
macro_rules! fetching_kind {
    ($module:ident, $world:literal) => {
        kind!(
            $module, $world,
            "egress:handler/http@0.1.0": crate::bindings::egress::handler::http,
            "egress:handler/blobstore@0.1.0": crate::bindings::egress::handler::blobstore,
            "wasi:keyvalue/store@0.2.0-draft": crate::bindings::wasi::keyvalue::store,
            "wasi:keyvalue/atomics@0.2.0-draft": crate::bindings::wasi::keyvalue::atomics,
            "wasi:keyvalue/batch@0.2.0-draft": crate::bindings::wasi::keyvalue::batch
        );
    };
}

macro_rules! filter_kind {
    ($module:ident, $world:literal) => {
        kind!($module, $world, "egress:handler/filtering@0.1.0": crate::bindings::egress::handler::filtering);
    };
}

fetching_kind!(handler, "handler");
fetching_kind!(tail, "tail");
filter_kind!(request_filter, "request-filter");
filter_kind!(response_filter, "response-filter");
filter_kind!(filter, "filter");
