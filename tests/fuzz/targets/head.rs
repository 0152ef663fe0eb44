//! Any bytes of an HTTP/1 connection, cut anywhere: no panic, the same verdict however they are cut, and every head that passes is read in the
//! same way by the parser behind the gate. The first byte of the input says how the rest is cut.

use http::Uri;
use proxy_everything::http::strict::{Then, Walker};

/// How many bytes passed, how many requests, and the fault.
fn verdict(bytes: &[u8], piece: usize) -> (usize, u64, Then) {
    let (mut walker, mut passed) = (Walker::default(), 0);
    let mut end = 0;
    loop {
        let walked = walker.walk(&bytes[passed..end]);
        passed += walked.passed;
        assert!(passed <= end);
        match walked.then {
            Then::Switch => {}
            Then::More if end < bytes.len() => end = (end + piece).min(bytes.len()),
            then => return (passed, walker.requests(), then),
        }
    }
}

/// How it is cut, and the bytes.
pub(crate) fn run(input: &[u8]) {
    let Some((piece, bytes)) = input.split_first() else { return };
    let whole = verdict(bytes, bytes.len().max(1));
    assert_eq!(verdict(bytes, usize::from(*piece).max(1)), whole);
    assert_eq!(verdict(bytes, 1), whole);
    // The first head, as the parser of the HTTP library reads it.
    if whole.1 == 0 {
        return;
    }
    let mut fields = [httparse::EMPTY_HEADER; 100];
    let mut request = httparse::Request::new(&mut fields);
    let parsed = request.parse(bytes).expect("what passed can be read");
    let head = &bytes[..parsed.unwrap()];
    let lines = head.split(|byte| *byte == b'\n').filter(|line| *line != b"\r" && !line.is_empty()).count();
    assert_eq!(request.headers.len() + 1, lines);
    Uri::try_from(request.path.expect("a target")).expect("a target that the library takes");
}
