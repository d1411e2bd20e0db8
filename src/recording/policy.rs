//! What holds for every recording of this sidecar.

use jiff::SignedDuration;

use crate::recording::{Event, Job, Recording, Target, Task};

/// What is decided once, in the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// `RECORDING_OUTPUT_FOLDER`: what keys begin with, without slashes around.
    pub output_folder: String,
    /// `RECORDING_EXPIRATION_DAYS`: how long a recording is kept after it was made; for ever without one.
    pub expires_after: Option<SignedDuration>,
    /// Who may be told.
    pub targets: Vec<Target>,
}

impl Default for Policy {
    fn default() -> Self {
        Self { output_folder: "recordings".to_owned(), expires_after: None, targets: Vec::new() }
    }
}

impl Policy {
    /// The jobs by which everybody who wants to hears of this.
    pub fn tell(&self, event: Event, about: &Recording, now: jiff::Timestamp) -> Vec<Job> {
        let wanting = self.targets.iter().filter(|target| target.wants(event, about));
        let job = |to: &Target| Task::Tell { event, to: to.clone(), about: Box::new(about.clone()) };
        wanting.map(|to| Job::new(about.id.clone(), job(to), now)).collect()
    }
}
