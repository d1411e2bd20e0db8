//! Who has the floor: turns by the clock, until a command names somebody.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// No one was named: turns are automatic.
const AUTOMATIC: usize = usize::MAX;

/// Shared by all microphones.
pub struct Floor {
    participants: usize,
    turn: Duration,
    named: AtomicUsize,
}

impl Floor {
    pub fn new(participants: usize, turn: Duration) -> Self {
        let turn = turn.max(Duration::from_millis(20));
        Self { participants: participants.max(1), turn, named: AtomicUsize::new(AUTOMATIC) }
    }

    /// Gives the floor to `participant` until further notice, or back to the clock.
    pub fn give(&self, participant: Option<usize>) {
        self.named.store(participant.unwrap_or(AUTOMATIC), Ordering::Relaxed);
    }

    /// Who speaks, `running` after the start.
    pub fn speaker(&self, running: Duration) -> usize {
        match self.named.load(Ordering::Relaxed) {
            AUTOMATIC => (running.as_nanos() / self.turn.as_nanos()) as usize % self.participants,
            named => named,
        }
    }
}
