//! Pure. What a recording costs here, and whether one more fits.

use std::time::{Duration, Instant};

use super::stratified_jitter::StratifiedJitter;

/// What was measured on a quiet machine of two cores, until this machine has shown its own figure: cores for 720p30.
const VIDEO: f64 = 0.75;
/// Audio alone.
const AUDIO: f64 = 0.06;
/// A new recording shows in the measurements after this long.
const SHOWS_AFTER: Duration = Duration::from_secs(15);
/// How fast the estimate of a class follows what is measured, per second.
const FOLLOW: f64 = 0.1;
/// A bid counts so long without having been decided: LiveKit's server decides within a second.
const UNDECIDED: Duration = Duration::from_secs(2);
/// So many recordings more than there are bids might be undecided: with the first bids of a burst a node that has one recording
/// more than another would otherwise never win.
const UNSURE: f64 = 4.0;
/// What another node has got is left to it this long: the server's tries with the same egress id end within two and a half
/// minutes.
const ELSEWHERE: Duration = Duration::from_mins(3);
/// What is left of a bid for it, if that node should be gone.
const AGAIN: f32 = 0.05;
/// What was granted counts so long without having begun.
const GRANTED: Duration = Duration::from_secs(30);
/// So much of the machine may be in use beside our recordings before our bids sink: less is the noise of measuring, and would
/// outweigh several small recordings.
const NOISE: f64 = 0.1;

/// What kind of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CostClass {
    /// Picture and audio.
    Video,
    /// Audio alone.
    Audio,
}

/// What was used since the last measurement, in cores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Used {
    /// By everything on the machine.
    pub machine: f64,
    /// By this process.
    pub process: f64,
}

/// May one more begin?
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Headroom {
    /// Nothing runs here: the best place.
    Idle,
    /// It fits; how much of the machine would stay free, from 0 to 1.
    Fits(f64),
    /// It does not: free cores, and those it would take.
    Full {
        /// Free now.
        free: f64,
        /// It would take.
        cost: f64,
    },
}

/// What is wanted here and has not begun.
#[derive(Clone, Debug)]
struct Claim {
    /// The egress.
    id: String,
    class: CostClass,
    since: Instant,
    /// We were chosen; until then it is a bid.
    granted: bool,
}

/// The account of this machine.
#[derive(Debug)]
pub struct Estimate {
    cores: f64,
    share: f64,
    machine: f64,
    cost: [f64; 2],
    running: [u32; 2],
    /// Those that do not show in the measurements yet: class, since when.
    young: Vec<(CostClass, Instant)>,
    claims: Vec<Claim>,
    /// What other nodes have got, and when.
    elsewhere: Vec<(String, Instant)>,
    jitter: StratifiedJitter,
    /// One that runs does not keep up.
    overloaded: bool,
}

impl CostClass {
    /// The class of what has a picture, or has none.
    pub const fn of(picture: bool) -> Self {
        if picture { Self::Video } else { Self::Audio }
    }

    const fn index(self) -> usize {
        match self {
            Self::Video => 0,
            Self::Audio => 1,
        }
    }
}

impl Estimate {
    /// Of a machine with this many cores, of which `share` may be used. Each node has another `seed`.
    pub fn new(cores: f64, share: f64, seed: u64) -> Self {
        Self {
            cores,
            share,
            machine: 0.0,
            cost: [VIDEO, AUDIO],
            running: [0, 0],
            young: Vec::new(),
            claims: Vec::new(),
            elsewhere: Vec::new(),
            jitter: StratifiedJitter::new(seed),
            overloaded: false,
        }
    }

    /// Takes in what was used in the last second.
    pub fn measured(&mut self, used: Used, now: Instant) {
        self.machine += 0.3 * (used.machine - self.machine);
        self.young.retain(|(_, since)| now.duration_since(*since) < SHOWS_AFTER);
        // Only when one class runs is it known whose the work is.
        if self.young.is_empty() {
            for (class, other) in [(0, 1), (1, 0)] {
                if self.running[class] > 0 && self.running[other] == 0 {
                    let each = used.process / f64::from(self.running[class]);
                    self.cost[class] += FOLLOW * (each - self.cost[class]);
                }
            }
        }
    }

