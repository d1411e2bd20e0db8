//! Pure. What a store's refusal means: which field is wrong, and what to do.

use crate::error::{Error, ErrorKind};

/// What the fields of this store are called, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// Name of the bucket or container.
    pub bucket: String,
    /// Where requests go, as shown to people.
    pub endpoint: String,
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
    let Names { bucket, endpoint, bucket_field, key_field, secret_field, endpoint_field } = names;
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let say = |kind, field: &str, why: String| Error::new(kind, format!("{field}: cannot {tried}: {why}"));
    if has(&["NoSuchUpload", "InvalidPart"]) {
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
        let why = format!("{endpoint} keeps the bucket in another region; name it ({})", brief(text));
        say(ErrorKind::FailedPrecondition, "storage.s3.region", why)
    } else if has(&["AccessDenied", "403 Forbidden", "AuthorizationFailure", "AuthorizationPermissionMismatch"]) {
        let why = format!("{endpoint} does not allow it; this key needs to write, read and delete in {bucket:?}");
        say(ErrorKind::PermissionDenied, key_field, why)
    } else if has(&["401 Unauthorized"]) {
        say(ErrorKind::Unauthenticated, key_field, format!("{endpoint} does not accept it; correct it"))
    } else if has(&["NoSuchKey", "404 Not Found", "BlobNotFound"]) {
        say(ErrorKind::NotFound, "storage", "it is not there".to_owned())
    } else if has(&["416 "]) {
        Error::invalid("range", "begins at or behind the end")
    } else if has(&["metadata", "169.254.169.254", "IMDS"]) && has(&["token", "credential", "Credential"]) {
        let why = format!("no keys are configured and this machine has none ({}); set them", brief(text));
        say(ErrorKind::Unavailable, key_field, why)
    } else if has(&["certificate", "UnknownIssuer", "HandshakeFailure", "InvalidContentType"]) {
        let fix = "set storage.ca_file to the PEM file of its authority, or http:// if it speaks no TLS";
        say(ErrorKind::Unavailable, endpoint_field, format!("no trust in {endpoint} ({}); {fix}", brief(text)))
    } else if has(&["dns error", "failed to lookup", "name resolution"]) {
        let fix = "correct the name, or set force_path_style: true if the bucket must not be part of it";
        say(ErrorKind::Unavailable, endpoint_field, format!("there is no host of {endpoint}; {fix}"))
    } else if has(&["Connection refused", "tcp connect error", "unreachable", "ConnectError"]) {
        let why = format!("{endpoint} cannot be reached ({}); start it or correct the address", brief(text));
        say(ErrorKind::Unavailable, endpoint_field, why)
    } else if has(&["timed out", "Timeout", "TimedOut"]) {
        say(ErrorKind::Unavailable, endpoint_field, format!("{endpoint} did not answer in time"))
    } else {
        say(ErrorKind::Unavailable, "storage", format!("{endpoint} says: {}", brief(text)))
    }
}

/// One short line: the store's own code and message when it sent any, else the end of what was said, where the cause is.
fn brief(text: &str) -> String {
    let within = |tag: &str| {
        let (_, rest) = text.split_once(&format!("<{tag}>"))?;
        rest.split_once(&format!("</{tag}>")).map(|(inner, _)| inner.to_owned())
    };
    let said = match (within("Code"), within("Message")) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(one), None) | (None, Some(one)) => one,
        // Before it: the method, the URL with the upload's name, and how long it took.
        (None, None) => text.split_once(" - ").map_or(text, |(_, said)| said).to_owned(),
    };
    let said = said.replace("HTTP error: error sending request: ", "").replace("&#39;", "'");
    let line = said.split_whitespace().collect::<Vec<_>>().join(" ");
    let skipped = line.chars().count().saturating_sub(200);
    line.chars().skip(skipped).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_field_and_fix_in_one_line() {
        let names = Names {
            bucket: "films".into(),
            endpoint: "http://s".into(),
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
            ("503\n <Code>SlowDown</Code>\n<Message>less</Message>", "storage: ", ErrorKind::Unavailable),
        ];
        for (text, start, kind) in table {
            let error = explain(&names, "write x", text);
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
}
