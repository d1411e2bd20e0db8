//! The end of an MP4: a fragmented file becomes an ordinary one, in place, whatever its length.
//!
//! While recording, `mp4mux` writes `ftyp moov (moof mdat)*`: cut anywhere, that plays. At the end an ordinary `moov` that
//! knows every sample is appended, and then sixteen bytes written over the head of the first `moov` turn everything before
//! it into one large `mdat`. Until that one small write the file is still the fragmented one, so a crash harms nothing.
//! (GStreamer 1.22 has `fragment-mode=first-moov-then-finalise` for this, but killed in between it leaves a file that
//! ffmpeg refuses.)

mod boxes;
mod index;

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use boxes::Head;
use index::Index;

/// A box of metadata larger than this is not believed.
const LARGEST: u64 = 64 << 20;

/// Makes an ordinary, seekable MP4 of a fragmented one; an incomplete fragment at its end is cut off.
/// Returns the file's length in bytes. A file that is ordinary already is left alone.
pub fn finalise(path: &Path) -> io::Result<u64> {
    let mut file = File::options().read(true).write(true).open(path)?;
    let length = file.metadata()?.len();
    let mut at = 0;
    let mut found: Option<(u64, Index)> = None;
    // Where the last whole fragment ends, and where its `moof` begins while its `mdat` has not been seen.
    let mut whole = 0;
    let mut open: Option<(u64, Vec<u8>)> = None;
    while let Some(head) = head(&mut file, at, length)? {
        match (&head.kind, &mut found) {
            (b"moov", None) => {
                let bytes = read(&mut file, at, head.size)?;
                let Some(index) = Index::new(&bytes) else { return Ok(length) };
                found = Some((at, index));
                whole = at + head.size;
            }
            (b"moof", Some(_)) => open = Some((at, read(&mut file, at, head.size)?)),
            (b"mdat", Some((_, index))) => {
                if let Some((offset, moof)) = open.take() {
                    index.fragment(&moof, offset);
                    whole = at + head.size;
                }
            }
            _ => {}
        }
        at += head.size;
    }
    let Some((moov_at, index)) = found else {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "no moov box"));
    };
    if !index.is_fragmented() {
        return Ok(length);
    }
    file.set_len(whole)?;
    let moov = index.moov();
    file.seek(SeekFrom::Start(whole))?;
    file.write_all(&moov)?;
    file.sync_data()?;
    file.seek(SeekFrom::Start(moov_at))?;
    file.write_all(&boxes::large_head(*b"mdat", whole - moov_at))?;
    file.sync_data()?;
    Ok(whole + moov.len() as u64)
}

/// How long an ordinary MP4 plays, in nanoseconds.
pub fn duration_ns(path: &Path) -> io::Result<u64> {
    let no_moov = || io::Error::new(io::ErrorKind::InvalidData, "no moov box");
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut at = 0;
    while let Some(head) = head(&mut file, at, length)? {
        if &head.kind == b"moov" {
            let index = Index::new(&read(&mut file, at, head.size)?).ok_or_else(no_moov)?;
            return Ok(index.duration_ns());
        }
        at += head.size;
    }
    Err(no_moov())
}

/// The head of the box at `at`; `None` at the end, or when the box is not whole.
fn head(file: &mut File, at: u64, length: u64) -> io::Result<Option<Head>> {
    if at + 8 > length {
        return Ok(None);
    }
    let bytes = read(file, at, 16.min(length - at))?;
    Ok(boxes::head(&bytes).filter(|h| h.size >= 8 && at.saturating_add(h.size) <= length))
}

fn read(file: &mut File, at: u64, size: u64) -> io::Result<Vec<u8>> {
    let too_large = || io::Error::new(io::ErrorKind::InvalidData, format!("a box of {size} bytes"));
    let size = usize::try_from(size).ok().filter(|_| size <= LARGEST).ok_or_else(too_large)?;
    let mut bytes = vec![0; size];
    file.seek(SeekFrom::Start(at))?;
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::bus;
    use gstreamer as gst;
    use gstreamer::prelude::*;

    /// A fragmented file with reordered pictures and sound.
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

    fn pictures(path: &Path) -> (usize, String) {
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
        let length = finalise(&path).unwrap();
        assert_eq!(length, std::fs::metadata(&path).unwrap().len());
        // Starts at zero in spite of the reordering; every picture is in the index.
        assert_eq!(pictures(&path).1, "0,100,100");
        let duration = duration_ns(&path).unwrap();
        assert!(duration.abs_diff(4_000_000_000) < 100_000_000, "{duration}");
        assert_eq!(finalise(&path).unwrap(), length, "twice does no harm");
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
            finalise(&cut).unwrap();
            let (found, line) = pictures(&cut);
            assert!(found >= last.max(20), "{part} %: {line}");
            last = found;
        }
        let nothing = folder.path().join("nothing.mp4");
        std::fs::write(&nothing, b"").unwrap();
        assert!(finalise(&nothing).is_err());
    }
}
