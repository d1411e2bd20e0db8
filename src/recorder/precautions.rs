//! Pure. What a recorder does differently when recorders of this recording have died before it.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::ids::TrackId;

/// Between one track and the next, when they are attached one by one.
const ONE_BY_ONE: Duration = Duration::from_secs(1);

/// Hears of each track before its first packet comes to a decoder.
pub type Attached = Arc<dyn Fn(&TrackId) + Send + Sync>;

/// What a recorder does differently; by default nothing.
#[derive(Clone, Default)]
pub struct Precautions {
    /// Tracks that are not recorded: what they hold ended several recorders.
    pub excluded: HashSet<TrackId>,
    /// New tracks are attached one a second.
    pub one_by_one: bool,
    /// A file that broke is left as it is: another recorder goes on with it.
    pub leave_broken: bool,
    /// Who hears of new tracks.
    pub attached: Option<Attached>,
}

impl fmt::Debug for Precautions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Precautions").field("excluded", &self.excluded).finish_non_exhaustive()
    }
}

/// Lets new tracks in.
#[derive(Debug)]
pub(super) struct Gate {
    precautions: Precautions,
    last: Option<Instant>,
}

impl Gate {
    pub const fn new(precautions: Precautions) -> Self {
        Self { precautions, last: None }
    }

    /// It is not to be recorded.
    pub fn excludes(&self, track: &TrackId) -> bool {
        self.precautions.excluded.contains(track)
    }

    /// Whether this track, which is new, may come to a decoder now; otherwise with a later packet.
    pub fn admits(&mut self, track: &TrackId, now: Instant) -> bool {
        let waits = |last: Instant| now.saturating_duration_since(last) < ONE_BY_ONE;
        if self.precautions.one_by_one && self.last.is_some_and(waits) {
            return false;
        }
        self.last = Some(now);
        if let Some(attached) = &self.precautions.attached {
            attached(track);
        }
        true
    }

    /// A file that broke is left as it is.
    pub const fn leaves_broken(&self) -> bool {
        self.precautions.leave_broken
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn tracks_come_at_once_or_one_a_second_and_each_is_announced() {
        let (start, heard) = (Instant::now(), Arc::new(Mutex::new(Vec::new())));
        let (a, b) = (TrackId::new("TR_a"), TrackId::new("TR_b"));
        let hears = heard.clone();
        let attached: Attached = Arc::new(move |track| hears.lock().unwrap().push(track.clone()));
        let mut gate = Gate::new(Precautions { attached: Some(attached.clone()), ..Precautions::default() });
        assert!(gate.admits(&a, start) && gate.admits(&b, start));
        let excluded = HashSet::from([a.clone()]);
        let attached = Some(attached);
        let mut gate = Gate::new(Precautions { one_by_one: true, attached, excluded, ..Precautions::default() });
        assert!(gate.excludes(&a) && !gate.excludes(&b));
        assert!(gate.admits(&a, start) && !gate.admits(&b, start));
        assert!(!gate.admits(&b, start + ONE_BY_ONE / 2) && gate.admits(&b, start + ONE_BY_ONE));
        assert_eq!(*heard.lock().unwrap(), [a.clone(), b.clone(), a, b]);
    }
}
