//! Pure. What happens in one run, from a seed alone: who is recorded how, and what goes wrong when.

use std::fmt;
#[cfg(test)]
use std::{collections::HashSet, mem::discriminant};

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};

/// Nothing goes wrong before this moment, seconds: first every recording has begun.
const BEGIN: f64 = 3.0;
/// Nor does anything begin later than this after the last stop, seconds: until then files are finished and stored.
const AFTER: f64 = 2.0;
/// Faults of the media path end so long before the first stop, seconds: what is missing is judged by what comes after.
const SETTLED: f64 = 3.0;
/// How many faults a run has at most.
const MOST: usize = 6;

/// One run.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    pub seed: u64,
    pub rooms: Vec<Room>,
    pub on_sigterm: OnSigterm,
    /// In the order of their beginnings.
    pub faults: Vec<Timed>,
}

/// One recording.
#[derive(Clone, Debug, PartialEq)]
pub struct Room {
    pub kind: Kind,
    pub way: Way,
    /// When it is stopped, seconds.
    pub stop: f64,
    /// A second guest is there, who misbehaves when a fault says so.
    pub stranger: bool,
}

/// What is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Video and audio in an MP4 file.
    Film,
    /// Audio alone in an OGG file.
    Ogg,
    /// Audio alone in an MP4 file.
    Mp4,
}

/// By which API it is started and stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// The sidecar's own; an owner gets an email.
    Rest,
    /// LiveKit's egress API at the sidecar's address.
    Twirp,
    /// LiveKit's egress API at the LiveKit server, which calls the sidecar by Redis.
    Server,
}

/// The option of that name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnSigterm {
    Drain,
    Suspend,
    Stop,
}

/// What goes wrong from one moment to another, in seconds since every recording had begun.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Timed {
    pub from: f64,
    pub to: f64,
    pub fault: Fault,
}

/// What goes wrong. Rooms are given by their place in the plan.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    /// SIGKILL; it is started again at the end.
    KillSidecar,
    /// SIGTERM; it is started again once it has left, at the end or later.
    TerminateSidecar,
    /// SIGSTOP, then SIGCONT.
    HoldSidecar,
    /// SIGKILL.
    KillRecorder(usize),
    /// SIGSTOP, then SIGCONT if it is still there.
    HoldRecorder(usize),
    /// Killed, and started again at the end; everybody who was in a room joins again.
    RestartServer,
    /// The same, without people; it keeps what it was told.
    RestartRedis,
    /// The same.
    RestartStore,
    /// No datagram passes to the server, to the recorder, or either way, while signalling does.
    CutMedia { up: bool, down: bool },
    /// Signalling is reset and refused, while datagrams pass.
    CutSignalling,
    /// Every datagram takes so many milliseconds longer.
    Delay(u64),
    /// So many in a thousand are lost, each way.
    Loss(u64),
    /// The store answers every request so.
    Store(Refusal),
    /// No file of sidecar and recorders may grow.
    DiskFull,
    /// The stranger of this room sends malformed packets.
    Garbage(usize),
    /// The stranger of this room sends key frames that declare a gigantic size.
    Bomb(usize),
}

/// What a store may do instead of storing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// 503 SlowDown.
    Busy,
    /// 403 AccessDenied.
    Forbidden,
    /// Every connection is reset after some bytes.
    Reset,
    /// Every piece waits.
    Slow,
}

/// What only one fault can have at a time.
#[derive(PartialEq, Eq)]
enum Domain {
    Sidecar,
    Recorders,
    Server,
    Redis,
    Store,
    Media,
    Signalling,
    Disk,
    Guests,
}

impl Fault {
    fn domain(self) -> Domain {
        match self {
            Self::KillSidecar | Self::TerminateSidecar | Self::HoldSidecar => Domain::Sidecar,
            Self::KillRecorder(_) | Self::HoldRecorder(_) => Domain::Recorders,
            Self::RestartServer => Domain::Server,
            Self::RestartRedis => Domain::Redis,
            Self::RestartStore | Self::Store(_) => Domain::Store,
            Self::CutMedia { .. } | Self::Delay(_) | Self::Loss(_) => Domain::Media,
            Self::CutSignalling => Domain::Signalling,
            Self::DiskFull => Domain::Disk,
            Self::Garbage(_) | Self::Bomb(_) => Domain::Guests,
        }
    }

    /// The room whose recorder it is about.
    pub fn recorder(self) -> Option<usize> {
        if let Self::KillRecorder(nth) | Self::HoldRecorder(nth) = self { Some(nth) } else { None }
    }

