//! Pure. What a store's refusal means: which field is wrong, and what to do.

use crate::error::{Error, ErrorKind};

/// What the fields of this store are called, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// Name of the bucket or container.
    pub bucket: String,
    /// Where requests go, as shown to people.
    pub endpoint: String,
    /// A request named the store: its words are not for whoever sent the request, who may have named an inner service.
    pub by_request: bool,
    /// The field that names the bucket.
    pub bucket_field: &'static str,
    /// The field that says who we are.
    pub key_field: &'static str,
    /// The field that proves it.
    pub secret_field: &'static str,
    /// The field that says where the store is.
    pub endpoint_field: &'static str,
}

/// The error for people: `tried` (such as `write a.mp4`) failed with `text`, the whole of what library and store said.
pub fn explain(names: &Names, tried: &str, text: &str) -> Error {
    let Names { bucket, endpoint, bucket_field, key_field, secret_field, endpoint_field, by_request: _ } = names;
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let say = |kind, field: &str, why: String| Error::new(kind, format!("{field}: cannot {tried}: {why}"));
    let of_parts = ["write a part of", "complete"].iter().any(|of| tried.starts_with(of));
    if has(&["EntityTooSmall", "TooManyParts", "InvalidPartNumber"])
        || (of_parts && has(&["EntityTooLarge"]))
        || (of_parts && has(&["InvalidArgument", "InvalidRequest"]) && of_part(text))
    {
        let why = format!("the store takes no more parts of this length ({})", names.said(text));
        say(ErrorKind::ResourceExhausted, "storage", why)
    } else if has(&["NoSuchUpload", "InvalidPart"]) {
        let why = "the store has lost the upload".to_owned();
        say(ErrorKind::NotFound, "storage", why)
    } else if has(&["NoSuchBucket", "ContainerNotFound", "The specified bucket does not exist"]) {
        let why = format!("{endpoint} has no bucket {bucket:?}; make it or correct its name");
        say(ErrorKind::FailedPrecondition, bucket_field, why)
    } else if has(&["InvalidAccessKeyId"]) {
        say(ErrorKind::Unauthenticated, key_field, format!("{endpoint} does not know this key; correct it"))
    } else if has(&["SignatureDoesNotMatch", "InvalidSecurity", "AuthenticationFailed", "invalid_grant"]) {
        let why = format!("{endpoint} refuses the signature; correct the secret (and the key it belongs to)");
        say(ErrorKind::Unauthenticated, secret_field, why)
    } else if has(&["ExpiredToken", "InvalidToken", "InvalidClientTokenId"]) {
        let why = "the temporary keys are over; give new ones".to_owned();
        say(ErrorKind::Unauthenticated, "storage.s3.session_token", why)
    } else if has(&["RequestTimeTooSkewed", "RequestExpired"]) {
        let why = format!("its clock and that of {endpoint} are too far apart; set this machine's (NTP)");
        say(ErrorKind::FailedPrecondition, "storage", why)
    } else if has(&["AuthorizationHeaderMalformed", "PermanentRedirect", "BareRedirect", "configured region"]) {
        let why = format!("{endpoint} keeps the bucket in another region; name it ({})", names.said(text));
        say(ErrorKind::FailedPrecondition, "storage.s3.region", why)
    } else if has(&["AccessDenied", "403 Forbidden", "AuthorizationFailure", "AuthorizationPermissionMismatch"]) {
        let why =
            format!("{endpoint} does not allow it; this key needs at least s3:PutObject, or its like, in {bucket:?}");
        say(ErrorKind::PermissionDenied, key_field, why)
    } else if has(&["401 Unauthorized"]) {
        say(ErrorKind::Unauthenticated, key_field, format!("{endpoint} does not accept it; correct it"))
    } else if has(&["NoSuchKey", "404 Not Found", "BlobNotFound"]) {
        say(ErrorKind::NotFound, "storage", "it is not there".to_owned())
    } else if has(&["416 "]) {
        Error::invalid("range", "begins at or behind the end")
    } else if has(&["metadata", "169.254.169.254", "IMDS"]) && has(&["token", "credential", "Credential"]) {
        let why = format!("no keys are configured and this machine has none ({}); set them", names.said(text));
        say(ErrorKind::Unavailable, key_field, why)
    } else if has(&["certificate", "UnknownIssuer", "HandshakeFailure", "InvalidContentType"]) {
        let fix = "set storage.ca_file to the PEM file of its authority, or http:// if it speaks no TLS";
        say(ErrorKind::Unavailable, endpoint_field, format!("no trust in {endpoint} ({}); {fix}", names.said(text)))
    } else if has(&["dns error", "failed to lookup", "name resolution"]) {
        let fix = "correct the name, or set force_path_style: true if the bucket must not be part of it";
        say(ErrorKind::Unavailable, endpoint_field, format!("there is no host of {endpoint}; {fix}"))
    } else if has(&["Connection refused", "tcp connect error", "unreachable", "ConnectError"]) {
        let why = format!("{endpoint} cannot be reached ({}); start it or correct the address", names.said(text));
        say(ErrorKind::Unavailable, endpoint_field, why)
    } else if has(&["timed out", "Timeout", "TimedOut"]) {
        say(ErrorKind::Unavailable, endpoint_field, format!("{endpoint} did not answer in time"))
    } else {
        say(ErrorKind::Unavailable, "storage", format!("{endpoint} says: {}", names.said(text)))
    }
}

