//! Pure. What is asked for → which `pipelines/*.gst`, with which values.

use crate::recording::{Container, Output};

use super::Codec;
use super::template::{TemplateError, fill};

/// A pipeline to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What GStreamer parses.
    pub description: String,
    /// The video encoder's element.
    pub encoder: Option<&'static str>,
    /// The encoder as it is described, and one of the same kind that costs less, with the same headers, if there is one.
    pub fast_encoder: Option<(String, String)>,
    /// Samples of silence the audio encoder puts before the sound without saying so in the file.
    pub priming: usize,
}

/// AAC-LC's encoder delay in libav: one frame. `mp4mux` writes no edit list for it, so that many samples are left out at the
/// very start instead, and every player, with or without edit lists, is in lip-sync.
const AAC_PRIMING: usize = 1024;

/// The text of the input that decodes this codec.
pub const fn input(codec: Codec) -> &'static str {
    match codec {
        Codec::Opus => include_str!("../../pipelines/inputs/opus.gst"),
        Codec::Vp8 => include_str!("../../pipelines/inputs/vp8.gst"),
        Codec::Vp9 => include_str!("../../pipelines/inputs/vp9.gst"),
        Codec::H264 => include_str!("../../pipelines/inputs/h264.gst"),
        Codec::Av1 => include_str!("../../pipelines/inputs/av1.gst"),
    }
}

/// The pipeline that writes this output. x264 is taken where it is installed, else OpenH264, which is also the answer when
/// neither is: but then the missing element named should be x264's, so that is kept.
pub fn output(output: &Output, installed: impl Fn(&str) -> bool) -> Result<Plan, TemplateError> {
    let mut values = vec![("audio_bitrate", (output.audio().bitrate * 1000).to_string())];
    let Some(video) = output.video() else {
        let description = fill(include_str!("../../pipelines/outputs/ogg.gst"), &values)?;
        return Ok(Plan { description, encoder: None, fast_encoder: None, priming: 0 });
    };
    let fallback = !installed("x264enc") && installed("openh264enc");
    let (encoder, text, fast) = if fallback {
        ("openh264enc", include_str!("../../pipelines/encoders/openh264.gst"), None)
    } else {
        let fast = include_str!("../../pipelines/encoders/x264-fast.gst");
        ("x264enc", include_str!("../../pipelines/encoders/x264.gst"), Some(fast))
    };
    values.extend([
        ("width", video.size.width.get().to_string()),
        ("height", video.size.height.get().to_string()),
        ("framerate", video.framerate.to_string()),
        ("video_bitrate", video.bitrate.to_string()),
        ("video_bitrate_bps", (video.bitrate * 1000).to_string()),
        ("key_interval", (video.key_frame_interval * video.framerate).to_string()),
    ]);
    let usual = fill(text, &values)?;
    let fast = fast.map(|fast| fill(fast, &values)).transpose()?;
    values.push(("encoder", usual.clone()));
    let text = match output.container() {
        Container::Mp4 | Container::Ogg => include_str!("../../pipelines/outputs/mp4.gst"),
    };
    let description = fill(text, &values)?;
    let fast_encoder = fast.map(|fast| (usual, fast));
    Ok(Plan { description, encoder: Some(encoder), fast_encoder, priming: AAC_PRIMING })
}
