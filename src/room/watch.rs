//! Pure. Whether media reaches us: when the path has fallen silent, and the times in which nothing could be recorded.
//!
//! The path is more than ICE: any datagram of the server (RTP, RTCP, the answer to a check) proves it, and the server has
//! something to send each second. A hole is a time without media though somebody who is not muted was wanted.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use crate::ids::TrackId;

/// Nothing at all from the server for this long, and the path is taken for cut. Checks go out each second.
pub(super) const SILENCE: Duration = Duration::from_secs(2);
/// A new session has this long for ICE and DTLS.
const CONNECTING: Duration = Duration::from_secs(4);
/// A server whose media never reaches us is given up after this long.
const NEVER: Duration = Duration::from_secs(20);
/// What is shorter is the ordinary pause between two packets.
const SHORTEST: Duration = Duration::from_millis(100);
/// A pause of all media with packets missing at its end: they were lost on the way.
const LOSS: Duration = Duration::from_millis(500);
/// A hole is reported as soon as the path is taken for cut, and again this often while it lasts, so that whoever is killed meanwhile leaves the truth.
const AGAIN: Duration = Duration::from_secs(1);

/// A time without media.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hole {
    pub from: Instant,
    pub to: Instant,
    pub why: String,
}

/// What a timeout means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// The path has fallen silent. `since` is the newest sign of the server.
    Silent { since: Instant },
    /// No media has ever reached us.
    Never,
    /// A hole that goes on.
    Hole(Hole),
}

/// Watches the media of one room over all its sessions.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// The newest sign of the server in this session, or the moment from which one is due.
    heard: Option<Instant>,
    /// There has been a sign in this session.
    connected: bool,
    /// ICE and DTLS are up since the server began ICE. Before that a server may answer our checks for ever and yet send nothing, because it has
    /// given up its own.
    established: bool,
    /// From when on they are waited for.
    begun: Option<Instant>,
    /// There has been one in any session.
    ever: bool,
    /// Since when one is due, in the first session.
    due: Option<Instant>,
    silent: bool,
    /// The newest unit of any track.
    media: Option<Instant>,
    /// Since when somebody is to be recorded.
    wanting: Option<Instant>,
    /// Why no media can come.
    down: Option<String>,
    open: Option<Open>,
    /// Tracks of which something has come since the last hole.
    since: HashSet<TrackId>,
}

#[derive(Debug)]
struct Open {
    from: Instant,
    /// When it is reported next.
    report_at: Instant,
}

impl Watch {
    /// From now on the server is due to send: it has our answer, or we want something.
    pub fn due(&mut self, now: Instant) {
        self.heard.get_or_insert(now);
        self.begun.get_or_insert(now);
        self.due.get_or_insert(now);
    }

    /// The server's newest datagram came at `at`.
    pub fn heard(&mut self, at: Instant) {
        // What is known already proves nothing new.
        if self.connected && self.heard.is_some_and(|heard| at <= heard) {
            return;
        }
        self.heard = Some(at);
        (self.connected, self.ever) = (true, true);
        if self.silent && self.established {
            self.silent = false;
            // Nobody was missed meanwhile.
            if self.open.is_none() {
                self.down = None;
            }
        }
    }

    /// ICE and DTLS are up.
    pub fn established(&mut self, now: Instant) {
        self.established = true;
        self.heard(now);
    }

    /// The server begins ICE anew in the same session. Its answers to our checks bring no media before it has chosen a path.
    pub fn ice_begins(&mut self, now: Instant) {
        if self.begun.is_some() {
            (self.established, self.begun) = (false, Some(now));
        }
    }

    /// A unit of any track.
    pub fn media(&mut self, at: Instant, contiguous: bool) -> Option<Hole> {
        self.established = true;
        self.heard(at);
        let before = self.media.replace(at);
        let down = self.down.take();
        match (self.open.take(), before, self.wanting) {
            (Some(Open { from, .. }), _, _) => hole(from, at, SHORTEST, down.unwrap_or_default()),
            (None, Some(before), Some(wanting)) if !contiguous => {
                hole(before.max(wanting), at, LOSS, "packets of all participants were lost on the network".to_owned())
            }
            (None, _, _) => None,
        }
    }

