//! How one track misbehaves at this moment: asked by the tasks that send, told by the commands.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::time::Instant;

use super::act::Act;
use super::lie;
use super::malformed::Medium;
use crate::clip::{Frame, VideoClip};
use crate::payload::Codec;

/// How much later a packet comes that is overtaken.
const OVERTAKEN: Duration = Duration::from_millis(60);
/// What the narrowest link of a line needs for a packet: what was held leaves one after the other. Without that a server whose
/// threads have to wait for a processor loses packets itself: livekit-server 1.13.5 keeps 70 of a microphone until it has passed
/// them on (pkg/sfu/buffer, `InitPacketBufferSizeAudio`).
const PACKET: Duration = Duration::from_millis(2);
/// Pauses that are repeated begin so long after a full second: beeps last a tenth.
const AFTER_BEEP: Duration = Duration::from_millis(200);
/// Between key frames that are rare.
const RARE_S: u64 = 10;
/// What encryption leaves in clear, so that servers can route it: as in libwebrtc's frame cryptor, about.
const CLEAR: usize = 10;
/// No real key does this, but whoever does not know it is as helpless.
const KEY: u8 = 0xa5;

/// One track's misbehaviour; nothing of the kind at first.
pub struct Mischief(Mutex<State>);

struct State {
    rng: StdRng,
    /// From, to: since 1970.
    pauses: VecDeque<(Duration, Duration)>,
    /// How far the RTP clock is ahead of the common one, ns.
    ahead: i64,
    /// Millionths, and since when.
    drift: (i64, Duration),
    line: Option<Way>,
    garbage: Option<(String, u32)>,
    /// How many kinds of `each` have had their turn.
    each: usize,
    scramble: bool,
    size: Option<(u32, u32)>,
    sizes: bool,
    rare_keys: bool,
}

/// What the line does with packets.
#[derive(Default)]
struct Way {
    delay: Duration,
    held_until: Option<Instant>,
    last_due: Option<Instant>,
    loss: u8,
    duplicate: u8,
    reorder: u8,
}

/// What becomes of a packet.
pub enum Fate {
    /// Nothing was ever ordered of this line.
    AtOnce,
    /// So often as there are moments; not at all if there is none.
    Due(Vec<Instant>),
}

/// What is sent in place of a frame.
pub enum Picture<'a> {
    /// A frame of the clip.
    Whole(&'a Frame),
    /// A changed one, and the size it declares.
    Changed(Frame, Option<(u32, u32)>),
    /// One payload that is malformed.
    Malformed(Bytes),
}

