//! Who is heard, with hysteresis: the picture must not flicker because two people talk.

use std::time::{Duration, Instant};

use crate::ids::ParticipantId;

/// There are never two switches within this time.
const HOLD: Duration = Duration::from_secs(1);
/// While the current speaker talks, a newcomer must be louder for this long without a break.
const LOUDER: Duration = Duration::from_millis(1500);

/// The one who is heard. Fed with the merged list of those who speak now; keeps the last one in silence.
#[derive(Clone, Debug, Default)]
pub struct ActiveSpeaker {
    current: Option<ParticipantId>,
    switched_at: Option<Instant>,
    speakers: Vec<(ParticipantId, f32)>,
    contenders: Vec<Contender>,
}

/// Someone louder than the current speaker, without a break since an instant.
#[derive(Clone, Debug)]
struct Contender {
    id: ParticipantId,
    level: f32,
    since: Instant,
}

impl ActiveSpeaker {
    /// Nobody has spoken yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The last one who was chosen and has not left.
    pub fn current(&self) -> Option<&ParticipantId> {
        self.current.as_ref()
    }

    /// Everybody who speaks now with their level (LiveKit's `SpeakerInfo.level`, 0 to 1), deltas merged by the caller.
    /// `Some` with the new speaker when that makes a switch.
    pub fn handle(&mut self, speakers: &[(ParticipantId, f32)], now: Instant) -> Option<ParticipantId> {
        self.speakers = speakers.to_vec();
        self.evaluate(now)
    }

