//! Synthetic media: plain frames that flash and audio that beeps, encoded as a browser would.

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;

/// Luma of a flash and of the ground.
pub const FLASH: u8 = 220;
pub const GROUND: u8 = 60;

/// One encoded frame or packet.
#[derive(Clone, Debug)]
pub struct Encoded {
    /// Since the beginning of the material.
    pub time_ns: i64,
    pub data: bytes::Bytes,
    pub keyframe: bool,
}

/// `seconds` of a picture that flashes for 100 ms at each `phase_ms` after a full second, a key frame a second, 30 frames a second.
pub fn flashes(encoder: &str, width: usize, height: usize, seconds: usize, phase_ms: i64) -> Vec<Encoded> {
    let caps = format!("video/x-raw,format=I420,width={width},height={height},framerate=30/1");
    let frames = (0..seconds as i64 * 30).map(|n| {
        let time = n * 1_000_000_000 / 30;
        let ms = (time / 1_000_000 - phase_ms).rem_euclid(1000);
        let luma = if ms < 100 { FLASH } else { GROUND };
        let mut data = vec![luma; width * height];
        data.resize(width * height * 3 / 2, 128);
        (time, data)
    });
    encode(&format!("{encoder} ! appsink name=out sync=false"), &caps, frames)
}

/// Two seconds of one colour (Y, U, V), 30 frames a second.
pub fn plain(encoder: &str, width: usize, height: usize, yuv: [u8; 3]) -> Vec<Encoded> {
    let caps = format!("video/x-raw,format=I420,width={width},height={height},framerate=30/1");
    let frames = (0..60).map(|n| {
        let chroma = width * height / 4;
        let planes = [vec![yuv[0]; chroma * 4], vec![yuv[1]; chroma], vec![yuv[2]; chroma]];
        (n * 1_000_000_000 / 30, planes.concat())
    });
    encode(&format!("{encoder} ! appsink name=out sync=false"), &caps, frames)
}

/// The encoders, by what LiveKit calls them.
pub const VP8: &str = "vp8enc deadline=1 cpu-used=8 keyframe-max-dist=30 lag-in-frames=0";
pub const VP9: &str = "vp9enc deadline=1 cpu-used=8 keyframe-max-dist=30 lag-in-frames=0";
pub const H264: &str = "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=30 ! \
    video/x-h264,profile=constrained-baseline,stream-format=byte-stream,alignment=au";
pub const AV1: &str = "av1enc cpu-used=8 usage-profile=realtime keyframe-max-dist=30 lag-in-frames=0 ! av1parse ! \
    video/x-av1,stream-format=obu-stream,alignment=tu";

/// `seconds` of 20 ms Opus packets: silence, and a tone of `hertz` for 100 ms at each `phase_ms` after a full second.
pub fn beeps(seconds: usize, hertz: f64, phase_ms: usize) -> Vec<Encoded> {
    let packets = (0..seconds * 50).map(|n| {
        let samples = (n * 960..(n + 1) * 960).flat_map(|i| {
            let within = (i + 48_000 - phase_ms * 48) % 48_000;
            let loud = i >= phase_ms * 48 && within < 4800;
            let value = if loud { (within as f64 / 48_000.0 * hertz * std::f64::consts::TAU).sin() * 0.5 } else { 0.0 };
            let value = (value * 32767.0) as i16;
            [value.to_le_bytes(), value.to_le_bytes()].concat()
        });
        (n as i64 * 20_000_000, samples.collect())
    });
    let caps = "audio/x-raw,format=S16LE,rate=48000,channels=2,layout=interleaved";
    let mut all = encode("opusenc bitrate=64000 audio-type=voice ! appsink name=out sync=false", caps, packets);
    // The first packet's time is brought forward by the encoder's delay, the last one only ends it.
    for (n, packet) in all.iter_mut().enumerate() {
        packet.time_ns = n as i64 * 20_000_000;
        packet.keyframe = true;
    }
    all
}

fn encode(chain: &str, caps: &str, frames: impl Iterator<Item = (i64, Vec<u8>)>) -> Vec<Encoded> {
    gst::init().unwrap();
    let pipeline = gst::parse::launch(&format!("appsrc name=in format=time caps=\"{caps}\" ! {chain}")).unwrap();
    let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
    let source = pipeline.by_name("in").unwrap().downcast::<gst_app::AppSrc>().unwrap();
    let sink = pipeline.by_name("out").unwrap().downcast::<gst_app::AppSink>().unwrap();
    source.set_max_bytes(0);
    pipeline.set_state(gst::State::Playing).unwrap();
    for (time, data) in frames {
        let mut buffer = gst::Buffer::from_mut_slice(data);
        buffer.get_mut().unwrap().set_pts(gst::ClockTime::from_nseconds(time as u64));
        source.push_buffer(buffer).unwrap();
    }
    source.end_of_stream().unwrap();
    let mut out = Vec::new();
    while let Ok(sample) = sink.pull_sample() {
        let buffer = sample.buffer().unwrap();
        let time_ns = buffer.pts().map_or(0, |t| t.nseconds() as i64);
        let keyframe = !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
        let data = bytes::Bytes::copy_from_slice(buffer.map_readable().unwrap().as_slice());
        out.push(Encoded { time_ns, data, keyframe });
    }
    pipeline.set_state(gst::State::Null).unwrap();
    // x264 counts from a thousand hours.
    let first = out.first().map_or(0, |f| f.time_ns);
    out.iter_mut().for_each(|f| f.time_ns -= first);
    out
}
