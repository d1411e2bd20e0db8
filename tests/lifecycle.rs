//! The whole life of a recording as one table: every state × every input, held against testdata/lifecycle/transitions.md.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::fmt::Write as _;
use std::path::Path;

use greffier::error::ErrorKind;
use greffier::recording::{Command, Effect, Failure, Limit, Media, Outcome, Reason, Refused, Report, State, Step};

#[test]
fn the_table_is_the_golden_one() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/lifecycle/transitions.md");
    let table = table();
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        std::fs::write(&golden, &table).unwrap();
    }
    let wanted =
        std::fs::read_to_string(&golden).expect("testdata/lifecycle/transitions.md; UPDATE_GOLDENS=1 makes it");
    assert_eq!(wanted, table, "the lifecycle changed; if that was meant, run again with UPDATE_GOLDENS=1");
}

#[test]
fn a_final_state_stays_and_refuses() {
    for state in states().into_iter().filter(State::is_final) {
        assert!(matches!(state.command(Command::Stop), Err(Refused::Ended(_))));
        for report in reports() {
            // Nothing changes the verdict; it can only be told, removed, forgotten.
            let step = state.report(report);
            assert_eq!(step.state.outcome(), state.outcome());
            assert!(step.effects.iter().all(|e| matches!(e, Effect::Remove { .. } | Effect::Forget)), "{step:?}");
        }
    }
}

#[test]
fn no_state_is_a_dead_end() {
    // Whatever happened before, the recorder's last word and the store's lead to an end: no room can stay locked.
    for state in states() {
        let broke = state.report(Report::Broke { failure: failure(), salvaged: None }).state;
        let stored = broke.report(Report::Stored).state;
        assert!(stored.is_final(), "{state:?} → {broke:?} → {stored:?}");
    }
}

#[test]
fn the_verdict_is_decided_once() {
    let ending = State::Ending { then: Outcome::LimitReached(Limit::Duration) };
    assert_eq!(ending.command(Command::Stop).unwrap().state, ending);
    assert_eq!(ending.report(Report::RoomClosed("the room was closed".into())).state, ending);
}

fn table() -> String {
    let mut text = String::from(
        "# The life of a recording\n\nEvery state × every input; `tests/lifecycle.rs` prints this table (`UPDATE_GOLDENS=1` \
         rewrites it).\nA recording begins in ",
    );
    let Step { state, effects } = State::begin();
    writeln!(text, "{} with {}.\n", name(&state), list(&effects)).unwrap();
    text.push_str("| state | input | next | effects |\n|---|---|---|---|\n");
    for state in states() {
        for (input, command) in [("Stop", Command::Stop), ("Delete", Command::Delete { object: true })] {
            let (after, effects) = match state.command(command) {
                Ok(step) => (next(&state, &step.state), list(&step.effects)),
                Err(refused) => (format!("refused: {refused}"), String::new()),
            };
            writeln!(text, "| {} | {input} | {after} | {effects} |", name(&state)).unwrap();
        }
        for report in reports() {
            let input = input(&report);
            let step = state.report(report);
            let (after, effects) = (next(&state, &step.state), list(&step.effects));
            writeln!(text, "| {} | {input} | {after} | {effects} |", name(&state)).unwrap();
        }
    }
    text
}

fn failure() -> Failure {
    Failure::new(ErrorKind::Internal, "f")
}

fn states() -> Vec<State> {
    let media = Media { bytes: 7, duration_ns: 5 };
    let verdicts = [
        Outcome::Complete(Reason::Stopped),
        Outcome::Complete(Reason::RoomClosed("r".into())),
        Outcome::LimitReached(Limit::Duration),
    ];
    let mut states = vec![State::Starting, State::Active];
    states.extend(verdicts.iter().cloned().map(|then| State::Ending { then }));
    let cut_short = Outcome::CutShort(failure());
    states.extend(verdicts.iter().cloned().chain([cut_short]).map(|then| State::Saving { then, media }));
    states.extend(
        [
            Outcome::Complete(Reason::Stopped),
            Outcome::LimitReached(Limit::Duration),
            Outcome::CutShort(failure()),
            Outcome::Aborted(Reason::Stopped),
            Outcome::Failed(failure()),
        ]
        .map(State::Ended),
    );
    states.push(State::Notified(Outcome::Complete(Reason::Stopped)));
    states.push(State::Removing { outcome: Outcome::Complete(Reason::Stopped), object: true });
    states
}

