//! Placeholders in the head of a request: headers, `Basic` credentials, path and query.
//!
//! Receives the head; changes it in place. A header that got a value is sensitive from then on.

use bytes::BytesMut;
use data_encoding::{BASE64, BASE64_NOPAD};
use http::{
    HeaderName, HeaderValue, Uri,
    header::{AUTHORIZATION, HOST},
    request::Parts,
    uri::PathAndQuery,
};
use zeroize::Zeroizing;

use super::{Arc, Bound, MAX_IN_HEAD, Place, Spelling, Swap, SwapError};

/// In bytes: what URIs may have here, less some room for the authority.
const MAX_PATH_AND_QUERY: usize = 65_000;

impl Bound {
    /// Swaps the placeholders in a head: 64 at most. `Host` is left alone, it says who gets the request.
    pub fn head(self: &Arc<Self>, head: &mut Parts) -> Result<(), SwapError> {
        let mut left = MAX_IN_HEAD;
        for (name, value) in head.headers.iter_mut().filter(|(name, _)| **name != HOST) {
            if let Some(swapped) = self.header(name, value, &mut left)? {
                *value = swapped;
            }
        }
        if let Some(swapped) = self.path_and_query(&head.uri, &mut left)? {
            let mut parts = std::mem::take(&mut head.uri).into_parts();
            parts.path_and_query = Some(swapped);
            head.uri = Uri::from_parts(parts).map_err(|_| SwapError::TooMany)?;
        }
        Ok(())
    }

    fn header(
        self: &Arc<Self>,
        name: &HeaderName,
        value: &HeaderValue,
        left: &mut usize,
    ) -> Result<Option<HeaderValue>, SwapError> {
        let mut swaps = Swaps::new(self, Place::Headers, Spelling::Plain, left);
        swaps.swap.header = Some(name.clone());
        if let Some(text) = swaps.all(value.as_bytes())? {
            return swaps.value(&text).map(Some);
        }
        let Some(credentials) = (*name == AUTHORIZATION).then(|| basic(value)).flatten() else {
            return Ok(None);
        };
        swaps.swap.place = Place::Basic;
        let Some(credentials) = swaps.all(&credentials)? else { return Ok(None) };
        let text = Zeroizing::new(format!("Basic {}", BASE64.encode(&credentials)));
        swaps.value(text.as_bytes()).map(Some)
    }

    fn path_and_query(
        self: &Arc<Self>,
        uri: &Uri,
        left: &mut usize,
    ) -> Result<Option<PathAndQuery>, SwapError> {
        let Some(whole) = uri.path_and_query() else { return Ok(None) };
        let mut swaps = Swaps::new(self, Place::Path, Spelling::Percent, left);
        let path = swaps.encoded(whole.path())?;
        let query = whole.query().map_or(Ok(None), |query| {
            swaps.swap.place = Place::Query;
            swaps.encoded(query)
        })?;
        if path.is_none() && query.is_none() {
            return Ok(None);
        }
        let mut text = path.unwrap_or_else(|| whole.path().into());
        if let Some(query) = query.or_else(|| whole.query().map(Into::into)) {
            text.extend_from_slice(b"?");
            text.extend_from_slice(&query);
        }
        let fits = Some(text).filter(|text| text.len() <= MAX_PATH_AND_QUERY);
        let text = fits.and_then(|text| PathAndQuery::from_maybe_shared(text.freeze()).ok());
        text.map(Some).ok_or_else(|| swaps.unfit())
    }
}

/// Swaps in some texts of a head.
struct Swaps<'a> {
    swap: Swap,
    left: &'a mut usize,
}

impl<'a> Swaps<'a> {
    fn new(bound: &Arc<Bound>, place: Place, around: Spelling, left: &'a mut usize) -> Self {
        Self { swap: Swap::new(bound, place, around, *left), left }
    }

    /// The text with values; none if nothing was swapped.
    fn all(&mut self, text: &[u8]) -> Result<Option<BytesMut>, SwapError> {
        let patterns = self.swap.patterns();
        let swapped = patterns.replaced(text, |number, text, out| self.swap.put(number, text, out))?;
        Ok(swapped.filter(|_| self.counted()))
    }

    /// The same for text in which any byte may be percent-encoded.
    fn encoded(&mut self, text: &str) -> Result<Option<BytesMut>, SwapError> {
        let (decoded, mut starts): (Vec<u8>, Vec<usize>) = decoded(text).unzip();
        starts.push(text.len());
        let at = |index: usize| starts.get(index).copied().unwrap_or(text.len());
        let (mut out, mut passed) = (BytesMut::new(), 0);
        for (range, number) in self.swap.patterns().matches(&decoded) {
            let (start, end) = (at(range.start), at(range.end));
            out.extend_from_slice(text.get(passed..start).unwrap_or_default().as_bytes());
            self.swap.put(number, text.get(start..end).unwrap_or_default().as_bytes(), &mut out)?;
            passed = end;
        }
        out.extend_from_slice(text.get(passed..).unwrap_or_default().as_bytes());
        Ok(Some(out).filter(|_| self.counted()))
    }

    /// Whether something was swapped since it was asked last.
    fn counted(&mut self) -> bool {
        let before = std::mem::replace(self.left, self.swap.left);
        before != self.swap.left
    }

    fn value(&self, text: &[u8]) -> Result<HeaderValue, SwapError> {
        let mut value = HeaderValue::from_bytes(text).map_err(|_| self.unfit())?;
        value.set_sensitive(true);
        Ok(value)
    }

    fn unfit(&self) -> SwapError {
        self.swap.last.clone().map_or(SwapError::TooMany, SwapError::Unfit)
    }
}

/// Every byte that is meant, and where it begins in the text.
fn decoded(text: &str) -> impl Iterator<Item = (u8, usize)> {
    let bytes = text.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at;
        let (byte, length) = match bytes.get(start..)? {
            [b'%', high, low, ..] => {
                hex(*high).zip(hex(*low)).map_or((b'%', 1), |(high, low)| (high << 4 | low, 3))
            }
            [byte, ..] => (*byte, 1),
            [] => return None,
        };
        at = start + length;
        Some((byte, start))
    })
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// The user and password (RFC 7617), if these are such credentials.
fn basic(value: &HeaderValue) -> Option<Zeroizing<Vec<u8>>> {
    let (scheme, text) = value.as_bytes().split_at_checked(6)?;
    let text = scheme.eq_ignore_ascii_case(b"basic ").then(|| text.trim_ascii())?;
    let digits = text.iter().rposition(|byte| *byte != b'=').and_then(|last| text.get(..=last))?;
    BASE64_NOPAD.decode(digits).ok().map(Zeroizing::new)
}
