//! RTP time, arrival and sender reports → recording time.
//!
//! Each track is placed so that its least-delayed packet stands at the moment it arrived. Within a participant the audio
//! is the master: it stays continuous, and video is shifted to it once both have sender reports. What drifts is put right
//! freely for video; for audio only where it pauses or is quiet, or when it is off by more than [`AUDIO_TOLERANCE_NS`]: moved later
//! at once, which loses nothing, moved earlier in small cuts, or in one when it has been far too late for some seconds.
//!
//! A sender's clock is believed as long as arrival does not contradict it: see `doubt`.

mod doubt;
mod sliding_minimum;
#[cfg(test)]
mod tests;

use doubt::Doubt;
use sliding_minimum::SlidingMinimum;

/// A moment of the recording, in nanoseconds since its first sample. Negative: before the recording began.
pub type RecordingTime = i64;

/// Audio further off than this is moved at once; less waits for a pause.
pub const AUDIO_TOLERANCE_NS: i64 = 80_000_000;
/// Audio nearer than this is left alone even at a pause: it is jitter.
const AUDIO_DEADBAND_NS: i64 = 3_000_000;
/// Audio that is quiet, but does not pause, is left alone up to this: what is repaired more often would be heard.
const AUDIO_QUIET_BAND_NS: i64 = 20_000_000;
/// Audio that is too late and neither pauses nor is quiet for this long is cut, and again after as long.
const CUT_INTERVAL_NS: i64 = 10_000_000_000;
/// Audio that is too late by more than this is out of step for everybody to see.
const OUT_OF_STEP_NS: i64 = 300_000_000;
/// Pauses and quiet moments have so long to put that right. Then it is cut at once: a skip is better than a minute out of step.
const OUT_OF_STEP_FOR_NS: i64 = 5_000_000_000;
/// Audio later than its track usually is by more than this makes us doubt its clock.
const LATE_NS: i64 = 100_000_000;
/// Frames that are all later than usual by more than this, for this long, stay late.
const LATE_FRAME_NS: i64 = 300_000_000;
const LATE_FRAMES_FOR_NS: i64 = 500_000_000;
/// RTP time and arrival that disagree by more than this between two units: the publisher started a new clock.
const JUMP_NS: i64 = 2_000_000_000;
/// Nothing is placed further from its arrival than this: such audio could not be written any more, or not for a long time.
const FAR_NS: i64 = 5_000_000_000;
/// Times and RTP times beyond this are nobody's (36 years, in nanoseconds); arithmetic on those within cannot overflow.
const BOUND: i64 = 1 << 60;
/// Sender reports that ask for more than this against arrival are not believed.
const SYNC_LIMIT_NS: i64 = 1_000_000_000;
/// The same for tracks whose clock was in doubt: a clock that stood still tells less than it should, for one.
const DOUBTED_SYNC_LIMIT_NS: i64 = 300_000_000;
/// And for a report that contradicts the one before it. A server that passes on another layer may be off by less.
const CONTRADICTED_SYNC_LIMIT_NS: i64 = 100_000_000;
/// Two reports of one track that differ by more than this in how much time has passed: the clock stood still, or was set. A
/// clock that is 100 ppm off makes 6 ms of it in a minute.
const REPORTS_APART_NS: i64 = 50_000_000;
/// The master's report may be older than the other track's by this much (100 ppm make 6 ms of it).
const STALE_REPORT_NS: i64 = 60_000_000_000;
/// Nanoseconds in a second.
const SECOND: i128 = 1_000_000_000;

/// What a track carries, which fixes its RTP clock: 48 000 a second for audio (RFC 7587), 90 000 for frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaKind {
    /// Opus.
    Audio,
    /// Any video codec.
    Video,
}

