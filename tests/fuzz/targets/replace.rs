//! Any patterns in any text, cut anywhere: nothing of a pattern comes through, nothing else changes, and the cut makes no difference.

use std::{convert::Infallible, sync::Arc};

use bytes::{Bytes, BytesMut};
use handlers::credentials::{Patterns, Stream};

/// Patterns, and the pieces of a text.
pub(crate) fn run(input: (Vec<Vec<u8>>, Vec<Vec<u8>>)) {
    let (list, chunks) = input;
    if list.iter().flatten().any(|byte| *byte == b'*') {
        return;
    }
    let patterns = Arc::new(Patterns::new(list.iter().map(|pattern| pattern.clone().into())));
    let text = chunks.concat();
    let out = masked(&patterns, chunks.iter().map(Vec::as_slice));
    assert_eq!(out, masked(&patterns, text.chunks(1)));
    assert_eq!(out, masked(&patterns, [text.as_slice()].into_iter()));
    assert_eq!(out.len(), text.len());
    assert!(out.iter().zip(&text).all(|(out, byte)| out == byte || *out == b'*'));
    for pattern in list.iter().filter(|pattern| pattern.len() >= Patterns::MIN) {
        assert!(!out.windows(pattern.len()).any(|window| window == pattern));
    }
}

fn masked<'a>(patterns: &Arc<Patterns>, chunks: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut stream = Stream::new(Arc::clone(patterns));
    let mut out = Vec::new();
    for chunk in chunks {
        out.extend(stream.push(Bytes::copy_from_slice(chunk), mask).expect("it does not fail"));
    }
    out.extend(stream.finish(mask).expect("it does not fail"));
    out
}

fn mask(_: usize, text: &[u8], out: &mut BytesMut) -> Result<(), Infallible> {
    out.resize(out.len() + text.len(), b'*');
    Ok(())
}
