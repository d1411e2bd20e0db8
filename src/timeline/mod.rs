//! RTP time, arrival and sender reports → recording time.
//!
//! Each track is placed so that its least-delayed packet stands at the moment it arrived. Within a participant the audio
//! is the master: it stays continuous, and video is shifted to it once both have sender reports. What drifts is put right
//! freely for video; for audio only where it pauses, or at once when it is off by more than [`AUDIO_TOLERANCE_NS`].

mod floor;
#[cfg(test)]
mod tests;

use floor::Floor;

/// A moment of the recording, in nanoseconds since its first sample. Negative: before the recording began.
pub type RecordingTime = i64;

/// Sound further off than this is moved at once; less waits for a pause.
pub const AUDIO_TOLERANCE_NS: i64 = 80_000_000;
/// Sound nearer than this is left alone even at a pause: it is jitter.
const AUDIO_DEADBAND_NS: i64 = 3_000_000;
/// RTP time and arrival that disagree by more than this between two units: the publisher started a new clock.
const JUMP_NS: i64 = 2_000_000_000;
/// Sender reports that ask for more than this against arrival are not believed.
const SYNC_LIMIT_NS: i64 = 1_000_000_000;
/// The master's report may be older than the other track's by this much (100 ppm make 6 ms of it).
const STALE_REPORT_NS: i64 = 60_000_000_000;
/// Nanoseconds in a second.
const SECOND: i128 = 1_000_000_000;

/// What a track carries, which fixes its RTP clock: 48 000 a second for sound (RFC 7587), 90 000 for pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Opus.
    Audio,
    /// Any video codec.
    Video,
}

impl Kind {
    /// RTP ticks in a second.
    pub const fn rate(self) -> i64 {
        match self {
            Self::Audio => 48_000,
            Self::Video => 90_000,
        }
    }
}

/// Names a track within a [`Timeline`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(u64);

/// All tracks of a recording, on one clock. `P` names a participant.
#[derive(Debug)]
pub struct Timeline<P> {
    tracks: Vec<Track<P>>,
    next: u64,
}

#[derive(Debug)]
struct Track<P> {
    key: Key,
    participant: P,
    kind: Kind,
    /// Recording time minus RTP time, in ticks: whole ones, so that what is contiguous stays so to the sample.
    offset: Option<i64>,
    floor: Floor,
    last: Option<Last>,
    report: Option<Report>,
}

#[derive(Clone, Copy, Debug)]
struct Last {
    rtp: i64,
    /// Where the unit ends.
    end: i64,
    arrival: RecordingTime,
}

#[derive(Clone, Copy, Debug)]
struct Report {
    rtp: i64,
    ntp_ns: i64,
}

impl<P: PartialEq> Timeline<P> {
    /// No tracks yet.
    pub const fn new() -> Self {
        Self { tracks: Vec::new(), next: 0 }
    }

    /// A new track of this participant.
    pub fn add(&mut self, participant: P, kind: Kind) -> Key {
        let key = Key(self.next);
        self.next += 1;
        self.tracks.push(Track {
            key,
            participant,
            kind,
            offset: None,
            floor: Floor::default(),
            last: None,
            report: None,
        });
        key
    }

    /// The track is gone.
    pub fn remove(&mut self, key: Key) {
        self.tracks.retain(|t| t.key != key);
    }

    /// Takes notice of a unit that will be placed later, so that the first ones placed know how late they were.
    pub fn observe(&mut self, key: Key, rtp: u64, arrival: RecordingTime) {
        if let Some(track) = self.tracks.iter_mut().find(|t| t.key == key) {
            let observed = track.observed(rtp.cast_signed(), arrival);
            track.floor.push(arrival, observed);
        }
    }

    /// When this unit is to be seen or heard; `None` for a track that is not here. `ticks` is its length (0: unknown,
    /// as with video). Units come in decoding order.
    pub fn place(&mut self, key: Key, rtp: u64, ticks: u32, arrival: RecordingTime) -> Option<RecordingTime> {
        let index = self.tracks.iter().position(|t| t.key == key)?;
        let rtp = rtp.cast_signed();
        let track = self.tracks.get_mut(index)?;
        let gap = track.last.map_or(i64::MAX, |last| rtp - last.end);
        track.note(rtp, i64::from(ticks), arrival);
        let target = self.target(index)?;
        let track = self.tracks.get_mut(index)?;
        let offset = match (track.kind, track.offset) {
            (Kind::Audio, Some(old)) => settle(old, target, gap),
            (Kind::Audio, None) | (Kind::Video, _) => target,
        };
        track.offset = Some(offset);
        Some(track.time(rtp + offset))
    }

