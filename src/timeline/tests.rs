//! Synthetic publishers: jitter, drift, sender reports, restarts.

use super::*;

const MS: i64 = 1_000_000;
const S: i64 = 1000 * MS;

/// A publisher whose clock runs `ppm` fast and whose packets take `delay` ns.
struct Publisher {
    ppm: i64,
    delay: i64,
}

impl Publisher {
    /// RTP time of what is captured at `t` (our clock).
    fn rtp(&self, kind: MediaKind, t: i64) -> u64 {
        let own = t + (i128::from(t) * i128::from(self.ppm) / 1_000_000) as i64;
        (1_000_000 + i128::from(own) * i128::from(kind.rate()) / SECOND) as u64
    }

    fn ntp(&self, t: i64) -> i64 {
        1_700_000_000 * S + t + (i128::from(t) * i128::from(self.ppm) / 1_000_000) as i64
    }
}

/// Where this is placed when it has arrived. Audio that has to wait is decided at once.
fn place(
    timeline: &mut Timeline<&'static str>,
    key: TrackKey,
    rtp: u64,
    ticks: u32,
    arrival: RecordingTime,
) -> Option<RecordingTime> {
    let audio = timeline.tracks.iter().any(|t| t.key == key && t.kind == MediaKind::Audio);
    if audio && timeline.hear(key, rtp, arrival) != Hearing::Sure {
        timeline.decide(key);
    }
    timeline.place(key, Placing { rtp, ticks, arrival, quiet: false })
}

/// A small repeatable jitter of 0..`max` ns.
fn jitter(n: i64, max: i64) -> i64 {
    if max == 0 { 0 } else { (n * 7919 + 13).rem_euclid(101) * max / 101 }
}

#[test]
fn audio_is_contiguous_to_the_sample_whatever_the_jitter() {
    let mut timeline = Timeline::new();
    let key = timeline.add("ann", MediaKind::Audio);
    let mut end = None;
    for n in 0..500 {
        let time =
            place(&mut timeline, key, 5000 + 960 * n, 960, n as i64 * 20 * MS + jitter(n as i64, 30 * MS)).unwrap();
        let sample = divide(i128::from(time) * 48_000, SECOND);
        if let Some(end) = end {
            assert_eq!(sample, end, "packet {n}");
        }
        end = Some(sample + 960);
    }
}

#[test]
fn early_jitter_does_not_stick() {
    let mut timeline = Timeline::new();
    let key = timeline.add("ann", MediaKind::Audio);
    let p = Publisher { ppm: 0, delay: 0 };
    for n in 0..14 {
        let (t, late) = (n * 20 * MS, [60, 45, 0, 20].get(n as usize).unwrap_or(&10));
        let heard = timeline.hear(key, p.rtp(MediaKind::Audio, t), t + late * MS);
        assert_eq!(heard == Hearing::Sure, t + late * MS >= 260 * MS, "{n}");
    }
    let first = Placing { rtp: p.rtp(MediaKind::Audio, 0), ticks: 960, arrival: 60 * MS, quiet: false };
    let first = timeline.place(key, first).unwrap();
    assert!(first.abs() < MS, "{first}");
}

#[test]
fn eight_hours_of_drift_are_followed() {
    for ppm in [-100, 100] {
        let p = Publisher { ppm, delay: 30 * MS };
        let mut timeline = Timeline::new();
        let (audio, video) = (timeline.add("ann", MediaKind::Audio), timeline.add("bob", MediaKind::Video));
        let (mut jumps, mut last) = (0, None);
        for n in 0..(8 * 3600 * 10) {
            let t = n * 100 * MS;
            let arrival = t + p.delay + jitter(n, 20 * MS);
            // One long "packet" of 100 ms each, without any pause.
            let rtp = p.rtp(MediaKind::Audio, t);
            let ticks = (p.rtp(MediaKind::Audio, t + 100 * MS) - rtp) as u32;
            let heard = place(&mut timeline, audio, rtp, ticks, arrival).unwrap();
            let seen = place(&mut timeline, video, p.rtp(MediaKind::Video, t), 0, arrival).unwrap();
            if n > 100 {
                assert!((heard - t - p.delay).abs() < 85 * MS, "sound {ppm} {n} {}", heard - t);
                assert!((seen - t - p.delay).abs() < 5 * MS, "picture {ppm} {n} {}", seen - t);
            }
            let length = i64::from(ticks) * S / 48_000;
            if last.is_some_and(|end: i64| (heard - end).abs() > MS) {
                jumps += 1;
            }
            last = Some(heard + length);
        }
        assert!((34..=38).contains(&jumps), "{jumps} jumps at {ppm} ppm");
    }
}

