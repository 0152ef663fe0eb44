//! What can be wrong with an HTTP/1.1 message: receives the place, hands on a sentence for whoever repairs the client, and the status
//! that says it best. All of them end the connection, because nobody can say where the next request would begin.

use http::StatusCode;

/// Why a message is not let pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A line of the head ends in LF alone.
    #[error("a line of the head ends without CR LF")]
    LineEnd,
    /// More than one empty line before the request line.
    #[error("there is more than one empty line before the request")]
    EmptyLines,
    /// Not three parts with one space between each two, or a method that is no token.
    #[error("the request line is not `METHOD TARGET HTTP/1.1`")]
    RequestLine,
    /// Characters that a target has not, or a form that its method has not.
    #[error("the request target is not one that its method may have")]
    Target,
    /// The request line is longer than we read.
    #[error("the request target is too long")]
    TargetTooLong,
    /// Another HTTP.
    #[error("only HTTP/1.0 and HTTP/1.1 are spoken here")]
    Version,
    /// A field line that begins with white space: folded, or before all others.
    #[error("a header line begins with white space")]
    Folded,
    /// The name of a field is empty or no token, or not followed by a colon.
    #[error("the name of a header is not a token followed by a colon")]
    Name,
    /// Control characters.
    #[error("the value of a header has control characters in it")]
    Value,
    /// More lines than we read.
    #[error("the head has too many lines")]
    TooManyLines,
    /// A larger head than we read, or a longer name.
    #[error("the head is too large")]
    TooLarge,
    /// None in HTTP/1.1, or several.
    #[error("the request has not exactly one Host header")]
    Host,
    /// Several, a list, or no number.
    #[error("Content-Length is not one number")]
    ContentLength,
    /// Several, a list, another coding than chunked, or in HTTP/1.0.
    #[error("Transfer-Encoding is not `chunked`, once, in HTTP/1.1")]
    TransferEncoding,
    /// Both.
    #[error("the request has Content-Length and Transfer-Encoding")]
    TwoLengths,
    /// A name that some servers read as that of a framing header.
    #[error("a header is named like Content-Length or Transfer-Encoding, with an underscore")]
    Alias,
    /// Not 1 to 16 hexadecimal digits.
    #[error("the size of a chunk is not a hexadecimal number")]
    ChunkSize,
    /// Longer than we read, or with control characters.
    #[error("a chunk's extension is too long or has control characters in it")]
    ChunkExtension,
    /// CR LF is missing after the size, or after the data.
    #[error("a chunk does not end with CR LF")]
    ChunkEnd,
    /// As in a head, or more than we read.
    #[error("the trailers of the body are malformed or too large")]
    Trailers,
}

impl Fault {
    /// The status that the workload sees (RFC 9110, 15.5 and 15.6; RFC 6585, 5).
    pub fn status(self) -> StatusCode {
        match self {
            Self::TargetTooLong => StatusCode::URI_TOO_LONG,
            Self::TooManyLines | Self::TooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Version => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}
