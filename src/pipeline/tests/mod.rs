//! Publishers with strange clocks, on bad ways: through voice, timeline and mixer, without decoder and in no time.

use std::time::{Duration, Instant};

use bytes::Bytes;
use proptest::prelude::*;

mod jumps;

use super::audio::attendance::Attendance;
use super::audio::mixer::{BLOCK, CHANNELS, Mixer};
use super::clock::{LATENCY, nanos};
use super::input::jitter_buffer::{AudioStep, JitterBuffer};
use crate::ids::{ParticipantId, TrackId};
use crate::media::Unit;
use crate::timeline::{MediaKind, Timeline};

const MS: i64 = 1_000_000;
const S: i64 = 1000 * MS;
const PACKET: i64 = 20 * MS;

/// A packet on its way.
#[derive(Clone, Debug)]
struct Sent {
    said: i64,
    rtp: u64,
    arrival: i64,
    loud: bool,
    /// How many before it were lost.
    missing: u32,
}

/// Who speaks from here to there.
type Burst = (i64, i64);

/// Somebody who sends what he says, and nothing else.
fn speech(bursts: &[Burst], clock: impl Fn(usize, i64) -> i64, delay: impl Fn(i64) -> i64) -> Vec<Sent> {
    let packets = bursts
        .iter()
        .enumerate()
        .flat_map(|(n, (from, to))| (0..(to - from) / PACKET).map(move |k| (n, from + k * PACKET)).collect::<Vec<_>>());
    let mut sent: Vec<Sent> = packets
        .map(|(n, said)| {
            let rtp = 123_456 + (clock(n, said) * 48 / MS).unsigned_abs();
            Sent { said, rtp, arrival: said + delay(said), loud: true, missing: 0 }
        })
        .collect();
    // A network keeps the order.
    for n in 1..sent.len() {
        sent[n].arrival = sent[n].arrival.max(sent[n - 1].arrival);
    }
    sent
}

/// What a recording of this has: the samples, and how much of it was reported as lost.
fn record(sent: &[Sent], until: i64) -> (Vec<f32>, i64) {
    let (file, lost, _) = play(sent, until);
    (file, lost)
}

/// The same, and how much later each packet lies than it was said: when it was said, how much.
fn play(sent: &[Sent], until: i64) -> (Vec<f32>, i64, Vec<(i64, i64)>) {
    let mut placed = Vec::new();
    let mut timeline = Timeline::new();
    let mut voice = JitterBuffer::new(timeline.add(ParticipantId::new("PA_ann"), MediaKind::Audio));
    let (mut mixer, mut attendance, mut file) = (Mixer::new(), Attendance::default(), Vec::new());
    attendance.enter(1, TrackId::new("TR_ann"));
    let (start, mut lost, mut quiet, mut block) = (Instant::now(), 0, false, Vec::new());
    let mut coming: Vec<Sent> = sent.to_vec();
    coming.sort_by_key(|sent| sent.arrival);
    let mut coming = coming.into_iter().peekable();
    for now in (0..until + 5 * S).step_by((5 * MS) as usize) {
        let mut batches = Vec::new();
        while let Some(sent) = coming.next_if(|sent| sent.arrival <= now) {
            let arrival_at = start + Duration::from_nanos(sent.arrival.unsigned_abs());
            let data = Bytes::from([&[0xf8, u8::from(sent.loud)], sent.said.to_be_bytes().as_slice()].concat());
            let unit = Unit {
                data,
                rtp: sent.rtp,
                arrival: arrival_at,
                contiguous: sent.missing == 0,
                missing: sent.missing,
                keyframe: true,
            };
            batches.push(voice.unit(unit, sent.arrival, quiet && batches.is_empty(), &mut timeline));
        }
        if voice.due().is_some_and(|due| due <= now) {
            batches.push(voice.flush(&mut timeline));
        }
        for step in batches.into_iter().flatten() {
            match step {
                AudioStep::Play(data, time, length) => {
                    quiet = data[1] == 0;
                    let said = i64::from_be_bytes(data[2..10].try_into().unwrap());
                    placed.push((said, time - said));
                    let samples = vec![if quiet { 100 } else { 8000 }; (length * 48 / MS) as usize * CHANNELS];
                    attendance.say(1, time * 48 / MS, &samples, &mut mixer);
                }
                AudioStep::Expect(time) => attendance.expect(1, time * 48 / MS),
                AudioStep::Conceal(..) => {}
                AudioStep::Lost(ns) => lost += ns as i64,
            }
        }
        loop {
            let end = mixer.cursor() + BLOCK as i64;
            let overdue = now - end * MS / 48 - nanos(LATENCY);
            if overdue < 0 || !attendance.is_ready(end, Duration::from_nanos(overdue.unsigned_abs())) {
                break;
            }
            mixer.take(BLOCK, &mut block);
            file.extend(block.iter().step_by(CHANNELS));
        }
    }
    lost += attendance.lost().iter().map(|(_, samples)| *samples as i64 * MS / 48).sum::<i64>();
    (file, lost, placed)
}

