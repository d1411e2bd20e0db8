//! How webrtc-rs is set up: the codecs and header extensions we offer, host candidates only, our own Sender Reports.

use webrtc::api::APIBuilder;
use webrtc::api::media_engine::{MIME_TYPE_OPUS, MediaEngine};
use webrtc::api::setting_engine::SettingEngine;
use webrtc::ice::mdns::MulticastDnsMode;
use webrtc::ice::network_type::NetworkType;
use webrtc::interceptor::nack::responder::Responder;
use webrtc::interceptor::registry::Registry;
use webrtc::peer_connection::RTCPeerConnection;
use webrtc::peer_connection::configuration::RTCConfiguration;
use webrtc::rtp_transceiver::RTCPFeedback;
use webrtc::rtp_transceiver::rtp_codec::{
    RTCRtpCodecCapability, RTCRtpCodecParameters, RTCRtpHeaderExtensionCapability, RTPCodecType,
};
use webrtc::sdp::extmap::{AUDIO_LEVEL_URI, SDES_MID_URI, SDES_RTP_STREAM_ID_URI};

use crate::Failure;
use crate::payload::Codec;

/// Every video codec: a participant may change theirs in mid-call.
const VIDEO: [Codec; 4] = [Codec::Vp8, Codec::Vp9, Codec::H264, Codec::Av1];

/// What a video codec is called in offers.
pub fn video(codec: Codec) -> RTCRtpCodecParameters {
    let (mime_type, payload_type, fmtp) = codec.offer();
    let feedback = [("nack", ""), ("nack", "pli"), ("ccm", "fir")];
    RTCRtpCodecParameters {
        capability: RTCRtpCodecCapability {
            mime_type: mime_type.to_owned(),
            clock_rate: 90_000,
            channels: 0,
            sdp_fmtp_line: fmtp.to_owned(),
            rtcp_feedback: feedback
                .map(|(typ, parameter)| RTCPFeedback { typ: typ.to_owned(), parameter: parameter.to_owned() })
                .into(),
        },
        payload_type,
        ..Default::default()
    }
}

/// Opus, as WebRTC always names it.
pub fn opus() -> RTCRtpCodecParameters {
    RTCRtpCodecParameters {
        capability: RTCRtpCodecCapability {
            mime_type: MIME_TYPE_OPUS.to_owned(),
            clock_rate: 48_000,
            channels: 2,
            sdp_fmtp_line: "minptime=10;useinbandfec=1".to_owned(),
            rtcp_feedback: vec![],
        },
        payload_type: 111,
        ..Default::default()
    }
}

/// A peer connection that can send.
pub async fn connection() -> Result<RTCPeerConnection, Failure> {
    let mut media = MediaEngine::default();
    media.register_codec(opus(), RTPCodecType::Audio)?;
    for codec in VIDEO {
        media.register_codec(video(codec), RTPCodecType::Video)?;
    }
    for (uri, kind) in [
        (SDES_MID_URI, RTPCodecType::Audio),
        (SDES_MID_URI, RTPCodecType::Video),
        (AUDIO_LEVEL_URI, RTPCodecType::Audio),
        (SDES_RTP_STREAM_ID_URI, RTPCodecType::Video),
    ] {
        let extension = RTCRtpHeaderExtensionCapability { uri: uri.to_owned() };
        media.register_header_extension(extension, kind, None)?;
    }
    // The stock sender reports count from the last packet's arrival in the library; `track.rs` sends exact ones.
    let mut registry = Registry::new();
    registry.add(Box::new(Responder::builder()));
    let mut settings = SettingEngine::default();
    settings.set_include_loopback_candidate(true);
    settings.set_network_types(vec![NetworkType::Udp4]);
    settings.set_ice_multicast_dns_mode(MulticastDnsMode::Disabled);
    let api = APIBuilder::new()
        .with_media_engine(media)
        .with_interceptor_registry(registry)
        .with_setting_engine(settings)
        .build();
    Ok(api.new_peer_connection(RTCConfiguration::default()).await?)
}
