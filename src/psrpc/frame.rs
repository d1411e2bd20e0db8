//! Pure. What travels on a channel: one [`Msg`] around one of psrpc's four messages (proto package `internal`).
//!
//! Fields we do not know are skipped, in any order, so that newer and older versions of psrpc can talk to us.

use std::collections::BTreeMap;
use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use prost::Message;

use super::gzip::{GzipError, gunzip};

/// The longest message we read, in bytes, packed or not. LiveKit's longest, a list of recordings, has some kilobytes.
pub const LONGEST: usize = 16 * 1024 * 1024;

/// The envelope, `internal.Msg`. Its first two fields are those of `google.protobuf.Any`.
#[derive(Clone, PartialEq, Message)]
pub struct Msg {
    /// `type.googleapis.com/internal.<Name>`.
    #[prost(string, tag = "1")]
    pub type_url: String,
    /// The encoded message, packed as `compression` says.
    #[prost(bytes = "bytes", tag = "2")]
    pub value: Bytes,
    /// Never set on Redis.
    #[prost(string, tag = "3")]
    pub channel: String,
    /// 0 none, 1 gzip (psrpc ≥ 0.7.7, if switched on there).
    #[prost(int32, tag = "4")]
    pub compression: i32,
}

/// A question, `internal.RequestFrame`.
#[derive(Clone, PartialEq, Message)]
pub struct RequestFrame {
    /// `REQ_…`, new for each try.
    #[prost(string, tag = "1")]
    pub request_id: String,
    /// `CLI_…`: where bids and the answer go.
    #[prost(string, tag = "2")]
    pub client_id: String,
    /// Unix time in nanoseconds, by the client's clock.
    #[prost(int64, tag = "3")]
    pub sent_at: i64,
    /// Unix time in nanoseconds from which nobody waits for the answer.
    #[prost(int64, tag = "4")]
    pub expiry: i64,
    /// Everybody answers.
    #[prost(bool, tag = "5")]
    pub multi: bool,
    /// Trace headers and such.
    #[prost(btree_map = "string, string", tag = "7")]
    pub metadata: BTreeMap<String, String>,
    /// The method's own request, encoded.
    #[prost(bytes = "bytes", tag = "8")]
    pub raw_request: Bytes,
    /// The client would let a server begin without a grant (psrpc ≥ 0.7.5). We ask for the grant all the same.
    #[prost(bool, tag = "10")]
    pub skip_claim: bool,
}

/// An answer, `internal.Response`: an error if `error` is not empty.
#[derive(Clone, PartialEq, Message)]
pub struct Response {
    /// Of the request.
    #[prost(string, tag = "1")]
    pub request_id: String,
    /// `SRV_…`: who answers.
    #[prost(string, tag = "2")]
    pub server_id: String,
    /// Unix time in nanoseconds, by the server's clock.
    #[prost(int64, tag = "3")]
    pub sent_at: i64,
    /// What went wrong, for people.
    #[prost(string, tag = "5")]
    pub error: String,
    /// What went wrong, for programs: see [`super::code`].
    #[prost(string, tag = "6")]
    pub code: String,
    /// The method's own response, encoded; absent when it is empty.
    #[prost(bytes = "bytes", tag = "7")]
    pub raw_response: Bytes,
    /// More about the error.
    #[prost(message, repeated, tag = "8")]
    pub error_details: Vec<Any>,
}

/// A server's bid, `internal.ClaimRequest`.
#[derive(Clone, PartialEq, Message)]
pub struct ClaimRequest {
    /// Of the request.
    #[prost(string, tag = "1")]
    pub request_id: String,
    /// `SRV_…`: who bids.
    #[prost(string, tag = "2")]
    pub server_id: String,
    /// From 0, which cannot win, to 1, which wins at once.
    #[prost(float, tag = "3")]
    pub affinity: f32,
    /// The server works already and needs no grant (psrpc ≥ 0.7.5).
    #[prost(bool, tag = "4")]
    pub handling: bool,
}

/// The client's choice, `internal.ClaimResponse`.
#[derive(Clone, PartialEq, Message)]
pub struct ClaimResponse {
    /// Of the request.
    #[prost(string, tag = "1")]
    pub request_id: String,
    /// `SRV_…`: who has won.
    #[prost(string, tag = "2")]
    pub server_id: String,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, Message)]
pub struct Any {
    /// Names the type.
    #[prost(string, tag = "1")]
    pub type_url: String,
    /// Of that type, encoded.
    #[prost(bytes = "bytes", tag = "2")]
    pub value: Bytes,
}

/// A message that may stand in an envelope.
pub trait FrameBody: Message + Default {
    /// Its name in the package `internal`.
    const NAME: &'static str;
}

impl FrameBody for RequestFrame {
    const NAME: &'static str = "Request";
}

impl FrameBody for Response {
    const NAME: &'static str = "Response";
}

impl FrameBody for ClaimRequest {
    const NAME: &'static str = "ClaimRequest";
}

impl FrameBody for ClaimResponse {
    const NAME: &'static str = "ClaimResponse";
}

/// Why a payload cannot be read. psrpc drops such a one without a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// Longer than [`LONGEST`], as it came or once unpacked.
    TooLong,
    /// Not an envelope.
    Envelope,
    /// Packed in a way we do not know.
    Compression(i32),
    /// Not what it should be packed as.
    Gzip,
    /// Another message than the one that belongs on this channel.
    Type,
    /// Not a message of its type.
    Body,
}

impl From<GzipError> for Unreadable {
    fn from(error: GzipError) -> Self {
        match error {
            GzipError::TooLong => Self::TooLong,
            GzipError::Broken => Self::Gzip,
        }
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "longer than {LONGEST} bytes"),
            Self::Envelope => f.write_str("no psrpc envelope"),
            Self::Compression(n) => write!(f, "compressed in an unknown way ({n})"),
            Self::Gzip => f.write_str("broken gzip data"),
            Self::Type => f.write_str("another kind of message than belongs here"),
            Self::Body => f.write_str("a message that cannot be decoded"),
        }
    }
}

/// The whole payload for this message.
pub fn seal<B: FrameBody>(body: &B) -> Bytes {
    let msg = Msg {
        type_url: format!("type.googleapis.com/internal.{}", B::NAME),
        value: body.encode_to_vec().into(),
        ..Msg::default()
    };
    msg.encode_to_vec().into()
}

/// The message in this payload.
pub fn open<B: FrameBody>(payload: Bytes) -> Result<B, Unreadable> {
    if payload.len() > LONGEST {
        return Err(Unreadable::TooLong);
    }
    let msg = Msg::decode(payload).map_err(|_| Unreadable::Envelope)?;
    let name = msg.type_url.rsplit('/').next().unwrap_or_default();
    if name.strip_prefix("internal.") != Some(B::NAME) {
        return Err(Unreadable::Type);
    }
    let value = match msg.compression {
        0 => msg.value,
        1 => gunzip(&msg.value, LONGEST)?,
        other => return Err(Unreadable::Compression(other)),
    };
    B::decode(value).map_err(|_| Unreadable::Body)
}

/// The Redis key that locks this payload, so that of several servers on a queue only one sees it: base64 of its SHA-256.
pub fn lock_key(payload: &[u8]) -> String {
    STANDARD.encode(digest(&SHA256, payload))
}