#[test]
fn drift_is_put_right_at_a_pause() {
    let mut timeline = Timeline::new();
    let key = timeline.add("ann", MediaKind::Audio);
    let p = Publisher { ppm: 100, delay: 0 };
    let mut worst = 0;
    for n in 0..(600 * 50) {
        let t = n * 20 * MS;
        // Speaks for 9 s, pauses for 1 s.
        if t % (10 * S) >= 9 * S {
            continue;
        }
        let heard = place(&mut timeline, key, p.rtp(MediaKind::Audio, t), 960, t).unwrap();
        worst = worst.max((heard - t).abs());
    }
    assert!(worst <= 8 * MS, "{worst}");
}

/// Audio and picture of one participant; the picture takes `late` longer on its way.
fn lip_sync(late: i64) {
    let p = Publisher { ppm: 20, delay: 40 * MS };
    let mut timeline = Timeline::new();
    let (audio, video) = (timeline.add("ann", MediaKind::Audio), timeline.add("ann", MediaKind::Video));
    let mut end: Option<i64> = None;
    for n in 0..1000 {
        let t = n * 20 * MS;
        let heard =
            place(&mut timeline, audio, p.rtp(MediaKind::Audio, t), 960, t + p.delay + late.min(0).abs()).unwrap();
        let seen = place(&mut timeline, video, p.rtp(MediaKind::Video, t), 0, t + p.delay + late.max(0)).unwrap();
        if t == 3 * S {
            timeline.report(audio, p.rtp(MediaKind::Audio, t), p.ntp(t));
        }
        if t == 6 * S {
            timeline.report(video, p.rtp(MediaKind::Video, t), p.ntp(t));
        }
        let off = seen - heard;
        if t <= 6 * S {
            assert!((off - late).abs() < MS, "before: {off}");
        } else {
            assert!(off.abs() < MS, "after: {off}");
        }
        if let Some(end) = end {
            assert!((heard - end).abs() < 30_000, "the sound jumped by {}", heard - end);
        }
        end = Some(heard + 20 * MS);
    }
}

#[test]
fn reports_shift_the_picture_to_the_audio() {
    lip_sync(60 * MS);
    lip_sync(-60 * MS);
}

#[test]
fn absurd_reports_are_not_believed() {
    let mut timeline = Timeline::new();
    let (audio, video) = (timeline.add("ann", MediaKind::Audio), timeline.add("ann", MediaKind::Video));
    place(&mut timeline, audio, 0, 960, 0).unwrap();
    timeline.report(audio, 0, 0);
    timeline.report(video, 0, 50 * S);
    assert_eq!(place(&mut timeline, video, 0, 0, 5 * MS), Some(5 * MS));
}

#[test]
fn other_participants_keep_their_arrival() {
    let mut timeline = Timeline::new();
    let (audio, video) = (timeline.add("ann", MediaKind::Audio), timeline.add("bob", MediaKind::Video));
    place(&mut timeline, audio, 0, 960, 0).unwrap();
    timeline.report(audio, 0, 0);
    timeline.report(video, 0, 300 * MS);
    assert_eq!(place(&mut timeline, video, 0, 0, 5 * MS), Some(5 * MS));
}

