//! What keeper and proxy say to each other over their unix socket: a tag, the lengths of an id and of a text, both, and
//! descriptors beside the first byte. The keeper never looks into the text.

use std::{
    io::{self, Read, Write},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
};

use zeroize::Zeroizing;

use super::Kept;
use crate::capture;

/// Longest text, in bytes: a policy of 4 MiB, written as JSON.
const MAX_TEXT: usize = 32 * 1024 * 1024;

/// One message.
pub(super) enum Message {
    /// To the keeper: hold this. To the proxy: this was held.
    Keep(Kept),
    /// Let it go.
    Forget(String),
    /// To the keeper: everything is served. To the proxy: that was all.
    Ready,
    /// Nothing else to say.
    Alive,
}

pub(super) fn send(mut socket: &UnixStream, message: &Message) -> io::Result<()> {
    let (tag, id, text, descriptors) = match message {
        Message::Keep(kept) => (b'K', kept.id.as_str(), kept.text.as_slice(), kept.descriptors.as_slice()),
        Message::Forget(id) => (b'F', id.as_str(), &[][..], &[][..]),
        Message::Ready => (b'R', "", &[][..], &[][..]),
        Message::Alive => (b'A', "", &[][..], &[][..]),
    };
    let [i0, i1, ..] = u32::try_from(id.len()).unwrap_or(u32::MAX).to_le_bytes();
    let [t0, t1, t2, t3] = u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes();
    let descriptors: Vec<BorrowedFd<'_>> = descriptors.iter().map(AsFd::as_fd).collect();
    capture::send_descriptors(socket.as_fd(), &[tag, i0, i1, t0, t1, t2, t3], &descriptors)?;
    socket.write_all(id.as_bytes())?;
    socket.write_all(text)
}

/// `None`: the other side is gone.
pub(super) fn receive(mut socket: &UnixStream) -> io::Result<Option<Message>> {
    let mut head = [0; 7];
    let (length, descriptors) = capture::receive_descriptors(socket.as_fd(), &mut head)?;
    if length == 0 {
        return Ok(None);
    }
    let (_, rest) = head.split_at_mut(length);
    socket.read_exact(rest)?;
    let [tag, i0, i1, t0, t1, t2, t3] = head;
    let mut id = vec![0; u16::from_le_bytes([i0, i1]).into()];
    socket.read_exact(&mut id)?;
    let id = String::from_utf8(id).map_err(|_| io::ErrorKind::InvalidData)?;
    let length = u32::from_le_bytes([t0, t1, t2, t3]) as usize;
    if length > MAX_TEXT {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut text = Zeroizing::new(vec![0; length]);
    socket.read_exact(&mut text)?;
    Ok(Some(match tag {
        b'K' => Message::Keep(Kept { id, text, descriptors }),
        b'F' => Message::Forget(id),
        b'R' => Message::Ready,
        b'A' => Message::Alive,
        _ => return Err(io::ErrorKind::InvalidData.into()),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_arrive_as_they_were_sent() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let text = Zeroizing::new(vec![7; 100_000]);
        let file = std::fs::File::open("/dev/null").unwrap();
        let kept = Kept { id: "a".into(), text: text.clone(), descriptors: vec![file.into()] };
        let sending = std::thread::spawn(move || {
            send(&ours, &Message::Keep(kept)).unwrap();
            send(&ours, &Message::Forget("ü".into())).unwrap();
            send(&ours, &Message::Alive).unwrap();
        });
        let Some(Message::Keep(kept)) = receive(&theirs).unwrap() else { panic!() };
        assert_eq!((kept.id.as_str(), &kept.text, kept.descriptors.len()), ("a", &text, 1));
        assert!(matches!(receive(&theirs).unwrap(), Some(Message::Forget(id)) if id == "ü"));
        assert!(matches!(receive(&theirs).unwrap(), Some(Message::Alive)));
        sending.join().unwrap();
        assert!(receive(&theirs).unwrap().is_none());
    }
}
