//! Sets a header and sends the request onward; `/hello` it answers itself.

use wstd::http::{Body, Client, Error, HeaderValue, Request, Response};

#[wstd::http_server]
async fn main(mut request: Request<Body>) -> Result<Response<Body>, Error> {
    if request.uri().path() == "/hello" {
        return Ok(Response::new("hello from wstd".into()));
    }
    request.headers_mut().insert("x-other", HeaderValue::from_static("wstd"));
    Client::new().send(request).await
}
