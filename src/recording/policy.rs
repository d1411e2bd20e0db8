//! What holds for every recording of this sidecar.

use jiff::{SignedDuration, Timestamp};

use crate::recording::{After, DiskMarks, Event, Job, Recording, State, Target, Task};

/// A backend stores the egress's id only after the start was answered, and writes "starting" after that: an earlier "active"
/// would be overwritten by it. The same holds for the end: what follows the stop must not overtake its answer.
const SETTLING: SignedDuration = SignedDuration::from_secs(2);

/// The start of an egress is answered within this, once we are in the room and the server knows the egress.
const ANSWERED: SignedDuration = SignedDuration::from_millis(100);

/// No job waits longer than this before its first try, whatever clock its time was taken from.
pub const LONGEST_WAIT: SignedDuration = SignedDuration::from_millis(2100);

/// What is decided once, in the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// `RECORDING_OUTPUT_FOLDER`: what keys begin with, without slashes around.
    pub output_folder: String,
    /// `RECORDING_EXPIRATION_DAYS`: how long a recording is kept after it was made; for ever without one.
    pub expires_after: Option<SignedDuration>,
    /// Who may be notified.
    pub targets: Vec<Target>,
    /// `limits.disk_warning`, `limits.disk_reserve`: what is done before the disk is full.
    pub disk: DiskMarks,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            output_folder: "recordings".to_owned(),
            expires_after: None,
            targets: Vec::new(),
            disk: DiskMarks::default(),
        }
    }
}

impl Policy {
    /// The jobs by which everybody who wants to hears of this.
    pub fn notify(&self, event: Event, about: &Recording, now: Timestamp) -> Vec<Job> {
        let of_request = about.options.origin.webhook().map(|url| Target::Webhook(url.to_owned()));
        let of_request = of_request.filter(|target| !self.targets.contains(target));
        // The service that makes the transcript of audio alone writes to the owner itself.
        let service_writes = !about.class_is_video()
            && self.targets.contains(&Target::Transcription)
            && Target::Transcription.wants(event, about);
        let wants = |target: &&Target| target.wants(event, about) && !(service_writes && **target == Target::Mail);
        let wanting = self.targets.iter().chain(&of_request).filter(wants);
        wanting
            .map(|to| {
                let mut job = Job::new(
                    about.id.clone(),
                    Task::Notify { event, to: to.clone(), about: Box::new(about.clone()) },
                    now,
                );
                if *to == Target::LiveKit && event == Event::Started {
                    // The start is answered when we are in the room, which is when media begins, and the server knows the
                    // egress, however long that took. Its own queue keeps what follows back until then.
                    let settled = ANSWERED + SETTLING;
                    job.not_before = later(about.started_at.unwrap_or(now), settled).max(now);
                    job.after = Some(After {
                        event: Event::Joined,
                        to: Target::LiveKit,
                        settled,
                        at_most: SignedDuration::ZERO,
                    });
                }
                job
            })
            .collect()
    }

    /// The jobs that bring the file to its final place, as far as they can be done in its present state.
    pub fn store(&self, about: &Recording, now: Timestamp) -> Vec<Job> {
        let mut jobs = vec![Job::new(about.id.clone(), Task::Upload, now)];
        if matches!(about.state, State::Saving { .. }) {
            let mut publish = Job::new(about.id.clone(), Task::Publish, now);
            // A backend that asked through LiveKit writes down that it stopped the egress only once the stop was answered: a
            // file that appears before that would find it unprepared. Whoever hears of the file asks the server when the
            // egress ended.
            if about.options.origin.notifies_server() {
                publish.not_before = later(about.ended_at.unwrap_or(now), SETTLING).max(now);
                publish.after = Some(After {
                    event: Event::Ending,
                    to: Target::LiveKit,
                    settled: SignedDuration::ZERO,
                    at_most: SETTLING * 2,
                });
            }
            jobs.push(publish);
        }
        jobs
    }
}

fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::RecordingId;
    use crate::recording::{EgressRequest, Limits, Media, Options, Origin, Outcome, Output, Owner, Reason, Request};

    #[test]
    fn what_follows_a_start_and_a_stop_of_livekits_server_waits_for_their_answers() {
        let second = |n| Timestamp::UNIX_EPOCH + SignedDuration::from_secs(n);
        let origin = |by_server| {
            let request = EgressRequest::default();
            if by_server { Origin::Server(request) } else { Origin::Twirp { request, webhook: None } }
        };
        let policy = Policy { targets: vec![Target::LiveKit], ..Policy::default() };
        for by_server in [false, true] {
            let request = Request { room: "r".into(), output: Output::ogg(), limits: Limits::default() };
            let options = Options { origin: origin(by_server), ..Options::default() };
            let (mut about, _) =
                Recording::begin(RecordingId::new("a"), "".into(), request, options, &policy, second(0));
            about.started_at = Some(second(1));
            let started = policy.notify(Event::Started, &about, second(2));
            let awaited = started.first().map(|job| (job.not_before, job.after.as_ref().map(|after| after.event)));
            let settled = second(1) + LONGEST_WAIT;
            assert_eq!(awaited, by_server.then_some((settled, Some(Event::Joined))));
            assert_eq!(policy.store(&about, second(2)).len(), 1, "there is nothing to publish yet");
            about.ended_at = Some(second(10));
            let media = Media { bytes: 1, duration_ns: 1 };
            about.state = State::Saving { then: Outcome::Complete(Reason::Stopped), media };
            let [_, publish] = &policy.store(&about, second(11))[..] else { panic!() };
            let awaited = (publish.not_before, publish.after.as_ref().map(|after| after.event));
            let wanted = if by_server { (second(12), Some(Event::Ending)) } else { (second(11), None) };
            assert_eq!(awaited, wanted);
            assert_eq!(policy.store(&about, second(20))[1].not_before, second(20));
        }
    }

    #[test]
    fn the_owner_of_a_transcript_hears_of_it_once() {
        let owner = Owner { email: "ada@example.org".into(), name: None, locale: None, time_zone: None };
        let reported = |targets: &[Target]| {
            let policy = Policy { targets: targets.to_vec(), ..Policy::default() };
            let request = Request { room: "r".into(), output: Output::ogg(), limits: Limits::default() };
            let options = Options { owner: Some(owner.clone()), ..Options::default() };
            let now = Timestamp::UNIX_EPOCH;
            let (mut about, _) =
                Recording::begin(RecordingId::new("a"), "transcript".into(), request, options, &policy, now);
            about.state = State::Ended(Outcome::Complete(Reason::Stopped));
            let jobs = policy.notify(Event::Ended, &about, now);
            let to = |job: Job| match job.task {
                Task::Notify { to, .. } => Some(to),
                Task::Upload | Task::Publish | Task::Remove { .. } => None,
            };
            jobs.into_iter().filter_map(to).collect::<Vec<_>>()
        };
        assert_eq!(reported(&[Target::Mail]), [Target::Mail], "nobody else writes");
        assert_eq!(reported(&[Target::Mail, Target::Transcription]), [Target::Transcription]);
    }
}
