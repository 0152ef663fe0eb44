//! Handlers, filters and tails for proxy-everything, in Rust.
//!
//! A component is one type that implements [`Handler`], [`RequestFilter`], [`ResponseFilter`] or [`Tail`], and one line
//! that exports it:
//!
//! ```ignore
//! use proxy_everything_handler::{Error, Handler, HeaderList, Request, Response, export_handler, http, secrets};
//!
//! struct Token;
//!
//! impl Handler for Token {
//!     fn fetch(mut request: Request) -> Result<Response, Error> {
//!         let token = secrets::get("API_TOKEN").ok_or("API_TOKEN is not granted")?;
//!         request.headers.set_header("authorization", format!("Bearer {token}"));
//!         Ok(http::fetch_one(request)?)
//!     }
//! }
//!
//! export_handler!(Token);
//! ```
//!
//! Everything waits where it stands: an instance serves one call at a time, so there is nothing to `await`. What has to
//! run side by side is fetched as a list, or begun with [`http::send`].

#[doc(hidden)]
pub mod bindings;
mod export;
mod headers;
mod message;

pub use bindings::{
    egress::handler::{
        blobstore, context,
        filtering::{Action, Edit, Reply, RequestHead, ResponseHead},
        log, rate_limit, secrets,
        types::{Body, Level, Payload, Request, Response},
    },
    tail::egress::handler::tailing::{Event, Line},
    wasi::{
        config::store as config,
        keyvalue::{atomics, batch, store as keyvalue},
        random::random,
    },
};
pub use export::{Error, Handler, RequestFilter, ResponseFilter, Tail};
pub use headers::HeaderList;

/// Fetching onward, and answering before the call is over.
pub mod http {
    pub use crate::bindings::egress::handler::http::{Sink, fetch, next, pipe, respond, send};
    pub use crate::message::fetch_one;
}