#[test]
fn a_restarted_clock_is_anchored_again() {
    let mut timeline = Timeline::new();
    for kind in [MediaKind::Audio, MediaKind::Video] {
        let key = timeline.add("ann", kind);
        place(&mut timeline, key, 1_000_000_000, 960, S).unwrap();
        assert_eq!(place(&mut timeline, key, 77, 960, 2 * S), Some(2 * S), "{kind:?}");
        // Frozen while muted for ten minutes.
        assert_eq!(place(&mut timeline, key, 77 + 960, 960, 602 * S), Some(602 * S), "{kind:?}");
    }
}

#[test]
fn late_joiners_and_times_before_the_start() {
    let mut timeline = Timeline::new();
    let early = timeline.add("ann", MediaKind::Video);
    assert_eq!(place(&mut timeline, early, 0, 0, -20 * MS), Some(-20 * MS));
    let late = timeline.add("bob", MediaKind::Audio);
    let joined = 7 * 3600 * S;
    assert_eq!(place(&mut timeline, late, u64::from(u32::MAX) * 3, 960, joined), Some(joined));
    timeline.remove(late);
    assert_eq!(place(&mut timeline, late, 0, 960, joined), None);
}

/// Frames and audio of one participant with a report of each every five seconds; in between the audio's clock stands still for
/// `stopped`, and says so in its reports. How far the frames are from where they belong at worst.
fn pulled_by(stopped: i64, from: i64) -> i64 {
    let mut timeline = Timeline::new();
    let (audio, video) = (timeline.add("ann", MediaKind::Audio), timeline.add("ann", MediaKind::Video));
    let p = Publisher { ppm: 0, delay: 40 * MS };
    let own = |t: i64| if t < from { t } else { from.max(t - stopped) };
    let mut worst = 0;
    for n in 0..2000 {
        let t = n * 20 * MS;
        if !(from..from + stopped).contains(&t) {
            place(&mut timeline, audio, p.rtp(MediaKind::Audio, own(t)), 960, t + p.delay);
        }
        let seen = place(&mut timeline, video, p.rtp(MediaKind::Video, t), 0, t + p.delay).unwrap();
        worst = worst.max((seen - t - p.delay).abs());
        if t % (5 * S) == 0 {
            timeline.report(audio, p.rtp(MediaKind::Audio, own(t)), p.ntp(t));
            timeline.report(video, p.rtp(MediaKind::Video, t), p.ntp(t));
        }
    }
    worst
}

#[test]
fn reports_of_a_clock_that_stopped_do_not_move_frames() {
    // The report falls at its beginning, in its middle, at its end, or behind it. A stop of 100 ms passes for jitter.
    let mut most = 0;
    for stopped in [100, 250, 400, 700, 900, 2500] {
        for before in [0, 50, 90, 200, 650, 880, 2400] {
            let worst = pulled_by(stopped * MS, 20 * S - before * MS);
            most = most.max(worst);
            assert!(worst <= 120 * MS, "{stopped} ms, from {before} ms before a report: {} ms", worst / MS);
        }
    }
    eprintln!("pictures are moved by {} ms at worst", most / MS);
}

#[test]
fn a_doubted_clock_moves_frames_by_little() {
    for (late, believed) in [(200, true), (800, false)] {
        let p = Publisher { ppm: 0, delay: 40 * MS };
        let mut timeline = Timeline::new();
        let (audio, video) = (timeline.add("ann", MediaKind::Audio), timeline.add("ann", MediaKind::Video));
        let mut last = 0;
        for n in 0..1500 {
            let t = n * 20 * MS;
            // The audio began a new clock after ten seconds, which makes it doubted from then on.
            let rtp = p.rtp(MediaKind::Audio, t) + if t < 10 * S { 0 } else { 1 << 30 };
            place(&mut timeline, audio, rtp, 960, t + p.delay);
            last = place(&mut timeline, video, p.rtp(MediaKind::Video, t), 0, t + p.delay).unwrap() - t - p.delay;
            if t == 15 * S {
                timeline.report(audio, rtp, p.ntp(t));
                timeline.report(video, p.rtp(MediaKind::Video, t), p.ntp(t) + late * MS);
            }
        }
        let wanted = if believed { late * MS } else { 0 };
        assert!((last - wanted).abs() < MS, "{late} ms: {}", last / MS);
    }
}
