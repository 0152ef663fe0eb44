//! Frames, against another implementation of WebSockets.

use std::io::{Cursor, Read, Write};

use proptest::prelude::*;
use tungstenite::{
    Message, WebSocket,
    protocol::{
        Role, WebSocketConfig,
        frame::{
            Frame as TheirFrame,
            coding::{Data, OpCode},
        },
    },
};

use super::*;
use crate::{
    Secret,
    credentials::placeholder::{Place, Placeholder, Placeholders},
};

const FAKE: &str = "pe_bbbbbbbbbbbbbbbb";
const STRAY: &str = "pe_cccccccccccccccc";
const VALUE: &str = "the value, which is longer than that";

/// Reads what it is given and keeps what is written.
struct Wire {
    read: Cursor<Vec<u8>>,
    written: Vec<u8>,
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.read.read(buffer)
    }
}

impl Write for Wire {
    fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
        self.written.write(buffer)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn socket(role: Role, read: Vec<u8>) -> WebSocket<Wire> {
    let config = WebSocketConfig::default().max_frame_size(None).max_message_size(None);
    WebSocket::from_raw_socket(Wire { read: Cursor::new(read), written: Vec::new() }, role, Some(config))
}

/// As another implementation writes them.
fn sent(role: Role, messages: impl IntoIterator<Item = Message>) -> Vec<u8> {
    let mut socket = socket(role, Vec::new());
    for message in messages {
        socket.send(message).unwrap();
    }
    std::mem::take(&mut socket.get_mut().written)
}

/// As another implementation reads them, until there is no more.
fn received(role: Role, bytes: Vec<u8>) -> Vec<Message> {
    let mut socket = socket(role, bytes);
    std::iter::from_fn(|| socket.read().ok()).collect()
}

/// A message in frames, with a ping between each two.
fn pieces(kind: Data, parts: &[&[u8]]) -> Vec<Message> {
    let count = parts.len();
    let frames = parts.iter().enumerate().flat_map(|(index, part)| {
        let opcode = OpCode::Data(if index == 0 { kind } else { Data::Continue });
        let data = TheirFrame::message(part.to_vec(), opcode, index + 1 == count);
        [Message::Frame(data), Message::Ping(vec![u8::try_from(index).unwrap()].into())]
    });
    frames.collect()
}

fn bound() -> Arc<Bound> {
    let place = |(secret, fake): (&str, &str)| Placeholder {
        secret: secret.into(),
        fake: fake.into(),
        places: [Place::Websocket].into_iter().collect(),
    };
    let list = [("B", FAKE), ("C", STRAY)].map(place);
    Arc::new(Placeholders::new(list.into()))
        .bind(|name| (name == "B").then(|| Arc::new(Secret::new(VALUE.to_owned()))))
}

fn scrubbing() -> (Frames, Found) {
    let secret = Secret::new(VALUE.to_owned());
    Frames::scrub(&Arc::new(Scrubber::new(&[("B".into(), &secret)])))
}

fn through(frames: &mut Frames, input: &[u8], size: usize) -> Result<Vec<u8>, FrameError> {
    let mut out = BytesMut::new();
    for chunk in input.chunks(size) {
        frames.push(chunk, &mut out)?;
    }
    Ok(out.to_vec())
}

#[test]
fn text_gets_values_and_the_rest_passes() {
    let text = format!("{{\"t\":\"{FAKE}\", \"u\":\"{FAKE}\"}}");
    let long = format!("{}{FAKE}", "x".repeat(70_000));
    let binary = Message::binary(format!("{FAKE} {STRAY}").into_bytes());
    let messages = [
        Message::text(text.clone()),
        Message::Ping(vec![1; 125].into()),
        binary.clone(),
        Message::text(""),
        Message::text(long.clone()),
        Message::text(FAKE),
        Message::text("pe_bbbb"),
    ];
    let expected = [
        Message::text(text.replace(FAKE, VALUE)),
        Message::Ping(vec![1; 125].into()),
        binary,
        Message::text(""),
        Message::text(long.replace(FAKE, VALUE)),
        Message::text(VALUE),
        Message::text("pe_bbbb"),
    ];
    let input = sent(Role::Client, messages);
    for size in [1, 2, 3, 7, 1000, 16 * 1024, usize::MAX] {
        let bound = bound();
        let out = through(&mut Frames::swap(Arc::clone(&bound)), &input, size).unwrap();
        assert!(received(Role::Server, out) == expected, "in pieces of {size}");
        assert_eq!(bound.uses().len(), 1);
    }
}

#[test]
fn what_has_no_placeholder_and_comes_whole_is_the_same_bytes() {
    let input = sent(
        Role::Client,
        [Message::text("some text"), Message::binary(vec![1, 2]), Message::text("x".repeat(300))],
    );
    assert_eq!(through(&mut Frames::swap(bound()), &input, usize::MAX).unwrap(), input);
    let input = sent(
        Role::Server,
        [Message::text("some text"), Message::Pong(vec![1].into()), Message::binary(vec![1; 70_000])],
    );
    assert_eq!(through(&mut scrubbing().0, &input, usize::MAX).unwrap(), input);
}

#[test]
fn a_placeholder_in_two_frames_is_swapped_and_controls_pass_in_between() {
    let parts: [&[u8]; 4] = [b"a pe_bbbb", b"", b"bbbbbbbbbbb", b"b z"];
    let input = sent(Role::Client, pieces(Data::Text, &parts));
    for size in [1, 5, usize::MAX] {
        let out = through(&mut Frames::swap(bound()), &input, size).unwrap();
        let read = received(Role::Server, out);
        let pings = read.iter().filter(|message| message.is_ping()).count();
        let text: Vec<_> = read.iter().filter(|message| message.is_text()).collect();
        assert_eq!((pings, text), (4, vec![&Message::text(format!("a {VALUE} z"))]));
    }
}

#[test]
fn values_are_masked_in_every_frame_of_a_server() {
    let stars = "*".repeat(VALUE.len());
    let (first, second) = VALUE.split_at(10);
    let mut messages = vec![
        Message::text(format!("1 {VALUE}")),
        Message::binary(format!("2 {VALUE}").into_bytes()),
        Message::Ping(format!("3 {VALUE}").into_bytes().into()),
        Message::Pong(format!("4 {VALUE}").into_bytes().into()),
    ];
    messages.extend(pieces(Data::Binary, &[first.as_bytes(), second.as_bytes()]));
    let input = sent(Role::Server, messages);
    for size in [1, 3, usize::MAX] {
        let (mut frames, found) = scrubbing();
        let out = through(&mut frames, &input, size).unwrap();
        let read = received(Role::Client, out);
        let data: Vec<_> = read
            .into_iter()
            .map(|message| String::from_utf8(message.into_data().to_vec()).unwrap())
            .collect();
        let mut expected: Vec<_> = (1..5).map(|number| format!("{number} {stars}")).collect();
        expected.extend(["\0".to_owned(), stars.clone(), "\u{1}".to_owned()]);
        assert_eq!(data, expected);
        assert_eq!(found.counts().map(|(_, count)| count).sum::<u64>(), 5);
    }
}

#[test]
fn the_reason_of_a_close_frame_is_masked() {
    let reason = tungstenite::protocol::CloseFrame { code: 1008.into(), reason: VALUE.into() };
    let out = through(&mut scrubbing().0, &sent(Role::Server, [Message::Close(Some(reason))]), 2).unwrap();
    assert!(!out.windows(10).any(|window| VALUE.as_bytes().starts_with(window)));
    let [Message::Close(Some(close))] = &received(Role::Client, out)[..] else { panic!("no close frame") };
    assert_eq!((u16::from(close.code), close.reason.as_str()), (1008, &*"*".repeat(VALUE.len())));
}

#[test]
fn nothing_of_a_stray_is_sent_on() {
    let input = sent(Role::Client, [Message::text("first"), Message::text(format!("text {STRAY}"))]);
    let mut out = BytesMut::new();
    let mut frames = Frames::swap(bound());
    let error = input.chunks(1).find_map(|chunk| frames.push(chunk, &mut out).err());
    assert!(matches!(error, Some(FrameError::Swap(SwapError::Stray(name))) if &*name == "C"));
    let mut texts = Vec::new();
    let mut rest = &out[..];
    while let Some(length) = rest.get(1).map(|second| usize::from(second & 0x7f)) {
        let mut text = rest[6..6 + length].to_vec();
        apply(rest[2..6].try_into().ok(), 0, &mut text);
        texts.extend(text);
        rest = &rest[6 + length..];
    }
    assert_eq!(texts, b"firsttext ");
}

#[test]
fn a_message_comes_on_while_it_is_under_way() {
    let input = sent(Role::Client, [Message::text("x".repeat(1_000_000))]);
    let (mut frames, mut out) = (Frames::swap(bound()), BytesMut::new());
    for chunk in input.chunks(1000) {
        frames.push(chunk, &mut out).unwrap();
        assert!(out.len() + 14 >= chunk.len(), "all that has come is handed on");
        out.clear();
    }
}

#[test]
fn what_is_no_frame_is_refused() {
    let masked = |first: u8, second: u8| vec![first, second | 0x80, 1, 2, 3, 4];
    for (input, expected) in [
        (masked(0xc1, 0), "a WebSocket extension that was not agreed on"),
        (masked(0x91, 0), "a WebSocket extension that was not agreed on"),
        (masked(0x83, 0), "an unknown opcode"),
        (masked(0x8b, 0), "an unknown opcode"),
        (vec![0x81, 0], "only what a client sends is masked"),
        (masked(0x80, 0), "nothing to continue"),
        ([masked(0x01, 0), masked(0x81, 0)].concat(), "a message within another"),
        ([masked(0x81, 0), masked(0x80, 0)].concat(), "nothing to continue"),
        (masked(0x09, 0), "a control frame that is too long or not whole"),
        (vec![0x89, 0xfe, 0, 126, 1, 2, 3, 4], "a control frame that is too long or not whole"),
        (vec![0x81, 0xfe, 0, 125, 1, 2, 3, 4], "a length that cannot be"),
        (vec![0x81, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 1, 2, 3, 4], "a length that cannot be"),
        (vec![0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4], "a length that cannot be"),
    ] {
        for size in [1, usize::MAX] {
            let refused = through(&mut Frames::swap(bound()), &input, size);
            assert!(
                refused.is_err_and(|error| error.to_string().contains(expected)),
                "{input:x?} is not {expected}"
            );
        }
    }
    assert!(matches!(through(&mut scrubbing().0, &masked(0x81, 0), 1), Err(FrameError::Malformed(_))));
}

#[test]
fn a_handshake_loses_all_extensions() {
    let mut headers = HeaderMap::new();
    for value in ["permessage-deflate; client_max_window_bits", "x-webkit-deflate-frame"] {
        headers.append(SEC_WEBSOCKET_EXTENSIONS, http::HeaderValue::from_static(value));
    }
    headers.insert("sec-websocket-protocol", http::HeaderValue::from_static("chat"));
    without_extensions(&mut headers);
    assert_eq!(headers.len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// However messages are cut into frames and frames into reads, another implementation reads the same.
    #[test]
    fn any_cut_gives_the_same(
        messages in proptest::collection::vec(proptest::collection::vec(0..5_usize, 0..8), 1..5),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..4),
        size in 1_usize..60,
    ) {
        let texts = [FAKE, "pe_bbb", "é", "text ", "pe_bbbbbbbbbbbbbbb"];
        let written: Vec<String> = messages.iter().map(|parts| parts.iter().map(|part| texts[*part]).collect()).collect();
        let input = sent(Role::Client, written.iter().flat_map(|text| {
            let mut at: Vec<_> = cuts.iter().map(|cut| cut.index(text.len() + 1)).chain([0, text.len()]).collect();
            at.sort_unstable();
            let parts: Vec<&[u8]> = at.windows(2).map(|cut| &text.as_bytes()[cut[0]..cut[1]]).collect();
            pieces(Data::Text, &parts)
        }));
        let out = through(&mut Frames::swap(bound()), &input, size).unwrap();
        let read: Vec<_> = received(Role::Server, out).into_iter().filter(Message::is_text).map(|text| text.to_string()).collect();
        let expected: Vec<_> = written.iter().map(|text| text.replace(FAKE, VALUE)).collect();
        prop_assert_eq!(read, expected);
    }

    /// Any bytes are frames or refused, wherever they are cut.
    #[test]
    fn any_bytes_are_read_or_refused(input in proptest::collection::vec(any::<u8>(), 0..200), size in 1_usize..20) {
        let whole = through(&mut scrubbing().0, &input, usize::MAX);
        let cut = through(&mut scrubbing().0, &input, size);
        prop_assert_eq!(whole.is_ok(), cut.is_ok());
        drop(through(&mut Frames::swap(bound()), &input, size));
    }
}
