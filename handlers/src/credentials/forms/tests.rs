//! Forms: what encoders of other software make is found.

use super::*;

fn texts(value: &str) -> Vec<String> {
    forms(value).iter().filter_map(|form| String::from_utf8(form.to_vec()).ok()).collect()
}

/// What common software writes, typed in from what it printed.
#[test]
fn what_software_writes_is_among_the_forms() {
    let value = "aB3/x+y=z\"q'<&>\\ é~!";
    let expected = [
        value,
        // Python: json.dumps, quote, quote_plus, html.escape
        r#"aB3/x+y=z\"q'<&>\\ \u00e9~!"#,
        "aB3/x%2By%3Dz%22q%27%3C%26%3E%5C%20%C3%A9~%21",
        "aB3%2Fx%2By%3Dz%22q%27%3C%26%3E%5C+%C3%A9~%21",
        "aB3/x+y=z&quot;q&#x27;&lt;&amp;&gt;\\ é~!",
        // PHP: json_encode, htmlspecialchars
        r#"aB3\/x+y=z\"q'<&>\\ \u00e9~!"#,
        "aB3/x+y=z&quot;q&#039;&lt;&amp;&gt;\\ é~!",
        // Go: encoding/json, html/template
        r#"aB3/x+y=z\"q'\u003c\u0026\u003e\\ é~!"#,
        "aB3/x&#43;y=z&#34;q&#39;&lt;&amp;&gt;\\ é~!",
        // JavaScript: JSON.stringify, encodeURIComponent, encodeURI, URLSearchParams
        r#"aB3/x+y=z\"q'<&>\\ é~!"#,
        "aB3%2Fx%2By%3Dz%22q'%3C%26%3E%5C%20%C3%A9~!",
        "aB3/x+y=z%22q'%3C&%3E%5C%20%C3%A9~!",
        "aB3%2Fx%2By%3Dz%22q%27%3C%26%3E%5C+%C3%A9%7E%21",
        // .NET: System.Text.Json
        r"aB3/x\u002By=z\u0022q\u0027\u003C\u0026\u003E\\ \u00E9~!",
        // numbers for all, and for what is special
        "&#97;&#66;&#51;&#47;&#120;&#43;&#121;&#61;&#122;&#34;&#113;&#39;&#60;&#38;&#62;&#92;&#32;&#233;&#126;&#33;",
        "aB3&#x2f;x&#x2b;y&#x3d;z&#x22;q&#x27;&#x3c;&#x26;&#x3e;&#x5c;&#x20;&#xe9;&#x7e;&#x21;",
        "614233 2f78 2b79 3d7a 2271 273c 263e 5c20 c3a9 7e21",
        "614233 2F78 2B79 3D7A 2271 273C 263E 5C20 C3A9 7E21",
    ];
    let forms = texts(value);
    for text in expected {
        let text = if text.starts_with("614233 ") { text.replace(' ', "") } else { text.to_owned() };
        assert!(forms.contains(&text), "{text}");
    }
}

#[test]
fn every_character_as_a_number_in_both_cases() {
    let forms = texts("J/12345€");
    for text in [
        r"\u004a\u002f\u0031\u0032\u0033\u0034\u0035\u20ac",
        r"\u004A\u002F\u0031\u0032\u0033\u0034\u0035\u20AC",
        "%4a%2f%31%32%33%34%35%e2%82%ac",
        "%4A%2F%31%32%33%34%35%E2%82%AC",
        "&#x4a;&#x2f;&#x31;&#x32;&#x33;&#x34;&#x35;&#x20ac;",
        "&#x4A;&#x2F;&#x31;&#x32;&#x33;&#x34;&#x35;&#x20AC;",
    ] {
        assert!(forms.iter().any(|form| form == text), "{text}");
    }
    let wide = b"J\0/\x001\x002\x003\x004\x005\0\xac\x20";
    assert!(super::forms("J/12345€").iter().any(|form| form[..] == wide[..]));
}

/// `Basic` credentials need no form of their own, whatever the user's name is, and neither does any other neighbour.
#[test]
fn base64_is_found_whatever_stands_around_it() {
    let value = "s3cr3t-p+ss/w0rd?>";
    let forms = texts(value);
    for user in ["", "a", "ab", "x-access-token", "üser", "?>?"] {
        for (before, behind) in [(":", ""), (":", "\n"), ("", "/x"), ("=", "!!")] {
            for code in [BASE64, BASE64URL] {
                let coded = code.encode(format!("{user}{before}{value}{behind}").as_bytes());
                let found = forms.iter().find(|form| coded.contains(*form));
                assert!(found.is_some_and(|form| form.len() * 6 >= value.len() * 8 - 10), "{coded}");
            }
        }
    }
}

#[test]
fn a_plain_value_has_few_forms_and_those_of_eight_bytes_are_no_shorter() {
    let forms = forms("AbCdEfGhIjKlMnOpQrStUvWxYz0123456789");
    assert!(forms.len() <= 20, "{}", forms.len());
    assert!(super::forms("12345678").iter().all(|form| form.len() >= 8));
}
