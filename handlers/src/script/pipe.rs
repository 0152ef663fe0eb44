//! Bodies that a guest makes bit by bit.
//!
//! Receives what the guest writes to its sink; hands it on as a body. The guest waits while nobody takes what it wrote,
//! so that no more than one piece is ever in between. A sink that goes without `finish` breaks its body off.

use std::{
    collections::BTreeMap,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::Frame;
use http_body_util::BodyExt;
use tokio::sync::mpsc;

use crate::{Body, BodyError};

/// Sinks open at once.
const MAX_SINKS: usize = 64;

/// The near end of a pipe; the guest holds its number.
#[expect(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct Sink(mpsc::Sender<Piece>);

enum Piece {
    Data(Bytes),
    End,
}

/// The far end.
struct Source {
    pieces: mpsc::Receiver<Piece>,
    ended: bool,
}

/// The sinks of one instance.
#[derive(Default)]
pub(super) struct Sinks {
    open: BTreeMap<u32, Sink>,
    next: u32,
}

impl Sinks {
    /// A new pipe: the number of its sink, and its body.
    pub(super) fn pipe(&mut self) -> Option<(u32, Body)> {
        if self.open.len() >= MAX_SINKS {
            return None;
        }
        let number = self.next;
        self.next = number.checked_add(1)?;
        let (sender, pieces) = mpsc::channel(1);
        self.open.insert(number, Sink(sender));
        Some((number, Source { pieces, ended: false }.boxed_unsync()))
    }

    /// Hands bytes on, as soon as the ones before were taken.
    pub(super) async fn write(&mut self, number: u32, bytes: Vec<u8>) -> Result<(), String> {
        let sink = self.open.get(&number).ok_or("the body is finished")?;
        if bytes.is_empty() {
            return Ok(());
        }
        sink.0.send(Piece::Data(bytes.into())).await.map_err(|_| "nobody takes the body".to_owned())
    }

    /// Ends a body well.
    pub(super) async fn finish(&mut self, number: u32) -> Result<(), String> {
        let sink = self.open.remove(&number).ok_or("the body is finished")?;
        sink.0.send(Piece::End).await.map_err(|_| "nobody takes the body".to_owned())
    }

    /// Breaks a body off, unless it is finished.
    pub(super) fn forget(&mut self, number: u32) {
        self.open.remove(&number);
    }

    /// Breaks all off: the call that they belong to is over.
    pub(super) fn clear(&mut self) {
        self.open.clear();
    }
}

impl http_body::Body for Source {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        self.pieces.poll_recv(context).map(|piece| match piece {
            Some(Piece::Data(bytes)) => Some(Ok(Frame::data(bytes))),
            Some(Piece::End) => {
                self.ended = true;
                None
            }
            None => {
                self.ended = true;
                Some(Err("the handler broke the body off".into()))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_ends_well_only_when_finished() {
        for finished in [true, false] {
            let mut sinks = Sinks::default();
            let (number, body) = sinks.pipe().unwrap();
            let read = tokio::spawn(body.collect());
            sinks.write(number, b"ab".to_vec()).await.unwrap();
            sinks.write(number, Vec::new()).await.unwrap();
            sinks.write(number, b"c".to_vec()).await.unwrap();
            if finished {
                sinks.finish(number).await.unwrap();
            } else {
                sinks.clear();
            }
            assert_eq!(sinks.write(number, b"d".to_vec()).await, Err("the body is finished".to_owned()));
            let read = read.await.unwrap().map(|all| all.to_bytes());
            assert_eq!(read.ok(), finished.then_some(Bytes::from("abc")));
        }
    }

    #[tokio::test]
    async fn who_writes_to_nobody_hears_it_and_sinks_are_bounded() {
        let mut sinks = Sinks::default();
        let (number, body) = sinks.pipe().unwrap();
        drop(body);
        assert_eq!(sinks.write(number, vec![1]).await, Err("nobody takes the body".to_owned()));
        assert!((1..MAX_SINKS).all(|_| sinks.pipe().is_some()));
        assert!(sinks.pipe().is_none());
        sinks.forget(number);
        assert!(sinks.pipe().is_some());
    }
}
