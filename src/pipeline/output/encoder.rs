//! The video encoder's place in the output: another one can take it while the file is written.
//!
//! `x264enc` cannot change its preset while it runs. So the running one is drained and replaced, between two frames, in the
//! thread that brings them ("Changing elements in a pipeline" of GStreamer's manual). Both make the same headers, see
//! `pipelines/encoders/x264-fast.gst`; the new one begins with a key frame.

use gstreamer as gst;
use gstreamer::prelude::*;

/// The place. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Encoder {
    pipeline: gst::glib::WeakRef<gst::Pipeline>,
    factory: &'static str,
    usual: String,
    fast: String,
}

impl Encoder {
    /// The place of the only element of this `factory`; the descriptions are of one element of it each.
    pub fn new(pipeline: &gst::Pipeline, factory: &'static str, usual: String, fast: String) -> Self {
        Self { pipeline: pipeline.downgrade(), factory, usual, fast }
    }

    /// From the next picture on the other encoder is at work. Does not wait for it.
    pub fn exchange(&self, fast: bool) {
        let Some(before) = self.running().and_then(|old| old.static_pad("sink")?.peer()) else { return };
        let this = self.clone();
        let wanted = if fast { self.fast.clone() } else { self.usual.clone() };
        before.add_probe(gst::PadProbeType::BLOCK | gst::PadProbeType::BUFFER, move |before, _| {
            // As it was before: it goes on with the encoder it has.
            if let Err(why) = this.replace(before, &wanted) {
                tracing::warn!(why, "the encoder stays as it is");
            }
            gst::PadProbeReturn::Remove
        });
    }

    fn running(&self) -> Option<gst::Element> {
        let mut found = self.pipeline.upgrade()?.iterate_all_by_element_factory_name(self.factory);
        found.next().ok().flatten()
    }