    /// What to bid for this one (LiveKit's server: 1 wins at once, otherwise the best after half a second does, negative is no
    /// bid). Idle nodes win, then those with most to spare. A bid that is not decided yet is perhaps a recording: it counts
    /// with a random part of its cost, another one for each request and node, so that a burst is spread over nodes that are
    /// equal and see the same requests in the same order.
    pub fn bid(&mut self, id: &str, class: CostClass, now: Instant) -> f32 {
        self.forget(id);
        self.claims.retain(|claim| claim.counts(now));
        let part = if self.claimed(false, now) > 0.0 {
            self.jitter.draw()
        } else {
            // A burst, if it becomes one, begins with a whole deck.
            self.jitter.shuffle();
            0.0
        };
        let bid = match self.verdict(class, now) {
            Headroom::Idle => 1.0,
            Headroom::Full { .. } => -1.0,
            #[allow(clippy::cast_possible_truncation, reason = "it is between 0 and 1")]
            Headroom::Fits(_) => (0.5 + 0.4 * self.spare(class, part, now)) as f32,
        };
        if bid > 0.0 {
            self.claims.push(Claim { id: id.to_owned(), class, since: now, granted: false });
        }
        self.elsewhere.retain(|(_, since)| now.duration_since(*since) < ELSEWHERE);
        // Whoever has it answers at once, and the same again is not another recording.
        if bid > 0.0 && self.elsewhere.iter().any(|(other, _)| other == id) { AGAIN * bid } else { bid }
    }

    /// Another node has got it.
    pub fn lost(&mut self, id: &str, now: Instant) {
        self.forget(id);
        self.elsewhere.retain(|(other, _)| other != id);
        self.elsewhere.push((id.to_owned(), now));
    }

    /// It will not be after all.
    pub fn forget(&mut self, id: &str) {
        self.claims.retain(|claim| claim.id != id);
    }

    /// It is to be recorded here: from now on it counts in full. Refused when it does not fit.
    pub fn admit(&mut self, id: &str, class: CostClass, now: Instant) -> Headroom {
        self.forget(id);
        self.claims.retain(|claim| claim.counts(now));
        let bids = std::mem::take(&mut self.claims);
        // What may go elsewhere is no reason to refuse this one.
        self.claims = bids.iter().filter(|claim| claim.granted).cloned().collect();
        let verdict = self.verdict(class, now);
        self.claims = bids;
        match verdict {
            Headroom::Idle | Headroom::Fits(_) => {
                self.claims.push(Claim { id: id.to_owned(), class, since: now, granted: true });
            }
            Headroom::Full { .. } => {}
        }
        verdict
    }

    /// It begins.
    pub fn began(&mut self, id: &str, class: CostClass, now: Instant) {
        self.forget(id);
        self.running[class.index()] += 1;
        self.young.push((class, now));
    }

    /// One has ended.
    pub fn ended(&mut self, class: CostClass) {
        let running = &mut self.running[class.index()];
        *running = running.saturating_sub(1);
        if let Some(place) = self.young.iter().position(|(young, _)| *young == class) {
            self.young.remove(place);
        }
    }

    /// Whether one that runs does not keep up: then nothing is free, whatever the figures say.
    pub fn overloaded(&mut self, overloaded: bool) {
        self.overloaded = overloaded;
    }

    /// Cores that are free for recordings.
    pub fn available(&self, now: Instant) -> f64 {
        if self.overloaded {
            return 0.0;
        }
        let young = self.young.iter().filter(|(_, since)| now.duration_since(*since) < SHOWS_AFTER);
        let reserved: f64 = young.map(|(class, _)| self.cost[class.index()]).sum();
        (self.cores * self.share - self.machine - reserved - self.claimed(true, now)).max(0.0)
    }

    /// What all recordings here cost together, by our account, in cores.
    fn accounted(&self) -> f64 {
        self.running.iter().zip(self.cost).map(|(running, cost)| f64::from(*running) * cost).sum()
    }

    /// What claims will cost, those that were granted or those that are bids, in cores.
    fn claimed(&self, granted: bool, now: Instant) -> f64 {
        let claims = self.claims.iter().filter(|claim| claim.granted == granted && claim.counts(now));
        claims.map(|claim| self.cost[claim.class.index()]).sum()
    }

    /// How much of the machine would stay free with one more and with this part of what is undecided, from -1 to 1.
    fn spare(&self, class: CostClass, part: f64, now: Instant) -> f64 {
        // The account does not fluctuate; what is measured counts where it tells of something else.
        let used = (self.accounted() + self.claimed(true, now)).max(self.machine - NOISE * self.cores);
        let (cost, bids) = (self.cost[class.index()], self.claimed(false, now));
        let undecided = if bids > 0.0 { bids + UNSURE * cost } else { 0.0 };
        let wanted = cost + part * undecided;
        ((self.cores * self.share - used - wanted) / self.cores).clamp(-1.0, 1.0)
    }

    /// How much of the machine is in use, from 0 to 1.
    pub fn load(&self) -> f64 {
        (self.machine / self.cores).clamp(0.0, 1.0)
    }

