//! The rules of HTTP/1.1 messages, kept to the letter (RFC 9112): receives the bytes of a workload's connection in the order in which
//! they came, hands on how many of them may pass, and the first fault. Pure: the same bytes have the same verdict, however they were
//! cut. The HTTP library behind it forgives much, and what two readers forgive differently is how one request hides in another.

mod chunked;
mod fault;
mod head;

use chunked::Chunked;
pub use fault::Fault;
use head::{Body, Head, Line};

/// Where in the connection it is, and what it has seen of the present message.
#[derive(Debug)]
pub struct Walker {
    at: At,
    requests: u64,
}

#[derive(Debug)]
enum At {
    Head(Head),
    /// A body of which this many bytes are left.
    Length(u64),
    Chunked(Chunked),
}

/// What became of the bytes that were shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Walked {
    /// So many of them, from the first on, may pass.
    pub passed: usize,
    /// What is to be done with the others.
    pub then: Then,
}

/// See [`Walked`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// They begin a head: they are to be shown again with what comes next.
    More,
    /// What follows is no request if the last one makes its connection switch; they are to be shown again if it does not.
    Switch,
    /// They are in the place of a head, and none.
    NoHead(Fault),
    /// They belong to the body of the last request, and break it.
    NoBody(Fault),
}

impl Default for Walker {
    fn default() -> Self {
        Self { at: At::Head(Head::default()), requests: 0 }
    }
}

impl Walker {
    /// Judges `bytes`, which begin with those of last time that did not pass.
    pub fn walk(&mut self, bytes: &[u8]) -> Walked {
        let mut passed = 0;
        loop {
            let rest = bytes.get(passed..).unwrap_or_default();
            let stopped = |then| Walked { passed, then };
            match &mut self.at {
                At::Head(head) => match head.read(rest) {
                    Ok(Line::Unfinished) => return stopped(Then::More),
                    Err(fault) => return stopped(Then::NoHead(fault)),
                    Ok(Line::Last { length, body, may_switch }) => {
                        passed += length;
                        self.requests += 1;
                        self.at = match body {
                            Body::None => At::Head(Head::default()),
                            Body::Length(length) => At::Length(length),
                            Body::Chunked => At::Chunked(Chunked::default()),
                        };
                        if may_switch {
                            return Walked { passed, then: Then::Switch };
                        }
                    }
                },
                At::Length(left) => {
                    let here = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                    passed += here;
                    *left -= here as u64;
                    if *left > 0 {
                        return Walked { passed, then: Then::More };
                    }
                    self.at = At::Head(Head::default());
                }
                At::Chunked(chunked) => {
                    let (length, end) = chunked.read(rest);
                    passed += length;
                    match end {
                        Ok(true) => self.at = At::Head(Head::default()),
                        Ok(false) => return Walked { passed, then: Then::More },
                        Err(fault) => return Walked { passed, then: Then::NoBody(fault) },
                    }
                }
            }
        }
    }

    /// Requests whose heads have passed.
    pub fn requests(&self) -> u64 {
        self.requests
    }
}

/// RFC 9110, 5.6.2.
const TOKEN: [bool; 256] =
    table(b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");

const fn table(members: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut rest = members;
    while let [first, others @ ..] = rest {
        #[allow(clippy::indexing_slicing, reason = "a byte is less than 256")]
        {
            table[*first as usize] = true;
        }
        rest = others;
    }
    table
}

fn is_token(byte: u8) -> bool {
    TOKEN.get(usize::from(byte)).copied().unwrap_or(false)
}

/// Whether `byte` may stand in the value of a field: no control but the tab (RFC 9110, 5.5).
fn is_text(byte: u8) -> bool {
    (byte >= b' ' && byte != 0x7F) || byte == b'\t'
}

#[cfg(test)]
mod tests;
