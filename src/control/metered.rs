//! A recorder that runs, with its place on this machine: the place is free again when the recorder is.

use crate::capacity::Reservation;
use crate::control::{Progress, Running};
use crate::scene::Layout;

/// A recorder and its place.
pub(super) struct Metered {
    pub running: Box<dyn Running>,
    pub _reservation: Reservation,
}

impl Running for Metered {
    fn drain(&self) {
        self.running.drain();
    }

    fn show(&self, layout: Layout) {
        self.running.show(layout);
    }

    fn progress(&self) -> Progress {
        self.running.progress()
    }
}
