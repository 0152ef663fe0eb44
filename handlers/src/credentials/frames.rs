//! WebSocket frames (RFC 6455) on their way, with placeholders swapped or values masked.
//!
//! Receives the bytes that one side sends after its handshake, cut anywhere; hands on frames. A message that is looked into is handed on in frames
//! of our own, as much of it at a time as has come and is decided, with the mask of the frame that it came in. Control frames pass in between. No
//! message is kept as a whole. What is no frame ends the connection: it could not be looked into.
//!
//! Extensions change what frames mean and compress what is in them. They must not be agreed on: see [`without_extensions`].

mod head;

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header::SEC_WEBSOCKET_EXTENSIONS};

use super::{
    placeholder::{Bound, Swap, SwapError},
    replace::Stream,
    rewrite::Work,
    scrub::{Found, Scrubber},
};
use head::{Head, Opcode, apply, write};

/// Why a connection cannot go on. Whatever came out before may be sent.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The sender's bytes are no frames, or not in an order that there can be.
    #[error("not a WebSocket frame: {0}")]
    Malformed(&'static str),
    /// The sender uses an extension, which none was agreed on.
    #[error("a WebSocket extension that was not agreed on")]
    Extension,
    /// A placeholder that may not be sent, or cannot be.
    #[error(transparent)]
    Swap(#[from] SwapError),
}

/// Takes all extensions, `permessage-deflate` above all, out of the head of a handshake: out of the workload's request, so that the upstream cannot agree.
pub fn without_extensions(headers: &mut HeaderMap) {
    headers.remove(SEC_WEBSOCKET_EXTENSIONS);
}

/// One direction of a connection.
pub struct Frames {
    job: Job,
    /// The beginning of a head.
    head: Vec<u8>,
    frame: Option<Frame>,
    /// The message that has begun and not ended.
    message: Option<Message>,
}

enum Job {
    Swap(Arc<Bound>),
    Scrub(Found),
}

/// A frame whose head has come.
struct Frame {
    head: Head,
    /// Bytes of the payload that have not come.
    left: u64,
    /// Those that have, of a control frame.
    control: BytesMut,
}

enum Message {
    /// Handed on as it comes.
    Passing,
    Rewritten {
        stream: Stream,
        work: Work,
        /// For the next frame: that of the message, later that of a continuation.
        opcode: Opcode,
    },
}

impl Frames {
    /// From the workload to the upstream: placeholders in text messages are swapped, and other frames pass.
    pub fn swap(bound: Arc<Bound>) -> Self {
        Self::new(Job::Swap(bound))
    }

    /// From the upstream to the workload: values are masked in all frames. What was found is counted.
    pub fn scrub(scrubber: &Arc<Scrubber>) -> (Self, Found) {
        let found = scrubber.found();
        (Self::new(Job::Scrub(found.clone())), found)
    }

    fn new(job: Job) -> Self {
        Self { job, head: Vec::new(), frame: None, message: None }
    }

    /// Appends to `out` what is decided with this input. After an error nothing more may be pushed.
    pub fn push(&mut self, mut input: &[u8], out: &mut BytesMut) -> Result<(), FrameError> {
        while !input.is_empty() {
            let mut frame = match self.frame.take() {
                Some(frame) => frame,
                None => match self.begin(&mut input, out)? {
                    Some(frame) => frame,
                    None => return Ok(()),
                },
            };
            let here = usize::try_from(frame.left).unwrap_or(usize::MAX).min(input.len());
            let (payload, rest) = input.split_at(here);
            input = rest;
            frame.left -= here as u64;
            self.payload(&mut frame, payload, out)?;
            self.frame = Some(frame).filter(|frame| frame.left > 0);
        }
        Ok(())
    }

    /// Takes a head from the input; none if more of it must come.
    fn begin(&mut self, input: &mut &[u8], out: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        while let Some((byte, rest)) = input.split_first() {
            *input = rest;
            self.head.push(*byte);
            if let Some(head) = Head::parse(&self.head)? {
                self.check(&head)?;
                if self.passes(&head) {
                    out.extend_from_slice(&self.head);
                }
                self.head.clear();
                return Ok(Some(Frame { left: head.length, head, control: BytesMut::new() }));
            }
        }
        Ok(None)
    }

    /// Whether this frame can come now; opens a message if it begins one.
    fn check(&mut self, head: &Head) -> Result<(), FrameError> {
        let is_client = matches!(self.job, Job::Swap(_));
        if head.mask.is_some() != is_client {
            return Err(FrameError::Malformed("only what a client sends is masked"));
        }
        match (head.opcode, &self.message) {
            (Opcode::Control(_), _) | (Opcode::Continuation, Some(_)) => {}
            (Opcode::Text | Opcode::Binary, None) => self.message = Some(self.opened(head.opcode)),
            (Opcode::Continuation, None) => return Err(FrameError::Malformed("nothing to continue")),
            (Opcode::Text | Opcode::Binary, Some(_)) => {
                return Err(FrameError::Malformed("a message within another"));
            }
        }
        Ok(())
    }

    fn opened(&self, opcode: Opcode) -> Message {
        let work = match (&self.job, opcode) {
            (Job::Swap(bound), Opcode::Text) => Work::Swap(Swap::in_message(bound)),
            (Job::Swap(_), _) => return Message::Passing,
            (Job::Scrub(found), _) => Work::Scrub(found.clone()),
        };
        Message::Rewritten { stream: work.stream(), work, opcode }
    }

    /// Whether this frame is handed on as it is.
    fn passes(&self, head: &Head) -> bool {
        match head.opcode {
            Opcode::Control(_) => matches!(self.job, Job::Swap(_)),
            _ => matches!(self.message, Some(Message::Passing)),
        }
    }

    /// Hands on what is decided with this part of a payload. It is the last one if nothing is left.
    fn payload(&mut self, frame: &mut Frame, payload: &[u8], out: &mut BytesMut) -> Result<(), FrameError> {
        let (head, ends) = (&frame.head, frame.left == 0);
        if self.passes(head) {
            out.extend_from_slice(payload);
        } else if let Opcode::Control(_) = head.opcode {
            frame.control.extend_from_slice(payload);
            return if ends { self.control(frame, out) } else { Ok(()) };
        } else if let Some(Message::Rewritten { stream, work, opcode }) = &mut self.message {
            let come = head.length - frame.left - payload.len() as u64;
            let mut text = BytesMut::from(payload);
            apply(head.mask, come, &mut text);
            let mut decided = stream.push(text.freeze(), |number, text, out| work.put(number, text, out))?;
            let is_last = ends && head.is_final;
            if is_last {
                let rest = stream.finish(|number, text, out| work.put(number, text, out))?;
                decided = if rest.is_empty() { decided } else { Bytes::from([decided, rest].concat()) };
            }
            if is_last || !decided.is_empty() {
                write(*opcode, is_last, head.mask, &decided, out);
                *opcode = Opcode::Continuation;
            }
        }
        if ends && head.is_final && !matches!(head.opcode, Opcode::Control(_)) {
            self.message = None;
        }
        Ok(())
    }

    /// A control frame of a server has 125 bytes at most, so it is looked into as a whole.
    fn control(&self, frame: &Frame, out: &mut BytesMut) -> Result<(), FrameError> {
        let Job::Scrub(found) = &self.job else { return Ok(()) };
        let mut work = Work::Scrub(found.clone());
        let masked =
            found.patterns().replaced(&frame.control, |number, text, out| work.put(number, text, out))?;
        write(frame.head.opcode, true, None, masked.as_ref().unwrap_or(&frame.control), out);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
