//! The first thing the driver does: what an earlier process left behind is told as reports, then the ordinary path runs.

use std::collections::HashMap;

use jiff::Timestamp;

use super::driver::{Driver, Live, spool_error};
use super::recovery;
use crate::error::Result;
use crate::ids::RecordingId;
use crate::recorder::finish_interrupted;
use crate::recording::{Media, Recording};

impl Driver {
    /// Takes up what an earlier process left behind: the reports of `recovery`, then the ordinary path.
    pub(super) async fn recover(&mut self) -> Result<()> {
        let unended = self.db.unended()?;
        let found = self.spool.list().map_err(|e| spool_error("look into the spool", &e))?;
        let reports = recovery::recover(&unended, &self.finish_interrupted(&unended));
        let ids: Vec<_> = unended.iter().map(|recording| recording.id.clone()).collect();
        for mut recording in unended {
            // It ended when it was last written to, not now.
            let written_at = found.iter().find(|found| found.id == recording.id).and_then(|found| found.written_at);
            let written_at = written_at.and_then(|at| Timestamp::try_from(at).ok());
            // A file that was opened and never written to is older than its recording.
            recording.ended_at = recording.ended_at.or(written_at.max(recording.started_at));
            let (id, pending) = (recording.id.clone(), recording.state.pending());
            self.live.insert(id.clone(), Live { recording, running: None, starters: vec![] });
            self.resume(&id, &pending).await;
        }
        for (id, report) in reports {
            tracing::warn!(recording = %id, "was not ended by the last run; finishing it");
            self.report(&id, report, None).await;
        }
        for stray in self.spool.sweep(&ids).map_err(|e| spool_error("sweep the spool", &e))? {
            tracing::warn!(recording = %stray.id, bytes = stray.bytes, "the spool holds a file that no recording claims");
        }
        Ok(())
    }

    /// Makes what is left of these recordings whole, as far as it can be, and measures it.
    fn finish_interrupted(&self, unended: &[Recording]) -> HashMap<RecordingId, Media> {
        let mut left = HashMap::new();
        for recording in unended {
            let (id, container) = (&recording.id, recording.request.output.container());
            let bytes = self.spool.size(id, recording.extension());
            if bytes == 0 {
                continue;
            }
            let media = finish_interrupted(container, &self.spool.part(id, recording.extension()), &Default::default())
                .map(|left| left.media);
            // What cannot be read may still be worth something to somebody; its length is unknown.
            left.insert(
                id.clone(),
                media.unwrap_or_else(|e| {
                    tracing::warn!(recording = %id, error = %e, "the interrupted file is kept as it is");
                    Media { bytes, duration_ns: 0 }
                }),
            );
        }
        left
    }
}
