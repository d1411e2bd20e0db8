//! What is done at once when a change is written: recorders start, files are sealed, the spool is freed. What takes time comes
//! back as a fact.

use std::io;
use std::time::Duration;

use tokio::sync::mpsc;

use super::admission::class_of;
use super::fact::Fact;
use super::metered::Metered;
use crate::capacity::Capacity;
use crate::control::{Launch, Launcher, Running};
use crate::error::{Error, ErrorKind};
use crate::ids::RecordingId;
use crate::recorder::Resume;
use crate::recording::{Failure, Recording, Report};
use crate::spool::Spool;

/// How soon a file that could not be declared whole is tried again, at first and at last.
const SEAL_AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// What recordings act on.
pub(super) struct Effects {
    /// Where they grow.
    pub spool: Spool,
    /// Facts, from recorders and from clocks.
    pub facts: mpsc::UnboundedSender<Fact>,
    launcher: Launcher,
    capacity: Capacity,
}

impl Effects {
    /// Those of this spool, with these recorders; what they bring comes as `facts`.
    pub fn new(spool: Spool, launcher: Launcher, capacity: Capacity, facts: mpsc::UnboundedSender<Fact>) -> Self {
        Self { spool, facts, launcher, capacity }
    }

    /// Starts a recorder, or another one that goes on where one was interrupted. When there is no place for its file, a report says so instead.
    pub fn record(&self, recording: &Recording, resume: Option<Resume>) -> Option<Box<dyn Running>> {
        let id = &recording.id;
        match self.spool.create(id, recording.extension()) {
            Ok(path) => {
                let reservation = self.capacity.reserve(id.as_str(), class_of(&recording.request));
                let (request, reports) = (recording.request.clone(), self.listen(id));
                let running = (self.launcher)(Launch { id: id.clone(), request, path, resume, reports });
                Some(Box::new(Metered { running, _reservation: reservation }))
            }
            Err(e) => {
                let failure = Failure::from(spool_error("make a directory in the spool", &e));
                let _ = self.facts.send(Fact::Report(id.clone(), Report::Broke { failure, salvaged: None }));
                None
            }
        }
    }

    /// Declares the file whole, in the background, however often that takes.
    pub fn seal(&self, recording: &Recording) {
        tokio::spawn(seal(self.spool.clone(), recording.id.clone(), recording.extension()));
    }

    /// The file is at its final place.
    pub fn free(&self, recording: &Recording) {
        let id = &recording.id;
        // What still grows beside the stored file was left by a recorder that had been given up.
        let more = self.spool.size(id, recording.extension()) > 0;
        log_freed(id, if more { self.spool.discard(id) } else { self.spool.free(id).map(|()| None) });
    }

    /// Nothing can be delivered.
    pub fn discard(&self, id: &RecordingId) {
        log_freed(id, self.spool.discard(id));
    }

    /// Brings this fact after a while.
    pub fn remind(&self, after: Duration, fact: Fact) {
        let facts = self.facts.clone();
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            let _ = facts.send(fact);
        });
    }

    /// A channel of its own for each recorder, so that one that dies without a last word is noticed.
    fn listen(&self, id: &RecordingId) -> mpsc::UnboundedSender<(RecordingId, Report)> {
        let (reports, mut heard) = mpsc::unbounded_channel();
        let (facts, id) = (self.facts.clone(), id.clone());
        tokio::spawn(async move {
            while let Some((from, report)) = heard.recv().await {
                let _ = facts.send(Fact::Report(from, report));
            }
            let _ = facts.send(Fact::Silence(id));
        });
        reports
    }
}

