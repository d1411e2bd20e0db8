//! Pure. The samples that fragments name, and the ordinary `moov` that names them all.

use super::boxes::{boxed, child, children, decode_time, set_duration, u32_at, u64_at};
use super::end::{LastGroup, TrackEnd};

/// `sample_is_non_sync_sample` (ISO/IEC 14496-12, 8.8.3.1).
const NON_SYNC: u32 = 0x0001_0000;

/// Bytes of a `VisualSampleEntry` before the boxes in it (ISO/IEC 14496-12, 12.1.3.2).
const VISUAL_ENTRY: usize = 78;

/// What is known of a fragmented file.
#[derive(Debug)]
pub struct Index {
    /// The payload of the fragmented file's `moov`.
    moov: Vec<u8>,
    timescale: u32,
    tracks: Vec<Track>,
    fragmented: bool,
}

#[derive(Debug, Default)]
struct Track {
    id: u32,
    timescale: u32,
    defaults: Defaults,
    samples: Vec<Sample>,
    chunks: Vec<Chunk>,
    /// Sum of the durations, in the track's timescale.
    end: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Defaults {
    duration: u32,
    size: u32,
    flags: u32,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    duration: u32,
    size: u32,
    /// Presentation minus decoding time.
    shift: i32,
    sync: bool,
}

#[derive(Clone, Copy, Debug)]
struct Chunk {
    offset: u64,
    samples: u32,
}

impl Index {
    /// From a whole `moov` box; `None` when it is not understood.
    pub fn new(moov: &[u8]) -> Option<Self> {
        let moov = moov.get(8..)?.to_vec();
        let timescale = scale(child(&moov, b"mvhd")?)?;
        let mut tracks = Vec::new();
        for (_, _, trak) in children(&moov).filter(|(kind, _, _)| kind == b"trak") {
            let tkhd = child(trak, b"tkhd")?;
            let id = u32_at(tkhd, if tkhd.first() == Some(&1) { 20 } else { 12 })?;
            let timescale = scale(child(child(trak, b"mdia")?, b"mdhd")?)?;
            tracks.push(Track { id, timescale, ..Track::default() });
        }
        let mvex = child(&moov, b"mvex");
        let fragmented = mvex.is_some();
        for (_, _, trex) in children(mvex.unwrap_or_default()).filter(|(kind, _, _)| kind == b"trex") {
            if let Some(track) = tracks.iter_mut().find(|t| Some(t.id) == u32_at(trex, 4)) {
                track.defaults =
                    Defaults { duration: u32_at(trex, 12)?, size: u32_at(trex, 16)?, flags: u32_at(trex, 20)? };
            }
        }
        Some(Self { moov, timescale, tracks, fragmented })
    }

    /// False when the file is an ordinary one.
    pub const fn is_fragmented(&self) -> bool {
        self.fragmented
    }

    /// What `mvhd` says of the whole film, in nanoseconds: 0 in a fragmented file.
    pub fn duration_ns(&self) -> u64 {
        let mvhd = child(&self.moov, b"mvhd").unwrap_or_default();
        let ticks = if mvhd.first() == Some(&1) { u64_at(mvhd, 24) } else { u32_at(mvhd, 16).map(u64::from) };
        let ns = u128::from(ticks.unwrap_or(0)) * 1_000_000_000 / u128::from(self.timescale.max(1));
        u64::try_from(ns).unwrap_or(u64::MAX)
    }

    /// Where each track ends, and how it is encoded.
    pub fn ends(&self) -> Vec<TrackEnd> {
        let traks = children(&self.moov).filter(|(kind, _, _)| kind == b"trak");
        let ends = self.tracks.iter().zip(traks).map(|(track, (_, _, trak))| {
            let mdia = child(trak, b"mdia")?;
            let handler = child(mdia, b"hdlr")?.get(8..12)?.try_into().ok()?;
            let description = child(child(child(mdia, b"minf")?, b"stbl")?, b"stsd")?.to_vec();
            Some(TrackEnd { id: track.id, timescale: track.timescale, end: track.end, handler, description })
        });
        ends.collect::<Option<_>>().unwrap_or_default()
    }

