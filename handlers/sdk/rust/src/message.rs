//! Requests and responses: how to make them, and how to read their bodies.
//! Receives what a program has in hand, hands on what the host takes.

use crate::{Body, Payload, Request, Response, bindings::egress::handler::http};

/// Bytes; the host gives no more at a time.
const CHUNK: u32 = 65536;

/// Sends one request onward and waits for its response.
pub fn fetch_one(request: Request) -> Result<Response, String> {
    http::fetch(vec![request]).pop().unwrap_or_else(|| Err("no response".into()))
}

impl Request {
    /// A GET. `authority` is the host, with the port if it is not 443; `path` begins with `/`.
    pub fn get(authority: &str, path: &str) -> Self {
        let (method, scheme) = ("GET".into(), "https".into());
        let (authority, path) = (authority.into(), path.into());
        Self { method, scheme, authority, path, headers: Vec::new(), body: Payload::Empty }
    }

    /// The path without its query.
    pub fn pathname(&self) -> &str {
        self.path.split('?').next().unwrap_or_default()
    }
}

impl Response {
    /// A response with this body.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: Payload::Bytes(body.into()) }
    }

    /// The same, with a content type.
    pub fn of_type(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![("content-type".into(), content_type.into())];
        Self { headers, ..Self::new(status, body) }
    }
}

impl Payload {
    /// The next bytes, empty at the end. What is read cannot be passed on any more.
    pub fn chunk(&mut self) -> Result<Vec<u8>, String> {
        match self {
            Self::Empty => Ok(Vec::new()),
            Self::Bytes(bytes) => Ok(std::mem::take(bytes)),
            Self::Stream(body) => body.chunk(),
        }
    }

    /// All bytes. They have to fit into the instance's memory.
    pub fn read_all(mut self) -> Result<Vec<u8>, String> {
        let mut all = Vec::new();
        loop {
            let chunk = self.chunk()?;
            if chunk.is_empty() {
                return Ok(all);
            }
            all.extend(chunk);
        }
    }
}

impl Body {
    /// The next bytes, empty at the end.
    pub fn chunk(&self) -> Result<Vec<u8>, String> {
        self.read(CHUNK)
    }
}