    /// In the thread that brings frames, while it stands at `before`, the pad they come from.
    fn replace(&self, before: &gst::Pad, wanted: &str) -> Result<(), String> {
        let pipeline = self.pipeline.upgrade().ok_or("the file is being closed")?;
        let old = self.running().ok_or("it is gone")?;
        let (into, out) = old.static_pad("sink").zip(old.static_pad("src")).ok_or("it has no pads")?;
        let after = out.peer().ok_or("it is not linked")?;
        let new = gst::parse::launch(wanted).map_err(|e| e.message().to_owned())?;
        let (new_into, new_out) =
            new.static_pad("sink").zip(new.static_pad("src")).ok_or("the other one has no pads")?;
        pipeline.add(&new).map_err(|e| e.message.to_string())?;
        // First it must be ready: the old one is still at its place.
        if let Err(why) = new.sync_state_with_parent() {
            let _ = new.set_state(gst::State::Null);
            let _ = pipeline.remove(&new);
            return Err(why.message.to_string());
        }
        // What is inside comes out; the end itself must not reach the muxer.
        out.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, |_, info| match &info.data {
            Some(gst::PadProbeData::Event(event)) if event.type_() == gst::EventType::Eos => {
                gst::PadProbeReturn::Handled
            }
            _ => gst::PadProbeReturn::Ok,
        });
        into.send_event(gst::event::Eos::new());
        let _ = old.set_state(gst::State::Null);
        // Unlinks it too.
        pipeline.remove(&old).map_err(|e| e.message.to_string())?;
        before.link(&new_into).and_then(|_| new_out.link(&after)).map(drop).map_err(|e| e.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;
    use crate::pipeline::clock;
    use crate::pipeline::command::EngineCommand;
    use crate::pipeline::launch::{bus, plan};
    use crate::pipeline::output::File;
    use crate::recording::{Output, Preset, Profile, VideoSettings};
    use crate::scene::{Layout, Size};

    fn output(video: VideoSettings) -> Output {
        Output::mp4(video).unwrap()
    }

    fn ffprobe(path: &std::path::Path, entries: &[&str]) -> String {
        let mut ffprobe = std::process::Command::new("ffprobe");
        ffprobe.args(["-v", "warning", "-of", "csv=p=0"]).args(entries).arg(path);
        let out = ffprobe.output().expect("ffprobe is installed: apt install ffmpeg");
        let complaint = String::from_utf8(out.stderr).unwrap();
        assert_eq!(complaint, "", "ffprobe complains");
        String::from_utf8(out.stdout).unwrap()
    }

    #[test]
    fn both_encoders_make_the_same_headers() {
        gst::init().unwrap();
        let profiles = [Profile::Baseline, Profile::Main, Profile::High];
        for (preset, profile) in Preset::ALL.iter().flat_map(|preset| profiles.map(|profile| (preset, profile))) {
            let video = VideoSettings { profile, ..preset.video(Layout::from_name("speaker")) };
            let plan = plan::output(&output(video), |_| true).unwrap();
            let (usual, fast) = plan.fast_encoder.unwrap();
            let headers = [usual, fast].map(|encoder| {
                let (width, height) = (video.size.width.get(), video.size.height.get());
                let caps =
                    format!("video/x-raw,format=I420,width={width},height={height},framerate={}/1", video.framerate);
                let text = format!(
                    "videotestsrc num-buffers=1 ! {caps},colorimetry=bt709 ! {encoder} \
                     ! video/x-h264,profile={},stream-format=avc ! appsink name=out",
                    plan::profile(profile)
                );
                let pipeline = bus::parse(&text).unwrap();
                let out: gstreamer_app::AppSink = bus::element(&pipeline, "out").unwrap();
                pipeline.set_state(gst::State::Playing).unwrap();
                let sample = out.pull_sample().unwrap();
                bus::close(&pipeline);
                sample.caps().unwrap().structure(0).unwrap().get::<gst::Buffer>("codec_data").unwrap()
            });
            let [usual, fast] = headers.map(|buffer| buffer.map_readable().unwrap().to_vec());
            assert_eq!(usual, fast, "{} {profile:?}", preset.name);
        }
    }

    #[test]
    fn encoders_take_turns_in_one_file() {
        gst::init().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("turns.mp4");
        let (commands, reported) = channel();
        let video =
            VideoSettings { size: Size::new(320, 180).unwrap(), ..VideoSettings::preset(Layout::from_name("speaker")) };
        let file = File::open(&output(video), path.clone(), None, commands).unwrap();
        let (frames, encoder) = (file.video.clone().unwrap(), file.encoder.clone().unwrap());
        let audio = file.audio.clone().unwrap();
        let at = |n| gst::ClockTime::from_nseconds(clock::span(n, 30).unsigned_abs());
        let buffer = |n, bytes| {
            let mut buffer = gst::Buffer::from_mut_slice(bytes);
            let writable = buffer.get_mut().unwrap();
            writable.set_pts(at(n));
            writable.set_duration(at(n + 1) - at(n));
            buffer
        };
        // Everything that is to be heard first: the muxer waits for it.
        for n in 0..150_u64 {
            audio.push_buffer(buffer(n, vec![0_u8; 1600 * 8])).unwrap();
        }
        for n in 0..150_u64 {
            if n % 30 == 29 {
                // More often than it ever would; about here, because some wait in between.
                encoder.exchange(n % 60 == 29);
            }
            frames.push_buffer(buffer(n, vec![(n * 7 % 200) as u8; 320 * 180 * 3 / 2])).unwrap();
        }
        frames.end_of_stream().unwrap();
        audio.end_of_stream().unwrap();
        let end = reported.recv().unwrap();
        assert!(matches!(end, EngineCommand::OutputEnded), "{end:?}");
        file.close().unwrap();
        let text = ffprobe(&path, &["-select_streams", "v", "-show_entries", "frame=pts_time,key_frame"]);
        let frames: Vec<(bool, f64)> = text
            .lines()
            // x264 says in its first picture how it was set, and ffprobe has a line for that.
            .filter(|line| line.starts_with("0,") || line.starts_with("1,"))
            .map(|line| {
                let mut fields = line.split(',');
                (fields.next() == Some("1"), fields.next().and_then(|time| time.parse().ok()).expect(line))
            })
            .collect();
        assert_eq!(frames.len(), 150, "{text}");
        for (n, (_, time)) in frames.iter().enumerate() {
            assert!((time - n as f64 / 30.0).abs() < 0.001, "{n}: {time}");
        }
        assert_eq!(frames.iter().filter(|(key, _)| *key).count(), 6, "each encoder begins with a key frame: {text}");
    }
}