/// Flushing a long file takes its time; others must not wait for it. The job that stores it looks for it.
async fn seal(spool: Spool, id: RecordingId, extension: &'static str) {
    let (mut pause, longest) = SEAL_AGAIN;
    loop {
        let (spool, of) = (spool.clone(), id.clone());
        match tokio::task::spawn_blocking(move || spool.seal(&of, extension)).await {
            Ok(Ok(_)) => return,
            // Stored already, before a crash.
            Ok(Err(e)) if e.kind() == io::ErrorKind::NotFound => return,
            Ok(Err(error)) => {
                tracing::error!(recording = %id, %error, "the file could not be sealed; it will be tried again");
            }
            Err(error) => tracing::error!(recording = %id, %error, "the file could not be sealed"),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(longest);
    }
}

fn spool_error(tried: &str, e: &io::Error) -> Error {
    let full = matches!(e.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
    let kind = if full { ErrorKind::ResourceExhausted } else { ErrorKind::Internal };
    Error::new(kind, format!("data_dir: cannot {tried}: {e}"))
}

fn log_freed(id: &RecordingId, freed: io::Result<Option<std::path::PathBuf>>) {
    match freed {
        Ok(None) => {}
        Ok(Some(aside)) => tracing::warn!(recording = %id, folder = %aside.display(), "what it left is set aside"),
        Err(error) => tracing::warn!(recording = %id, %error, "the spool could not be freed"),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::capacity::{CostClass, Headroom};
    use crate::control::Progress;
    use crate::recording::{Limits, Options, Output, Policy, Request};
    use crate::scene::Layout;

    /// Ends when it is dropped, without a last word.
    struct Fake(#[allow(dead_code, reason = "its channel is open as long as it lives")] Launch);

    impl Running for Fake {
        fn drain(&self) {}
        fn show(&self, _: Layout) {}
        fn progress(&self) -> Progress {
            Progress::default()
        }
    }

    fn recording() -> Recording {
        let request = Request { room: "daily".into(), output: Output::ogg(), limits: Limits::default() };
        let (id, mode, now) = (RecordingId::new("EG_1"), "transcript".into(), Timestamp::UNIX_EPOCH);
        Recording::begin(id, mode, request, Options::default(), &Policy::default(), now).0
    }

    fn effects(folder: &std::path::Path) -> (Effects, mpsc::UnboundedReceiver<Fact>) {
        let (facts, inbox) = mpsc::unbounded_channel();
        let launcher: Launcher = Box::new(|launch| Box::new(Fake(launch)));
        let spool = Spool::open(folder).unwrap();
        (Effects::new(spool, launcher, Capacity::start(1.0), facts), inbox)
    }

    #[tokio::test]
    async fn a_recorder_has_a_place_as_long_as_it_runs_and_its_silence_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let (effects, mut facts) = effects(folder.path());
        let one = recording();
        let running = effects.record(&one, None).unwrap();
        assert_ne!(effects.capacity.verdict(CostClass::Audio), Headroom::Idle);
        drop(running);
        assert_eq!(effects.capacity.verdict(CostClass::Audio), Headroom::Idle);
        assert!(matches!(facts.recv().await, Some(Fact::Silence(id)) if id == one.id));
    }

    #[tokio::test]
    async fn a_spool_that_takes_no_file_breaks_the_recording_and_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let (effects, mut facts) = effects(folder.path());
        std::fs::remove_dir(folder.path().join("spool")).unwrap();
        std::fs::write(folder.path().join("spool"), b"").unwrap();
        assert!(effects.record(&recording(), None).is_none());
        let Some(Fact::Report(_, Report::Broke { failure, salvaged: None })) = facts.recv().await else { panic!() };
        assert!(failure.to_string().starts_with("data_dir: cannot make a directory in the spool"), "{failure}");
        assert_eq!(effects.capacity.verdict(CostClass::Audio), Headroom::Idle, "no place is kept for it");
    }

    #[tokio::test]
    async fn what_holds_bytes_is_never_thrown_away() {
        let folder = tempfile::tempdir().unwrap();
        let (effects, _facts) = effects(folder.path());
        let one = recording();
        let part = effects.spool.create(&one.id, one.extension()).unwrap();
        std::fs::write(&part, b"sound").unwrap();
        effects.discard(&one.id);
        let aside = folder.path().join("spool/lost+found");
        assert_eq!(std::fs::read_dir(aside).unwrap().count(), 1);
    }
}