    /// May one more of this class begin?
    pub fn verdict(&self, class: CostClass, now: Instant) -> Headroom {
        if self.running == [0, 0] && !self.claims.iter().any(|claim| claim.counts(now)) {
            // Whatever else the machine does: nobody is better placed to know that this must not be recorded here.
            return Headroom::Idle;
        }
        let (free, cost) = (self.available(now), self.cost[class.index()]);
        if free < cost {
            Headroom::Full { free, cost }
        } else {
            Headroom::Fits(((free - cost) / self.cores).clamp(0.0, 1.0))
        }
    }
}

impl Claim {
    /// Whether it may still become a recording here.
    fn counts(&self, now: Instant) -> bool {
        now.duration_since(self.since) < if self.granted { GRANTED } else { UNDECIDED }
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use super::*;

    #[test]
    fn an_idle_machine_takes_one_and_a_full_one_none() {
        let now = Instant::now();
        let mut two = Estimate::new(2.0, 0.9, 1);
        two.measured(Used { machine: 2.0, process: 0.0 }, now);
        assert_eq!(two.verdict(CostClass::Video, now), Headroom::Idle, "even when something else keeps it busy");
        two.began("EG_1", CostClass::Video, now);
        let Headroom::Full { free, cost } = two.verdict(CostClass::Video, now) else { panic!() };
        assert!(free < cost);
        let mut quiet = Estimate::new(2.0, 0.9, 1);
        quiet.began("EG_1", CostClass::Video, now);
        assert!(matches!(quiet.verdict(CostClass::Video, now), Headroom::Fits(_)));
        quiet.began("EG_1", CostClass::Video, now);
        assert!(matches!(quiet.verdict(CostClass::Video, now), Headroom::Full { .. }));
        assert!(matches!(quiet.verdict(CostClass::Audio, now), Headroom::Fits(_)));
        quiet.ended(CostClass::Video);
        quiet.ended(CostClass::Video);
        assert_eq!(quiet.bid("EG_2", CostClass::Video, now), 1.0);
    }

    #[test]
    fn what_is_measured_replaces_what_was_assumed() {
        let now = Instant::now();
        let mut estimate = Estimate::new(8.0, 1.0, 1);
        estimate.began("EG_1", CostClass::Video, now);
        let later = now + Duration::from_secs(20);
        for _ in 0..100 {
            estimate.measured(Used { machine: 0.4, process: 0.4 }, later);
        }
        let Headroom::Fits(_) = estimate.verdict(CostClass::Video, later) else { panic!() };
        assert!((estimate.cost[0] - 0.4).abs() < 0.01, "{estimate:?}");
        assert!((estimate.available(later) - 7.6).abs() < 0.01);
        assert!((estimate.load() - 0.05).abs() < 0.01);
    }

    /// Starts that come all at once: every node sees all of them before any is decided, but for those that somebody wins at
    /// once. How many each gets.
    fn burst(nodes: &mut [Estimate], class: CostClass, names: Range<usize>, now: Instant) -> Vec<usize> {
        let mut won = vec![0; nodes.len()];
        let mut grant = |nodes: &mut [Estimate], id: &str, winner: usize| {
            won[winner] += 1;
            for (node, estimate) in nodes.iter_mut().enumerate() {
                if node == winner {
                    assert!(!matches!(estimate.admit(id, class, now), Headroom::Full { .. }));
                    estimate.began(id, class, now);
                } else {
                    estimate.lost(id, now);
                }
            }
        };
        let mut undecided = Vec::new();
        for n in names {
            let id = format!("EG_{n}");
            let bids: Vec<_> = nodes.iter_mut().map(|node| node.bid(&id, class, now)).collect();
            // The first of equals wins: the same one each time is the worst case.
            let best = bids.iter().copied().fold(0.0, f32::max);
            let winner = bids.iter().position(|bid| *bid == best).unwrap();
            undecided.push((id, winner));
        }
        for (id, winner) in undecided {
            grant(nodes, &id, winner);
        }
        won
    }

    fn nodes(count: u64, cores: f64) -> Vec<Estimate> {
        (0..count).map(|n| Estimate::new(cores, 0.9, n * 77)).collect()
    }

    #[test]
    fn a_machine_that_does_not_keep_up_takes_no_more() {
        let now = Instant::now();
        let mut estimate = Estimate::new(8.0, 1.0, 0);
        estimate.began("EG_1", CostClass::Video, now);
        estimate.overloaded(true);
        assert!(matches!(estimate.verdict(CostClass::Audio, now), Headroom::Full { free: 0.0, .. }));
        assert_eq!(estimate.bid("EG_2", CostClass::Audio, now), -1.0);
        estimate.overloaded(false);
        assert!(matches!(estimate.verdict(CostClass::Audio, now), Headroom::Fits(_)));
    }

    #[test]
    fn a_burst_is_spread_over_equal_nodes() {
        let now = Instant::now();
        for (count, least) in [(2, 9), (3, 5)] {
            let mut nodes = nodes(count, 64.0);
            let won = burst(&mut nodes, CostClass::Audio, 0..30, now);
            assert!(won.iter().all(|won| *won >= least), "{won:?}");
            assert_eq!(won.iter().sum::<usize>(), 30);
        }
    }

    #[test]
    fn single_starts_go_to_whoever_has_least() {
        let now = Instant::now();
        let mut nodes = nodes(3, 8.0);
        let one_by_one: Vec<_> = (0..9).map(|n| burst(&mut nodes, CostClass::Video, n..n + 1, now)).collect();
        for n in 0..3 {
            assert_eq!(one_by_one.iter().map(|won| won[n]).sum::<usize>(), 3, "{one_by_one:?}");
        }
    }

    #[test]
    fn who_has_less_gets_more_of_a_burst() {
        let now = Instant::now();
        let mut nodes = nodes(2, 64.0);
        for n in 0..10 {
            nodes[0].began(&format!("EG_old{n}"), CostClass::Audio, now);
        }
        nodes[1].began("EG_old", CostClass::Audio, now);
        let won = burst(&mut nodes, CostClass::Audio, 0..20, now);
        assert!(won[1] > won[0] + 2, "{won:?}");
    }

    #[test]
    fn a_lone_start_is_taken_at_once_and_an_undecided_one_is_a_reason_to_bid_less() {
        let now = Instant::now();
        let mut node = Estimate::new(2.0, 0.9, 5);
        assert_eq!(node.bid("EG_1", CostClass::Video, now), 1.0);
        assert_eq!(node.bid("EG_1", CostClass::Video, now), 1.0, "the same again is not another one");
        let second = node.bid("EG_2", CostClass::Video, now);
        assert!((0.1..0.9).contains(&second), "{second}");
        node.lost("EG_1", now);
        node.lost("EG_2", now);
        assert_eq!(node.bid("EG_3", CostClass::Video, now), 1.0, "both went elsewhere");
        assert_eq!(node.bid("EG_4", CostClass::Video, now + UNDECIDED), 1.0, "nobody decides about the third any more");
    }

    #[test]
    fn what_another_has_is_left_to_it_unless_it_is_gone() {
        let now = Instant::now();
        let mut node = Estimate::new(2.0, 0.9, 5);
        node.bid("EG_1", CostClass::Audio, now);
        node.lost("EG_1", now);
        let again = node.bid("EG_1", CostClass::Audio, now + Duration::from_secs(60));
        assert!(again > 0.0 && again < 0.1, "{again}");
        assert_eq!(node.bid("EG_1", CostClass::Audio, now + Duration::from_secs(600)), 1.0);
    }

    #[test]
    fn what_was_granted_counts_in_full_until_it_begins() {
        let now = Instant::now();
        let mut node = Estimate::new(2.0, 0.9, 5);
        for id in ["EG_1", "EG_2", "EG_3"] {
            assert!(node.bid(id, CostClass::Video, now) > 0.0, "bids alone fill nothing");
        }
        assert_eq!(node.admit("EG_1", CostClass::Video, now), Headroom::Idle);
        assert!(matches!(node.admit("EG_2", CostClass::Video, now), Headroom::Fits(_)));
        let Headroom::Full { free, cost } = node.admit("EG_3", CostClass::Video, now) else { panic!() };
        assert!(free < cost);
        node.forget("EG_2");
        assert!(matches!(node.admit("EG_3", CostClass::Video, now), Headroom::Fits(_)), "one of them was not to be");
        node.began("EG_1", CostClass::Video, now);
        node.began("EG_3", CostClass::Video, now);
        assert!(node.claims.is_empty());
        assert_eq!(node.bid("EG_4", CostClass::Video, now), -1.0);
    }

    #[test]
    fn other_work_on_the_machine_lowers_the_bid_and_noise_does_not() {
        let now = Instant::now();
        let bid = |machine: f64| {
            let mut node = Estimate::new(8.0, 0.9, 5);
            node.began("EG_1", CostClass::Audio, now);
            (0..50).for_each(|_| node.measured(Used { machine, process: 0.06 }, now));
            node.bid("EG_2", CostClass::Audio, now)
        };
        assert_eq!(bid(0.1), bid(0.7));
        assert!(bid(4.0) < bid(0.7));
    }
}
