//! Pure. What is requested → which `pipelines/*.gst`, with which values.

use crate::recording::{AudioSettings, Container, Output, Profile, VideoSettings};

use super::template::{TemplateError, fill};
use crate::pipeline::Codec;
use crate::pipeline::audio::mixer::RATE;

/// A pipeline to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What GStreamer parses.
    pub description: String,
    /// The video encoder's element.
    pub encoder: Option<&'static str>,
    /// The encoder as it is described, and one of the same kind that costs less, with the same headers, if there is one.
    pub fast_encoder: Option<(String, String)>,
    /// Samples (of the mixer's 48 kHz) of silence that the audio encoder puts before the audio without saying so in the file.
    pub priming: usize,
}

/// AAC-LC's encoder delay in libav: one frame, at the file's own frequency. `mp4mux` writes no edit list for it, so that much
/// is left out at the very start instead, and every player, with or without edit lists, is in lip-sync.
const AAC_PRIMING: usize = 1024;

/// The text of the input that decodes this codec.
pub const fn input(codec: Codec) -> &'static str {
    match codec {
        Codec::Opus => include_str!("../../../pipelines/inputs/opus.gst"),
        Codec::Vp8 => include_str!("../../../pipelines/inputs/vp8.gst"),
        Codec::Vp9 => include_str!("../../../pipelines/inputs/vp9.gst"),
        Codec::H264 => include_str!("../../../pipelines/inputs/h264.gst"),
        Codec::Av1 => include_str!("../../../pipelines/inputs/av1.gst"),
    }
}

/// The text of the pipeline that decodes the end of a film.
pub const LAST_FRAME: &str = include_str!("../../../pipelines/inputs/last_frame.gst");

/// The pipeline that writes this output.
pub fn output(output: &Output, installed: impl Fn(&str) -> bool) -> Result<Plan, TemplateError> {
    let mut plan = Plan { description: String::new(), encoder: None, fast_encoder: None, priming: 0 };
    let mut tracks = Vec::new();
    if let Some(video) = output.video() {
        let encoder = encoder(installed);
        let (text, usual, fast) = picture(video, encoder)?;
        tracks.push(text);
        (plan.encoder, plan.fast_encoder) = (Some(encoder), fast.map(|fast| (usual, fast)));
    }
    let file = match output.container() {
        Container::Mp4 => {
            if let Some(audio) = output.audio() {
                tracks.push(fill(include_str!("../../../pipelines/tracks/aac.gst"), &audio_values(audio))?);
                plan.priming = priming(audio.frequency);
            }
            include_str!("../../../pipelines/outputs/mp4.gst")
        }
        Container::Ogg => {
            if let Some(audio) = output.audio() {
                tracks.push(fill(include_str!("../../../pipelines/tracks/opus.gst"), &audio_values(audio))?);
            }
            include_str!("../../../pipelines/outputs/ogg.gst")
        }
    };
    plan.description = fill(file, &[("tracks", tracks.join(" "))])?;
    Ok(plan)
}

/// x264 is taken where it is installed, else OpenH264, which makes the same three profiles. When neither is, the missing
/// element named should be x264's.
fn encoder(installed: impl Fn(&str) -> bool) -> &'static str {
    if !installed("x264enc") && installed("openh264enc") { "openh264enc" } else { "x264enc" }
}

/// The track, its encoder, and the one that costs less.
fn picture(video: &VideoSettings, encoder: &str) -> Result<(String, String, Option<String>), TemplateError> {
    let (text, fast) = match encoder {
        "openh264enc" => (include_str!("../../../pipelines/encoders/openh264.gst"), None),
        _ => {
            let fast = include_str!("../../../pipelines/encoders/x264-fast.gst");
            (include_str!("../../../pipelines/encoders/x264.gst"), Some(fast))
        }
    };
    let mut values = vec![
        ("width", video.size.width.get().to_string()),
        ("height", video.size.height.get().to_string()),
        ("framerate", video.framerate.to_string()),
        ("video_bitrate", video.bitrate.to_string()),
        ("video_bitrate_bps", (video.bitrate * 1000).to_string()),
        ("key_interval", video.key_frame_distance().to_string()),
        ("profile", profile(video.profile).to_owned()),
    ];
    let usual = fill(text, &values)?;
    let fast = fast.map(|fast| fill(fast, &values)).transpose()?;
    values.push(("encoder", usual.clone()));
    Ok((fill(include_str!("../../../pipelines/tracks/h264.gst"), &values)?, usual, fast))
}

/// GStreamer's name of a profile.
pub const fn profile(profile: Profile) -> &'static str {
    match profile {
        Profile::Baseline => "constrained-baseline",
        Profile::Main => "main",
        Profile::High => "high",
    }
}

fn audio_values(audio: &AudioSettings) -> [(&'static str, String); 2] {
    [("audio_bitrate", (audio.bitrate * 1000).to_string()), ("frequency", audio.frequency.to_string())]
}

/// The encoder's silence in samples of the mixer, to the nearest one.
fn priming(frequency: u32) -> usize {
    let frequency = usize::try_from(frequency).unwrap_or(RATE).max(1);
    (AAC_PRIMING * RATE + frequency / 2) / frequency
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::Layout;

    fn video(profile: Profile) -> VideoSettings {
        VideoSettings { profile, ..VideoSettings::preset(Layout::from_name("grid")) }
    }

    fn planned(output: Output) -> (String, Option<&'static str>, usize) {
        let plan = super::output(&output, |_| true).unwrap();
        (plan.description, plan.encoder, plan.priming)
    }

    #[test]
    fn a_file_has_exactly_the_tracks_asked_for() {
        let shape = |output| {
            let (text, encoder, priming) = planned(output);
            let has = |word: &str| text.contains(word);
            (has("name=video"), has("avenc_aac"), has("opusenc"), encoder.is_some(), priming)
        };
        assert_eq!(shape(Output::mp4(video(Profile::Main)).unwrap()), (true, true, false, true, 1024));
        assert_eq!(shape(Output::silent_mp4(video(Profile::Main)).unwrap()), (true, false, false, true, 0));
        assert_eq!(shape(Output::audio_mp4()), (false, true, false, false, 1024));
        assert_eq!(shape(Output::ogg()), (false, false, true, false, 0));
    }

    #[test]
    fn values_are_those_asked_for() {
        for (requested, name) in
            [(Profile::Baseline, "constrained-baseline"), (Profile::Main, "main"), (Profile::High, "high")]
        {
            let (text, ..) = planned(Output::mp4(video(requested)).unwrap());
            assert!(text.contains(&format!("profile={name} ")) && text.contains("key-int-max=120 "), "{text}");
        }
        let audio = AudioSettings { bitrate: 96, frequency: 44_100 };
        let (text, _, priming) = planned(Output::audio_mp4().with_audio(audio).unwrap());
        assert!(text.contains("rate=44100 ") && text.contains("bitrate=96000 "), "{text}");
        // 1024 samples of 44.1 kHz are 23.22 ms, which are 1114.6 of 48 kHz.
        assert_eq!(priming, 1115);
    }

    #[test]
    fn openh264_stands_in() {
        let output = Output::mp4(video(Profile::High)).unwrap();
        assert_eq!(super::output(&output, |e| e != "x264enc").unwrap().encoder, Some("openh264enc"));
        assert_eq!(super::output(&output, |_| false).unwrap().encoder, Some("x264enc"));
    }
}