    /// A sender report of this track: that RTP time is that moment of the publisher's clock (nanoseconds since 1970).
    pub fn report(&mut self, key: Key, rtp: u64, ntp_ns: i64) {
        if let Some(track) = self.tracks.iter_mut().find(|t| t.key == key) {
            track.report = Some(Report { rtp: rtp.cast_signed(), ntp_ns });
        }
    }

    /// The offset this track should have now, in its ticks.
    fn target(&self, index: usize) -> Option<i64> {
        let track = self.tracks.get(index)?;
        let arrival = track.floor.get()?;
        let Some(synced) = self.synced(track) else { return Some(arrival) };
        let apart = track.ns(synced - arrival);
        Some(if apart.abs() > SYNC_LIMIT_NS { arrival } else { synced })
    }

    /// The offset that puts this track where its participant's first audio track has the same moment of the publisher's clock.
    fn synced(&self, track: &Track<P>) -> Option<i64> {
        let own = track.report?;
        let master = self
            .tracks
            .iter()
            .find(|t| t.kind == Kind::Audio && t.participant == track.participant && t.placed_report().is_some())?;
        let (report, offset) = master.placed_report()?;
        if master.key == track.key || (own.ntp_ns - report.ntp_ns).abs() > STALE_REPORT_NS {
            return None;
        }
        let moment = master.time(report.rtp + offset) + (own.ntp_ns - report.ntp_ns);
        Some(track.ticks(moment) - own.rtp)
    }
}

impl<P: PartialEq> Default for Timeline<P> {
    fn default() -> Self {
        Self::new()
    }
}

impl<P> Track<P> {
    /// Arrival minus RTP time, in ticks: the offset this unit would have had without any delay.
    fn observed(&self, rtp: i64, arrival: RecordingTime) -> i64 {
        self.ticks(arrival) - rtp
    }

    /// Remembers a unit; a new RTP clock forgets what was known of the old one.
    fn note(&mut self, rtp: i64, ticks: i64, arrival: RecordingTime) {
        if let Some(last) = self.last {
            let apart = self.ns(rtp - last.rtp) - (arrival - last.arrival);
            if apart.abs() > JUMP_NS {
                self.floor = Floor::default();
                self.report = None;
                self.offset = None;
            }
        }
        let observed = self.observed(rtp, arrival);
        self.floor.push(arrival, observed);
        self.last = Some(Last { rtp, end: rtp + ticks, arrival });
    }

    fn placed_report(&self) -> Option<(Report, i64)> {
        Some((self.report?, self.offset?))
    }

    fn ticks(&self, ns: i64) -> i64 {
        divide(i128::from(ns) * i128::from(self.kind.rate()), SECOND)
    }

    fn ns(&self, ticks: i64) -> i64 {
        divide(i128::from(ticks) * SECOND, i128::from(self.kind.rate()))
    }

    fn time(&self, ticks: i64) -> RecordingTime {
        self.ns(ticks)
    }
}

/// The offset (48 kHz ticks) sound goes on with: the old one unless it is far off, or something is off and there is a pause to hide it in.
fn settle(old: i64, target: i64, gap: i64) -> i64 {
    let off = target - old;
    let ns = divide(i128::from(off) * SECOND, i128::from(Kind::Audio.rate()));
    if ns.abs() > AUDIO_TOLERANCE_NS {
        return target;
    }
    if gap > 0 && ns.abs() > AUDIO_DEADBAND_NS {
        // A pause can be shortened to nothing, but sound is never laid over sound.
        return old + off.max(-gap);
    }
    old
}

/// `a / b`, rounded to the nearest, away from zero at one half.
fn divide(a: i128, b: i128) -> i64 {
    let half = if a < 0 { -b / 2 } else { b / 2 };
    i64::try_from((a + half) / b).unwrap_or(if a < 0 { i64::MIN / 2 } else { i64::MAX / 2 })
}
