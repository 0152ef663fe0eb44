//! Adds a token to every request that this filter is bound to. The policy says for which hosts that is, and grants the
//! secret named API_TOKEN; the workload never sees it, and whatever it sent under that name goes first.

use proxy_everything_handler::{Action, Edit, Error, RequestFilter, RequestHead, export_request_filter, secrets};

struct Inject;

impl RequestFilter for Inject {
    fn on_request(_: RequestHead) -> Result<Action, Error> {
        let token = secrets::get("API_TOKEN").ok_or("API_TOKEN is not granted")?;
        let set = vec![("authorization".into(), format!("Bearer {token}"))];
        Ok(Action::Forward(Edit { remove: Vec::new(), set, path: None }))
    }
}

export_request_filter!(Inject);