/// How much of a burst is heard between 150 ms before and 150 ms after it was said.
fn kept(file: &[f32], (from, to): Burst) -> f64 {
    let at = |ns: i64| (ns.max(0) * 48 / MS) as usize;
    let heard = file[at(from - 150 * MS)..at(to + 150 * MS)].iter().filter(|sample| sample.abs() > 0.1).count();
    heard as f64 / (at(to) - at(from)) as f64
}

/// Bursts of this length with this pause between them, the first after a second.
fn bursts(count: i64, length: i64, pause: i64) -> Vec<Burst> {
    (0..count).map(|n| (S + n * (length + pause), S + n * (length + pause) + length)).collect()
}

/// The least that is kept of a burst.
fn worst(what: &str, bursts: &[Burst], sent: &[Sent]) -> f64 {
    let (file, lost) = record(sent, bursts.last().unwrap().1 + 5 * S);
    let said = sent.len() as f64 * 0.02;
    let heard = file.iter().filter(|sample| sample.abs() > 0.1).count() as f64 / 48_000.0;
    assert!((0.97..1.001).contains(&(heard / said)), "{what}: {heard} of {said} s in all");
    let each: Vec<f64> = bursts.iter().map(|burst| kept(&file, *burst)).collect();
    let worst = each.iter().copied().fold(9.0, f64::min);
    eprintln!("{what}: {worst:.2} of the worst, {} ms told as lost; {each:.2?}", lost / MS);
    worst
}

/// The clock of a sender that counts only what it sends.
fn stopping(bursts: &[Burst]) -> impl Fn(usize, i64) -> i64 {
    let before: Vec<i64> = bursts
        .iter()
        .scan(0, |sum, (from, to)| {
            let before = *sum;
            *sum += to - from;
            Some(before - from)
        })
        .collect();
    move |n, said| said + before[n]
}

/// A little jitter.
fn jitter(said: i64) -> i64 {
    20 * MS + (said / PACKET * 7919 % 31) * MS
}

#[test]
fn a_clock_that_stands_still_while_nothing_is_sent_is_not_believed() {
    for pause in [150, 300, 500, 700, 1000, 1300, 1900, 2500, 6000] {
        for length in [400, 1000, 2500] {
            let bursts = bursts(10, length / 20 * PACKET, pause * MS);
            let sent = speech(&bursts, stopping(&bursts), jitter);
            let worst = worst(&format!("{length} ms said, clock stops for {pause} ms"), &bursts, &sent);
            assert!(worst > 0.95, "{worst}");
        }
    }
}

#[test]
fn a_clock_that_runs_on_in_pauses_is_believed() {
    for pause in [300, 1000, 1900, 2500, 30_000] {
        let bursts = bursts(10, S, pause * MS);
        let sent = speech(&bursts, |_, said| said, jitter);
        let worst = worst(&format!("clock runs on for {pause} ms"), &bursts, &sent);
        assert!((0.99..1.01).contains(&worst), "{worst}");
    }
}

#[test]
fn what_was_held_on_its_way_stands_where_it_was_said() {
    for held in [300, 800, 1500, 3000] {
        let bursts = [(S, 20 * S)];
        let hold = |said: i64| {
            let from = said / (5 * S) * 5 * S + 2 * S;
            if (from..from + held * MS).contains(&said) { from + held * MS - said } else { 0 }
        };
        let sent = speech(&bursts, |_, said| said, |said| jitter(said) + hold(said));
        let (file, lost) = record(&sent, 25 * S);
        let kept = kept(&file, bursts[0]);
        eprintln!("held for {held} ms: {kept:.3} kept, {} ms told as lost", lost / MS);
        assert!(kept > 0.995 && lost == 0, "{held}: {kept} {lost}");
    }
}

