//! The same media through GStreamer's own elements: what decoding and encoding alone cost, and its `compositor`.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use greffier::media::Codec;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;

use super::meter::{self, Reading};
use super::scene::{self, FRAMERATE, SIZE, Track};
use super::{MEDIA, folder};

const MP4: &str = include_str!("../../pipelines/outputs/mp4.gst");
const X264: &str = include_str!("../../pipelines/encoders/x264.gst");
const VP8: &str = "vp8dec threads=1 qos=false";
const SOUND: &str = "audio/x-raw,format=F32LE,rate=48000,channels=2,layout=interleaved";

/// Later than this at the end is too slow.
const LATE: Duration = Duration::from_secs(1);

/// What `ours` composed, at so many bits that nothing is lost to speak of.
pub fn finished() -> PathBuf {
    folder().join("finished.mp4")
}

fn raw(name: &str) -> String {
    folder().join(name).display().to_string()
}

/// The finished picture and audio, uncompressed.
pub fn unpack() {
    let pipeline = parse(&format!(
        "filesrc location={} ! qtdemux name=d
         d.video_0 ! queue ! h264parse ! avdec_h264 ! videoconvert ! video/x-raw,format=I420 ! filesink location={}
         d.audio_0 ! queue ! aacparse ! avdec_aac ! audioconvert ! {SOUND} ! filesink location={}",
        finished().display(),
        raw("picture.i420"),
        raw("sound.f32"),
    ));
    play(&pipeline);
}

/// Removes the large files.
pub fn tidy() {
    for name in ["picture.i420", "sound.f32", "finished.mp4"] {
        let _ = fs::remove_file(folder().join(name));
    }
}

/// Decodes everything, encodes what is finished; composes nothing.
pub fn limit() -> Reading {
    let tracks = scene::tracks();
    let decoders = tracks.iter().map(|t| format!("{} ! {} ! fakesink sync=true", source(t), decoder(t)));
    let decoders = decoders.collect::<Vec<_>>().join("\n");
    let [picture, audio] = finished_sources();
    measured(&format!("{}\n{decoders}", output(&picture, &audio, "limit.mp4")), &tracks)
}

/// Reads what is finished.
pub fn read() -> Reading {
    let [picture, audio] = finished_sources();
    measured(&format!("{picture} ! fakesink\n{audio} ! fakesink"), &[])
}

/// GStreamer's mixers put together the same rectangles and voices, without names.
pub fn compositor() -> Reading {
    let tracks = scene::tracks();
    let place = |(n, tile): (usize, &greffier::scene::Tile)| {
        let (x, y, w, h) = (tile.rect.x, tile.rect.y, tile.rect.width, tile.rect.height);
        format!(
            "sink_{n}::xpos={} sink_{n}::ypos={} sink_{n}::width={} sink_{n}::height={}",
            x.get(),
            y.get(),
            w.get(),
            h.get()
        )
    };
    let places = scene::scene().tiles.iter().enumerate().map(place).collect::<Vec<_>>().join(" ");
    let (width, height) = SIZE;
    let picture = format!(
        "compositor name=pictures background=black {places}
         ! video/x-raw,format=I420,width={width},height={height},framerate={FRAMERATE}/1 ! clocksync"
    );
    let audio = format!("audiomixer name=voices ! {SOUND} ! clocksync");
    let (frames, voices): (Vec<_>, Vec<_>) = tracks.iter().partition(|t| t.codec != Codec::Opus);
    let mut branches = vec![output(&picture, &audio, "compositor.mp4")];
    for (n, track) in frames.into_iter().enumerate() {
        branches.push(format!("{} ! {} ! queue max-size-buffers=3 ! pictures.sink_{n}", source(track), decoder(track)));
    }
    for (n, track) in voices.into_iter().enumerate() {
        branches.push(format!("{} ! {} ! audioconvert ! queue ! voices.sink_{n}", source(track), decoder(track)));
    }
    measured(&branches.join("\n"), &tracks)
}

