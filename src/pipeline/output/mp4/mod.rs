//! The end of an MP4: a fragmented file becomes an ordinary one, in place, whatever its length.
//!
//! While recording, `mp4mux` writes `ftyp moov (moof mdat)*`: cut anywhere, that plays. At the end an ordinary `moov` that
//! knows every sample is appended, and then sixteen bytes written over the head of the first `moov` turn everything before
//! it into one large `mdat`. Until that one small write the file is still the fragmented one, so a crash harms nothing.
//! (GStreamer 1.22 has `fragment-mode=first-moov-then-finalise` for this, but killed in between it leaves a file that
//! ffmpeg refuses.)

mod append;
mod boxes;
mod end;
mod index;
mod reader;

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

pub use append::Append;
pub use end::{FileEnd, LastGroup, TrackEnd};
use index::Index;
use reader::Reader;

/// A file that was made ordinary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finalised {
    /// Its length.
    pub bytes: u64,
    /// It was ordinary already, and was left alone.
    pub before: bool,
}

/// What was found in a file.
enum Found {
    /// Fragments up to `whole`; the `moov` that describes them begins at `moov_at`.
    Fragmented { reader: Reader, index: Index, moov_at: u64, whole: u64, fragments: u32 },
    /// An ordinary file, or one that is not understood, of so many bytes.
    Other { bytes: u64, ordinary: bool },
}

/// Makes an ordinary, seekable MP4 of a fragmented one; an incomplete fragment at its end is cut off. `steps` counts what is
/// done: a long file on a slow disk takes minutes, and whoever waits sees that it goes on.
pub fn finalise(path: &Path, steps: &AtomicU64) -> io::Result<Finalised> {
    let (reader, index, moov_at, whole) = match find(path, steps)? {
        Found::Fragmented { reader, index, moov_at, whole, .. } => (reader, index, moov_at, whole),
        Found::Other { bytes, ordinary } => return Ok(Finalised { bytes, before: ordinary }),
    };
    let mut file = reader.into_file();
    file.set_len(whole)?;
    let moov = index.moov();
    file.seek(SeekFrom::Start(whole))?;
    if let Err(e) = file.write_all(&moov) {
        // Half an index helps nobody: without it the file is as the recorder left it, and can be tried again.
        let _ = file.set_len(whole);
        return Err(e);
    }
    steps.fetch_add(1, Ordering::Relaxed);
    file.sync_data()?;
    steps.fetch_add(1, Ordering::Relaxed);
    file.seek(SeekFrom::Start(moov_at))?;
    file.write_all(&boxes::large_head(*b"mdat", whole - moov_at))?;
    file.sync_data()?;
    Ok(Finalised { bytes: whole + moov.len() as u64, before: false })
}

/// Where a fragmented file ends that a further take is to be appended to; an incomplete fragment is cut off. `None` when nothing
/// can be appended: it is an ordinary file, or has no fragment yet.
pub fn reopen(path: &Path, steps: &AtomicU64) -> io::Result<Option<FileEnd>> {
    match find(path, steps)? {
        Found::Fragmented { reader, index, whole, fragments, .. } if fragments > 0 => {
            let (file, tracks) = (reader.into_file(), index.ends());
            let picture = index.last_group(&tracks);
            file.set_len(whole)?;
            Ok((!tracks.is_empty()).then_some(FileEnd { bytes: whole, fragments, tracks, picture }))
        }
        Found::Fragmented { .. } | Found::Other { .. } => Ok(None),
    }
}

fn find(path: &Path, steps: &AtomicU64) -> io::Result<Found> {
    let file = File::options().read(true).write(true).open(path)?;
    let length = file.metadata()?.len();
    let mut reader = Reader::new(file, length);
    let (mut at, mut fragments) = (0, 0);
    let mut found: Option<(u64, Index)> = None;
    // Where the last whole fragment ends, and where its `moof` begins while its `mdat` has not been seen.
    let mut whole = 0;
    let mut open: Option<(u64, Vec<u8>)> = None;
    while let Some(head) = reader.head(at)? {
        steps.fetch_add(1, Ordering::Relaxed);
        match (&head.kind, &mut found) {
            (b"moov", None) => {
                let bytes = reader.read(at, head.size)?;
                let Some(index) = Index::new(bytes) else { return Ok(Found::Other { bytes: length, ordinary: false }) };
                if !index.is_fragmented() {
                    return Ok(Found::Other { bytes: length, ordinary: true });
                }
                found = Some((at, index));
                whole = at + head.size;
            }
            (b"moof", Some(_)) => open = Some((at, reader.read(at, head.size)?.to_vec())),
            (b"mdat", Some((_, index))) => {
                if let Some((offset, moof)) = open.take() {
                    for track in index.fragment(&moof, offset, head.size) {
                        tracing::warn!(track, offset, "a fragment is malformed");
                    }
                    whole = at + head.size;
                    fragments += 1;
                }
            }
            _ => {}
        }
        at += head.size;
    }
    let Some((moov_at, index)) = found else {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "no moov box"));
    };
    Ok(Found::Fragmented { reader, index, moov_at, whole, fragments })
}

/// How long an ordinary MP4 plays, in nanoseconds.
pub fn duration_ns(path: &Path) -> io::Result<u64> {
    let no_moov = || io::Error::new(io::ErrorKind::InvalidData, "no moov box");
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut reader = Reader::new(file, length);
    let mut at = 0;
    while let Some(head) = reader.head(at)? {
        if &head.kind == b"moov" {
            let index = Index::new(reader.read(at, head.size)?).ok_or_else(no_moov)?;
            return Ok(index.duration_ns());
        }
        at += head.size;
    }
    Err(no_moov())
}

