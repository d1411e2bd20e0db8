//! Senders whose clocks are set again and again, on a network that loses, doubles and exchanges packets.

use super::*;
use crate::timeline::AUDIO_TOLERANCE_NS;

/// What such a sender does, and what becomes of it on its way.
#[derive(Clone, Debug)]
struct Sender {
    /// RTP time of its first packet.
    base: u64,
    /// How long after the one before its clock is set, and by how much, milliseconds.
    jumps: Vec<(i64, i64)>,
    /// Whether silence is sent.
    silence: bool,
    /// Of a hundred packets, how many are lost, come twice, and come behind their successor.
    loss: u64,
    twice: u64,
    late: u64,
    /// A second of audio comes again, so long after it began.
    again: Option<i64>,
    seed: u64,
}

/// Words of a second, half a second between them.
const WORD: i64 = S;
const EVERY: i64 = 1500 * MS;
/// What a doubt of the clock may cost at each jump.
const DOUBT: i64 = 500 * MS;

impl Sender {
    fn sends(&self) -> (Vec<Sent>, i64) {
        let mut state = self.seed | 1;
        let mut happens = |percent: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % 100 < percent
        };
        let mut at = 3 * S;
        let mut set = Vec::new();
        for (after, by) in &self.jumps {
            at += after * MS;
            set.push((at, by * MS));
        }
        let (end, mut sent, mut missing) = (at + 5 * S, Vec::<Sent>::new(), 0);
        for said in (S..end).step_by(PACKET as usize) {
            let loud = said % EVERY < WORD;
            if !loud && !self.silence {
                continue;
            }
            let ahead: i64 = set.iter().filter(|(at, _)| *at <= said).map(|(_, by)| by).sum();
            let rtp = self.base.wrapping_add_signed((said + ahead) * 48 / MS);
            let arrival = said + jitter(said);
            let arrival = sent.last().map_or(arrival, |before| arrival.max(before.arrival));
            let packet = Sent { said, rtp, arrival, loud, missing: std::mem::take(&mut missing) };
            if happens(self.loss) {
                missing = packet.missing + 1;
            } else {
                sent.push(packet);
            }
        }
        for n in 0..sent.len() {
            if happens(self.late) {
                sent[n].arrival += 25 * MS;
            }
            if happens(self.twice) {
                let copy = Sent { arrival: sent[n].arrival + MS, ..sent[n].clone() };
                sent.push(copy);
            }
        }
        if let Some(from) = self.again {
            let again = sent.iter().filter(|sent| (from..from + S).contains(&sent.said)).cloned();
            let again: Vec<_> = again.map(|sent| Sent { arrival: sent.arrival + S, ..sent }).collect();
            sent.extend(again);
        }
        (sent, end)
    }

    /// Everything that came and could be heard is in the file once, or reported as lost.
    fn is_heard(&self) {
        let (sent, end) = self.sends();
        let (file, lost, placed) = play(&sent, end);
        let mut said: Vec<i64> = sent.iter().filter(|sent| sent.loud).map(|sent| sent.said).collect();
        said.sort_unstable();
        said.dedup();
        let said = said.len() as i64 * PACKET;
        let heard = file.iter().filter(|sample| sample.abs() > 0.1).count() as i64 * MS / 48;
        let late = sent.iter().filter(|_| self.late > 0).count() as i64 * PACKET * self.late as i64 / 50;
        let gone = sent.iter().map(|sent| i64::from(sent.missing)).sum::<i64>() * PACKET;
        let what = format!("{} of {} ms heard, {} ms told as lost: {self:?}", heard / MS, said / MS, lost / MS);
        assert!(heard <= said, "heard twice: {what}");
        // Cuts this small repair drifts too, and are not told.
        let small = AUDIO_TOLERANCE_NS * self.jumps.len() as i64;
        assert!(heard + lost >= said - PACKET - small, "lost and not told: {what}");
        assert!(said - heard <= DOUBT * self.jumps.len() as i64 + late, "lost: {what}");
        // At the end it is where it belongs.
        let last = placed.iter().filter(|(said, _)| *said > end - 2 * S).map(|(_, later)| *later);
        let (least, most) = last.fold((S, -S), |(least, most), later| (least.min(later), most.max(later)));
        assert!(-100 * MS <= least && most <= 200 * MS, "{} to {} ms: {what}", least / MS, most / MS);
        assert!(lost <= DOUBT * self.jumps.len() as i64 + late + gone, "told as lost: {what}");
    }
}

