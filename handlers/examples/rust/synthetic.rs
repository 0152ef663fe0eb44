//! A host that does not exist: `/whoami` tells the workload who it is, everything else is 404. Nothing is fetched.
//! What it says comes from its context and its parameters.

use proxy_everything_handler::{Error, Handler, Request, Response, context, export_handler};

struct Synthetic;

impl Handler for Synthetic {
    fn fetch(request: Request) -> Result<Response, Error> {
        if request.pathname() != "/whoami" {
            return Ok(Response::of_type(404, "text/plain", "no such page\n"));
        }
        let who = context::current();
        // The policy allows neither quotes nor backslashes in ids and class names.
        let body = format!(r#"{{"id":"{}","class":"{}"}}"#, who.container_id, who.class_name);
        Ok(Response::of_type(200, "application/json", body))
    }
}

export_handler!(Synthetic);