fn reports() -> Vec<Report> {
    vec![
        Report::Joined,
        Report::MediaFlowing,
        Report::RoomClosed("r".into()),
        Report::ConnectionLost("r".into()),
        Report::LayoutChanged(greffier::scene::Layout::from_name("grid")),
        Report::LimitNear(Limit::Duration),
        Report::LimitHit(Limit::Duration),
        Report::DiskLow("r".into()),
        Report::Drained { bytes: 7, duration_ns: 5 },
        Report::Drained { bytes: 7, duration_ns: 0 },
        Report::Broke { failure: failure(), salvaged: Some((7, 0)) },
        Report::Broke { failure: failure(), salvaged: None },
        Report::Stored,
        Report::StoreLost(failure()),
        Report::TakenOver("s".into()),
        Report::Notified,
        Report::Expired,
        Report::Removed,
    ]
}

fn input(report: &Report) -> String {
    match report {
        Report::Joined => "Joined".into(),
        Report::MediaFlowing => "MediaFlowing".into(),
        Report::Health(_) => "Health".into(),
        Report::LayoutChanged(_) => "LayoutChanged".into(),
        Report::GaveUp(what) => format!("GaveUp({what})"),
        Report::RoomClosed(why) => format!("RoomClosed({why})"),
        Report::ConnectionLost(why) => format!("ConnectionLost({why})"),
        Report::LimitNear(limit) => format!("LimitNear({limit:?})"),
        Report::LimitHit(limit) => format!("LimitHit({limit:?})"),
        Report::DiskLow(why) => format!("DiskLow({why})"),
        Report::Drained { duration_ns: 0, .. } => "Drained, no media".into(),
        Report::Drained { .. } => "Drained, a file".into(),
        Report::Broke { salvaged: Some(_), .. } => "Broke, a file".into(),
        Report::Broke { salvaged: None, .. } => "Broke, none".into(),
        Report::Stored => "Stored".into(),
        Report::StoreLost(_) => "StoreLost(f)".into(),
        Report::TakenOver(by) => format!("TakenOver({by})"),
        Report::Notified => "Notified".into(),
        Report::Expired => "Expired".into(),
        Report::Removed => "Removed".into(),
    }
}

fn name(state: &State) -> String {
    match state {
        State::Starting => "Starting".into(),
        State::Active => "Active".into(),
        State::Ending { then } => format!("Ending({})", outcome(then)),
        State::Saving { then, .. } => format!("Saving({})", outcome(then)),
        State::Ended(then) => format!("Ended({})", outcome(then)),
        State::Notified(then) => format!("Notified({})", outcome(then)),
        State::Removing { outcome: was, .. } => format!("Removing({})", outcome(was)),
    }
}

fn outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Complete(reason) => format!("Complete: {reason}"),
        Outcome::LimitReached(limit) => format!("LimitReached: {limit:?}"),
        Outcome::CutShort(failure) => format!("CutShort: {failure}"),
        Outcome::Aborted(reason) => format!("Aborted: {reason}"),
        Outcome::Failed(failure) => format!("Failed: {failure}"),
    }
}

fn next(before: &State, after: &State) -> String {
    if before == after { "the same".into() } else { name(after) }
}

fn list(effects: &[Effect]) -> String {
    let names = effects.iter().map(|effect| match effect {
        Effect::Record => "Record".to_owned(),
        Effect::Drain => "Drain".to_owned(),
        Effect::Seal(_) => "Seal".to_owned(),
        Effect::Free => "Free".to_owned(),
        Effect::Discard => "Discard".to_owned(),
        Effect::Forget => "Forget".to_owned(),
        Effect::Upload => "Upload".to_owned(),
        Effect::Remove { object } => format!("Remove({})", if *object { "with object" } else { "row only" }),
        Effect::Notify(event) => format!("Tell({})", event.name()),
    });
    names.collect::<Vec<_>>().join(", ")
}