#[test]
fn what_was_held_for_too_long_is_told() {
    let bursts = [(S, 20 * S)];
    let hold = |said: i64| if (5 * S..15 * S).contains(&said) { 15 * S - said } else { 0 };
    let sent = speech(&bursts, |_, said| said, |said| jitter(said) + hold(said));
    let (file, lost) = record(&sent, 25 * S);
    let missing = ((1.0 - kept(&file, bursts[0])) * 19.0 * S as f64) as i64;
    eprintln!("held for 10 s: {} ms missing, {} ms told as lost", missing / MS, lost / MS);
    assert!((missing - lost).abs() < 100 * MS && (5 * S..10 * S).contains(&lost), "{missing} {lost}");
}

/// Longer and shorter ways in turn, in steps of this; words of a second with half a second between them, which is sent too.
#[test]
fn a_step_of_the_delay_loses_nothing() {
    for step in [150, 400, 700, 1000, 1200] {
        let delay = |said: i64| if said / (7 * S) % 2 == 1 { step * MS } else { 0 };
        let mut sent = speech(&[(S, 40 * S)], |_, said| said, |said| jitter(said) + delay(said));
        sent.iter_mut().for_each(|sent| sent.loud = sent.said % (1500 * MS) < S);
        let (file, lost) = record(&sent, 45 * S);
        let said = sent.iter().filter(|sent| sent.loud).count() as f64 * 0.02;
        let heard = file.iter().filter(|sample| sample.abs() > 0.1).count() as f64 / 48_000.0;
        eprintln!("delay steps of {step} ms: {heard:.2} of {said:.2} s, {} ms told as lost", lost / MS);
        assert!(heard > 0.995 * said && lost == 0, "{heard} {lost}");
        // At the end it is where it belongs, give or take the present delay.
        let last = sent.iter().rev().find(|sent| sent.loud).unwrap();
        let heard_at = file.iter().rposition(|sample| sample.abs() > 0.1).unwrap() as i64 * MS / 48;
        let late = heard_at - last.said - PACKET;
        assert!((0..=delay(last.said) + 200 * MS).contains(&late), "{} ms late", late / MS);
    }
}

/// How long audio is later than this although it comes in time again, when it came a second late for ten seconds.
#[test]
fn audio_that_came_late_is_in_step_again_within_seconds() {
    let delay = |said: i64| if (20 * S..30 * S).contains(&said) { S } else { 0 };
    let speech_with = |word: i64, quiet: i64| {
        let mut sent = speech(&[(S, 300 * S)], |_, said| said, |said| jitter(said) + delay(said));
        sent.iter_mut().for_each(|sent| sent.loud = sent.said % (word + quiet) < word);
        sent
    };
    let pausing = bursts(200, S, 500 * MS);
    for (what, sent, out_s, late_s, lost_ms) in [
        (
            "words of a second, then half a second of silence that is not sent",
            speech(&pausing, |_, said| said, delay),
            3,
            4,
            0,
        ),
        ("words of a second, then half a second of silence that is sent", speech_with(S, 500 * MS), 4, 6, 0),
        ("words of three seconds, then 60 ms of silence", speech_with(3 * S, 60 * MS), 6, 6, 1000),
        ("music", speech_with(300 * S, 0), 6, 6, 1000),
    ] {
        let (_, lost, placed) = play(&sent, 305 * S);
        let later = |by: i64| {
            let late = placed.iter().filter(|(said, late)| *said > 30 * S && *late > by + 50 * MS).count() as i64;
            late * PACKET
        };
        let (out, late) = (later(300 * MS), later(100 * MS));
        eprintln!("{what}: {} ms out of step, {} ms late, {} ms told as lost", out / MS, late / MS, lost / MS);
        assert!(out <= out_s * S + 200 * MS && late <= late_s * S, "{what}: {out} {late}");
        assert!((0..=lost_ms * MS).contains(&lost), "{what}: {lost}");
    }
}

#[test]
fn audio_that_is_never_quiet_comes_back_in_one_cut_which_is_told() {
    let delay = |said: i64| if (20 * S..30 * S).contains(&said) { S } else { 0 };
    let sent = speech(&[(S, 300 * S)], |_, said| said, |said| jitter(said) + delay(said));
    let (file, lost) = record(&sent, 305 * S);
    let heard = file.iter().filter(|sample| sample.abs() > 0.1).count() as f64 / 48_000.0;
    assert!((297.9..299.1).contains(&heard) && (800 * MS..=S).contains(&lost), "{heard} {lost}");
    let end = file.iter().rposition(|sample| sample.abs() > 0.1).unwrap() as i64 * MS / 48;
    assert!((end - 300 * S).abs() < 150 * MS, "ends at {} ms", end / MS);
}

