//! Pure. When is it enough: length, size, and nobody there.

use std::time::{Duration, Instant};

use crate::recording::{Container, Limit, Limits, Output};

/// What has been taken in but is not in the file yet: frames and audio wait 0.5 s for what is late, the encoder looks
/// 0.4 s ahead, the muxer writes once a second, and the figures come twice a second.
const IN_FLIGHT: Duration = Duration::from_millis(2500);
/// Bytes a second that the index at the end of an MP4 takes for chunks.
const INDEX_OF_CHUNKS: u64 = 64;
/// And for each picture, and for each AAC frame of 1024 samples.
const INDEX_OF_FRAME: u64 = 4;

/// What the limits are held against.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    /// Something has reached the muxer: whoever is told of this recording knows that it began.
    pub flowing: bool,
    /// Bytes in the file.
    pub bytes: u64,
    /// What is not written before audio that is late has come, beyond what is usually in flight.
    pub waiting: Duration,
    /// People in the room.
    pub people: usize,
}

/// What is to be notified, and done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LimitEvent {
    /// The limit will be reached soon. Once for each limit.
    Near(Limit),
    /// The limit is reached: finish. The last event.
    Hit(Limit),
    /// Nobody was there for this long: finish. The last event.
    Deserted(Duration),
}

/// Watches one recording.
#[derive(Debug)]
pub(super) struct Watcher {
    limits: Limits,
    start: Instant,
    /// Bytes a second by the encoders' settings.
    rate: u64,
    /// Bytes a second of index.
    index: u64,
    flowing: bool,
    /// Since when nobody is there.
    deserted_since: Option<Instant>,
    reported_duration: bool,
    reported_size: bool,
    over: bool,
    /// Where the present measurement of growth began.
    measured: (Instant, u64),
    /// The most that came within `IN_FLIGHT`.
    burst: u64,
}

impl Watcher {
    /// For a recording whose time zero is `start`.
    pub fn new(limits: Limits, output: &Output, start: Instant) -> Self {
        let (video, audio) = (output.video(), output.audio());
        let bitrate = video.map_or(0, |video| video.bitrate) + audio.map_or(0, |audio| audio.bitrate);
        let frames = video.map_or(0, |video| video.framerate) + audio.map_or(0, |audio| audio.frequency / 1024 + 1);
        let index = match output.container() {
            Container::Mp4 => INDEX_OF_CHUNKS + INDEX_OF_FRAME * u64::from(frames),
            Container::Ogg => 0,
        };
        Self {
            limits,
            start,
            rate: u64::from(bitrate) * 1000 / 8,
            index,
            flowing: false,
            deserted_since: None,
            reported_duration: false,
            reported_size: false,
            over: false,
            measured: (start, 0),
            burst: 0,
        }
    }

    /// Goes on where an earlier take ended, at `end` with so many bytes: what was announced then is not announced again.
    #[must_use]
    pub fn after(mut self, end: Instant, bytes: u64) -> Self {
        self.measured = (end, bytes);
        self.reported_duration = self.warning_at().is_some_and(|at| at <= end);
        self.reported_size = self.full_at(Duration::ZERO, end).is_some_and(|full| bytes >= full - full / 10);
        self
    }

    /// The next event, if there is one. To be called until there is none: whenever somebody comes or goes, about twice a
    /// second, and at [`poll_timeout`](Self::poll_timeout).
    pub fn handle(&mut self, seen: Seen, now: Instant) -> Option<LimitEvent> {
        if self.over {
            return None;
        }
        self.flowing = seen.flowing;
        self.deserted_since = if seen.people == 0 { self.deserted_since.or(Some(now)) } else { None };
        self.measure(seen.bytes, now);
        let enough = self.enough(seen, now);
        self.over = enough.is_some();
        enough.or_else(|| self.announce(seen, now))
    }

