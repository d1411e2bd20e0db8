//! What is said of a run in one line, and of many at their end.

use std::fmt;

use crate::film::{holes, zero_of};
use crate::plan::{Fault, Plan};
use crate::play::Story;
use crate::watch::rejoined;

/// One run.
pub struct Run {
    pub plan: Plan,
    /// What was wrong; one line each.
    pub wrong: Vec<String>,
    /// Kills of sidecar or recorder while something was recorded, and how many of them every recording survived.
    pub kills: usize,
    pub survived: usize,
    /// Seconds of each hole that says that a process had ended, beyond those in which the sidecar was not there.
    pub lost: Vec<f64>,
    /// Seconds of all holes.
    pub missing: f64,
    /// How many holes.
    pub holes: usize,
    /// Seconds from when the sidecar was back, or the recorder was killed, until more of the recording was seen.
    pub rejoined: Vec<f64>,
}

impl Run {
    /// Of what happened, if it could be played to its end.
    pub fn of(plan: &Plan, story: Option<&Story>, wrong: Vec<String>) -> Self {
        let mut run = Self {
            plan: plan.clone(),
            wrong,
            kills: 0,
            survived: 0,
            lost: vec![],
            missing: 0.0,
            holes: 0,
            rejoined: vec![],
        };
        let Some(story) = story else { return run };
        for item in &story.items {
            for hole in holes(item) {
                run.holes += 1;
                run.missing += hole.to - hole.from;
                let (from, to) = (zero_of(item) + hole.from, zero_of(item) + hole.to);
                let away: f64 = story.away.iter().map(|(gone, back)| (back.min(to) - gone.max(from)).max(0.0)).sum();
                run.lost.extend(Some(to - from - away).filter(|_| hole.cause == "interrupted"));
            }
        }
        let well =
            |nth: &usize| story.items.get(*nth).is_some_and(|item| item["error"].is_null() && !item["size"].is_null());
        for (at, met) in &story.kills {
            run.kills += 1;
            run.survived += usize::from(met.iter().all(well));
            // A recorder's successor begins at once; a sidecar's recordings wait for it.
            let killed =
                plan.has(|fault| matches!(fault, Fault::KillSidecar)) && story.away.iter().any(|(from, _)| from == at);
            let back = if killed {
                story.away.iter().find(|(from, _)| from == at).map_or(*at, |(_, back)| *back)
            } else {
                *at
            };
            run.rejoined.extend(met.iter().filter_map(|nth| rejoined(&story.watch, *nth, *at, back)));
        }
        run
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.wrong.is_empty() { "ok" } else { "FAILED" };
        let kinds: Vec<_> = self.plan.rooms.iter().map(|room| format!("{:?}", room.kind).to_lowercase()).collect();
        write!(
            f,
            "seed {}: {} ({}); {}; kills survived {}/{}; {:.1} s missing in {} holes; {verdict}",
            self.plan.seed,
            kinds.join("+"),
            self.plan.on_sigterm.name(),
            self.plan.words(),
            self.survived,
            self.kills,
            self.missing,
            self.holes,
        )
    }
}

/// All runs.
pub fn summary(runs: &[Run]) -> String {
    let failed = runs.iter().filter(|run| !run.wrong.is_empty()).count();
    let (kills, survived) = runs.iter().fold((0, 0), |sum, run| (sum.0 + run.kills, sum.1 + run.survived));
    let lost = spread(runs.iter().flat_map(|run| run.lost.clone()).collect());
    let rejoined = spread(runs.iter().flat_map(|run| run.rejoined.clone()).collect());
    format!(
        "{} runs, {failed} failed; kills survived {survived}/{kills}; lost by an interruption, beyond the outage, {lost}; rejoined after {rejoined}",
        runs.len()
    )
}

/// Median and maximum.
fn spread(mut seconds: Vec<f64>) -> String {
    seconds.sort_by(f64::total_cmp);
    match (seconds.get(seconds.len() / 2), seconds.last()) {
        (Some(median), Some(most)) => format!("{median:.2} s (median of {}), {most:.2} s at most", seconds.len()),
        (_, None) | (None, _) => "–".to_owned(),
    }
}
