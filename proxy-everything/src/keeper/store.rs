//! The proxy's side of its keeper. Receives what an instance is made of, and hands it to the keeper, for the proxy that follows this one;
//! at the start, hands back what an earlier proxy left there.

use std::{
    io,
    os::{fd::OwnedFd, unix::net::UnixStream},
    sync::{Mutex, PoisonError},
};

use zeroize::Zeroizing;

use super::channel::{Message, receive, send};

/// What is held for an instance. The text may hold its CA's keys and is wiped when it is dropped.
pub struct Kept {
    /// The instance.
    pub id: String,
    /// What the proxy needs to know about it.
    pub text: Zeroizing<Vec<u8>>,
    /// Its sockets.
    pub descriptors: Vec<OwnedFd>,
}

impl Kept {
    /// With descriptors of its own.
    pub(super) fn duplicate(&self) -> io::Result<Self> {
        let descriptors = self.descriptors.iter().map(OwnedFd::try_clone).collect::<io::Result<_>>()?;
        Ok(Self { id: self.id.clone(), text: self.text.clone(), descriptors })
    }

    /// A text without descriptors goes with those that came before.
    pub(super) fn or_descriptors_of(self, earlier: Option<Self>) -> Self {
        match earlier {
            Some(earlier) if self.descriptors.is_empty() => Self { descriptors: earlier.descriptors, ..self },
            _ => self,
        }
    }
}

/// What the keeper gives a proxy at its start.
pub struct Lifeline {
    pub(super) socket: UnixStream,
    pub(super) number: u64,
}

/// The way to the keeper.
pub struct Keeper {
    socket: Mutex<UnixStream>,
    number: u64,
}

impl Keeper {
    /// Over the socket that the keeper opened for us; gives what it held. Waits for it.
    pub fn meet(lifeline: Lifeline) -> io::Result<(Self, Vec<Kept>)> {
        let Lifeline { socket, number } = lifeline;
        let mut held = Vec::new();
        loop {
            match receive(&socket)? {
                Some(Message::Keep(kept)) => held.push(kept),
                Some(Message::Ready) => return Ok((Self { socket: Mutex::new(socket), number }, held)),
                _ => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
    }

    /// Which of the keeper's proxies this is, counted from 1, with gaps.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Holds `kept` from now on; without descriptors, those that are held for its id stay.
    pub fn keep(&self, kept: Kept) -> io::Result<()> {
        self.say(&Message::Keep(kept))
    }

    /// Lets go of what is held for `id`.
    pub fn forget(&self, id: &str) -> io::Result<()> {
        self.say(&Message::Forget(id.to_owned()))
    }

    /// Everything is served.
    pub fn ready(&self) -> io::Result<()> {
        self.say(&Message::Ready)
    }

    /// This process does not stand still.
    pub fn alive(&self) -> io::Result<()> {
        self.say(&Message::Alive)
    }

    fn say(&self, message: &Message) -> io::Result<()> {
        send(&self.socket.lock().unwrap_or_else(PoisonError::into_inner), message)
    }
}