impl MediaKind {
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
pub struct TrackKey(u64);

/// All tracks of a recording, on one clock. `P` names a participant.
#[derive(Debug)]
pub struct Timeline<P> {
    tracks: Vec<Track<P>>,
    next: u64,
}

#[derive(Debug)]
struct Track<P> {
    key: TrackKey,
    participant: P,
    kind: MediaKind,
    /// Recording time minus RTP time, in ticks: whole ones, so that what is contiguous stays so to the sample.
    offset: Option<i64>,
    minimum: SlidingMinimum,
    last: Option<Last>,
    report: Option<Report>,
    /// Its clock did something that no clock does.
    doubted: bool,
    /// Audio whose place is not known yet.
    doubt: Option<Doubt>,
    /// Since when frames are late without exception, and the least delayed of them.
    late: Option<(RecordingTime, i64)>,
    /// Since when audio is too late and neither pauses nor is quiet, or when it was cut last.
    uncut_since: Option<RecordingTime>,
    /// Since when audio is out of step.
    out_since: Option<RecordingTime>,
}

/// What to do with a packet of audio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hearing {
    /// Everything up to it can be placed.
    Sure,
    /// Its place is not known yet: keep it until more have come, or until that time, and [`decide`](Timeline::decide) then.
    Wait(RecordingTime),
    /// It does not fit to those that wait either: what is kept can be placed, and then this one waits.
    Anew(RecordingTime),
}

/// One unit that is to be placed.
#[derive(Clone, Copy, Debug)]
pub struct Placing {
    /// RTP time.
    pub rtp: u64,
    /// Its length (0: unknown, as with video).
    pub ticks: u32,
    /// When it arrived.
    pub arrival: RecordingTime,
    /// The audio just before it is so quiet that a piece of it can be left out.
    pub quiet: bool,
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
    /// The one before it says the same of how fast time passes, or there is none.
    agrees: bool,
}

/// What sender reports say of a track.
#[derive(Clone, Copy, Debug)]
struct Synced {
    offset: i64,
    /// How far from arrival that is believed, nanoseconds.
    limit: i64,
}

impl<P: PartialEq> Timeline<P> {
    /// No tracks yet.
    pub const fn new() -> Self {
        Self { tracks: Vec::new(), next: 0 }
    }

    /// A new track of this participant.
    pub fn add(&mut self, participant: P, kind: MediaKind) -> TrackKey {
        let key = TrackKey(self.next);
        self.next += 1;
        self.tracks.push(Track {
            key,
            participant,
            kind,
            offset: None,
            minimum: SlidingMinimum::default(),
            last: None,
            report: None,
            doubted: false,
            doubt: None,
            late: None,
            uncut_since: None,
            out_since: None,
        });
        key
    }

    /// The track is gone.
    pub fn remove(&mut self, key: TrackKey) {
        self.tracks.retain(|t| t.key != key);
    }

    /// Takes notice of a packet of audio, in the order of arrival, before it is placed.
    pub fn hear(&mut self, key: TrackKey, rtp: u64, arrival: RecordingTime) -> Hearing {
        let track = self.tracks.iter_mut().find(|t| t.key == key);
        track.map_or(Hearing::Sure, |track| track.hear(bounded(rtp), arrival.clamp(-BOUND, BOUND)))
    }

    /// Nothing more is waited for: what was heard of this track can be placed.
    pub fn decide(&mut self, key: TrackKey) {
        if let Some(track) = self.tracks.iter_mut().find(|t| t.key == key) {
            track.decide();
        }
    }

    /// When this unit is to be seen or heard; `None` for a track that is not here, and for audio that would lie too far from
    /// its arrival. Units come in decoding order; audio has been [heard](Self::hear).
    pub fn place(&mut self, key: TrackKey, unit: Placing) -> Option<RecordingTime> {
        let index = self.tracks.iter().position(|t| t.key == key)?;
        let (rtp, ticks, arrival) = (bounded(unit.rtp), i64::from(unit.ticks), unit.arrival.clamp(-BOUND, BOUND));
        let track = self.tracks.get_mut(index)?;
        if track.is_stray(rtp, arrival) {
            return None;
        }
        let gap = track.last.map_or(i64::MAX, |last| rtp - last.end);
        track.note(rtp, ticks, arrival);
        let target = self.target(index)?;
        let track = self.tracks.get_mut(index)?;
        let offset = match (track.kind, track.offset) {
            (MediaKind::Audio, Some(old)) => {
                let room = if unit.quiet { gap.max(ticks) } else { gap };
                track.settle(old, target, gap, room, arrival)
            }
            (MediaKind::Audio, None) | (MediaKind::Video, _) => target,
        };
        track.offset = Some(offset);
        Some(track.time(rtp + offset).clamp(arrival - FAR_NS, arrival + FAR_NS))
    }

