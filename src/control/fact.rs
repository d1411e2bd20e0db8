//! What control learns: from recorders, from clocks, from the store.

use std::time::SystemTime;

use crate::error::Result;
use crate::ids::RecordingId;
use crate::recorder::Take;
use crate::recording::Report;
use crate::spool::FreeSpace;

/// Something that happened.
pub(super) enum Fact {
    Report(RecordingId, Report),
    /// It has had its time to join.
    JoinOverdue(RecordingId),
    /// It has had its time to get on with its file since it looked like that; now the file is like this.
    Stalled {
        id: RecordingId,
        before: Option<Signs>,
        file: File,
    },
    /// Its recorder is gone; if it had not said its last word, it never will.
    Silence(RecordingId),
    /// What it left is as whole as it can be: this is to be reported.
    Salvaged(RecordingId, Report),
    /// Its file can be appended to.
    Reopened(RecordingId, Take),
    /// What became of the first change that was owed.
    Written(Result<()>),
    /// The store did not take a change a while ago.
    WriteAgain,
    /// So much room the disk has.
    Disk(std::io::Result<FreeSpace>),
    /// Nobody is to be notified of anything any more, as far as that can be.
    AllNotified,
    /// What is to be done before leaving has had its time.
    GraceOver,
}

/// By what is seen that a recorder gets on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Signs {
    pub file: File,
    pub duration_ns: u64,
    pub steps: u64,
}

/// What the disk says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct File {
    pub bytes: u64,
    pub written_at: Option<SystemTime>,
}