    /// When [`handle`](Self::handle) must be called, if nothing else happens; may lie in the past.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.over {
            return None;
        }
        let warning = self.warning_at().filter(|_| self.flowing && !self.reported_duration);
        [self.ends_at(), warning, self.given_up_at()].into_iter().flatten().min()
    }

    fn enough(&self, seen: Seen, now: Instant) -> Option<LimitEvent> {
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if due(self.ends_at()) {
            return Some(LimitEvent::Hit(Limit::Duration));
        }
        if self.full_at(seen.waiting, now).is_some_and(|full| seen.bytes >= full) {
            return Some(LimitEvent::Hit(Limit::Size));
        }
        self.limits.empty_room.filter(|_| due(self.given_up_at())).map(LimitEvent::Deserted)
    }

    fn announce(&mut self, seen: Seen, now: Instant) -> Option<LimitEvent> {
        if !self.flowing {
            return None;
        }
        if !self.reported_duration && self.warning_at().is_some_and(|at| at <= now) {
            self.reported_duration = true;
            return Some(LimitEvent::Near(Limit::Duration));
        }
        // Nine tenths of what it can become.
        if !self.reported_size && self.full_at(seen.waiting, now).is_some_and(|full| seen.bytes >= full - full / 10) {
            self.reported_size = true;
            return Some(LimitEvent::Near(Limit::Size));
        }
        None
    }

    /// How large the file may be now so that it does not become too large. A limit that leaves no room for what is in flight
    /// is not kept exactly: half of it is used.
    fn full_at(&self, waiting: Duration, now: Instant) -> Option<u64> {
        let limit = self.limits.max_bytes?;
        let seconds = now.saturating_duration_since(self.start).as_secs() + 1;
        let bytes = |of: Duration| self.rate * u64::try_from(of.as_millis()).unwrap_or(0) / 1000;
        let kept_back = bytes(IN_FLIGHT).max(self.burst) + bytes(waiting) + self.index * seconds;
        Some(limit.saturating_sub(kept_back).max(limit / 2).max(1))
    }

    /// Encoders exceed their settings for a while: what came once may come again.
    fn measure(&mut self, bytes: u64, now: Instant) {
        let (since, before) = self.measured;
        self.burst = self.burst.max(bytes.saturating_sub(before));
        if now.saturating_duration_since(since) >= IN_FLIGHT {
            self.measured = (now, bytes);
        }
    }

    fn ends_at(&self) -> Option<Instant> {
        // What lies beyond the clock's end is never.
        self.start.checked_add(self.limits.max_duration?)
    }

    fn warning_at(&self) -> Option<Instant> {
        let before = self.limits.max_duration?.saturating_sub(self.limits.warning?);
        self.start.checked_add(before)
    }

    fn given_up_at(&self) -> Option<Instant> {
        self.deserted_since?.checked_add(self.limits.empty_room?)
    }
}

#[cfg(test)]
mod tests {
    use super::LimitEvent::{Deserted, Hit, Near};
    use super::*;
    use crate::recording::VideoSettings;
    use crate::scene::Layout;

    const NONE: Limits = Limits { max_duration: None, max_bytes: None, empty_room: None, warning: None };

    const fn seconds(n: u64) -> Option<Duration> {
        Some(Duration::from_secs(n))
    }

    /// What happens when these figures (second, bytes, people) are seen; every due timeout is served first, as the driver does.
    fn play(limits: Limits, figures: &[(u64, u64, usize)]) -> Vec<(u64, LimitEvent)> {
        let start = Instant::now();
        let output = Output::mp4(VideoSettings::preset(Layout::from_name("grid"))).unwrap();
        let mut watcher = Watcher::new(limits, &output, start);
        let mut events = Vec::new();
        let mut seen = Seen { flowing: true, bytes: 0, waiting: Duration::ZERO, people: figures[0].2 };
        for (second, bytes, people) in figures {
            let at = start + Duration::from_secs(*second);
            while let Some(due) = watcher.poll_timeout().filter(|due| *due < at) {
                let mut reported = false;
                while let Some(event) = watcher.handle(seen, due) {
                    events.push(((due - start).as_secs(), event));
                    reported = true;
                }
                assert!(reported, "a timeout at {:?} for nothing", due - start);
            }
            seen = Seen { flowing: true, bytes: *bytes, waiting: Duration::ZERO, people: *people };
            while let Some(event) = watcher.handle(seen, at) {
                events.push((*second, event));
            }
        }
        events
    }

