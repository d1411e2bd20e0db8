//! This project's pipeline, fed in real time: everything but the network.

use std::path::Path;
use std::time::{Duration, Instant};

use greffier::media::{Codec, Unit};
use greffier::pipeline::{Event, Pipeline};
use greffier::recording::{Output, VideoSettings};

use super::meter::{self, Reading};
use super::{MEDIA, scene};

/// Records the scene into `path` with this many kbit/s of video.
pub fn run(path: &Path, bitrate: u32) -> Reading {
    let settings = VideoSettings { size: scene::size(), bitrate, ..VideoSettings::preset(scene::layout()) };
    let output = Output::mp4(settings).expect("settings that are allowed");
    let tracks = scene::tracks();
    let (sender, mut events) = tokio::sync::mpsc::unbounded_channel();
    let measured = meter::window();
    let start = Instant::now();
    let mut pipeline = Pipeline::start(&output, path.to_owned(), start, sender).expect("the pipeline starts");
    for track in &tracks {
        pipeline.attach(&track.id, &track.participant, track.codec);
    }
    pipeline.show(scene::scene(), start);
    let mut units: Vec<_> = tracks.iter().flat_map(|track| track.units.iter().map(move |u| (track, u))).collect();
    units.sort_by_key(|(_, (time_ns, _))| *time_ns);
    for (track, (time_ns, data)) in units {
        let at = start + Duration::from_nanos(*time_ns);
        std::thread::sleep(at.saturating_duration_since(Instant::now()));
        // RFC 7741 and VP8's frame header: the lowest bit of the first octet is 0 in a key frame.
        let keyframe = track.codec == Codec::Opus || data.first().is_some_and(|octet| octet & 1 == 0);
        let rtp = (u128::from(*time_ns) * u128::from(track.rate()) / 1_000_000_000) as u64;
        let unit = Unit { data: data.clone(), rtp, arrival: Instant::now(), contiguous: true, missing: 0, keyframe };
        pipeline.push(&track.id, unit);
    }
    let reading = measured.join().expect("the meter");
    std::thread::sleep((start + MEDIA).saturating_duration_since(Instant::now()));
    pipeline.drain();
    let mut whole = true;
    let last = std::iter::from_fn(|| events.blocking_recv())
        .inspect(|event| assert!(!matches!(event, Event::Undecodable(..)), "{event:?}"))
        .inspect(|event| whole &= !matches!(event, Event::QualityChanged { .. }))
        .find(|event| matches!(event, Event::Drained { .. } | Event::Broke(_)));
    assert!(matches!(last, Some(Event::Drained { .. })), "{last:?}");
    Reading { whole: whole && pipeline.stats().dropped == 0, ..reading }
}
