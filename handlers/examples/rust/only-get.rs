//! Lets the workload read but not write: every method but GET and HEAD is refused, and noted in the log.
//! A filter: it needs no body, and costs next to nothing.

use proxy_everything_handler::{
    Action, Error, Level, RequestFilter, RequestHead, context, export_request_filter, log,
};

struct OnlyGet;

impl RequestFilter for OnlyGet {
    fn on_request(request: RequestHead) -> Result<Action, Error> {
        if matches!(request.method.as_str(), "GET" | "HEAD") {
            return Ok(Action::Pass);
        }
        let who = context::current().container_id;
        let RequestHead { method, authority, path, .. } = request;
        log::write(Level::Info, &format!("{who} tried {method} {authority}{path}"));
        Ok(Action::Deny(Some("only reading is allowed here".into())))
    }
}

export_request_filter!(OnlyGet);