    /// What is to be decoded for the last picture of the first H.264 track; `ends` are [`Index::ends`].
    pub fn last_group(&self, ends: &[TrackEnd]) -> Option<LastGroup> {
        let mut videos = self.tracks.iter().zip(ends).filter(|(_, end)| &end.handler == b"vide");
        videos.find_map(|(track, end)| {
            let entries = end.description.get(8..)?;
            let codec_data = child(child(entries, b"avc1")?.get(VISUAL_ENTRY..)?, b"avcC")?.to_vec();
            Some(LastGroup { codec_data, samples: track.last_group()? })
        })
    }

    /// Takes in a whole `moof` box that begins at `offset` in the file; so many bytes of media follow it. Gives the tracks
    /// whose part of it makes no sense, and is left out.
    pub fn fragment(&mut self, moof: &[u8], offset: u64, media: u64) -> Vec<u32> {
        let mut malformed = Vec::new();
        // No sample is smaller than a byte, so there cannot be more of them.
        let mut left = media;
        for (_, _, traf) in children(moof.get(8..).unwrap_or_default()).filter(|(kind, _, _)| kind == b"traf") {
            let Some(tfhd) = child(traf, b"tfhd") else { continue };
            let Some(track) = self.tracks.iter_mut().find(|t| Some(t.id) == u32_at(tfhd, 4)) else { continue };
            if track.run(traf, tfhd, offset, &mut left).is_none() {
                malformed.push(track.id);
            }
        }
        malformed
    }

    /// The whole ordinary `moov` box.
    pub fn moov(&self) -> Vec<u8> {
        let mut tracks = self.tracks.iter();
        let mut payload = Vec::new();
        let longest = self.tracks.iter().map(|t| t.in_scale(self.timescale)).max().unwrap_or(0);
        for (kind, whole, inner) in children(&self.moov) {
            match &kind {
                b"mvex" => {}
                b"mvhd" => {
                    let mut mvhd = inner.to_vec();
                    set_duration(&mut mvhd, 16, 24, longest);
                    payload.extend(boxed(b"mvhd", &mvhd));
                }
                b"trak" => {
                    if let Some(track) = tracks.next() {
                        payload.extend(boxed(b"trak", &track.trak(inner, self.timescale)));
                    }
                }
                _ => payload.extend_from_slice(whole),
            }
        }
        boxed(b"moov", &payload)
    }
}

impl Track {
    /// Duration in another timescale.
    fn in_scale(&self, timescale: u32) -> u64 {
        let ticks = u128::from(self.end) * u128::from(timescale) / u128::from(self.timescale.max(1));
        u64::try_from(ticks).unwrap_or(u64::MAX)
    }

    /// Offset and size of each sample from the last sync sample on.
    fn last_group(&self) -> Option<Vec<(u64, u32)>> {
        let first = self.samples.iter().rposition(|sample| sample.sync)?;
        let (mut group, mut samples) = (Vec::new(), self.samples.iter().enumerate());
        for chunk in &self.chunks {
            let mut at = chunk.offset;
            for (n, sample) in samples.by_ref().take(chunk.samples as usize) {
                if n >= first {
                    group.push((at, sample.size));
                }
                at = at.saturating_add(u64::from(sample.size));
            }
        }
        Some(group)
    }

    /// All runs of a `traf` (8.8.6 to 8.8.8), of at most `left` samples.
    fn run(&mut self, traf: &[u8], tfhd: &[u8], moof: u64, left: &mut u64) -> Option<()> {
        let flags = u32_at(tfhd, 0)? & 0x00ff_ffff;
        let mut at = 8;
        let mut next = |present: u32, width: usize| -> Option<u64> {
            if flags & present == 0 {
                return None;
            }
            let value = if width == 8 { u64_at(tfhd, at) } else { u32_at(tfhd, at).map(u64::from) };
            at += width;
            value
        };
        let base = next(0x1, 8).unwrap_or(moof);
        let _description = next(0x2, 4);
        let mut defaults = self.defaults;
        let mut number = |present, field: &mut u32| {
            if let Some(value) = next(present, 4) {
                *field = u32::try_from(value).unwrap_or(0);
            }
        };
        number(0x8, &mut defaults.duration);
        number(0x10, &mut defaults.size);
        number(0x20, &mut defaults.flags);
        if let Some(tfdt) = child(traf, b"tfdt") {
            self.begin_at(decode_time(tfdt)?);
        }
        let mut place = base;
        for (_, _, trun) in children(traf).filter(|(kind, _, _)| kind == b"trun") {
            place = self.samples(trun, defaults, base, place, left)?;
        }
        Some(())
    }