    /// To be called at [`poll_timeout`](Self::poll_timeout). `Some` with the new speaker when that makes a switch.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<ParticipantId> {
        self.evaluate(now)
    }

    /// When [`handle_timeout`](Self::handle_timeout) must be called, if nothing else is heard; may lie in the past.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.contenders.iter().map(|c| self.due(c)).min()
    }

    /// This participant left. If it was the current speaker, nobody is until the next switch: another who is speaking
    /// becomes due as after any switch, see [`poll_timeout`](Self::poll_timeout).
    pub fn forget(&mut self, id: &ParticipantId) {
        self.speakers.retain(|(speaker, _)| speaker != id);
        self.contenders.retain(|contender| contender.id != *id);
        if self.current.as_ref() == Some(id) {
            self.current = None;
        }
    }

    fn evaluate(&mut self, now: Instant) -> Option<ParticipantId> {
        self.contenders = self.louder_than_current(now);
        let ready = self.contenders.iter().filter(|c| self.due(c) <= now);
        let winner = ready.reduce(|best, c| if c.level > best.level { c } else { best })?.id.clone();
        self.current = Some(winner.clone());
        self.switched_at = Some(now);
        self.contenders = self.louder_than_current(now);
        Some(winner)
    }

    /// Those who are louder now; those who were already keep the instant since when.
    fn louder_than_current(&self, now: Instant) -> Vec<Contender> {
        let current = self.current_level();
        let louder = self
            .speakers
            .iter()
            .filter(|(id, level)| self.current.as_ref() != Some(id) && current.is_none_or(|current| *level > current));
        louder
            .map(|(id, level)| {
                let before = self.contenders.iter().find(|c| c.id == *id);
                Contender { id: id.clone(), level: *level, since: before.map_or(now, |c| c.since) }
            })
            .collect()
    }

    /// `None` in silence.
    fn current_level(&self) -> Option<f32> {
        let current = self.current.as_ref()?;
        self.speakers.iter().find(|(id, _)| id == current).map(|(_, level)| *level)
    }

    fn due(&self, contender: &Contender) -> Instant {
        let wait = if self.current_level().is_some() { LOUDER } else { Duration::ZERO };
        let free = self.switched_at.map_or(contender.since, |at| at + HOLD);
        free.max(contender.since + wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Drives the machine in milliseconds, with one-letter names; every due timeout is served first, as a driver does.
    struct Trial {
        speaker: ActiveSpeaker,
        start: Instant,
        switches: Vec<(u64, String)>,
    }

    impl Trial {
        fn new() -> Self {
            Self { speaker: ActiveSpeaker::new(), start: Instant::now(), switches: Vec::new() }
        }

        fn at(&self, ms: u64) -> Instant {
            self.start + Duration::from_millis(ms)
        }

        fn until(&mut self, ms: u64) {
            while let Some(due) = self.speaker.poll_timeout().filter(|due| *due <= self.at(ms)) {
                let due = due.max(self.start);
                let switch = self.speaker.handle_timeout(due);
                self.note(due, switch);
            }
        }

        fn hear(&mut self, ms: u64, speakers: &[(&str, f32)]) {
            self.until(ms);
            let speakers: Vec<_> = speakers.iter().map(|(id, level)| (ParticipantId::new(*id), *level)).collect();
            let switch = self.speaker.handle(&speakers, self.at(ms));
            self.note(self.at(ms), switch);
        }

        fn note(&mut self, at: Instant, switch: Option<ParticipantId>) {
            let ms = (at - self.start).as_millis() as u64;
            self.switches.extend(switch.map(|id| (ms, id.as_str().to_owned())));
        }

        fn switched(&self) -> Vec<(u64, &str)> {
            self.switches.iter().map(|(ms, id)| (*ms, id.as_str())).collect()
        }
    }

    #[test]
    fn the_first_voice_is_chosen_at_once_and_kept_in_silence() {
        let mut t = Trial::new();
        t.hear(0, &[]);
        t.hear(400, &[("a", 0.1), ("b", 0.3)]);
        t.hear(800, &[]);
        t.until(60_000);
        assert_eq!(t.switched(), [(400, "b")]);
        assert_eq!(t.speaker.current().map(ParticipantId::as_str), Some("b"));
    }

    #[test]
    fn an_answer_to_silence_switches_at_once() {
        let mut t = Trial::new();
        t.hear(0, &[("a", 0.5)]);
        t.hear(3000, &[("b", 0.01)]);
        assert_eq!(t.switched(), [(0, "a"), (3000, "b")]);
    }

    #[test]
    fn an_answer_within_the_hold_waits_for_its_end() {
        let mut t = Trial::new();
        t.hear(0, &[("a", 0.5)]);
        t.hear(300, &[("b", 0.5)]);
        assert_eq!(t.speaker.poll_timeout(), Some(t.at(1000)));
        t.until(2000);
        assert_eq!(t.switched(), [(0, "a"), (1000, "b")]);
    }

    #[test]
    fn whoever_talks_into_a_speech_must_be_louder_for_a_while() {
        let mut t = Trial::new();
        t.hear(0, &[("a", 0.5)]);
        t.hear(2000, &[("a", 0.5), ("b", 0.6)]);
        t.hear(3400, &[("a", 0.7), ("b", 0.6)]);
        t.hear(3800, &[("a", 0.5), ("b", 0.6)]);
        t.hear(5000, &[("a", 0.5), ("b", 0.8)]);
        assert_eq!(t.switched(), [(0, "a")]);
        t.until(9000);
        assert_eq!(t.switched(), [(0, "a"), (5300, "b")]);
        assert_eq!(t.speaker.poll_timeout(), None);
    }

    #[test]
    fn a_third_voice_does_not_restart_the_wait_of_the_second() {
        let mut t = Trial::new();
        t.hear(0, &[("a", 0.5)]);
        t.hear(2000, &[("a", 0.5), ("b", 0.6)]);
        t.hear(3000, &[("a", 0.5), ("b", 0.6), ("c", 0.9)]);
        t.until(3600);
        assert_eq!(t.switched(), [(0, "a"), (3500, "b")]);
    }

    #[test]
    fn never_two_switches_within_a_second() {
        let mut t = Trial::new();
        for (i, id) in ["a", "b", "c", "d", "a", "c", "b", "d"].iter().cycle().take(80).enumerate() {
            t.hear(i as u64 * 130, &[(id, 0.5)]);
        }
        assert!(t.switches.len() > 5);
        assert!(t.switches.windows(2).all(|w| w[1].0 - w[0].0 >= 1000), "{:?}", t.switches);
    }

    #[test]
    fn who_left_is_forgotten_and_another_takes_over() {
        let mut t = Trial::new();
        t.hear(0, &[("a", 0.5)]);
        t.hear(200, &[("a", 0.5), ("b", 0.2)]);
        t.speaker.forget(&ParticipantId::new("a"));
        assert_eq!(t.speaker.current(), None);
        t.hear(400, &[("b", 0.2)]);
        t.until(5000);
        assert_eq!(t.switched(), [(0, "a"), (1000, "b")]);
        t.speaker.forget(&ParticipantId::new("b"));
        assert_eq!((t.speaker.current(), t.speaker.poll_timeout()), (None, None));
    }
}