/// Is this the refusal of a body that came without `Content-MD5` or `x-amz-checksum-…`? Stores with Object Lock want one.
pub fn wants_checksum(text: &str) -> bool {
    let said = body(text).to_ascii_lowercase();
    let names = ["content-md5", "x-amz-checksum", "x-amz-sdk-checksum"].iter().any(|name| said.contains(name));
    let missing = said.contains("checksum") && ["missing", "required", "must"].iter().any(|word| said.contains(word));
    let wrong = ["baddigest", "invaliddigest", "did not match"].iter().any(|word| said.contains(word));
    (names || missing) && !wrong
}

/// Does the store speak of a part's number?
fn of_part(text: &str) -> bool {
    let said = body(text).to_ascii_lowercase();
    ["part number", "partnumber", "number of parts", "parts"].iter().any(|words| said.contains(words))
}

/// What was said, without the method, the URL with the upload's name, and how long it took.
fn body(text: &str) -> &str {
    text.split_once(" - ").map_or(text, |(_, said)| said)
}

impl Names {
    /// One short line: the store's own code and message when it sent any, else the end of what was said, where the cause is. Of a
    /// store that a request named only S3's code, or the status.
    fn said(&self, text: &str) -> String {
        let within = |tag: &str| {
            let (_, rest) = text.split_once(&format!("<{tag}>"))?;
            rest.split_once(&format!("</{tag}>")).map(|(inner, _)| inner.to_owned())
        };
        if self.by_request {
            let is_code = |code: &String| code.len() <= 64 && code.chars().all(|c| c.is_ascii_alphanumeric());
            let status = || {
                let (_, rest) = body(text).split_once("status code: ")?;
                rest.get(..3).filter(|digits| digits.bytes().all(|b| b.is_ascii_digit())).map(str::to_owned)
            };
            return within("Code").filter(is_code).or_else(status).unwrap_or_else(|| "no answer of S3".to_owned());
        }
        let said = match (within("Code"), within("Message")) {
            (Some(code), Some(message)) => format!("{code}: {message}"),
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => body(text).to_owned(),
        };
        let said = said.replace("HTTP error: error sending request: ", "").replace("&#39;", "'");
        let line = said.split_whitespace().collect::<Vec<_>>().join(" ");
        let skipped = line.chars().count().saturating_sub(200);
        line.chars().skip(skipped).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_field_and_fix_in_one_line() {
        let names = Names {
            bucket: "films".into(),
            endpoint: "http://s".into(),
            by_request: false,
            bucket_field: "storage.s3.bucket",
            key_field: "storage.s3.access_key",
            secret_field: "storage.s3.secret",
            endpoint_field: "storage.s3.endpoint",
        };
        let table = [
            ("404: <Code>NoSuchBucket</Code>", "storage.s3.bucket: ", ErrorKind::FailedPrecondition),
            ("403: <Code>InvalidAccessKeyId</Code>", "storage.s3.access_key: ", ErrorKind::Unauthenticated),
            ("403: <Code>SignatureDoesNotMatch</Code>", "storage.s3.secret: ", ErrorKind::Unauthenticated),
            ("status code: 403 Forbidden", "storage.s3.access_key: ", ErrorKind::PermissionDenied),
            ("404 <Code>NoSuchUpload</Code>", "storage: ", ErrorKind::NotFound),
            ("tcp connect error: Connection refused (os error 111)", "storage.s3.endpoint: ", ErrorKind::Unavailable),
            ("invalid peer certificate: UnknownIssuer", "storage.s3.endpoint: ", ErrorKind::Unavailable),
            (
                "PUT http://s/x?partNumber=1001 in 1s - 400: <Code>InvalidArgument</Code><Message>Part number must be an integer \
                 between 1 and 1000</Message>",
                "storage: ",
                ErrorKind::ResourceExhausted,
            ),
            (
                "PUT http://s/x?partNumber=3 in 1s - 400: <Code>InvalidArgument</Code><Message>x-amz-acl</Message>",
                "storage: ",
                ErrorKind::Unavailable,
            ),
            ("503\n <Code>SlowDown</Code>\n<Message>less</Message>", "storage: ", ErrorKind::Unavailable),
        ];
        for (text, start, kind) in table {
            let error = explain(&names, "write a part of x", text);
            assert!(error.message.starts_with(start), "{text}: {error}");
            assert_eq!(error.kind, kind, "{text}");
            assert!(!error.message.contains('\n'));
        }
        assert!(
            explain(&names, "write x", "<Code>SlowDown</Code><Message>less</Message>")
                .message
                .ends_with("SlowDown: less")
        );
    }

    #[test]
    fn a_store_that_a_request_named_is_not_repeated() {
        let names = Names {
            bucket: "b".into(),
            endpoint: "http://inner".into(),
            by_request: true,
            bucket_field: "storage.s3.bucket",
            key_field: "storage.s3.access_key",
            secret_field: "storage.s3.secret",
            endpoint_field: "storage.s3.endpoint",
        };
        let answers = [
            "PUT http://inner/ in 1s - Server returned non-2xx status code: 500 Internal Server Error: password=hunter2",
            "x - Server returned non-2xx status code: 400 Bad Request: <Code>hunter2 is secret</Code>",
            "x - Server returned non-2xx status code: 400 Bad: <Code>Custom</Code><Message>hunter2</Message>",
            "x - tcp connect error: hunter2",
            "x - certificate hunter2",
            "hunter2",
        ];
        for text in answers {
            let said = explain(&names, "begin x", text).message;
            assert!(!said.contains("hunter2"), "{said}");
        }
        assert!(explain(&names, "begin x", answers[0]).message.ends_with("says: 500"));
        assert!(explain(&names, "begin x", answers[2]).message.ends_with("says: Custom"));
    }

    #[test]
    fn a_demand_for_checksums_is_understood() {
        let aws = "x - status code: 400 Bad Request: <Code>InvalidRequest</Code><Message>Content-MD5 OR x-amz-checksum- HTTP \
                   header is required for Put Object requests with Object Lock parameters</Message>";
        assert!(wants_checksum(aws));
        assert!(wants_checksum(
            "x - 400: <Code>MissingContentMD5</Code><Message>Missing required header: Content-MD5</Message>"
        ));
        assert!(!wants_checksum(
            "x - 400: <Code>BadDigest</Code><Message>The Content-MD5 you specified did not match</Message>"
        ));
        assert!(!wants_checksum("x - 403: <Code>AccessDenied</Code>"));
    }
}