#[cfg(test)]
#[path = "../../../../fuzz/checks/mp4.rs"]
mod check;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::pipeline::launch::bus;
    use gstreamer as gst;
    use gstreamer::prelude::*;

    /// A fragmented file with reordered frames and audio.
    fn fragmented(path: &Path) {
        gst::init().unwrap();
        let pipeline = bus::parse(&format!(
            "videotestsrc num-buffers=100 ! video/x-raw,format=I420,width=160,height=90,framerate=25/1 \
             ! x264enc bframes=2 speed-preset=ultrafast key-int-max=50 ! h264parse ! mux. \
             audiotestsrc num-buffers=190 ! audio/x-raw,rate=48000,channels=2 ! avenc_aac ! aacparse ! mux. \
             mp4mux name=mux fragment-duration=1000 ! filesink location={}",
            path.display()
        ))
        .unwrap();
        pipeline.set_state(gst::State::Playing).unwrap();
        let bus = pipeline.bus().unwrap();
        let end = bus.timed_pop_filtered(gst::ClockTime::from_seconds(60), &[gst::MessageType::Eos]);
        assert!(end.is_some());
        pipeline.set_state(gst::State::Null).unwrap();
    }

    fn frames(path: &Path) -> (usize, String) {
        let args = ["-v", "error", "-select_streams", "v", "-count_frames", "-of", "csv=p=0", "-show_entries"];
        let entries = "stream=start_pts,nb_frames,nb_read_frames";
        let out = std::process::Command::new("ffprobe").args(args).arg(entries).arg(path).output().unwrap();
        assert!(out.stderr.is_empty(), "{}", String::from_utf8_lossy(&out.stderr));
        let line = String::from_utf8(out.stdout).unwrap().trim().to_owned();
        (line.rsplit(',').next().unwrap().parse().unwrap(), line)
    }

    #[test]
    fn an_ordinary_file_comes_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mp4");
        fragmented(&path);
        let steps = AtomicU64::new(0);
        let made = finalise(&path, &steps).unwrap();
        assert_eq!((made.bytes, made.before), (std::fs::metadata(&path).unwrap().len(), false));
        assert!(steps.load(Ordering::Relaxed) > 8, "whoever waits sees it");
        // Starts at zero in spite of the reordering; every picture is in the index.
        assert_eq!(frames(&path).1, "0,100,100");
        let duration = duration_ns(&path).unwrap();
        assert!(duration.abs_diff(4_000_000_000) < 100_000_000, "{duration}");
        let again = finalise(&path, &steps).unwrap();
        assert_eq!(again, Finalised { before: true, ..made }, "twice does no harm");
    }

    #[test]
    fn a_fragment_that_counts_more_samples_than_it_has_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mp4");
        fragmented(&path);
        let real = std::fs::read(&path).unwrap();
        let trun = real.windows(4).position(|kind| kind == b"trun").unwrap();
        // With sizes of its own for each sample, and with none: sixty gigabytes of index either way.
        for flags in [&real[trun + 4..trun + 8], &[0, 0, 0, 1]] {
            let mut bomb = real.clone();
            bomb[trun + 4..trun + 8].copy_from_slice(flags);
            bomb[trun + 8..trun + 12].copy_from_slice(&[0xff; 4]);
            check::check(&bomb, &path);
            let (found, line) = frames(&path);
            // The frames of that fragment, unless it is its audio.
            assert!((60..=100).contains(&found), "{line}");
        }
    }

    #[test]
    fn whatever_is_left_is_made_ordinary_or_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (real, path) = (folder.path().join("a.mp4"), folder.path().join("b.mp4"));
        fragmented(&real);
        let real = std::fs::read(real).unwrap();
        check::check(&real, &path);
        let moov = real.windows(4).position(|kind| kind == b"moov").unwrap() - 4;
        let moofs: Vec<usize> =
            (0..real.len() - 4).filter(|at| &real[*at..at + 4] == b"moof").map(|at| at - 4).collect();
        // Only heads and tables say anything.
        let places = proptest::collection::vec((any::<bool>(), 0..1000_usize, 0..12_usize, any::<u8>()), 1..4);
        let mut runner = proptest::test_runner::TestRunner::default();
        let run = runner.run(&(places, any::<Vec<u8>>(), 0..4096_usize), |(places, bytes, cut)| {
            check::check(&bytes, &path);
            let mut spoilt = real.clone();
            for (head, at, fragment, byte) in places {
                let begin = if head { moov } else { moofs[fragment % moofs.len()] };
                if let Some(place) = spoilt.get_mut(begin + at) {
                    *place = byte;
                }
            }
            check::check(&spoilt, &path);
            check::check(&spoilt[..spoilt.len().saturating_sub(cut * 16)], &path);
            Ok(())
        });
        run.unwrap();
    }

    #[test]
    fn a_file_cut_short_anywhere_is_saved() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mp4");
        fragmented(&path);
        let whole = std::fs::metadata(&path).unwrap().len();
        let mut last = 0;
        for part in [50, 65, 80, 99] {
            let cut = folder.path().join("cut.mp4");
            std::fs::copy(&path, &cut).unwrap();
            File::options().write(true).open(&cut).unwrap().set_len(whole * part / 100).unwrap();
            finalise(&cut, &AtomicU64::new(0)).unwrap();
            let (found, line) = frames(&cut);
            assert!(found >= last.max(20), "{part} %: {line}");
            last = found;
        }
        let nothing = folder.path().join("nothing.mp4");
        std::fs::write(&nothing, b"").unwrap();
        assert!(finalise(&nothing, &AtomicU64::new(0)).is_err());
    }
}