    #[test]
    fn a_further_take_counts_from_the_beginning_and_announces_nothing_twice() {
        let limits = Limits {
            max_duration: Some(Duration::from_secs(100)),
            warning: Some(Duration::from_secs(30)),
            max_bytes: Some(100_000_000),
            ..Limits::default()
        };
        let start = Instant::now();
        let second = |n| start + Duration::from_secs(n);
        let seen = |bytes| Seen { flowing: true, bytes, waiting: Duration::ZERO, people: 1 };
        let new = || Watcher::new(limits, &Output::ogg(), start);
        let mut late = new().after(second(75), 10_000_000);
        assert_eq!(late.handle(seen(10_000_000), second(80)), None, "it was warned before, and has not grown at once");
        assert_eq!(late.handle(seen(10_000_000), second(100)), Some(Hit(Limit::Duration)));
        let mut early = new().after(second(20), 10_000_000);
        assert_eq!(early.handle(seen(10_000_000), second(70)), Some(Near(Limit::Duration)));
    }

    #[test]
    fn length_and_company() {
        let hour = Limits { max_duration: seconds(3600), warning: seconds(300), ..NONE };
        let five = Limits { empty_room: seconds(5), ..NONE };
        let (duration, deserted) = (Limit::Duration, Deserted(Duration::from_secs(5)));
        for (what, limits, figures, wanted) in [
            ("no limits", NONE, &[(0, 0, 0), (1_000_000, u64::MAX, 0)][..], vec![]),
            (
                "warned once, then ended",
                hour,
                &[(0, 0, 1), (9999, 0, 1)],
                vec![(3300, Near(duration)), (3600, Hit(duration))],
            ),
            (
                "no warning asked for",
                Limits { warning: None, ..hour },
                &[(0, 0, 1), (9999, 0, 1)],
                vec![(3600, Hit(duration))],
            ),
            (
                "a warning longer than the limit comes at once",
                Limits { warning: seconds(7200), ..hour },
                &[(0, 0, 1), (9999, 0, 1)],
                vec![(0, Near(duration)), (3600, Hit(duration))],
            ),
            ("a limit of nothing", Limits { max_duration: seconds(0), ..NONE }, &[(0, 0, 1)], vec![(0, Hit(duration))]),
            ("nobody ever came", five, &[(0, 0, 0), (99, 0, 0)], vec![(5, deserted)]),
            ("somebody is there", five, &[(0, 0, 1), (99, 0, 1)], vec![]),
            ("somebody came back in time", five, &[(0, 0, 1), (10, 0, 0), (14, 0, 1), (99, 0, 1)], vec![]),
            (
                "the time counts from the last one's leaving",
                five,
                &[(0, 0, 1), (10, 0, 0), (14, 0, 1), (16, 0, 0), (99, 0, 0)],
                vec![(21, deserted)],
            ),
            (
                "the first end is the only one",
                Limits { empty_room: seconds(5), ..hour },
                &[(0, 0, 0), (9999, 0, 0)],
                vec![(5, deserted)],
            ),
        ] {
            assert_eq!(play(limits, figures), wanted, "{what}");
        }
    }

    #[test]
    fn a_warning_waits_until_media_flows() {
        let start = Instant::now();
        let limits = Limits { max_duration: seconds(10), warning: seconds(20), ..NONE };
        let mut watcher = Watcher::new(limits, &Output::ogg(), start);
        let seen = |flowing| Seen { flowing, bytes: 0, waiting: Duration::ZERO, people: 1 };
        assert_eq!(watcher.handle(seen(false), start), None);
        assert_eq!(
            watcher.poll_timeout(),
            Some(start + Duration::from_secs(10)),
            "nothing to be awaited before the end"
        );
        assert_eq!(watcher.handle(seen(true), start), Some(Near(Limit::Duration)));
        assert_eq!(watcher.handle(seen(true), start), None);
    }