    /// How many of the packets missing before a unit are this track's own loss: what everybody lacks is a hole. `hole`: one ends with it.
    pub fn own_loss(&mut self, track: &TrackId, missing: u32, hole: bool) -> u32 {
        if hole {
            self.since.clear();
        }
        if self.since.insert(track.clone()) { 0 } else { missing }
    }

    /// Whether somebody who is not muted is to be recorded.
    pub fn wanting(&mut self, wanting: bool, now: Instant) -> Option<Hole> {
        if !wanting {
            self.wanting = None;
            let open = self.open.take()?;
            return hole(open.from, now, SHORTEST, self.down.clone().unwrap_or_default());
        }
        self.wanting.get_or_insert(now);
        self.due(now);
        self.open(now);
        None
    }

    /// Media cannot come for now: the path is silent, or the session is another one.
    pub fn down(&mut self, why: &str, now: Instant) {
        self.down.get_or_insert_with(|| why.to_owned());
        self.open(now);
    }

    /// A new session has taken the place of the old one.
    pub fn anew(&mut self, why: &str, now: Instant) {
        (self.heard, self.connected, self.silent) = (None, false, false);
        (self.established, self.begun) = (false, None);
        if self.wanting.is_some() {
            self.down(why, now);
            self.due(now);
        } else {
            self.down = None;
        }
    }

    fn open(&mut self, now: Instant) {
        if let (Some(wanting), Some(_), None) = (self.wanting, &self.down, &self.open) {
            let from = self.media.map_or(wanting, |media| media.max(wanting));
            self.open = Some(Open { from, report_at: now.max(from + SILENCE) });
        }
    }

    /// The server is heard.
    pub fn flows(&self, now: Instant) -> bool {
        self.established && self.heard.is_some_and(|heard| now < heard + SILENCE)
    }

    /// There has been a sign of the server on the media path.
    pub fn connected(&self) -> bool {
        self.connected
    }

    /// The path has fallen silent, and nothing has come since.
    pub fn silent(&self) -> bool {
        self.silent
    }

    /// The newest one.
    pub fn newest(&self) -> Option<Instant> {
        self.heard.filter(|_| self.connected)
    }

    /// When to look again.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let silence = self.heard.filter(|_| !self.silent).map(|heard| heard + self.timeout());
        let never = self.due.filter(|_| !self.ever).map(|due| due + NEVER);
        let again = self.open.as_ref().map(|open| open.report_at);
        let connecting = self.begun.filter(|_| !self.silent && !self.established).map(|begun| begun + CONNECTING);
        [silence, connecting, never, again].into_iter().flatten().min()
    }

    fn timeout(&self) -> Duration {
        if self.connected { SILENCE } else { CONNECTING }
    }

    /// What is to be said at `now`; asked again until there is nothing.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<Said> {
        if !self.ever && self.due.is_some_and(|due| now >= due + NEVER) {
            self.due = None;
            return Some(Said::Never);
        }
        if let Some(heard) = self.heard.filter(|heard| !self.silent && now >= *heard + self.timeout()) {
            self.silent = true;
            return Some(Said::Silent { since: heard });
        }
        if let Some(begun) = self.begun.filter(|begun| !self.silent && !self.established && now >= *begun + CONNECTING)
        {
            self.silent = true;
            return Some(Said::Silent { since: begun });
        }
        let open = self.open.as_mut().filter(|open| now >= open.report_at)?;
        open.report_at = now + AGAIN;
        hole(open.from, now, SHORTEST, self.down.clone().unwrap_or_default()).map(Said::Hole)
    }

    /// We leave: the hole that has not ended, also one that was too young to be noticed.
    pub fn finish(&mut self, now: Instant) -> Option<Hole> {
        if self.heard.is_some_and(|heard| now >= heard + LOSS * 2)
            && self.media.is_some_and(|media| now >= media + LOSS)
        {
            self.down("nothing came from the server at the end", now);
        }
        let open = self.open.take()?;
        hole(open.from, now, SHORTEST, self.down.take().unwrap_or_default())
    }
}

