//! The examples of the documentation of S3.

use super::*;

const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

#[test]
fn headers_of_the_documentation() {
    let put = [
        ("date", "Fri, 24 May 2013 00:00:00 GMT"),
        ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
        ("x-amz-content-sha256", "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"),
    ];
    let get = [("x-amz-content-sha256", EMPTY)];
    for (method, target, headers, signature) in [
        (
            "PUT",
            "test$file.text",
            &put[..],
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        ),
        ("GET", "?lifecycle", &get, "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
        (
            "GET",
            "?max-keys=2&prefix=J",
            &get,
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        ),
    ] {
        let uri = format!("https://examplebucket.s3.amazonaws.com/{target}");
        let sent = signed(&aws(), head(method, &uri, headers)).unwrap();
        let names = if method == "PUT" {
            "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class"
        } else {
            "host;x-amz-content-sha256;x-amz-date"
        };
        let expected = format!(
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, SignedHeaders={names}, Signature={signature}"
        );
        assert_eq!(text(&sent.headers, "authorization"), expected, "{target}");
        assert_eq!(text(&sent.headers, "x-amz-date"), "20130524T000000Z");
    }
}

#[test]
fn a_presigned_url_of_the_documentation() {
    let url = |key: &str, date: &str, rest: &str| {
        format!(
            "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={key}%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date={date}&X-Amz-Expires=86400&X-Amz-SignedHeaders=host{rest}"
        )
    };
    // Presigned by the workload with a false key, a minute ago.
    let uri = url("FALSE", "20130523T235900Z", &format!("&X-Amz-Signature={}", "0".repeat(64)));
    let sent = signed(&aws(), head("GET", &uri, &[])).unwrap();
    let signature = "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";
    assert_eq!(sent.uri.to_string(), url("AKIAIOSFODNN7EXAMPLE", "20130524T000000Z", signature));
    assert!(sent.headers.is_empty());
}