    /// A file that grows by `rate` bytes a second, written once a second: how large it is when it is finished.
    fn grow(max_bytes: u64, rate: impl Fn(u64) -> u64) -> (Vec<LimitEvent>, u64) {
        let start = Instant::now();
        let output = Output::mp4(VideoSettings::preset(Layout::from_name("grid"))).unwrap();
        let mut watcher = Watcher::new(Limits { max_bytes: Some(max_bytes), ..NONE }, &output, start);
        let mut events = Vec::new();
        let (mut bytes, mut second) = (0, 0);
        while second < 100_000 {
            second += 1;
            bytes += rate(second);
            for half in [0, 500] {
                let now = start + Duration::from_secs(second) + Duration::from_millis(half);
                while let Some(event) =
                    watcher.handle(Seen { flowing: true, bytes, waiting: Duration::ZERO, people: 1 }, now)
                {
                    events.push(event);
                }
                if matches!(events.last(), Some(Hit(_))) {
                    // Two and a half seconds are still to come, and the index: 310 bytes a second, measured.
                    let rest = rate(second + 1) + rate(second + 2) + rate(second + 3) / 2;
                    return (events, bytes + rest + 310 * second);
                }
            }
        }
        (events, bytes)
    }

    #[test]
    fn a_file_stays_below_its_size_by_less_than_a_key_frame_interval() {
        const USUAL: u64 = 3_128_000 / 8;
        for (what, limit, rate) in [
            ("as set", 100_000_000, (|_| USUAL) as fn(u64) -> u64),
            ("long and faint", 100_000_000, |_| 20_000),
            ("a key frame every four seconds", 50_000_000, |n| if n % 4 == 0 { USUAL * 2 } else { USUAL / 2 }),
            ("twice as much as set", 100_000_000, |_| USUAL * 2),
            ("a short one", 5_000_000, |_| USUAL),
        ] {
            let (events, finished) = grow(limit, rate);
            assert_eq!(events, [Near(Limit::Size), Hit(Limit::Size)], "{what}");
            let most = (1..=8).map(rate).sum::<u64>().max(USUAL * 4);
            assert!((limit - most..=limit).contains(&finished), "{what}: {finished} of {limit}");
        }
    }

    #[test]
    fn every_kind_of_file_keeps_back_what_it_will_need() {
        let video = VideoSettings::preset(Layout::from_name("grid"));
        let of = |output: Output| {
            let watcher = Watcher::new(NONE, &output, Instant::now());
            (watcher.rate, watcher.index)
        };
        assert_eq!(of(Output::mp4(video).unwrap()), (391_000, 64 + 4 * (30 + 47)));
        assert_eq!(of(Output::silent_mp4(video).unwrap()), (375_000, 64 + 4 * 30));
        assert_eq!(of(Output::audio_mp4()), (16_000, 64 + 4 * 47));
        assert_eq!(of(Output::ogg()), (16_000, 0));
    }

    #[test]
    fn what_waits_for_late_audio_is_counted_too() {
        let output = Output::mp4(VideoSettings::preset(Layout::from_name("grid"))).unwrap();
        let start = Instant::now();
        for (waiting, enough) in [(0, false), (4, true)] {
            let limits = Limits { max_bytes: Some(100_000_000), ..NONE };
            let mut watcher = Watcher::new(limits, &output, start);
            watcher.measured = (start, 98_000_000);
            let seen = Seen { flowing: true, bytes: 98_000_000, waiting: Duration::from_secs(waiting), people: 1 };
            assert_eq!(watcher.handle(seen, start) == Some(Hit(Limit::Size)), enough, "{waiting} s");
        }
    }

    #[test]
    fn a_size_too_small_to_be_kept_still_ends_it() {
        let (events, _) = grow(1000, |_| 400_000);
        assert_eq!(events, [Hit(Limit::Size)]);
    }
}
