//! The forms in which a value may come back from a server.
//!
//! Receives a secret's value; hands on every text that common software makes of it when it puts it into JSON, a URL, HTML, base64 or
//! UTF-16, so that all of them can be looked for. What is not here is what nobody writes by accident: encryption, compression (content
//! codings are undone before), base64 broken into lines, a value cut into pieces, or one coding inside another.

use std::fmt::Write;

use data_encoding::{BASE64, BASE64URL};
use zeroize::Zeroizing;

use super::render::{self, Digits};

/// Every form of `value`, each once, in order. They are as secret as the value.
pub(super) fn forms(value: &str) -> Vec<Zeroizing<Vec<u8>>> {
    let mut all = vec![value.to_owned()];
    all.extend(json(value));
    all.extend(url(value));
    all.extend(html(value));
    all.extend([hex(value, Digits::Lower), hex(value, Digits::Upper)]);
    all.extend([&b""[..], b"?", b"??"].into_iter().flat_map(|before| base64(value, before)));
    let mut found: Vec<_> = all.into_iter().map(|text| Zeroizing::new(text.into_bytes())).collect();
    found.push(Zeroizing::new(value.encode_utf16().flat_map(u16::to_le_bytes).collect()));
    found.push(Zeroizing::new(value.encode_utf16().flat_map(u16::to_be_bytes).collect()));
    found.sort_unstable_by(|left, right| left.as_slice().cmp(right));
    found.dedup();
    found
}

/// As the inside of a JSON string. Writers differ in what they escape that need not be.
fn json(value: &str) -> Vec<String> {
    use Digits::{Lower, Upper};
    let plain = |_: char| false;
    let slash = |char: char| char == '/';
    let ascii = |char: char| !char.is_ascii();
    let go = |char: char| "<>&".contains(char);
    let gson = |char: char| "<>&='".contains(char);
    let dotnet = |char: char| "\"&'+<>`".contains(char) || !char.is_ascii();
    let mut all = Vec::new();
    for digits in [Lower, Upper] {
        for number in [&plain as &dyn Fn(char) -> bool, &ascii, &go, &gson, &dotnet] {
            all.push(render::json(value, digits, number, &plain));
            all.push(render::json(value, digits, number, &slash));
        }
        all.push(render::json(value, digits, &|_| true, &plain));
    }
    all
}

/// In a path, a query or a form.
fn url(value: &str) -> Vec<String> {
    // RFC 3986's unreserved ones always stay, or nothing does; further ones by who writes: JavaScript's two functions, paths, forms.
    let stays: [&[u8]; 5] = [b"-._~", b"-_.!~*'()", b"-_.!~*'();,/?:@&=+$#", b"-._~/", b"*-._"];
    let mut all = Vec::new();
    for digits in [Digits::Lower, Digits::Upper] {
        for further in stays {
            let text = render::percent(value, digits, |byte| {
                byte.is_ascii_alphanumeric() || further.contains(&byte)
            });
            all.push(text.replace("%20", "+"));
            all.push(text);
        }
        all.push(render::percent(value, digits, |_| false));
    }
    all
}

/// In HTML or XML text.
fn html(value: &str) -> Vec<String> {
    // How `<`, `>`, `&` are written is agreed upon; quotes are left, named or numbered.
    let named: [&[(char, &str)]; 6] = [
        &[],
        &[('"', "&quot;")],
        &[('"', "&quot;"), ('\'', "&#39;")],
        &[('"', "&quot;"), ('\'', "&#x27;")],
        &[('"', "&quot;"), ('\'', "&#039;")],
        &[('"', "&quot;"), ('\'', "&apos;")],
    ];
    let go = [('"', "&#34;"), ('\'', "&#39;"), ('+', "&#43;")];
    let owasp = [('"', "&quot;"), ('\'', "&#x27;"), ('/', "&#x2F;")];
    let always = [('<', "&lt;"), ('>', "&gt;"), ('&', "&amp;")];
    let mut all: Vec<String> = (named.into_iter().chain([&go[..], &owasp]))
        .map(|quotes| {
            render::entities(value, |char| {
                always.iter().chain(quotes).find(|one| one.0 == char).map(|one| one.1.into())
            })
        })
        .collect();
    let numbers: [fn(char) -> String; 4] = [
        |char| format!("&#{};", u32::from(char)),
        |char| format!("&#x{:x};", u32::from(char)),
        |char| format!("&#x{:X};", u32::from(char)),
        |char| format!("&#X{:X};", u32::from(char)),
    ];
    for number in numbers {
        let special = |char: char| !char.is_ascii_alphanumeric();
        let syntax = |char: char| "<>&\"'".contains(char);
        all.push(render::entities(value, |char| Some(number(char))));
        all.push(render::entities(value, |char| special(char).then(|| number(char))));
        all.push(render::entities(value, |char| syntax(char).then(|| number(char))));
    }
    all
}

fn hex(value: &str, digits: Digits) -> String {
    value.bytes().fold(String::new(), |mut text, byte| {
        let written = match digits {
            Digits::Lower => write!(text, "{byte:02x}"),
            Digits::Upper => write!(text, "{byte:02X}"),
        };
        debug_assert!(written.is_ok(), "a String takes all");
        text
    })
}

/// The digits that depend on the value alone, when these bytes or others stand before it and anything behind.
fn base64(value: &str, before: &[u8]) -> Vec<String> {
    let bytes = Zeroizing::new([before, value.as_bytes()].concat());
    let first = (8 * before.len()).div_ceil(6);
    let end = 8 * bytes.len() / 6;
    [BASE64, BASE64URL]
        .iter()
        .filter_map(|code| code.encode(&bytes).get(first..end).map(str::to_owned))
        .collect()
}

#[cfg(test)]
mod tests;
