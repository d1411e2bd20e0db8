//! What is shown of the time that nobody recorded: a line of text, over the picture that the film ended with.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;

use crate::pipeline::launch::template::fill;
use crate::pipeline::launch::{bus, plan};
use crate::pipeline::output::take::LastGroup;

/// Decoding a few seconds takes less. Who waits longer shows the card without it.
const AT_MOST: gst::ClockTime = gst::ClockTime::from_seconds(3);
/// A group larger than this is not read, bytes.
const LARGEST: u64 = 64 << 20;

/// What a further take begins with.
#[derive(Debug)]
pub struct Card {
    /// What it says.
    pub line: String,
    /// The file that goes on.
    pub file: PathBuf,
    /// Where its last picture is, if it has any.
    pub picture: Option<LastGroup>,
}

impl Card {
    /// What lies behind the line. A card without it does as well.
    pub fn behind(&self) -> Option<gst::Sample> {
        let picture = last_frame(&self.file, self.picture.as_ref()?);
        picture.inspect_err(|why| tracing::warn!(why, "the last picture of the film cannot be shown")).ok()
    }
}

/// The last picture of the file, or why there is none.
fn last_frame(path: &Path, group: &LastGroup) -> Result<gst::Sample, String> {
    let bytes: u64 = group.samples.iter().map(|(_, size)| u64::from(*size)).sum();
    if bytes > LARGEST {
        return Err(format!("its last group takes {bytes} bytes"));
    }
    let file = File::open(path).map_err(|e| e.to_string())?;
    let pipeline = bus::parse(&fill(plan::LAST_FRAME, &[]).map_err(|e| e.to_string())?)?;
    let decoded = decode(&pipeline, &file, group);
    bus::close(&pipeline);
    decoded
}

fn decode(pipeline: &gst::Pipeline, file: &File, group: &LastGroup) -> Result<gst::Sample, String> {
    let input: gst_app::AppSrc = bus::element(pipeline, "in")?;
    let output: gst_app::AppSink = bus::element(pipeline, "out")?;
    let said = pipeline.bus().ok_or("a pipeline without a bus")?;
    let caps = gst::Caps::builder("video/x-h264")
        .field("stream-format", "avc")
        .field("alignment", "au")
        .field("codec_data", gst::Buffer::from_slice(group.codec_data.clone()))
        .build();
    input.set_caps(Some(&caps));
    pipeline.set_state(gst::State::Playing).map_err(|e| e.to_string())?;
    for (n, (offset, size)) in (0..).zip(&group.samples) {
        let mut bytes = vec![0; usize::try_from(*size).map_err(|e| e.to_string())?];
        file.read_exact_at(&mut bytes, *offset).map_err(|e| e.to_string())?;
        let mut buffer = gst::Buffer::from_mut_slice(bytes);
        if let Some(buffer) = buffer.get_mut() {
            // Only the order counts.
            buffer.set_pts(gst::ClockTime::from_mseconds(n));
        }
        input.push_buffer(buffer).map_err(|e| e.to_string())?;
    }
    input.end_of_stream().map_err(|e| e.to_string())?;
    let end = said.timed_pop_filtered(AT_MOST, &[gst::MessageType::Eos, gst::MessageType::Error]);
    match end.map(|message| message.type_()) {
        Some(gst::MessageType::Eos) => {}
        Some(_) => return Err("it cannot be decoded".to_owned()),
        None => return Err("decoding it takes too long".to_owned()),
    }
    output.try_pull_sample(gst::ClockTime::ZERO).ok_or_else(|| "nothing comes out".to_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use gstreamer_video as gst_video;
    use gstreamer_video::prelude::*;

    use super::*;
    use crate::pipeline::output::take::Take;
    use crate::recording::Container;

    #[test]
    fn the_last_picture_of_a_film_is_found_behind_its_last_key_frame() {
        gst::init().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mp4");
        // Dark, and bright in the end, which is no key frame.
        let (dark, bright) = ([40; 320 * 180 * 3 / 2], [200; 320 * 180 * 3 / 2]);
        let film = bus::parse(&format!(
            "appsrc name=in format=time caps=\"video/x-raw,format=I420,width=320,height=180,framerate=30/1\" \
             ! x264enc tune=zerolatency key-int-max=60 ! h264parse ! mp4mux fragment-duration=1000 ! filesink location={}",
            path.display()
        ))
        .unwrap();
        let input: gst_app::AppSrc = bus::element(&film, "in").unwrap();
        film.set_state(gst::State::Playing).unwrap();
        for n in 0..100_u64 {
            let mut frame = gst::Buffer::from_slice(if n < 90 { dark } else { bright });
            frame.get_mut().unwrap().set_pts(gst::ClockTime::from_mseconds(n * 1000 / 30));
            input.push_buffer(frame).unwrap();
        }
        input.end_of_stream().unwrap();
        let over = film.bus().unwrap().timed_pop_filtered(gst::ClockTime::from_seconds(60), &[gst::MessageType::Eos]);
        assert!(over.is_some());
        bus::close(&film);

        let take = Take::reopen(Container::Mp4, &path, &AtomicU64::new(0)).unwrap().unwrap();
        let group = take.picture().unwrap();
        assert!(group.samples.len() < 60, "{}", group.samples.len());
        let sample = last_frame(&path, group).unwrap();
        let info = gst_video::VideoInfo::from_caps(sample.caps().unwrap()).unwrap();
        let frame = gst_video::VideoFrameRef::from_buffer_ref_readable(sample.buffer().unwrap(), &info).unwrap();
        assert_eq!((frame.width(), frame.height()), (320, 180));
        let luma = frame.plane_data(0).unwrap()[320 * 90 + 160];
        assert!(luma.abs_diff(200) < 8, "{luma}");
    }
}