impl Mischief {
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(State {
            rng: StdRng::seed_from_u64(seed),
            pauses: VecDeque::new(),
            ahead: 0,
            drift: (0, Duration::ZERO),
            line: None,
            garbage: None,
            each: 0,
            scramble: false,
            size: None,
            sizes: false,
            rare_keys: false,
        }))
    }

    /// From `now` (since 1970) on.
    pub fn order(&self, act: &Act, now: Duration) {
        let mut state = self.lock();
        match act {
            Act::Pause { length, times: 1 } => state.pauses = [(now, now + *length)].into(),
            Act::Pause { length, times } => {
                // A second for the beep between two pauses.
                let every = (*length + AFTER_BEEP + Duration::from_millis(50)).as_secs() + 1;
                let first = Duration::from_secs(now.as_secs() + 1) + AFTER_BEEP;
                let from = |nth: u32| first + Duration::from_secs(every) * nth;
                state.pauses = (0..*times).map(|nth| (from(nth), from(nth) + *length)).collect();
            }
            Act::Jump(ms) => state.ahead += ms * 1_000_000,
            Act::Drift(ppm) => {
                state.ahead = state.ahead(now);
                state.drift = (*ppm, now);
            }
            Act::Delay(delay) => state.way().delay = *delay,
            Act::Hold(length) => state.way().held_until = Some(Instant::now() + *length),
            Act::Loss(percent) => state.way().loss = *percent,
            Act::Duplicate(percent) => state.way().duplicate = *percent,
            Act::Reorder(percent) => state.way().reorder = *percent,
            Act::Garbage { kind, count } => (state.garbage, state.each) = (Some((kind.clone(), *count)), 0),
            Act::Scramble(on) => state.scramble = *on,
            Act::Size(0, 0) => (state.size, state.sizes) = (None, false),
            Act::Size(width, height) => (state.size, state.sizes) = (Some((*width, *height)), false),
            Act::Sizes => state.sizes = true,
            Act::RareKeys(on) => state.rare_keys = *on,
        }
    }

    /// Behaves again. The clock stays where it is: nobody's clock comes back.
    pub fn calm(&self, now: Duration) {
        self.order(&Act::Drift(0), now);
        let mut state = self.lock();
        state.pauses.clear();
        if let Some(way) = &mut state.line {
            *way = Way { last_due: way.last_due, ..Way::default() };
        }
        (state.garbage, state.scramble) = (None, false);
        (state.size, state.sizes, state.rare_keys) = (None, false, false);
    }

    /// Whether the packet that is due at `at` is left out, and the clock with it, which ran `tick` for it.
    pub fn pauses(&self, at: Duration, tick: Duration) -> bool {
        let mut state = self.lock();
        while state.pauses.front().is_some_and(|(_, to)| at >= *to) {
            state.pauses.pop_front();
        }
        let paused = state.pauses.front().is_some_and(|(from, _)| at >= *from);
        if paused {
            state.ahead -= tick.as_nanos() as i64;
        }
        paused
    }

    /// How far the RTP clock is ahead of the common one at `at`, in ticks of `rate` a second.
    pub fn ahead(&self, at: Duration, rate: u32) -> u32 {
        let ticks = i128::from(self.lock().ahead(at)) * i128::from(rate);
        // Rounded, and modulo 2³² as RTP counts.
        (ticks + 500_000_000).div_euclid(1_000_000_000) as u32
    }

    /// What becomes of the next packet.
    pub fn fate(&self) -> Fate {
        let state = &mut *self.lock();
        let Some(way) = &mut state.line else { return Fate::AtOnce };
        let mut happens = |percent: u8| percent > 0 && state.rng.random_range(0..100) < percent;
        let (lost, twice, late) = (happens(way.loss), happens(way.duplicate), happens(way.reorder));
        let due = (Instant::now() + way.delay).max(way.held_until.unwrap_or_else(Instant::now));
        // A line keeps the order of what it carries.
        let due = due.max(way.last_due.map_or(due, |last| last + PACKET));
        way.last_due = Some(due);
        let due = if late { due + OVERTAKEN } else { due };
        Fate::Due(match (lost, twice) {
            (true, _) => vec![],
            (false, false) => vec![due],
            (false, true) => vec![due, due],
        })
    }

    /// What is sent in place of an Opus packet, and whether it is still the same.
    pub fn audio(&self, packet: &Bytes) -> (Bytes, bool) {
        let mut state = self.lock();
        match (state.garbage(Medium::Opus), state.scramble) {
            (Some(garbage), _) => (garbage, false),
            (None, true) => (scramble(packet, 1), false),
            (None, false) => (packet.clone(), true),
        }
    }

    /// The frame of the clip for tick `n`, among these clips of one content, the sent one first.
    pub fn frame<'a>(&self, n: u64, clips: &'a [std::sync::Arc<VideoClip>]) -> Option<&'a Frame> {
        let state = self.lock();
        let clip = clips.first()?;
        let length = clip.frames.len() as u64;
        let last_key = (0..length).rev().find(|nth| clip.frames[*nth as usize].key).unwrap_or(0);
        if state.sizes {
            let other = &clips[(n % clips.len() as u64) as usize];
            return other.frames.iter().rev().find(|frame| frame.key);
        }
        if state.rare_keys && clip.codec == Codec::Vp8 {
            // After the last key frame of the loop nothing moves: what follows it can be repeated, whatever it refers to.
            let since = (n + length - last_key) % (RARE_S * u64::from(clip.fps));
            let still = length - last_key - 1;
            return Some(clip.frame(if since == 0 { last_key } else { last_key + 1 + (since - 1) % still.max(1) }));
        }
        Some(clip.frame(n))
    }

    /// What is sent in place of a frame.
    pub fn picture<'a>(&self, codec: Codec, frame: &'a Frame) -> Picture<'a> {
        let mut state = self.lock();
        if let Some(garbage) = state.garbage(Medium::Video(codec)) {
            return Picture::Malformed(garbage);
        }
        if let Some(size) = state.size {
            return match lie::declare(codec, frame, size) {
                Some(lie) => Picture::Changed(lie, Some(size)),
                None => Picture::Whole(frame),
            };
        }
        if state.scramble {
            let clear = |nth: usize| if nth == 0 || codec == Codec::H264 { CLEAR } else { 0 };
            let parts = frame.parts.iter().enumerate().map(|(nth, part)| scramble(part, clear(nth))).collect();
            return Picture::Changed(Frame { key: frame.key, parts }, None);
        }
        Picture::Whole(frame)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn ahead(&self, at: Duration) -> i64 {
        let (ppm, since) = self.drift;
        let drifting = at.saturating_sub(since).as_nanos() as i64 / 1_000_000;
        self.ahead + ppm * drifting
    }

    fn way(&mut self) -> &mut Way {
        self.line.get_or_insert_default()
    }

    fn garbage(&mut self, medium: Medium) -> Option<Bytes> {
        let (kind, left) = self.garbage.as_mut().filter(|(_, left)| *left > 0)?;
        *left -= 1;
        match kind.as_str() {
            "each" => {
                // One kind after the other; COUNT says how many rounds.
                let kinds = medium.kinds();
                let nth = self.each % kinds.len();
                self.each += 1;
                *left += u32::from(!self.each.is_multiple_of(kinds.len()));
                medium.malformed(kinds[nth], &mut self.rng)
            }
            kind => medium.malformed(kind, &mut self.rng),
        }
    }
}

