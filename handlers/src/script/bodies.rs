//! The bodies that one call of a guest may touch.
//!
//! Receives bodies from requests and responses; hands numbers to the guest, chunks to those who read, and the whole
//! body back when the guest passes its number on. Numbers are never used twice in an instance's life: a guest that
//! kept one from an earlier call holds nothing.

use std::{collections::BTreeMap, future::poll_fn, pin::Pin};

use bytes::{Buf, Bytes};
use http::{Extensions, HeaderValue};
use http_body::Body as _;

use crate::Body;

/// Bodies held at once: each of the 64 fetches of a call has two.
const MAX_HELD: usize = 160;

/// Bytes given to the guest at a time.
const MAX_CHUNK: usize = 64 << 10;

/// A body that the host holds for the guest.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct Held {
    whole: Whole,
    progress: Progress,
}

/// A body, and what goes with it for as long as it is passed on whole.
pub(super) struct Whole {
    pub(super) body: Body,
    /// The `content-length` that it came with.
    pub(super) length: Option<HeaderValue>,
    /// Of a 101: the connection that is upgraded.
    pub(super) upgrade: Option<Extensions>,
}

enum Progress {
    Unread,
    /// The guest has begun to read; what is left of the current frame.
    Reading(Bytes),
}

/// The bodies of one instance.
#[derive(Default)]
pub(super) struct Bodies {
    held: BTreeMap<u32, Held>,
    next: u32,
}

impl Bodies {
    /// Holds a body and returns its number; none if the guest holds too many.
    pub(super) fn hold(&mut self, whole: Whole) -> Option<u32> {
        if self.held.len() >= MAX_HELD {
            return None;
        }
        let number = self.next;
        self.next = number.checked_add(1)?;
        self.held.insert(number, Held { whole, progress: Progress::Unread });
        Some(number)
    }

    /// Gives a body back whole.
    pub(super) fn take(&mut self, number: u32) -> Result<Whole, String> {
        let held = self.held.remove(&number).ok_or_else(gone)?;
        match held.progress {
            Progress::Unread => Ok(held.whole),
            Progress::Reading(_) => Err("a body that was read from cannot be passed on".to_owned()),
        }
    }

    /// The next bytes of a body, at most `max`; none at its end.
    pub(super) async fn read(&mut self, number: u32, max: u32) -> Result<Vec<u8>, String> {
        let held = self.held.get_mut(&number).ok_or_else(gone)?;
        let mut rest = match std::mem::replace(&mut held.progress, Progress::Reading(Bytes::new())) {
            Progress::Unread => Bytes::new(),
            Progress::Reading(rest) => rest,
        };
        while rest.is_empty() {
            match poll_fn(|context| Pin::new(&mut held.whole.body).poll_frame(context)).await {
                None => return Ok(Vec::new()),
                Some(Err(error)) => return Err(error.to_string()),
                // Trailers are not shown to those who read.
                Some(Ok(frame)) => rest = frame.into_data().unwrap_or_default(),
            }
        }
        let max = usize::try_from(max).unwrap_or(MAX_CHUNK).clamp(1, MAX_CHUNK);
        let chunk = rest.chunk().iter().take(max).copied().collect();
        rest.advance(max.min(rest.len()));
        held.progress = Progress::Reading(rest);
        Ok(chunk)
    }

    /// Lets go of one body.
    pub(super) fn forget(&mut self, number: u32) {
        self.held.remove(&number);
    }

    /// Lets go of all: the call that they came with is over.
    pub(super) fn clear(&mut self) {
        self.held.clear();
    }
}

impl From<Body> for Whole {
    fn from(body: Body) -> Self {
        Self { body, length: None, upgrade: None }
    }
}

fn gone() -> String {
    "the body is gone".to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::full;

    fn now<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    #[test]
    fn a_body_is_passed_on_once_and_only_whole() {
        let mut bodies = Bodies::default();
        let length = Some(HeaderValue::from_static("2"));
        let (first, second) = (
            bodies.hold(Whole { length: length.clone(), ..full(vec![1, 2]).into() }).unwrap(),
            bodies.hold(full(vec![1, 2]).into()).unwrap(),
        );
        assert_eq!(bodies.take(first).ok().unwrap().length, length);
        assert_eq!(bodies.take(first).err().unwrap(), "the body is gone");
        assert_eq!(now(bodies.read(second, 1)), Ok(vec![1]));
        assert_eq!(bodies.take(second).err().unwrap(), "a body that was read from cannot be passed on");
    }

    #[test]
    fn numbers_are_never_used_again() {
        let mut bodies = Bodies::default();
        let old = bodies.hold(full(vec![1]).into()).unwrap();
        bodies.clear();
        let new = bodies.hold(full(vec![2]).into()).unwrap();
        bodies.forget(old);
        assert_eq!(now(bodies.read(old, 1)), Err("the body is gone".to_owned()));
        assert_eq!(now(bodies.read(new, 1)), Ok(vec![2]));
    }

    #[test]
    fn only_so_many_are_held() {
        let mut bodies = Bodies::default();
        assert!((0..MAX_HELD).all(|_| bodies.hold(full(vec![]).into()).is_some()));
        assert!(bodies.hold(full(vec![]).into()).is_none());
    }

    proptest! {
        /// Whatever is asked for at a time, all bytes come, in order, and no more at a time than was asked for.
        #[test]
        fn reads_add_up(bytes in proptest::collection::vec(any::<u8>(), 0..300_000), max in 500..200_000_u32) {
            let mut bodies = Bodies::default();
            let number = bodies.hold(full(bytes.clone()).into()).unwrap();
            let mut seen = Vec::new();
            loop {
                let chunk = now(bodies.read(number, max)).unwrap();
                prop_assert!(chunk.len() <= MAX_CHUNK.min(max as usize));
                if chunk.is_empty() {
                    break;
                }
                seen.extend(chunk);
            }
            prop_assert_eq!(seen, bytes);
        }
    }
}