    /// A sender report of this track: that RTP time is that moment of the publisher's clock (nanoseconds since 1970).
    pub fn report(&mut self, key: TrackKey, rtp: u64, ntp_ns: i64) {
        if let Some(track) = self.tracks.iter_mut().find(|t| t.key == key) {
            track.sender_report(bounded(rtp), ntp_ns.clamp(-2 * BOUND, 2 * BOUND));
        }
    }

    /// The offset this track should have now, in its ticks.
    fn target(&self, index: usize) -> Option<i64> {
        let track = self.tracks.get(index)?;
        let arrival = track.minimum.get()?;
        let Some(synced) = self.synced(track) else { return Some(arrival) };
        let apart = track.ns(synced.offset - arrival);
        Some(if apart.abs() > synced.limit { arrival } else { synced.offset })
    }

    /// The offset that puts this track where its participant's first audio track has the same moment of the publisher's clock.
    fn synced(&self, track: &Track<P>) -> Option<Synced> {
        let own = track.report?;
        let master = self.tracks.iter().find(|t| {
            t.kind == MediaKind::Audio && t.participant == track.participant && t.placed_report().is_some()
        })?;
        let (report, offset) = master.placed_report()?;
        if master.key == track.key || (own.ntp_ns - report.ntp_ns).abs() > STALE_REPORT_NS {
            return None;
        }
        let moment = master.time(report.rtp + offset) + (own.ntp_ns - report.ntp_ns);
        let limit = match (own.agrees && report.agrees, track.doubted || master.doubted) {
            (false, _) => CONTRADICTED_SYNC_LIMIT_NS,
            (true, true) => DOUBTED_SYNC_LIMIT_NS,
            (true, false) => SYNC_LIMIT_NS,
        };
        Some(Synced { offset: track.ticks(moment) - own.rtp, limit })
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

    fn hear(&mut self, rtp: i64, arrival: RecordingTime) -> Hearing {
        let observed = self.observed(rtp, arrival);
        let observed_ns = self.ns(observed);
        let anew = self.doubt.as_ref().is_some_and(|doubt| {
            doubt.ends(observed_ns) || !self.fits(observed_ns) && observed_ns - doubt.lowest() > LATE_NS
        });
        if anew {
            self.decide();
        }
        if self.fits(observed_ns) {
            // What was held has come, or a stray packet was the only one.
            self.doubt = None;
            self.minimum.push(arrival, observed);
            return Hearing::Sure;
        }
        match &mut self.doubt {
            Some(doubt) => doubt.push(arrival, observed_ns),
            None => self.doubt = Some(Doubt::new(self.offset.is_none(), arrival, observed_ns)),
        }
        match self.doubt.as_ref().map(Doubt::due).filter(|due| arrival < *due) {
            Some(due) if anew => Hearing::Anew(due),
            Some(due) => Hearing::Wait(due),
            None => {
                self.decide();
                Hearing::Sure
            }
        }
    }

    /// Whether audio comes about when it usually does.
    fn fits(&self, observed_ns: i64) -> bool {
        self.offset.is_some_and(|offset| {
            let usual = self.minimum.get().map_or(offset, |minimum| minimum.max(offset));
            observed_ns - self.ns(offset) >= -JUMP_NS && observed_ns - self.ns(usual) <= LATE_NS
        })
    }

    /// What stayed late, or began, is placed by arrival from now on; nothing is known of the clock before it.
    fn decide(&mut self) {
        let Some(doubt) = self.doubt.take() else { return };
        // At the beginning there was no other clock that a report could be of.
        let report = self.report.filter(|_| self.offset.is_none());
        self.forget();
        self.report = report;
        for (arrival, offset_ns) in doubt.agreed() {
            let observed = self.ticks(offset_ns);
            self.minimum.push(arrival, observed);
        }
        self.offset = self.minimum.get();
    }

    /// A report is hardly believed when the one before it says that more or less time has passed, until another one agrees with it.
    fn sender_report(&mut self, rtp: i64, ntp_ns: i64) {
        let agrees = self.report.is_none_or(|before| {
            let passed = self.ns(rtp - before.rtp);
            (passed - (ntp_ns - before.ntp_ns)).abs() <= REPORTS_APART_NS
        });
        self.report = Some(Report { rtp, ntp_ns, agrees });
        self.doubted |= !agrees;
    }

    fn forget(&mut self) {
        self.doubted |= self.offset.is_some();
        self.minimum = SlidingMinimum::default();
        self.report = None;
        self.offset = None;
        self.last = None;
    }

    /// Remembers a unit; a new RTP clock forgets what was known of the old one. Audio was judged when it was heard.
    fn note(&mut self, rtp: i64, ticks: i64, arrival: RecordingTime) {
        if let (MediaKind::Video, Some(last)) = (self.kind, self.last) {
            let apart = self.ns(rtp - last.rtp) - (arrival - last.arrival);
            if apart.abs() > JUMP_NS {
                self.forget();
            }
        }
        let observed = self.observed(rtp, arrival);
        if let Some(lowest) = self.stays_late(observed, arrival) {
            self.forget();
            self.minimum.push(arrival, lowest);
        }
        self.minimum.push(arrival, observed);
        // What comes twice, or behind its successor, does not make a pause of what was said already.
        let end = self.last.map_or(rtp + ticks, |last| last.end.max(rtp + ticks));
        self.last = Some(Last { rtp, end, arrival });
    }

    /// Frames are not kept waiting for a decision: each is shown when it comes, and after a while they have a new usual delay.
    fn stays_late(&mut self, observed: i64, arrival: RecordingTime) -> Option<i64> {
        let late = self.minimum.get().map_or(0, |usual| self.ns(observed - usual));
        if self.kind == MediaKind::Audio || late <= LATE_FRAME_NS {
            self.late = None;
            return None;
        }
        let (since, lowest) = self.late.map_or((arrival, observed), |(since, lowest)| (since, lowest.min(observed)));
        self.late = (arrival - since < LATE_FRAMES_FOR_NS).then_some((since, lowest));
        if self.late.is_none() { Some(lowest) } else { None }
    }

    /// Audio so far from what is around it that nobody can have said it then.
    fn is_stray(&self, rtp: i64, arrival: RecordingTime) -> bool {
        let late = |offset| self.ns(self.observed(rtp, arrival) - offset);
        self.kind == MediaKind::Audio && self.offset.is_some_and(|offset| !(-JUMP_NS..=FAR_NS).contains(&late(offset)))
    }

    /// The offset audio goes on with: the old one, unless there is a pause to hide a correction in, or it is far off. `gap` is the
    /// pause before it, `room` that, or what of the audio itself may be left out; ticks.
    fn settle(&mut self, old: i64, target: i64, gap: i64, room: i64, arrival: RecordingTime) -> i64 {
        let off = target - old;
        let ns = self.ns(off);
        let out_since = self.out_since.take();
        if ns > AUDIO_TOLERANCE_NS {
            return target;
        }
        if ns < -OUT_OF_STEP_NS {
            let since = out_since.unwrap_or(arrival);
            if arrival - since >= OUT_OF_STEP_FOR_NS {
                self.uncut_since = Some(arrival);
                return target;
            }
            self.out_since = Some(since);
        }
        let since = self.uncut_since.take();
        let band = if gap > 0 { AUDIO_DEADBAND_NS } else { AUDIO_QUIET_BAND_NS };
        if room > 0 && ns.abs() > band {
            // A pause can be shortened to nothing, but audio is never laid over audio.
            return old + off.max(-room);
        }
        if ns >= -AUDIO_TOLERANCE_NS {
            return old;
        }
        match since {
            Some(since) if arrival - since >= CUT_INTERVAL_NS => {
                self.uncut_since = Some(arrival);
                old + off.max(-self.ticks(AUDIO_TOLERANCE_NS))
            }
            Some(_) | None => {
                self.uncut_since = since.or(Some(arrival));
                old
            }
        }
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

/// An RTP time as it is calculated with.
fn bounded(rtp: u64) -> i64 {
    i64::try_from(rtp).unwrap_or(BOUND).min(BOUND)
}

/// `a / b`, rounded to the nearest, away from zero at one half.
fn divide(a: i128, b: i128) -> i64 {
    let half = if a < 0 { -b / 2 } else { b / 2 };
    i64::try_from((a + half) / b).unwrap_or(if a < 0 { i64::MIN / 2 } else { i64::MAX / 2 })
}