    /// Stretches or shortens the last sample so that the next one begins at this time: times were left out.
    fn begin_at(&mut self, time: u64) {
        let Some(last) = self.samples.last_mut() else { return };
        let wanted = u64::from(last.duration).saturating_add(time).checked_sub(self.end);
        if let Some(duration) = wanted.and_then(|d| u32::try_from(d).ok()).filter(|d| *d > 0) {
            last.duration = duration;
            self.end = time;
        }
    }

    /// One `trun`; returns where its data ends. A number of samples that nothing speaks for is not believed.
    fn samples(&mut self, trun: &[u8], defaults: Defaults, base: u64, place: u64, left: &mut u64) -> Option<u64> {
        let flags = u32_at(trun, 0)?;
        let version = flags >> 24;
        let count = u32_at(trun, 4)?;
        let width = |fields: u32| u64::from((flags & fields).count_ones()) * 4;
        let reported = 8 + width(0x5) + u64::from(count) * width(0xf00);
        *left = left.checked_sub(u64::from(count)).filter(|_| reported <= trun.len() as u64)?;
        let mut at = 8;
        let mut next = |present: u32| -> Option<u32> {
            if flags & present == 0 {
                return None;
            }
            let value = u32_at(trun, at);
            at += 4;
            value
        };
        let offset = match next(0x1) {
            Some(from_base) => base.checked_add_signed(i64::from(from_base.cast_signed()))?,
            None => place,
        };
        let first_flags = next(0x4);
        let mut end = offset;
        for n in 0..count {
            let duration = next(0x100).unwrap_or(defaults.duration);
            let size = next(0x200).unwrap_or(defaults.size);
            let own = next(0x400);
            let flags = if n == 0 { first_flags.or(own) } else { own }.unwrap_or(defaults.flags);
            let shift = next(0x800).unwrap_or(0).cast_signed();
            let shift = if version == 0 { shift.max(0) } else { shift };
            self.samples.push(Sample { duration, size, shift, sync: flags & NON_SYNC == 0 });
            self.end = self.end.saturating_add(u64::from(duration));
            end = end.checked_add(u64::from(size))?;
        }
        if count > 0 {
            self.chunks.push(Chunk { offset, samples: count });
        }
        Some(end)
    }

    /// The payload of an ordinary `trak`, from the fragmented one's.
    fn trak(&self, trak: &[u8], movie_scale: u32) -> Vec<u8> {
        let mut out = Vec::new();
        let duration = self.in_scale(movie_scale);
        for (kind, whole, inner) in children(trak) {
            match &kind {
                b"tkhd" => {
                    let mut tkhd = inner.to_vec();
                    set_duration(&mut tkhd, 20, 28, duration);
                    out.extend(boxed(b"tkhd", &tkhd));
                    out.extend(self.edits(duration));
                }
                b"edts" => {}
                b"mdia" => out.extend(boxed(b"mdia", &self.media(inner))),
                _ => out.extend_from_slice(whole),
            }
        }
        out
    }

    /// An edit list that puts the first picture at zero, where decoding and presentation order differ.
    fn edits(&self, duration: u64) -> Vec<u8> {
        let first = self.samples.first().map_or(0, |s| s.shift);
        if first == 0 {
            return Vec::new();
        }
        let duration = u32::try_from(duration).unwrap_or(u32::MAX);
        let elst = table(1, [duration, first.cast_unsigned(), 0x0001_0000]);
        boxed(b"edts", &boxed(b"elst", &elst))
    }

