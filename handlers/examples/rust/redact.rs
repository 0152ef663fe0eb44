//! Takes e-mail addresses out of text responses before the workload sees them. Other responses go through unread.
//!
//! The text is streamed: what is held back is only a word that may go on in the next chunk.

use proxy_everything_handler::{Error, Handler, HeaderList, Payload, Request, Response, export_handler, http};

/// Bytes; no address is longer, so that a longer word is passed on.
const LONGEST: usize = 320;

struct Redact;

impl Handler for Redact {
    fn fetch(mut request: Request) -> Result<Response, Error> {
        // Compressed text could not be searched.
        request.headers.set_header("accept-encoding", "identity");
        let mut response = http::fetch_one(request)?;
        let kind = response.headers.header("content-type").unwrap_or_default();
        if !kind.starts_with("text/") && !kind.starts_with("application/json") {
            return Ok(response);
        }
        if response.headers.header("content-encoding").is_some() {
            return Err("the text is compressed although that was not asked for".into());
        }
        let (sink, body) = http::pipe();
        let mut from = std::mem::replace(&mut response.body, Payload::Stream(body));
        http::respond(response)?;
        let mut word = Vec::new();
        loop {
            let chunk = from.chunk()?;
            let mut clean = Vec::with_capacity(chunk.len());
            for byte in &chunk {
                let part = byte.is_ascii_alphanumeric() || b".+_-@".contains(byte);
                if part && word.len() < LONGEST {
                    word.push(*byte);
                } else {
                    clean.extend(redacted(&word));
                    word.clear();
                    clean.push(*byte);
                }
            }
            if chunk.is_empty() {
                clean.extend(redacted(&word));
            }
            if !clean.is_empty() {
                sink.write(&clean)?;
            }
            if chunk.is_empty() {
                sink.finish()?;
                return Ok(Response::new(200, "")); // Dropped: the answer is given.
            }
        }
    }
}

fn redacted(word: &[u8]) -> &[u8] {
    let at = word.iter().position(|byte| *byte == b'@');
    let address = at.is_some_and(|at| at > 0 && word.get(at + 1..).is_some_and(|host| host.contains(&b'.')));
    if address { b"[redacted]" } else { word }
}

export_handler!(Redact);
