//! The disk while something is recorded: the log warns in time, and recordings end before it is full.

use std::io;
use std::time::{Duration, Instant};

use super::{Driver, Live};
use crate::control::fact::Fact;
use crate::ids::RecordingId;
use crate::recording::{DiskMarks, Report};
use crate::spool::FreeSpace;

/// A recording that ended is given so long to leave the disk; only then the next one ends too.
const LEAVES: Duration = Duration::from_secs(10);

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Advice {
    /// There is enough, or what was done has its time.
    Nothing,
    /// Say that there is little.
    Warn,
    /// End the largest recording: the others may go on once its file has left the disk.
    EndLargest,
    /// End every recording: the disk fills faster than files leave it.
    EndAll,
}

/// What was done about the disk so far.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// The disk is being asked, or will be.
    looking: bool,
    warned: bool,
    /// When the last recording was ended.
    ended: Option<Instant>,
}

impl Watch {
    fn advise(&mut self, room: FreeSpace, marks: &DiskMarks, now: Instant) -> Advice {
        let FreeSpace { free, total } = room;
        let reserve = marks.reserve(total);
        if total == 0 {
            // A file system that does not say.
            return Advice::Nothing;
        }
        if free < reserve / 2 {
            return Advice::EndAll;
        }
        if free < reserve {
            if self.ended.is_some_and(|at| now.saturating_duration_since(at) < LEAVES) {
                return Advice::Nothing;
            }
            self.ended = Some(now);
            return Advice::EndLargest;
        }
        let warned = std::mem::replace(&mut self.warned, marks.warns(free, total));
        if self.warned && !warned { Advice::Warn } else { Advice::Nothing }
    }
}

impl Driver {
    /// Keeps looking as long as something is recorded.
    pub(super) fn watch_disk(&mut self) {
        if std::mem::replace(&mut self.disk.looking, true) {
            return;
        }
        let (spool, facts) = (self.effects.spool.clone(), self.effects.facts.clone());
        tokio::spawn(async move {
            tokio::time::sleep(DiskMarks::POLL).await;
            // A disk that hangs does not answer: then nothing is known of it.
            if let Ok(room) = tokio::task::spawn_blocking(move || spool.room()).await {
                let _ = facts.send(Fact::Disk(room));
            }
        });
    }

    /// The disk has answered.
    pub(super) fn disk(&mut self, room: io::Result<FreeSpace>) {
        self.disk.looking = false;
        let running = self.live.iter().filter(|(_, live)| live.recording.state.holds_room() && !live.salvaging);
        let bytes = |live: &Live| live.running.as_ref().map_or(0, |running| running.progress().bytes);
        let running: Vec<(RecordingId, u64)> = running.map(|(id, live)| (id.clone(), bytes(live))).collect();
        if running.is_empty() {
            return;
        }
        match room {
            Ok(room) => {
                let advice = self.disk.advise(room, &self.policy.disk, Instant::now());
                self.follow(advice, room, running);
            }
            Err(error) => tracing::debug!(%error, "data_dir: the free space of the file system cannot be read"),
        }
        self.watch_disk();
    }

    fn follow(&mut self, advice: Advice, FreeSpace { free, total }: FreeSpace, running: Vec<(RecordingId, u64)>) {
        let (free_mib, percent) = (free >> 20, u128::from(free) * 100 / u128::from(total.max(1)));
        let ended: Vec<_> = match advice {
            Advice::Nothing => return,
            Advice::Warn => {
                let reserve_mib = self.policy.disk.reserve(total) >> 20;
                tracing::warn!(
                    free_mib,
                    percent,
                    reserve_mib,
                    "data_dir: the disk fills up; recordings end at the reserve"
                );
                return;
            }
            Advice::EndLargest => running.into_iter().max_by_key(|(_, bytes)| *bytes).into_iter().collect(),
            Advice::EndAll => running,
        };
        for (id, _) in ended {
            tracing::error!(recording = %id, free_mib, "data_dir: the disk is nearly full; the recording ends");
            let why = format!("data_dir: only {free_mib} MiB were free, so it was ended before the disk was full");
            self.report(&id, Report::DiskLow(why), None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_warns_once_then_ends_one_after_the_other_and_all_in_need() {
        let (start, marks) = (Instant::now(), DiskMarks { warning: 15, reserve: Some(100) });
        let mut watch = Watch::default();
        let mut advise =
            |second, free| watch.advise(FreeSpace { free, total: 10_000 }, &marks, start + Duration::from_secs(second));
        let seen = [
            (0, 1500, Advice::Nothing),
            (2, 1499, Advice::Warn),
            (4, 1000, Advice::Nothing),
            (6, 1600, Advice::Nothing),
            (8, 1400, Advice::Warn),
            (10, 100, Advice::Nothing),
            (12, 99, Advice::EndLargest),
            (14, 99, Advice::Nothing),
            (20, 60, Advice::Nothing),
            (22, 60, Advice::EndLargest),
            (24, 49, Advice::EndAll),
            (26, 49, Advice::EndAll),
            (28, 5000, Advice::Nothing),
        ];
        for (second, free, wanted) in seen {
            assert_eq!(advise(second, free), wanted, "{free} free at {second} s");
        }
        let unknown = FreeSpace { free: 0, total: 0 };
        assert_eq!(Watch::default().advise(unknown, &DiskMarks::default(), start), Advice::Nothing);
    }

    #[test]
    fn what_stays_free_is_less_than_what_a_start_needs() {
        for total in [64 << 20, 10 << 30, 4 << 40] {
            let reserve = DiskMarks::default().reserve(total);
            assert!(reserve > 0);
            assert!(FreeSpace { free: 2 * reserve, total }.is_low(), "{total}");
        }
    }
}