    /// How much later everything comes, seconds.
    pub fn delay(self) -> Option<f64> {
        if let Self::Delay(ms) = self { Some(ms as f64 / 1000.0) } else { None }
    }

    /// It may begin until the last file is stored; others end before the first recording is stopped.
    fn may_outlast_the_stop(self) -> bool {
        match self.domain() {
            Domain::Sidecar | Domain::Recorders | Domain::Redis | Domain::Store => true,
            Domain::Server | Domain::Media | Domain::Signalling | Domain::Disk | Domain::Guests => false,
        }
    }
}

impl Plan {
    /// The run of this seed.
    pub fn of(seed: u64) -> Self {
        let mut dice = SmallRng::seed_from_u64(seed);
        let on_sigterm = match dice.random_range(0..3) {
            0 => OnSigterm::Drain,
            1 => OnSigterm::Suspend,
            _ => OnSigterm::Stop,
        };
        let rooms: Vec<Room> = (0..dice.random_range(1..=3)).map(|nth| room(&mut dice, nth)).collect();
        let stops = rooms.iter().map(|room| room.stop);
        let (first, last) = (stops.clone().fold(f64::MAX, f64::min), stops.fold(0.0, f64::max));
        let mut faults: Vec<Timed> = Vec::new();
        for _ in 0..dice.random_range(2..=MOST) {
            let (fault, length) = fault(&mut dice, &rooms);
            let latest = if fault.may_outlast_the_stop() { last + AFTER } else { first - SETTLED - length };
            // To be ended by a signal is an end, not an accident: it comes late.
            let ends = fault == Fault::TerminateSidecar && on_sigterm == OnSigterm::Stop;
            let earliest = if ends { first - 4.0 } else { BEGIN };
            if latest <= earliest {
                continue;
            }
            let from = (dice.random_range(earliest..latest) * 10.0).round() / 10.0;
            let timed = Timed { from, to: from + length, fault };
            let meets = |other: &Timed| {
                other.fault.domain() == fault.domain() && other.from < timed.to + 2.0 && timed.from < other.to + 2.0
            };
            if !faults.iter().any(meets) {
                faults.push(timed);
            }
        }
        faults.sort_by(|a, b| a.from.total_cmp(&b.from));
        Self { seed, rooms, on_sigterm, faults }
    }

    /// The name of the room at this place.
    pub fn name(&self, nth: usize) -> String {
        format!("chaos-{}-{nth}", self.seed)
    }

    /// Every fault in words, in order.
    pub fn words(&self) -> String {
        let words: Vec<String> = self.faults.iter().map(|timed| timed.fault.to_string()).collect();
        words.join(", ")
    }

    /// Whether a fault of this kind is in it.
    pub fn has(&self, is: impl Fn(Fault) -> bool) -> bool {
        self.faults.iter().any(|timed| is(timed.fault))
    }
}

/// Films are dear: the first room may be one.
fn room(dice: &mut SmallRng, nth: usize) -> Room {
    let kind = match dice.random_range(0..5) {
        0..=2 if nth == 0 => Kind::Film,
        3 => Kind::Mp4,
        _ => Kind::Ogg,
    };
    let way = match (dice.random_range(0..4), kind) {
        (0 | 1, Kind::Film | Kind::Ogg) => Way::Rest,
        (0 | 2, _) => Way::Twirp,
        _ => Way::Server,
    };
    let stop = (dice.random_range(20.0..38.0_f64) * 10.0).round() / 10.0;
    Room { kind, way, stop, stranger: kind == Kind::Film && dice.random_bool(0.5) }
}