    fn media(&self, mdia: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        for (kind, whole, inner) in children(mdia) {
            match &kind {
                b"mdhd" => {
                    let mut mdhd = inner.to_vec();
                    set_duration(&mut mdhd, 16, 24, self.end);
                    out.extend(boxed(b"mdhd", &mdhd));
                }
                b"minf" => {
                    let mut minf = Vec::new();
                    for (kind, whole, inner) in children(inner) {
                        if &kind == b"stbl" {
                            minf.extend(boxed(b"stbl", &self.table(inner)));
                        } else {
                            minf.extend_from_slice(whole);
                        }
                    }
                    out.extend(boxed(b"minf", &minf));
                }
                _ => out.extend_from_slice(whole),
            }
        }
        out
    }

    /// The payload of `stbl` (8.5 to 8.7).
    fn table(&self, stbl: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        for (_, whole, _) in children(stbl).filter(|(kind, _, _)| kind == b"stsd") {
            out.extend_from_slice(whole);
        }
        let stts = runs(self.samples.iter().map(|s| s.duration));
        out.extend(boxed(b"stts", &table(stts.len() / 2, stts)));
        if self.samples.iter().any(|s| s.shift != 0) {
            let ctts = runs(self.samples.iter().map(|s| s.shift.cast_unsigned()));
            let mut payload = table(ctts.len() / 2, ctts);
            // Version 1: signed.
            if let Some(version) = payload.first_mut() {
                *version = 1;
            }
            out.extend(boxed(b"ctts", &payload));
        }
        if self.samples.iter().any(|s| !s.sync) {
            let stss: Vec<u32> = (1..).zip(&self.samples).filter(|(_, s)| s.sync).map(|(n, _)| n).collect();
            out.extend(boxed(b"stss", &table(stss.len(), stss)));
        }
        let mut stsc = Vec::new();
        let mut before = None;
        for (n, chunk) in (1..).zip(&self.chunks) {
            if before != Some(chunk.samples) {
                stsc.extend([n, chunk.samples, 1]);
                before = Some(chunk.samples);
            }
        }
        out.extend(boxed(b"stsc", &table(stsc.len() / 3, stsc)));
        let mut stsz = vec![0; 8];
        stsz.extend(u32::try_from(self.samples.len()).unwrap_or(u32::MAX).to_be_bytes());
        stsz.extend(self.samples.iter().flat_map(|s| s.size.to_be_bytes()));
        out.extend(boxed(b"stsz", &stsz));
        let offsets: Result<Vec<u32>, _> = self.chunks.iter().map(|c| u32::try_from(c.offset)).collect();
        match offsets {
            Ok(stco) => out.extend(boxed(b"stco", &table(stco.len(), stco))),
            Err(_) => {
                let co64 = self.chunks.iter().flat_map(|c| [(c.offset >> 32) as u32, c.offset as u32]);
                out.extend(boxed(b"co64", &table(self.chunks.len(), co64)));
            }
        }
        out
    }
}

/// The timescale of `mvhd` or `mdhd`.
fn scale(payload: &[u8]) -> Option<u32> {
    u32_at(payload, if payload.first() == Some(&1) { 20 } else { 12 })
}

/// A full box's payload: version and flags 0, a count, the numbers.
fn table(count: usize, numbers: impl IntoIterator<Item = u32>) -> Vec<u8> {
    let mut out = vec![0; 4];
    out.extend(u32::try_from(count).unwrap_or(u32::MAX).to_be_bytes());
    out.extend(numbers.into_iter().flat_map(u32::to_be_bytes));
    out
}

/// How often each value comes in a row, as pairs of count and value.
fn runs(values: impl Iterator<Item = u32>) -> Vec<u32> {
    let mut out: Vec<u32> = Vec::new();
    let mut last = None;
    for value in values {
        if last == Some(value) {
            let count = out.len() - 2;
            if let Some(count) = out.get_mut(count) {
                *count += 1;
            }
        } else {
            out.extend([1, value]);
            last = Some(value);
        }
    }
    out
}
