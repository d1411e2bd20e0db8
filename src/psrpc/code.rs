//! Pure. psrpc's error codes, which travel as text, and our kinds.

use crate::error::{Error, ErrorKind};

/// The code of an answer to a request that cannot be decoded.
pub const MALFORMED_REQUEST: &str = "malformed_request";

/// The code we send for an error of this kind.
pub fn of(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidArgument => "invalid_argument",
        ErrorKind::NotFound => "not_found",
        ErrorKind::AlreadyExists => "already_exists",
        ErrorKind::Unauthenticated => "unauthenticated",
        ErrorKind::PermissionDenied => "permission_denied",
        ErrorKind::FailedPrecondition => "failed_precondition",
        ErrorKind::ResourceExhausted => "resource_exhausted",
        ErrorKind::Unavailable => "unavailable",
        ErrorKind::DeadlineExceeded => "deadline_exceeded",
        ErrorKind::DataLoss => "data_loss",
        ErrorKind::Unimplemented => "unimplemented",
        ErrorKind::Internal => "internal",
    }
}

/// Our kind for a code that came; the nearest one where we have no such word, `Internal` for one nobody knows.
/// What may pass when tried again stays `Unavailable` or `DeadlineExceeded`.
pub fn kind(code: &str) -> ErrorKind {
    match code {
        "invalid_argument" | "malformed_request" | "out_of_range" | "not_acceptable" | "unprocessable_entity" => {
            ErrorKind::InvalidArgument
        }
        "not_found" => ErrorKind::NotFound,
        "already_exists" => ErrorKind::AlreadyExists,
        "unauthenticated" => ErrorKind::Unauthenticated,
        "permission_denied" => ErrorKind::PermissionDenied,
        "failed_precondition" | "aborted" => ErrorKind::FailedPrecondition,
        "resource_exhausted" => ErrorKind::ResourceExhausted,
        "unavailable" | "canceled" | "upstream_server_error" | "upstream_client_error" => ErrorKind::Unavailable,
        "deadline_exceeded" => ErrorKind::DeadlineExceeded,
        "data_loss" => ErrorKind::DataLoss,
        "unimplemented" => ErrorKind::Unimplemented,
        _ => ErrorKind::Internal,
    }
}

/// The HTTP status that psrpc gives a code; LiveKit shows it as `EgressInfo.error_code`.
pub fn status(code: &str) -> u16 {
    match code {
        "invalid_argument" | "malformed_request" => 400,
        "unauthenticated" => 401,
        "permission_denied" => 403,
        "not_found" => 404,
        "not_acceptable" => 406,
        "already_exists" | "aborted" => 409,
        "failed_precondition" => 412,
        "out_of_range" => 416,
        "unprocessable_entity" => 422,
        "upstream_client_error" => 424,
        "resource_exhausted" => 429,
        "unimplemented" => 501,
        "upstream_server_error" => 502,
        "canceled" | "deadline_exceeded" | "unavailable" => 503,
        _ => 500,
    }
}

/// The error that an answer carries.
pub fn error(code: &str, message: String) -> Error {
    Error::new(kind(code), message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [ErrorKind; 12] = [
        ErrorKind::InvalidArgument,
        ErrorKind::NotFound,
        ErrorKind::AlreadyExists,
        ErrorKind::Unauthenticated,
        ErrorKind::PermissionDenied,
        ErrorKind::FailedPrecondition,
        ErrorKind::ResourceExhausted,
        ErrorKind::Unavailable,
        ErrorKind::DeadlineExceeded,
        ErrorKind::DataLoss,
        ErrorKind::Unimplemented,
        ErrorKind::Internal,
    ];

    #[test]
    fn every_kind_survives_the_way_there_and_back() {
        for one in KINDS {
            assert_eq!(kind(of(one)), one);
        }
    }

    #[test]
    fn codes_that_we_have_no_word_for_keep_their_status() {
        let codes = [("unknown", 500), ("malformed_result", 500), ("canceled", 503), ("aborted", 409), ("", 500)];
        for (code, expected) in codes {
            assert_eq!(status(code), expected, "{code}");
        }
        assert_eq!(kind("unknown"), ErrorKind::Internal);
        assert_eq!(kind("aborted"), ErrorKind::FailedPrecondition);
    }
}