fn usual(jumps: &[(i64, i64)]) -> Sender {
    let (base, jumps) = ((1 << 44) + 123_456, jumps.to_vec());
    Sender { base, jumps, silence: true, loss: 0, twice: 0, late: 0, again: None, seed: 1 }
}

#[test]
fn a_clock_that_is_set_forth_and_back_loses_nothing() {
    for jumps in [
        &[(3000, 5000), (3000, -7000)][..],
        &[(3000, -7000), (3000, 5000)],
        &[(3000, 5000), (3000, -5000)],
        &[(300, 5000), (300, -5000)],
        &[(600, 10_000), (600, 10_000), (600, 10_000), (600, 10_000)],
        &[(600, -10_000), (600, -10_000), (600, -10_000), (600, -10_000)],
        &[(200, 3_600_000), (200, -3_600_000), (200, 3_600_000)],
        &[(3000, 300), (1000, -300)],
        &[(3000, 1900), (1000, -1900)],
    ] {
        usual(jumps).is_heard();
        Sender { silence: false, ..usual(jumps) }.is_heard();
    }
}

/// A server may pass nothing on until a clock that was set back is where it was; only the packets' numbers tell.
#[test]
fn what_a_server_leaves_out_is_told() {
    for (back, silence) in [(500, true), (1500, true), (7000, true), (60_000, true), (1500, false), (7000, false)] {
        let sender = Sender { silence, ..usual(&[(3000, 5000), (3000, -back), (back, 0)]) };
        let (all, end) = sender.sends();
        let (mut sent, mut newest, mut missing, mut left_out) = (Vec::new(), 0, 0, 0);
        for packet in all {
            if packet.rtp < newest {
                missing += 1;
                left_out += PACKET;
                continue;
            }
            newest = packet.rtp;
            sent.push(Sent { missing: std::mem::take(&mut missing), ..packet });
        }
        let (_, lost) = record(&sent, end);
        let what = format!("{back} {silence}: {} ms left out, {} ms told", left_out / MS, lost / MS);
        assert!((left_out - lost).abs() <= 150 * MS, "{what}");
    }
}

#[test]
fn what_comes_again_a_second_later_is_not_heard_twice() {
    for from in (3000..6000).step_by(100) {
        Sender { again: Some(from * MS), ..usual(&[]) }.is_heard();
        Sender { again: Some(from * MS), silence: false, ..usual(&[]) }.is_heard();
        Sender { again: Some(from * MS), silence: false, ..usual(&[(1000, 5000), (1000, -7000)]) }.is_heard();
    }
}

fn senders() -> impl Strategy<Value = Sender> {
    let base = prop_oneof![0..1_u64 << 32, (1 << 32) - 480_000..1_u64 << 32];
    let size = prop_oneof![100..2000_i64, 2000..60_000_i64, 60_000..3_600_000_i64];
    let jump = (prop_oneof![200..1000_i64, 1000..6000_i64], size, any::<bool>());
    let jumps =
        proptest::collection::vec(jump.prop_map(|(after, by, back)| (after, if back { -by } else { by })), 1..6);
    let way = (prop_oneof![Just(0), 1..5_u64], prop_oneof![Just(0), 1..30_u64], prop_oneof![Just(0), 1..5_u64]);
    (base, jumps, any::<bool>(), way, proptest::option::of(3000..10_000_i64), any::<u64>()).prop_map(
        |(base, jumps, silence, (loss, twice, late), again, seed)| {
            // A room's times begin far above zero, so that they can be set back.
            let (base, again) = ((1 << 44) + base, again.map(|ms| ms * MS));
            Sender { base, jumps, silence, loss, twice, late, again, seed }
        },
    )
}

proptest! {
    #[test]
    fn any_clock_that_jumps_is_heard(sender in senders()) {
        sender.is_heard();
    }
}