#[test]
fn packets_that_cannot_be_decoded_move_nothing() {
    let mut timeline = Timeline::new();
    let mut voice = JitterBuffer::new(timeline.add(ParticipantId::new("PA_ann"), MediaKind::Audio));
    let (mut played, mut lost, mut concealed) = (Vec::new(), 0, 0);
    for n in 0..200_u64 {
        let data = match n {
            50..70 => Bytes::from_static(&[0xfb, 0]),
            90 => Bytes::from_static(&[0xf9, 1]),
            120 => Bytes::new(),
            _ => Bytes::from_static(&[0xf8, 1]),
        };
        let unit = Unit { data, rtp: 960 * n, arrival: Instant::now(), contiguous: true, missing: 0, keyframe: true };
        let arrival = n as i64 * PACKET;
        let mut steps = voice.unit(unit.clone(), arrival, false, &mut timeline);
        // Each comes twice.
        steps.extend(voice.unit(unit, arrival, false, &mut timeline));
        for step in steps {
            match step {
                AudioStep::Play(_, time, _) => played.push(time),
                AudioStep::Expect(_) => {}
                AudioStep::Conceal(_, length) => concealed += length,
                AudioStep::Lost(ns) => lost += ns as i64,
            }
        }
    }
    let expected = (0..200).filter(|n| !(50..70).contains(n) && *n != 90 && *n != 120).map(|n| n * PACKET);
    assert_eq!(played, expected.collect::<Vec<_>>());
    assert_eq!(lost, 21 * PACKET, "each of them, once");
    assert_eq!(concealed, PACKET, "one in between, not four hundred milliseconds");
}

#[test]
fn packets_out_of_order_are_put_in_order_or_told() {
    let mut sent = speech(&[(S, 11 * S)], |_, said| said, jitter);
    // In its place within what waits; behind its successor; twice.
    sent.swap(3, 5);
    let (third, fifth) = (sent[3].arrival, sent[5].arrival);
    (sent[3].arrival, sent[5].arrival) = (fifth, third);
    sent[200].arrival = sent[203].arrival + 1;
    let again = sent[300].clone();
    sent.push(Sent { arrival: again.arrival + 30 * MS, ..again });
    let (file, lost) = record(&sent, 15 * S);
    let kept = kept(&file, (S, 11 * S));
    assert!((0.9979..0.9981).contains(&kept) && lost == PACKET, "{kept} {lost}");
}

proptest! {
    /// Whatever comes in whatever order is placed near its arrival, or reported as lost; nothing overflows.
    #[test]
    fn nothing_is_placed_absurdly(
        units in proptest::collection::vec(
            (prop_oneof![any::<u64>(), 0..1_000_000_u64, Just(u64::MAX)], 0..60_000_i64, 0..40_u8, any::<bool>()),
            1..200,
        ),
        walk in any::<bool>(),
    ) {
        let mut timeline = Timeline::new();
        let mut voice = JitterBuffer::new(timeline.add(ParticipantId::new("PA_ann"), MediaKind::Audio));
        let (mut now, mut given, mut out) = (0, 0, 0);
        for (n, (rtp, wait, kind, contiguous)) in units.into_iter().enumerate() {
            now += if walk { wait * MS / 100 } else { wait * MS };
            let rtp = if walk { 960 * n as u64 + rtp % 5000 } else { rtp };
            let data = Bytes::from(vec![kind.wrapping_mul(7), kind, 2, 1]);
            let unit = Unit { data, rtp, arrival: Instant::now(), contiguous, missing: 0, keyframe: true };
            given += 1;
            let late = voice.due().filter(|due| *due <= now).map(|_| voice.flush(&mut timeline));
            out += late.map_or(0, |steps| steps.len());
            for step in voice.unit(unit, now, contiguous, &mut timeline) {
                match step {
                    AudioStep::Play(_, time, length) => {
                        out += 1;
                        // What waited arrived up to three seconds ago.
                        prop_assert!((-8 * S..=5 * S).contains(&(time - now)), "{} at {now}", time - now);
                        prop_assert!((0..=120 * MS).contains(&length));
                    }
                    AudioStep::Conceal(time, length) => {
                        prop_assert!((0..=120 * MS).contains(&length) && time < now + 5 * S);
                    }
                    AudioStep::Expect(time) => prop_assert!((now - S..=now).contains(&time)),
                    // Of one packet, or of all that is cut to be in step again.
                    AudioStep::Lost(ns) => prop_assert!(ns <= 10 * S as u64),
                }
            }
        }
        out += voice.flush(&mut timeline).len();
        prop_assert!(out <= 2 * given);
    }
}
