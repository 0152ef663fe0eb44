//! Parameters of a query, as the workload wrote them and as we write ours.
//!
//! A server may read a name in any spelling that percent-encoding has for it, so names are compared decoded. What the workload
//! sent otherwise stays as it is, byte for byte.

use http::Uri;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, utf8_percent_encode};

/// Everything but what never needs to be encoded (RFC 3986 section 2.3).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

const SEPARATORS: [char; 2] = ['&', ';'];

/// Path and query of `uri`, without the parameters whose names `is_ours` says are.
pub(super) fn without(uri: &Uri, is_ours: impl Fn(&str) -> bool) -> String {
    // `;` was a separator once (HTML 4.01, B.2.2), and still is to some servers.
    let pieces = uri.query().unwrap_or_default().split_inclusive(SEPARATORS);
    let kept: String = pieces.filter(|piece| !is_ours(&name(piece.trim_end_matches(SEPARATORS)))).collect();
    // A separator at the end is where ours go.
    match kept.trim_end_matches(SEPARATORS) {
        "" => uri.path().to_owned(),
        kept => [uri.path(), "?", kept].concat(),
    }
}

/// Adds a parameter to path and query.
pub(super) fn append(text: &mut String, name: &str, value: &str) {
    text.push(if text.contains('?') { '&' } else { '?' });
    text.extend(utf8_percent_encode(name, ENCODED));
    text.push('=');
    text.extend(utf8_percent_encode(value, ENCODED));
}

/// The name of a parameter. What servers of the PHP kind turn into `_` stays what it is: they cannot be told from others.
fn name(piece: &str) -> String {
    let spelled = piece.split('=').next().unwrap_or_default().replace('+', " ");
    percent_decode(spelled.as_bytes()).decode_utf8_lossy().into_owned()
}