fn source(track: &Track) -> String {
    let caps = match track.codec {
        Codec::Opus => {
            "audio/x-opus,rate=48000,channels=2,channel-mapping-family=0,stream-count=1,coupled-count=1".to_owned()
        }
        Codec::Vp8 | Codec::Vp9 | Codec::H264 | Codec::Av1 => "video/x-vp8".to_owned(),
    };
    format!("appsrc name={} format=time max-bytes=0 caps=\"{caps}\"", track.id)
}

fn decoder(track: &Track) -> &'static str {
    if track.codec == Codec::Opus { "opusdec ! audio/x-raw,format=S16LE,rate=48000,channels=2" } else { VP8 }
}

/// In real time, whole frames at once.
fn finished_sources() -> [String; 2] {
    let (width, height) = SIZE;
    let bytes = width * height * 3 / 2;
    [
        format!(
            "filesrc location={} blocksize={bytes}
             ! rawvideoparse format=i420 width={width} height={height} framerate={FRAMERATE}/1 colorimetry=2:4:5:1
             ! clocksync",
            raw("picture.i420")
        ),
        format!(
            "filesrc location={} blocksize=7680
             ! rawaudioparse format=pcm pcm-format=f32le sample-rate=48000 num-channels=2 ! clocksync",
            raw("sound.f32")
        ),
    ]
}

/// The project's own output with other sources before it.
fn output(picture: &str, audio: &str, file: &str) -> String {
    let plain = |text: &str| text.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n");
    let encoder = plain(X264).replace("${video_bitrate}", "3000").replace("${key_interval}", "120");
    let mut text = plain(MP4).replace("${encoder}", &encoder).replace("${audio_bitrate}", "128000");
    for (name, source) in [("video", picture), ("audio", audio)] {
        let from = text.find(&format!("appsrc name={name}")).expect("mp4.gst begins a branch so");
        let to = from + text[from..].find('!').expect("something follows");
        text.replace_range(from..to, &format!("{source}\n"));
    }
    text.replace("filesink name=sink", &format!("filesink location={}", raw(file)))
}

/// Plays a pipeline in real time and measures it.
fn measured(description: &str, tracks: &[Track]) -> Reading {
    let pipeline = parse(description);
    for track in tracks {
        let source = pipeline.by_name(track.id.as_str()).and_then(|e| e.downcast::<gst_app::AppSrc>().ok());
        let source = source.expect("each track has a source");
        for (time_ns, data) in &track.units {
            let mut buffer = gst::Buffer::from_slice(data.clone());
            if let Some(buffer) = buffer.get_mut() {
                buffer.set_pts(gst::ClockTime::from_nseconds(*time_ns));
            }
            source.push_buffer(buffer).expect("a source that takes everything");
        }
        source.end_of_stream().expect("a source that can end");
    }
    let reading = meter::window();
    let began = Instant::now();
    play(&pipeline);
    let whole = began.elapsed() < MEDIA + LATE;
    Reading { whole, ..reading.join().expect("the meter") }
}

fn parse(description: &str) -> gst::Pipeline {
    gst::init().expect("GStreamer");
    let parsed = gst::parse::launch(description).unwrap_or_else(|e| panic!("{e}\n{description}"));
    parsed.downcast().expect("more than one element")
}

/// Plays a pipeline to its end.
fn play(pipeline: &gst::Pipeline) {
    pipeline.set_state(gst::State::Playing).expect("a pipeline that starts");
    let bus = pipeline.bus().expect("every pipeline has one");
    let types = [gst::MessageType::Eos, gst::MessageType::Error];
    let message = bus.timed_pop_filtered(gst::ClockTime::NONE, &types).expect("an end");
    if let gst::MessageView::Error(error) = message.view() {
        panic!("{}: {:?}", error.error(), error.debug());
    }
    pipeline.set_state(gst::State::Null).expect("a pipeline that stops");
}
