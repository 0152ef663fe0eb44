//! The signatures of chunks, made anew while the body streams.
//!
//! Receives a body in the coding `aws-chunked`, where each chunk carries a signature that follows from the one before, and the
//! signature of the head; hands on the same body with other signatures. It is as long as before, octet for octet, because chunks and
//! trailers stay as they are. A chunk is held until it is whole, since its signature stands before it.

use bytes::{Buf, Bytes, BytesMut};

use super::{
    super::{SignError, body::LIMIT},
    canonical::hash,
    key::Signer,
};

/// The longest line of a chunk's head or a trailer, in bytes.
const MAX_LINE: usize = 8 * 1024;
/// The most lines that may follow the last chunk.
const MAX_TRAILERS: usize = 32;
/// The characters of a signature.
const SIGNATURE: usize = 64;
const MARK: &str = "chunk-signature=";
const TRAILER_MARK: &str = "x-amz-trailer-signature:";

/// Whether signed lines follow the last chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trailers {
    Signed,
    None,
}

/// What comes next in the body.
enum Next {
    Head,
    /// The size as it was written, and as a number.
    Data(Bytes, usize),
    /// The lines so far, as they are signed.
    Trailers(Vec<(String, String)>),
    End,
}

/// Signs the chunks of one body.
pub(super) struct Chunks {
    signer: Signer,
    trailers: Trailers,
    previous: String,
    buffer: BytesMut,
    next: Next,
}

impl Chunks {
    /// Begins behind the signature of the head.
    pub(super) fn new(signer: Signer, seed: String, trailers: Trailers) -> Self {
        Self { signer, trailers, previous: seed, buffer: BytesMut::new(), next: Next::Head }
    }

    /// How many bytes are held back.
    pub(super) fn held(&self) -> usize {
        self.buffer.len() + if let Next::Data(size, _) = &self.next { head_length(size) } else { 0 }
    }

    /// Takes a part of the body, and puts out what is signed by then.
    pub(super) fn push(&mut self, part: &[u8], out: &mut Vec<Bytes>) -> Result<(), SignError> {
        self.buffer.extend_from_slice(part);
        while self.step(out)? {}
        Ok(())
    }

    /// The body has ended.
    pub(super) fn finish(&self) -> Result<(), SignError> {
        let whole = matches!(self.next, Next::End) && self.buffer.is_empty();
        if whole { Ok(()) } else { Err(SignError::Malformed("the signed chunks of its body are cut off")) }
    }

    /// Whether there is more to do with what is held.
    fn step(&mut self, out: &mut Vec<Bytes>) -> Result<bool, SignError> {
        match std::mem::replace(&mut self.next, Next::End) {
            Next::Head => self.head(),
            Next::Data(size, length) => self.data(size, length, out),
            Next::Trailers(lines) => self.trailer(lines, out),
            Next::End => self.end(out),
        }
    }

    fn head(&mut self) -> Result<bool, SignError> {
        let Some(line) = self.line()? else {
            self.next = Next::Head;
            return Ok(false);
        };
        let (size, length) = head(&line).ok_or(MALFORMED)?;
        if length > LIMIT {
            return Err(SignError::TooLarge(LIMIT));
        }
        self.next = Next::Data(size, length);
        Ok(true)
    }

    fn data(&mut self, size: Bytes, length: usize, out: &mut Vec<Bytes>) -> Result<bool, SignError> {
        let last = length == 0;
        // No data, and so no line to end, stands between the last chunk and the trailers.
        let ended = !(last && self.trailers == Trailers::Signed);
        if self.buffer.len() < length + if ended { 2 } else { 0 } {
            self.next = Next::Data(size, length);
            return Ok(false);
        }
        let data = self.buffer.split_to(length).freeze();
        let lines = [self.previous.as_str(), &hash(b""), &hash(&data)];
        self.previous = self.signer.sign("AWS4-HMAC-SHA256-PAYLOAD", &lines);
        let head = [&size[..], b";", MARK.as_bytes(), self.previous.as_bytes(), b"\r\n"].concat();
        out.push(head.into());
        if !data.is_empty() {
            out.push(data);
        }
        if ended {
            if !self.buffer.starts_with(b"\r\n") {
                return Err(MALFORMED);
            }
            self.buffer.advance(2);
            out.push(Bytes::from_static(b"\r\n"));
        }
        self.next = match (last, ended) {
            (false, _) => Next::Head,
            (true, true) => Next::End,
            (true, false) => Next::Trailers(Vec::new()),
        };
        Ok(true)
    }

