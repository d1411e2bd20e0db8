//! Files of the store that a power cut or a bad disk has torn: it is opened all the same, and what has not ended is all there.

use std::path::Path;
use std::sync::mpsc::channel;
use std::time::Duration;

use super::*;
use crate::recording::{Limits, Options, Outcome, Output, Policy, Reason, Request};

/// Recordings of the store, of which each third has ended.
const MADE: usize = 60;

fn made(n: usize) -> Recording {
    let request = Request { room: format!("room-{}", n % 7), output: Output::ogg(), limits: Limits::default() };
    let (id, now) = (RecordingId::new(format!("EG_{n:04}")), Timestamp::UNIX_EPOCH);
    let (options, policy) = (Options::default(), Policy::default());
    let mut recording = Recording::begin(id, "transcript".into(), request, options, &policy, now).0;
    recording.state = if n.is_multiple_of(3) { State::Ended(Outcome::Aborted(Reason::Stopped)) } else { State::Active };
    recording
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (from, to) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            std::fs::copy(from, to).unwrap();
        }
    }
}

/// The files of a store that was written to, one commit for each row.
fn written() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let db = Db::open(dir.path()).unwrap();
    for n in 0..MADE {
        db.commit(Change { recordings: &[&made(n)], ..Change::default() }).unwrap();
    }
    dir
}

/// How many of all recordings, and which unended ones, a store has that is opened with these files; nothing may hang.
fn opened(dir: &Path) -> (usize, Vec<Recording>) {
    let (done, told) = channel();
    let path = dir.to_owned();
    std::thread::spawn(move || {
        let db = Db::open(&path).unwrap();
        let _ = done.send((db.page(0, 1000).unwrap().recordings.len(), db.unended().unwrap()));
    });
    told.recv_timeout(Duration::from_secs(60)).expect("it is opened")
}

fn unended() -> Vec<RecordingId> {
    (0..MADE).map(made).filter(|one| !one.state.is_final()).map(|one| one.id).collect()
}

#[test]
fn whatever_is_torn_what_has_not_ended_is_there() {
    let whole = written();
    let mut lost = 0;
    for seed in 0..40_usize {
        let torn = tempfile::tempdir().unwrap();
        copy(whole.path(), torn.path());
        let file = torn.path().join("db/db");
        let mut bytes = std::fs::read(&file).unwrap();
        // Anywhere, and the same each time.
        let place = |n: usize| (seed * 8 + n + 1) * 7_368_787 % bytes.len();
        let (at, flipped) = (place(0), (0..8).map(place).collect::<Vec<_>>());
        match seed % 3 {
            0 => bytes.truncate(at),
            1 => bytes[at..].fill(0),
            _ => flipped.into_iter().for_each(|at| bytes[at] ^= 0x55),
        }
        std::fs::write(&file, bytes).unwrap();
        let (all, mut there) = opened(torn.path());
        there.sort_by(|a, b| a.id.cmp(&b.id));
        let ids: Vec<_> = there.iter().map(|one| one.id.clone()).collect();
        assert_eq!(ids, unended(), "seed {seed}");
        lost += MADE - all;
    }
    assert!(lost > 0, "something was torn");
}

#[test]
fn a_store_that_cannot_be_read_is_set_aside_and_what_has_not_ended_is_there() {
    let dir = written();
    std::fs::write(dir.path().join("db/conf"), b"\0\x01nonsense").unwrap();
    let bytes = std::fs::read(dir.path().join("db/db")).unwrap();
    let (all, there) = opened(dir.path());
    assert_eq!((all, there.len()), (unended().len(), unended().len()));
    let names = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path());
    let aside = names.into_iter().find(|path| path.to_string_lossy().contains("db.broken-")).expect("it is set aside");
    assert_eq!(std::fs::read(aside.join("db")).unwrap(), bytes, "with its bytes");
}

#[test]
fn the_copy_goes_with_its_recording() {
    let dir = tempfile::tempdir().unwrap();
    let db = Db::open(dir.path()).unwrap();
    let (one, other) = (made(1), made(2));
    db.commit(Change { recordings: &[&one, &other], ..Change::default() }).unwrap();
    assert_eq!(db.copies.list().unwrap().len(), 2);
    let ended = Recording { state: made(0).state, ..one };
    db.commit(Change { recordings: &[&ended], forgotten: &[&other], ..Change::default() }).unwrap();
    assert_eq!(db.copies.list().unwrap(), []);
}
