//! Gives every instance its own key: the one that the key-value store KEYS holds under the instance's id. Requests of an
//! instance that has none are refused.

use proxy_everything_handler::{
    Error, Handler, HeaderList, Request, Response, context, export_handler, http, keyvalue,
};

struct ContainerKey;

impl Handler for ContainerKey {
    fn fetch(mut request: Request) -> Result<Response, Error> {
        let keys = keyvalue::open("KEYS")?;
        let Some(key) = keys.get(&context::current().container_id)? else {
            return Ok(Response::of_type(403, "text/plain", "this container has no key\n"));
        };
        request.headers.set_header("x-api-key", String::from_utf8(key)?);
        Ok(http::fetch_one(request)?)
    }
}

export_handler!(ContainerKey);