    fn trailer(&mut self, mut lines: Vec<(String, String)>, out: &mut Vec<Bytes>) -> Result<bool, SignError> {
        let Some(line) = self.line()? else {
            self.next = Next::Trailers(lines);
            return Ok(false);
        };
        let text = std::str::from_utf8(&line).map_err(|_| MALFORMED)?;
        let bare = text.trim_end();
        let Some(signature) = bare.strip_prefix(TRAILER_MARK) else {
            // Some clients put an empty line between the trailers and their signature.
            if !bare.is_empty() {
                let (name, value) = bare.split_once(':').ok_or(MALFORMED)?;
                lines.push((name.to_ascii_lowercase(), value.trim().to_owned()));
            }
            if lines.len() > MAX_TRAILERS {
                return Err(MALFORMED);
            }
            out.push(line);
            self.next = Next::Trailers(lines);
            return Ok(true);
        };
        if signature.len() != SIGNATURE {
            return Err(MALFORMED);
        }
        lines.sort_unstable();
        let signed: String = lines.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        let signature =
            self.signer.sign("AWS4-HMAC-SHA256-TRAILER", &[&self.previous, &hash(signed.as_bytes())]);
        let ending = text.get(bare.len()..).unwrap_or_default();
        out.push(format!("{TRAILER_MARK}{signature}{ending}").into());
        Ok(true)
    }

    /// What may stand behind the end: the last empty line.
    fn end(&mut self, out: &mut Vec<Bytes>) -> Result<bool, SignError> {
        if self.trailers == Trailers::Signed && self.buffer.starts_with(b"\r\n") {
            self.buffer.advance(2);
            out.push(Bytes::from_static(b"\r\n"));
            self.trailers = Trailers::None;
        }
        match &self.buffer[..] {
            b"" => Ok(false),
            b"\r" if self.trailers == Trailers::Signed => Ok(false),
            _ => Err(MALFORMED),
        }
    }

    /// The next line with its ending, if it is there as a whole.
    fn line(&mut self) -> Result<Option<Bytes>, SignError> {
        let end = self.buffer.iter().take(MAX_LINE).position(|byte| *byte == b'\n');
        match end {
            Some(end) => Ok(Some(self.buffer.split_to(end + 1).freeze())),
            None if self.buffer.len() >= MAX_LINE => Err(MALFORMED),
            None => Ok(None),
        }
    }
}

const MALFORMED: SignError = SignError::Malformed("its body is not made of signed chunks");

/// The length of a chunk's head whose size is written like this.
fn head_length(size: &Bytes) -> usize {
    size.len() + 1 + MARK.len() + SIGNATURE + 2
}

/// The size in a chunk's head, as it was written and as a number.
fn head(line: &Bytes) -> Option<(Bytes, usize)> {
    let text = std::str::from_utf8(line).ok()?.strip_suffix("\r\n")?;
    let (size, signature) = text.split_once(';')?;
    let digits = (1..=8).contains(&size.len()) && size.bytes().all(|byte| byte.is_ascii_hexdigit());
    let signature = signature.strip_prefix(MARK)?;
    if !digits || signature.len() != SIGNATURE || !signature.is_ascii() {
        return None;
    }
    Some((line.slice(..size.len()), usize::from_str_radix(size, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::{
        super::key::{Place, Stamp},
        *,
    };

    /// The example of the documentation: 65 KiB of `a` in two chunks, behind the signature of its head.
    #[test]
    fn chunks_of_the_documentation() {
        let place = Place { region: "us-east-1".into(), service: "s3".into() };
        let stamp = Stamp::at(SystemTime::UNIX_EPOCH + Duration::from_secs(1_369_353_600)).unwrap();
        let signer = Signer::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", stamp, &place);
        let seed = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9";
        let mut chunks = Chunks::new(signer, seed.to_owned(), Trailers::None);
        let body = |signatures: [&str; 3]| {
            let data = ["a".repeat(65536), "a".repeat(1024), String::new()];
            let chunk = |(data, signature): (&String, &str)| {
                format!("{:x};chunk-signature={signature}\r\n{data}\r\n", data.len())
            };
            data.iter().zip(signatures).map(chunk).collect::<String>()
        };
        let mut out = Vec::new();
        chunks.push(body([&"0".repeat(64); 3]).as_bytes(), &mut out).unwrap();
        chunks.finish().unwrap();
        let expected = body([
            "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
            "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
            "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
        ]);
        assert!(out.concat() == expected.as_bytes());
    }
}
