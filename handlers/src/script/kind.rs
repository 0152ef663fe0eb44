//! What kind of handler a component is, by what it exports.
//!
//! Receives a linked component; hands on its kind with everything that was checked about its exports, from which
//! instances are made. Only this file and the calls of each kind know that there are several.

use wasmtime::{AsContextMut, Result, component::InstancePre};
use wasmtime_wasi_http::{p2, p3};

use super::{
    bindings::{
        Handler, HandlerIndices,
        filter::{
            request::{RequestFilter, RequestFilterIndices},
            response::{ResponseFilter, ResponseFilterIndices},
        },
        tail::{Tail, TailIndices},
    },
    state::State,
};
use crate::{Kind, LoadError};

/// A component, ready to be instantiated.
pub(super) struct Linked {
    component: InstancePre<State>,
    exports: Exports,
}

enum Exports {
    Handler(HandlerIndices),
    Filter(Option<RequestFilterIndices>, Option<ResponseFilterIndices>),
    Proxy(p2::bindings::ProxyIndices),
    Service(p3::bindings::ServiceIndices),
    Tail(TailIndices),
}

/// A component's exports in one instance.
pub(super) enum Guest {
    Handler(Handler),
    Filter(Filter),
    Proxy(p2::bindings::Proxy),
    Service(p3::bindings::Service),
    Tail(Tail),
}

/// A filter's.
pub(super) struct Filter {
    pub(super) request: Option<RequestFilter>,
    pub(super) response: Option<ResponseFilter>,
}

impl Linked {
    pub(super) fn new(component: InstancePre<State>) -> Result<Self, LoadError> {
        let ty = component.component().component_type();
        let engine = component.engine();
        let names: Vec<String> = ty.exports(engine).map(|(name, _)| name.to_owned()).collect();
        let exported = |wanted: &str| names.iter().any(|name| name == wanted);
        let wrong = |error: wasmtime::Error| LoadError::Export(format!("{error:#}"));
        let exports = match Kind::of(&names) {
            None => return Err(LoadError::Export("none of those that make a handler".to_owned())),
            Some(Kind::Handler) => HandlerIndices::new(&component).map(Exports::Handler),
            Some(Kind::Tail) => TailIndices::new(&component).map(Exports::Tail),
            Some(Kind::WasiHttp02) => p2::bindings::ProxyIndices::new(&component).map(Exports::Proxy),
            Some(Kind::WasiHttp03) => p3::bindings::ServiceIndices::new(&component).map(Exports::Service),
            Some(Kind::Filter) => {
                let request = exported("on-request").then(|| RequestFilterIndices::new(&component));
                let response = exported("on-response").then(|| ResponseFilterIndices::new(&component));
                let request = request.transpose().map_err(wrong)?;
                Ok(Exports::Filter(request, response.transpose().map_err(wrong)?))
            }
        };
        Ok(Self { exports: exports.map_err(wrong)?, component })
    }

    pub(super) fn kind(&self) -> Kind {
        match self.exports {
            Exports::Handler(_) => Kind::Handler,
            Exports::Filter(..) => Kind::Filter,
            Exports::Proxy(_) => Kind::WasiHttp02,
            Exports::Service(_) => Kind::WasiHttp03,
            Exports::Tail(_) => Kind::Tail,
        }
    }

    /// Calls that one instance serves unless the policy says otherwise: enough that its start, which takes a JavaScript one 0.5 to 1 ms,
    /// costs a call no more than a microsecond. Components of `wasi:http` 0.2 are made for hosts that use them once, and some break when they are
    /// used again.
    pub(super) fn calls(&self) -> u32 {
        if self.kind() == Kind::WasiHttp02 { 1 } else { 1024 }
    }

    /// Whether it looks at responses, as a filter.
    pub(super) fn filters_responses(&self) -> bool {
        matches!(self.exports, Exports::Filter(_, Some(_)))
    }

    /// Whether it looks at requests, as a filter.
    pub(super) fn filters_requests(&self) -> bool {
        matches!(self.exports, Exports::Filter(Some(_), _))
    }

    pub(super) fn engine(&self) -> &wasmtime::Engine {
        self.component.engine()
    }

    pub(super) async fn instantiate(&self, mut store: impl AsContextMut<Data = State>) -> Result<Guest> {
        let instance = self.component.instantiate_async(&mut store).await?;
        let (mut store, instance) = (store.as_context_mut(), &instance);
        Ok(match &self.exports {
            Exports::Handler(exports) => Guest::Handler(exports.load(&mut store, instance)?),
            Exports::Proxy(exports) => Guest::Proxy(exports.load(&mut store, instance)?),
            Exports::Service(exports) => Guest::Service(exports.load(&mut store, instance)?),
            Exports::Tail(exports) => Guest::Tail(exports.load(&mut store, instance)?),
            Exports::Filter(request, response) => {
                let request =
                    request.as_ref().map(|exports| exports.load(&mut store, instance)).transpose()?;
                let response =
                    response.as_ref().map(|exports| exports.load(&mut store, instance)).transpose()?;
                Guest::Filter(Filter { request, response })
            }
        })
    }
}