fn hole(from: Instant, to: Instant, least: Duration, why: String) -> Option<Hole> {
    (to.saturating_duration_since(from) >= least).then_some(Hole { from, to, why })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn a_server_that_answers_checks_and_sends_nothing_is_no_path() {
        let t0 = Instant::now() + ms(60_000);
        let mut watch = flowing(t0);
        watch.anew("the session is another one", t0);
        watch.due(t0);
        let mut said = Vec::new();
        for n in 0..60 {
            let now = t0 + ms(100 * n);
            watch.heard(now);
            said.extend(watch.handle_timeout(now).map(|said| (n, said)));
        }
        said.retain(|(_, said)| !matches!(said, Said::Hole(_)));
        assert_eq!(said, [(40, Said::Silent { since: t0 })]);
        assert!(watch.silent() && !watch.flows(t0 + ms(6000)), "also when it answers on");
        watch.established(t0 + ms(6000));
        assert!(!watch.silent() && watch.flows(t0 + ms(6000)));
    }

    #[test]
    fn ice_that_is_begun_anew_and_only_answers_is_no_path_either() {
        let t0 = Instant::now() + ms(60_000);
        let mut watch = flowing(t0);
        assert!(matches!(watch.handle_timeout(t0 + SILENCE), Some(Said::Silent { .. })));
        watch.ice_begins(t0 + ms(3000));
        watch.heard(t0 + ms(3500));
        assert!(watch.silent() && !watch.flows(t0 + ms(3500)));
        watch.established(t0 + ms(4000));
        assert!(!watch.silent() && watch.flows(t0 + ms(4000)));
        // After a resume while media flows: it goes on, or it is noticed.
        watch.ice_begins(t0 + ms(5000));
        assert_eq!(watch.media(t0 + ms(5020), true), None);
        assert!(watch.flows(t0 + ms(5030)));
        watch.ice_begins(t0 + ms(6000));
        watch.heard(t0 + ms(9900));
        assert_eq!(watch.handle_timeout(t0 + ms(10_000)), Some(Said::Silent { since: t0 + ms(6000) }));
    }

    /// Connected, with somebody to record, and media up to `t0`.
    fn flowing(t0: Instant) -> Watch {
        let mut watch = Watch::default();
        watch.due(t0 - ms(5000));
        assert_eq!(watch.wanting(true, t0 - ms(5000)), None);
        assert_eq!(watch.media(t0 - ms(20), true), None);
        assert_eq!(watch.media(t0, true), None);
        watch
    }

    #[test]
    fn a_cut_path_is_noticed_and_its_hole_is_exact() {
        let t0 = Instant::now() + ms(60_000);
        let mut watch = flowing(t0);
        assert_eq!(watch.poll_timeout(), Some(t0 + SILENCE));
        assert_eq!(watch.handle_timeout(t0 + SILENCE - ms(1)), None);
        assert_eq!(watch.handle_timeout(t0 + SILENCE), Some(Said::Silent { since: t0 }));
        watch.heard(t0);
        assert_eq!(watch.handle_timeout(t0 + SILENCE), None, "said once, and nothing has come since");
        assert!(watch.silent());
        watch.down("cut", t0 + SILENCE);
        // Who is killed in the midst of it has told all but the last second.
        let again = t0 + SILENCE + AGAIN;
        for to in [t0 + SILENCE, again] {
            assert_eq!(watch.poll_timeout(), Some(to));
            let lasting = Said::Hole(Hole { from: t0, to, why: "cut".into() });
            assert_eq!((watch.handle_timeout(to), watch.handle_timeout(to)), (Some(lasting), None));
        }
        // A check is answered: the path is back, and the hole lasts until there is sound.
        watch.heard(again + ms(500));
        assert!(watch.flows(again + ms(501)));
        let end = again + ms(700);
        assert_eq!(watch.media(end, false), Some(Hole { from: t0, to: end, why: "cut".into() }));
        assert_eq!((watch.finish(end), watch.poll_timeout()), (None, Some(end + SILENCE)));
    }

    #[test]
    fn what_everybody_lacks_is_nobodys_own_loss() {
        let (mut watch, ann, bob) = (Watch::default(), TrackId::new("TR_ann"), TrackId::new("TR_bob"));
        assert_eq!([&ann, &bob, &ann].map(|track| watch.own_loss(track, 5, false)), [0, 0, 5]);
        assert_eq!(watch.own_loss(&ann, 90, true), 0);
        assert_eq!([&bob, &bob, &ann].map(|track| watch.own_loss(track, 90, false)), [0, 90, 90]);
    }

    #[test]
    fn nobody_is_missed_in_silence() {
        let t0 = Instant::now() + ms(60_000);
        let mut watch = flowing(t0);
        assert_eq!(watch.wanting(false, t0), None);
        assert!(matches!(watch.handle_timeout(t0 + SILENCE), Some(Said::Silent { .. })));
        watch.down("cut", t0 + SILENCE);
        // Somebody unmutes in mid-cut, and mutes again before its end.
        assert_eq!(watch.wanting(true, t0 + ms(5000)), None);
        let mute = t0 + ms(6000);
        assert_eq!(watch.wanting(false, mute), Some(Hole { from: t0 + ms(5000), to: mute, why: "cut".into() }));
        watch.heard(t0 + ms(9000));
        assert_eq!(watch.wanting(true, t0 + ms(9100)), None);
        assert_eq!(watch.media(t0 + ms(9400), true), None, "after the cut all is well");
    }

    #[test]
    fn a_pause_is_a_hole_only_when_packets_are_missing() {
        let t0 = Instant::now() + ms(60_000);
        let mut watch = flowing(t0);
        watch.heard(t0 + ms(1900));
        assert_eq!(watch.media(t0 + ms(3000), true), None, "a quiet sender");
        let lost = watch.media(t0 + ms(4000), false).unwrap();
        assert_eq!((lost.from, lost.to), (t0 + ms(3000), t0 + ms(4000)));
        assert_eq!(watch.media(t0 + ms(4200), false), None, "single packets are another matter");
    }

    #[test]
    fn a_new_session_leaves_the_gap_until_its_first_media() {
        let t0 = Instant::now() + ms(60_000);
        let mut watch = flowing(t0);
        watch.anew("moved", t0 + ms(300));
        assert!(!watch.connected() && !watch.flows(t0 + ms(300)));
        assert_eq!(watch.poll_timeout(), Some(t0 + SILENCE), "then the gap is reported");
        watch.heard(t0 + ms(500));
        let first = t0 + ms(800);
        assert_eq!(watch.media(first, true), Some(Hole { from: t0, to: first, why: "moved".into() }));
    }

    #[test]
    fn what_never_came_is_said() {
        let t0 = Instant::now();
        let mut watch = Watch::default();
        assert_eq!(watch.poll_timeout(), None, "an empty room");
        watch.due(t0);
        assert!(matches!(watch.handle_timeout(t0 + CONNECTING), Some(Said::Silent { .. })));
        assert_eq!(watch.poll_timeout(), Some(t0 + NEVER));
        assert_eq!(watch.handle_timeout(t0 + NEVER), Some(Said::Never));
        assert_eq!(watch.handle_timeout(t0 + NEVER), None);
    }

    #[test]
    fn who_leaves_in_the_middle_tells_the_rest() {
        let t0 = Instant::now() + ms(60_000);
        let mut watch = flowing(t0);
        let end = t0 + ms(1500);
        let hole = watch.finish(end).unwrap();
        assert_eq!((hole.from, hole.to), (t0, end));
        let mut watch = flowing(t0);
        assert_eq!(watch.finish(t0 + ms(400)), None);
    }
}
