//! What holds for every recording of this sidecar.

use jiff::{SignedDuration, Timestamp};

use crate::recording::{Event, Job, Recording, Target, Task};

/// A backend stores the egress's id only after the start was answered, and writes "starting" after that: an earlier "active"
/// would be overwritten by it. The same holds for the end: what follows the stop must not overtake its answer.
pub const SETTLING: SignedDuration = SignedDuration::from_secs(2);

/// The start of an egress is answered within this, once we are in the room and the server knows the egress.
pub const ANSWERED: SignedDuration = SignedDuration::from_millis(100);

/// From when on what follows a start may be told, if the server knew the egress at `created`.
pub fn settled(created: Timestamp) -> Timestamp {
    created + ANSWERED + SETTLING
}

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
    pub fn tell(&self, event: Event, about: &Recording, now: Timestamp) -> Vec<Job> {
        let of_request = about.options.origin.webhook().map(|url| Target::Webhook(url.to_owned()));
        let of_request = of_request.filter(|target| !self.targets.contains(target));
        // The service that makes the transcript of sound alone writes to the owner itself.
        let service_writes = !about.class_is_video()
            && self.targets.contains(&Target::Transcription)
            && Target::Transcription.wants(event, about);
        let wants = |target: &&Target| target.wants(event, about) && !(service_writes && **target == Target::Mail);
        let wanting = self.targets.iter().chain(&of_request).filter(wants);
        wanting
            .map(|to| {
                let mut job = Job::new(
                    about.id.clone(),
                    Task::Tell { event, to: to.clone(), about: Box::new(about.clone()) },
                    now,
                );
                if *to == Target::LiveKit && event == Event::Started {
                    // The start is answered when we are in the room, which is when media begins.
                    job.not_before = now.max(settled(about.started_at.unwrap_or(now)));
                }
                job
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::RecordingId;
    use crate::recording::{Limits, Options, Outcome, Output, Owner, Reason, Request, State};

    #[test]
    fn the_owner_of_a_transcript_hears_of_it_once() {
        let owner = Owner { email: "ada@example.org".into(), name: None, locale: None, time_zone: None };
        let told = |targets: &[Target]| {
            let policy = Policy { targets: targets.to_vec(), ..Policy::default() };
            let request = Request { room: "r".into(), output: Output::ogg(), limits: Limits::default() };
            let options = Options { owner: Some(owner.clone()), ..Options::default() };
            let now = Timestamp::UNIX_EPOCH;
            let (mut about, _) =
                Recording::begin(RecordingId::new("a"), "transcript".into(), request, options, &policy, now);
            about.state = State::Ended(Outcome::Complete(Reason::Stopped));
            let jobs = policy.tell(Event::Ended, &about, now);
            let to = |job: Job| match job.task {
                Task::Tell { to, .. } => Some(to),
                Task::Upload | Task::Remove { .. } => None,
            };
            jobs.into_iter().filter_map(to).collect::<Vec<_>>()
        };
        assert_eq!(told(&[Target::Mail]), [Target::Mail], "nobody else writes");
        assert_eq!(told(&[Target::Mail, Target::Transcription]), [Target::Transcription]);
    }
}
