//! LiveKit's messages between server and egress (proto package `rpc`), which its Rust crates do not have.

use livekit_protocol as proto;

/// `rpc.StartEgressRequest`; what only LiveKit Cloud sets is left out.
#[derive(Clone, PartialEq, prost::Message)]
pub struct StartEgressRequest {
    /// Made by the server.
    #[prost(string, tag = "1")]
    pub egress_id: String,
    /// `RM_…`; empty when no room was named.
    #[prost(string, tag = "3")]
    pub room_id: String,
    /// One of the API's requests.
    #[prost(oneof = "RpcRequest", tags = "5, 6, 7, 11, 13, 16, 17")]
    pub request: Option<RpcRequest>,
}

/// One of the API's requests.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum RpcRequest {
    /// `StartRoomCompositeEgress`.
    #[prost(message, tag = "5")]
    RoomComposite(proto::RoomCompositeEgressRequest),
    /// `StartTrackCompositeEgress`.
    #[prost(message, tag = "6")]
    TrackComposite(proto::TrackCompositeEgressRequest),
    /// `StartTrackEgress`.
    #[prost(message, tag = "7")]
    Track(proto::TrackEgressRequest),
    /// `StartWebEgress`.
    #[prost(message, tag = "11")]
    Web(proto::WebEgressRequest),
    /// `StartParticipantEgress`.
    #[prost(message, tag = "13")]
    Participant(proto::ParticipantEgressRequest),
    /// `StartEgress`, the second version of the API.
    #[prost(message, tag = "16")]
    Egress(proto::StartEgressRequest),
    /// LiveKit Cloud's replay.
    #[prost(message, tag = "17")]
    Replay(proto::ExportReplayRequest),
}

/// `rpc.ListActiveEgressResponse`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ListActiveEgressResponse {
    /// Those that run here.
    #[prost(string, repeated, tag = "1")]
    pub egress_ids: Vec<String>,
}