/// One fault, and how long it lasts, seconds.
fn fault(dice: &mut SmallRng, rooms: &[Room]) -> (Fault, f64) {
    let nth = dice.random_range(0..rooms.len());
    let (fault, shortest, longest) = match dice.random_range(0..22) {
        0..=2 => (Fault::KillSidecar, 0.0, 5.0),
        3 | 4 => (Fault::TerminateSidecar, 0.0, 3.0),
        5 => (Fault::HoldSidecar, 1.0, 9.0),
        6..=8 => (Fault::KillRecorder(nth), 0.0, 0.0),
        9 => (Fault::HoldRecorder(nth), 1.0, 9.0),
        10 => (Fault::RestartServer, 0.5, 4.0),
        11 => (Fault::RestartRedis, 0.5, 5.0),
        12 => (Fault::RestartStore, 0.5, 6.0),
        13 => {
            let way = dice.random_range(1..=3);
            (Fault::CutMedia { up: way & 1 != 0, down: way & 2 != 0 }, 3.0, 9.0)
        }
        14 => (Fault::CutSignalling, 2.0, 9.0),
        15 => (Fault::Delay(dice.random_range(1..=8) * 50), 3.0, 8.0),
        16 => {
            let loss = [10, 50, 200];
            (Fault::Loss(loss[dice.random_range(0..loss.len())]), 3.0, 8.0)
        }
        17 | 18 => {
            let refusals = [Refusal::Busy, Refusal::Forbidden, Refusal::Reset, Refusal::Slow];
            (Fault::Store(refusals[dice.random_range(0..refusals.len())]), 2.0, 12.0)
        }
        19 => (Fault::DiskFull, 1.0, 6.0),
        other => match rooms.iter().position(|room| room.stranger) {
            Some(nth) if other == 20 => (Fault::Garbage(nth), 3.0, 5.0),
            Some(nth) => (Fault::Bomb(nth), 3.0, 5.0),
            None => (Fault::KillRecorder(nth), 0.0, 0.0),
        },
    };
    let length: f64 = if longest > shortest { dice.random_range(shortest..longest) } else { shortest };
    (fault, (length * 10.0).round() / 10.0)
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}, on_sigterm: {}", self.seed, self.on_sigterm.name())?;
        for (nth, room) in self.rooms.iter().enumerate() {
            let stranger = if room.stranger { ", with a stranger" } else { "" };
            let Room { kind, way, stop, .. } = room;
            writeln!(f, "  room {nth}: {kind:?} by {way:?}, stopped at {stop:.1} s{stranger}")?;
        }
        for Timed { from, to, fault } in &self.faults {
            writeln!(f, "  {from:5.1} – {to:5.1} s  {fault}")?;
        }
        Ok(())
    }
}

impl OnSigterm {
    /// As the configuration has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Drain => "drain",
            Self::Suspend => "suspend",
            Self::Stop => "stop",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KillSidecar => f.write_str("kill -9 of the sidecar"),
            Self::TerminateSidecar => f.write_str("SIGTERM"),
            Self::HoldSidecar => f.write_str("SIGSTOP of the sidecar"),
            Self::KillRecorder(nth) => write!(f, "kill -9 of recorder {nth}"),
            Self::HoldRecorder(nth) => write!(f, "SIGSTOP of recorder {nth}"),
            Self::RestartServer => f.write_str("server restarts"),
            Self::RestartRedis => f.write_str("Redis restarts"),
            Self::RestartStore => f.write_str("MinIO restarts"),
            Self::CutMedia { up, down } => {
                let way = if *up && *down {
                    "both ways"
                } else if *up {
                    "to the server"
                } else {
                    "to the recorder"
                };
                write!(f, "UDP cut {way}")
            }
            Self::CutSignalling => f.write_str("WebSocket cut"),
            Self::Delay(ms) => write!(f, "{ms} ms of delay"),
            Self::Loss(thousandths) => write!(f, "{} % loss", thousandths / 10),
            Self::Store(Refusal::Busy) => f.write_str("S3 503"),
            Self::Store(Refusal::Forbidden) => f.write_str("S3 403"),
            Self::Store(Refusal::Reset) => f.write_str("S3 reset"),
            Self::Store(Refusal::Slow) => f.write_str("S3 slow"),
            Self::DiskFull => f.write_str("disk full"),
            Self::Garbage(nth) => write!(f, "bad RTP in room {nth}"),
            Self::Bomb(nth) => write!(f, "bombs in room {nth}"),
        }
    }
}

#[test]
fn a_seed_is_a_run_and_all_faults_come_up() {
    assert_eq!(Plan::of(7), Plan::of(7));
    let mut seen = HashSet::new();
    for plan in (0..500).map(Plan::of) {
        assert!((1..=3).contains(&plan.rooms.len()) && plan.faults.len() <= MOST, "{plan}");
        let last = plan.rooms.iter().map(|room| room.stop).fold(0.0, f64::max);
        assert!(plan.faults.is_sorted_by(|a, b| a.from <= b.from), "{plan}");
        assert!(plan.faults.iter().all(|it| it.from >= BEGIN && it.from <= last + AFTER + 0.1), "{plan}");
        seen.extend(plan.faults.iter().map(|timed| discriminant(&timed.fault)));
    }
    assert_eq!(seen.len(), 16, "every kind of fault");
}