fn scramble(part: &Bytes, clear: usize) -> Bytes {
    part.iter().enumerate().map(|(at, byte)| if at < clear { *byte } else { byte ^ KEY ^ at as u8 }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_millis(20);

    fn ms(ms: u64) -> Duration {
        Duration::from_secs(1_000_000) + Duration::from_millis(ms)
    }

    #[test]
    fn a_clock_stands_still_for_as_long_as_nothing_is_sent() {
        let mischief = Mischief::new(1);
        mischief.order(&Act::Pause { length: Duration::from_millis(700), times: 1 }, ms(200));
        let sent: Vec<u64> = (0..100).filter(|m| !mischief.pauses(ms(m * 20), TICK)).collect();
        assert_eq!(sent.len(), 65, "{sent:?}");
        // 35 packets of 960 samples are missing from the clock.
        assert_eq!(mischief.ahead(ms(2000), 48_000) as i32, -35 * 960);
    }

    #[test]
    fn pauses_leave_beeps_whole() {
        let mischief = Mischief::new(1);
        mischief.order(&Act::Pause { length: Duration::from_millis(700), times: 3 }, ms(500));
        let sent: Vec<u64> = (0..400).filter(|m| !mischief.pauses(ms(m * 20), TICK)).collect();
        assert_eq!(sent.len(), 400 - 3 * 35);
        assert!((0..400).filter(|m| m % 50 < 6).all(|m| sent.contains(&m)));
    }

    #[test]
    fn drift_and_jumps_add_up() {
        let mischief = Mischief::new(1);
        mischief.order(&Act::Drift(100), ms(0));
        mischief.order(&Act::Drift(0), ms(10_000));
        mischief.order(&Act::Jump(-2000), ms(10_000));
        assert_eq!(mischief.ahead(ms(20_000), 48_000) as i32, 48 - 96_000);
    }

    #[test]
    fn the_same_seed_makes_the_same_garbage() {
        let of = |seed| {
            let mischief = Mischief::new(seed);
            mischief.order(&Act::Garbage { kind: "any".to_owned(), count: 50 }, ms(0));
            (0..60).map(|_| mischief.audio(&Bytes::from_static(&[0xf8])).0).collect::<Vec<_>>()
        };
        assert_eq!(of(7), of(7));
        assert_ne!(of(7), of(8));
        assert!(of(7)[50..].iter().all(|packet| packet[..] == [0xf8]), "the count ends it");
    }
}
