//! Adds the token to what may be read, and refuses the rest.
//!
//! The workload never sees the token: it is added here, after the policy has let the request pass.

use proxy_everything_handler::{
    Error, Handler, HeaderList, Level, Request, Response, export_handler, http, log, secrets,
};

struct MyHandler;

impl Handler for MyHandler {
    fn fetch(mut request: Request) -> Result<Response, Error> {
        if request.method != "GET" {
            let Request { method, scheme, authority, path, .. } = &request;
            log::write(Level::Warn, &format!("{method} {scheme}://{authority}{path} was refused"));
            return Ok(Response::of_type(405, "text/plain", "only reading is allowed\n"));
        }
        let token = secrets::get("API_TOKEN").ok_or("API_TOKEN is not granted")?;
        request.headers.set_header("authorization", format!("Bearer {token}"));
        Ok(http::fetch_one(request)?)
    }
}

export_handler!(MyHandler);
