//! The kinds of component, and the macros that export a type as one.
//! Receives what a type does with requests, events or heads; hands on the functions that the host calls.

use crate::{Action, Event, Request, RequestHead, Response, ResponseHead};

/// Why a handler failed. The workload gets 502; the text goes to the operator's log only.
pub type Error = Box<dyn std::error::Error>;

/// A program that a request is sent through.
pub trait Handler {
    /// Answers one request.
    fn fetch(request: Request) -> Result<Response, Error>;
}

/// A program that looks at the heads of requests. It can wait for nothing.
pub trait RequestFilter {
    /// Says what becomes of a request.
    fn on_request(request: RequestHead) -> Result<Action, Error>;
}

/// The same for the heads of responses.
pub trait ResponseFilter {
    /// Says what becomes of a response; `request` is as the workload sent it.
    fn on_response(request: RequestHead, response: ResponseHead) -> Result<Action, Error>;
}

/// A program that hears of exchanges after they are over.
pub trait Tail {
    /// Takes some finished exchanges.
    fn tail(events: Vec<Event>) -> Result<(), Error>;
}

/// Makes a component of a [`Handler`].
#[macro_export]
macro_rules! export_handler {
    ($type:ty) => {
        $crate::export_as!(handler, $type, {
            fn handle(request: $crate::Request) -> Result<$crate::Response, String> {
                <$type as $crate::Handler>::fetch(request).map_err(|error| error.to_string())
            }
        });
    };
}

/// Makes a component of a [`Tail`].
#[macro_export]
macro_rules! export_tail {
    ($type:ty) => {
        $crate::export_as!(tail, $type, {
            fn tail(events: Vec<$crate::Event>) -> Result<(), String> {
                <$type as $crate::Tail>::tail(events).map_err(|error| error.to_string())
            }
        });
    };
}

/// Makes a component of a [`RequestFilter`].
#[macro_export]
macro_rules! export_request_filter {
    ($type:ty) => {
        $crate::export_as!(request_filter, $type, {
            fn on_request(request: $crate::RequestHead) -> Result<$crate::Action, String> {
                <$type as $crate::RequestFilter>::on_request(request).map_err(|error| error.to_string())
            }
        });
    };
}

/// Makes a component of a [`ResponseFilter`].
#[macro_export]
macro_rules! export_response_filter {
    ($type:ty) => {
        $crate::export_as!(response_filter, $type, {
            fn on_response(
                request: $crate::RequestHead,
                response: $crate::ResponseHead,
            ) -> Result<$crate::Action, String> {
                <$type as $crate::ResponseFilter>::on_response(request, response)
                    .map_err(|error| error.to_string())
            }
        });
    };
}

/// Makes a component of a type that is both a [`RequestFilter`] and a [`ResponseFilter`].
#[macro_export]
macro_rules! export_filter {
    ($type:ty) => {
        $crate::export_as!(filter, $type, {
            fn on_request(request: $crate::RequestHead) -> Result<$crate::Action, String> {
                <$type as $crate::RequestFilter>::on_request(request).map_err(|error| error.to_string())
            }

            fn on_response(
                request: $crate::RequestHead,
                response: $crate::ResponseHead,
            ) -> Result<$crate::Action, String> {
                <$type as $crate::ResponseFilter>::on_response(request, response)
                    .map_err(|error| error.to_string())
            }
        });
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! export_as {
    ($kind:ident, $type:ty, { $($function:item)* }) => {
        const _: () = {
            struct Exported;
            impl $crate::bindings::$kind::Guest for Exported {
                $($function)*
            }
            $crate::bindings::$kind::export!(Exported with_types_in $crate::bindings::$kind);
        };
    };
}
