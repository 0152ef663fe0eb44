//! Any bytes as WebSocket frames, cut anywhere: what is handed on is frames again, and the cut makes no difference to what is refused.

use std::sync::{Arc, LazyLock};

use bytes::BytesMut;
use handlers::{
    Secret,
    credentials::{Frames, Place, Placeholder, Placeholders, Scrubber},
};

static SCRUBBER: LazyLock<Arc<Scrubber>> =
    LazyLock::new(|| Arc::new(Scrubber::new(&[("S".into(), &Secret::new("secret-value".to_owned()))])));

static PLACEHOLDERS: LazyLock<Arc<Placeholders>> = LazyLock::new(|| {
    let places = [Place::Websocket].into_iter().collect();
    Arc::new(Placeholders::new(vec![Placeholder {
        secret: "S".into(),
        fake: "pe_0123456789abcdef".into(),
        places,
    }]))
});

/// Bytes, and the size of the pieces that they come in.
pub(crate) fn run(input: (Vec<u8>, u8)) {
    let (bytes, size) = (input.0, usize::from(input.1).max(1));
    for swap in [false, true] {
        let whole = through(swap, bytes.chunks(bytes.len().max(1)));
        let cut = through(swap, bytes.chunks(size));
        assert_eq!(whole.is_some(), cut.is_some(), "a cut makes frames of what is none");
        let (Some(whole), Some(cut)) = (whole, cut) else { continue };
        for handed_on in [whole, cut] {
            assert!(through(swap, handed_on.chunks(size)).is_some(), "what was handed on is no frames");
        }
    }
}

fn through<'a>(swap: bool, chunks: impl Iterator<Item = &'a [u8]>) -> Option<Vec<u8>> {
    let value = Arc::new(Secret::new("the value".to_owned()));
    let mut frames = match swap {
        true => Frames::swap(PLACEHOLDERS.bind(|_| Some(Arc::clone(&value)))),
        false => Frames::scrub(&SCRUBBER).0,
    };
    let mut out = BytesMut::new();
    for chunk in chunks {
        frames.push(chunk, &mut out).ok()?;
    }
    Some(out.to_vec())
}
