//! The task that owns one room and one pipeline: packets, timers, orders.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;

use super::director::{Cause, Cut, Director, MOST_VOICES};
use super::job::{Job, Last, Reports};
use super::limits::{LimitEvent, Seen, Watcher};
use super::losses::Losses;
use super::precautions::Gate;
use super::subscription::wanted;
use super::vigil::Vigil;
use super::{Connection, Progress, metadata, sleep_until};
use crate::error::ErrorKind;
use crate::ids::{RecordingId, TrackId};
use crate::media::{Codec, Unit};
use crate::pipeline::{self, LATENCY, LEAD, Pipeline};
use crate::recording::{Container, Failure, HoleCause, Quality, Report};
use crate::room::{self, Closed, Room, Wanted};
use crate::scene::Layout;

/// How often progress is published.
const PROGRESS: Duration = Duration::from_millis(500);

pub(super) struct Driver {
    id: RecordingId,
    room: Room,
    pipeline: Pipeline,
    container: Container,
    /// Whether audio is recorded: otherwise none is subscribed to.
    audio: bool,
    /// Whether frames are.
    video: bool,
    path: PathBuf,
    events: mpsc::UnboundedReceiver<pipeline::Event>,
    director: Director,
    /// What each track is decoded as.
    attached: HashMap<TrackId, Codec>,
    wanted: Vec<Wanted>,
    vigil: Vigil,
    watcher: Watcher,
    /// The wall clock at media time zero.
    started_at: Timestamp,
    /// Something has reached the muxer.
    flowing: bool,
    progress: watch::Sender<Progress>,
    reports: Reports,
    draining: bool,
    connection: Connection,
    quality: Quality,
    start: Instant,
    losses: Losses,
    gate: Gate,
}

impl Driver {
    pub fn start(job: Job, room: Room, progress: watch::Sender<Progress>, reports: Reports) -> Result<Self, Failure> {
        let (now, wall) = (Instant::now(), Timestamp::now());
        // Recording time zero: we have joined, media is about to come. Or it was long ago, and nobody recorded since.
        let start = job.resume.as_ref().map_or(now, |resume| resume.start(wall, now));
        let (event_sender, events) = mpsc::unbounded_channel();
        let output = job.request.output;
        let mut losses = Losses::default();
        let mut watcher = Watcher::new(job.request.limits, &output, start);
        let (pipeline, started_at) = match job.resume {
            None => (Pipeline::start(&output, job.path.clone(), start, event_sender)?, wall),
            Some(resume) => {
                let so_far = u64::try_from(now.duration_since(start).as_nanos()).unwrap_or(u64::MAX);
                losses = Losses::after(resume.health(wall, so_far), so_far);
                watcher = watcher.after(resume.take.begins_at(start), pipeline::length(&job.path));
                let further = (resume.take.clone(), resume.card(wall));
                (Pipeline::resume(&output, job.path.clone(), start, further, event_sender)?, resume.started_at)
            }
        };
        Ok(Self {
            id: job.id,
            room,
            pipeline,
            container: output.container(),
            audio: output.audio().is_some(),
            video: output.video().is_some(),
            path: job.path,
            events,
            director: Director::new(output.video().map(|v| (v.layout, v.size))),
            attached: HashMap::new(),
            wanted: Vec::new(),
            vigil: Vigil::new(now),
            watcher,
            started_at,
            flowing: false,
            progress,
            reports,
            draining: false,
            connection: Connection::default(),
            quality: Quality::default(),
            start,
            losses,
            gate: Gate::new(job.precautions),
        })
    }

    pub async fn run(
        mut self,
        mut drain: watch::Receiver<bool>,
        mut layouts: mpsc::UnboundedReceiver<Layout>,
    ) -> Report {
        // First the time: whoever hears the report looks for it.
        self.publish();
        self.report(Report::Joined);
        let mut ticks = tokio::time::interval(PROGRESS);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let broke = loop {
            let timeout = self.director.poll_timeout();
            let limit = self.watcher.poll_timeout().filter(|_| !self.draining);
            tokio::select! {
                Some(event) = self.room.next() => self.room(event),
                // When there is no event any more, whoever had a last word to say is gone.
                event = self.events.recv() => match event.map_or_else(Last::silence, |event| self.pipeline(event)) {
                    None => {}
                    Some(Last::Drained { bytes, duration_ns }) => {
                        self.report_health();
                        return Report::Drained { bytes, duration_ns };
                    }
                    Some(Last::Broke(why)) => break why,
                },
                () = sleep_until(timeout) => {
                    let cut = self.director.handle_timeout(Instant::now());
                    self.show(cut);
                }
                () = sleep_until(limit) => self.watch(),
                Some(layout) = layouts.recv() => self.arrange(layout),
                // Also when the handle was dropped.
                _ = drain.wait_for(|drain| *drain), if !self.draining => self.drain(),
                _ = ticks.tick() => {
                    self.watch();
                    self.keep_vigil();
                    self.report_health();
                    self.publish();
                }
            }
        };
        self.report_health();
        self.salvage(broke).await
    }

    fn room(&mut self, event: room::Event) {
        match event {
            room::Event::Roster(roster) => {
                self.losses.roster(&roster, &self.gate, self.audio, self.video);
                let cut = self.director.handle_roster(roster, Instant::now());
                self.show(cut);
                self.watch();
            }
            room::Event::Metadata(metadata) => match metadata::layout(&metadata) {
                Some(layout) => {
                    self.arrange(layout);
                    self.report(Report::LayoutChanged(layout));
                }
                None => tracing::debug!(metadata, "metadata that means nothing to us"),
            },
            room::Event::Media { track, codec, unit } => self.media(&track, codec, unit),
            room::Event::Report { track, report } => self.pipeline.report(&track, report),
            room::Event::Refused(track, why) => {
                tracing::warn!(%track, why, "the server refuses this track");
                self.losses.track_lost(self.director.roster(), &track, &why);
                let cut = self.director.undecodable(&track);
                self.show(cut);
            }
            room::Event::Reconnecting(why) => self.connection(Connection::Lost(why)),
            room::Event::Resumed => self.connection(Connection::Resumed),
            room::Event::Rejoined => {
                self.connection(Connection::Rejoined);
                self.director.begin_anew();
                for (track, _) in self.attached.drain() {
                    self.pipeline.detach(&track);
                }
            }
            room::Event::Hole { from, to, why, lasts } => {
                let (from, to) = (self.media_time(from), self.media_time(to));
                if !lasts {
                    tracing::warn!(from_ns = from, to_ns = to, why, "no media came from the server");
                }
                self.losses.health.hole(from, to, HoleCause::Connection, &why);
            }
            room::Event::Closed(Closed::Left) => {}
            room::Event::Closed(Closed::Ended(why)) => {
                self.report(Report::RoomClosed(why));
                self.drain();
            }
            room::Event::Closed(Closed::Lost(why)) => {
                self.report(Report::ConnectionLost(format!("the server is gone: {why}")));
                self.drain();
            }
        }
    }

    fn media(&mut self, track: &TrackId, codec: Codec, unit: Unit) {
        // What was on its way when we unsubscribed is not ours any more.
        let Some(wanted) = self.wanted.iter().find(|w| w.track == *track) else { return };
        if self.vigil.sent(track, Instant::now()) {
            self.losses.health.track_back(track.as_str());
        }
        let before = self.attached.get(track).copied();
        if before.is_none() && !self.gate.admits(track, Instant::now()) {
            return;
        }
        // Not before: what waits to be admitted is not heard.
        self.losses.came(self.director.roster(), track, self.media_time(Instant::now()));
        if before != Some(codec) {
            self.attached.insert(track.clone(), codec);
            if before.is_some() {
                self.pipeline.detach(track);
            }
            self.pipeline.attach(track, &wanted.participant, codec);
        }
        self.pipeline.push(track, unit);
        if before.is_some_and(|before| before != codec) {
            tracing::info!(%track, ?before, ?codec, "a track has changed its codec");
            self.room.request_keyframe(track);
            let cut = self.director.changed(track);
            self.show(cut);
        }
    }

    fn pipeline(&mut self, event: pipeline::Event) -> Option<Last> {
        match event {
            pipeline::Event::Flowing => {
                self.flowing = true;
                self.report(Report::MediaFlowing);
                self.watch();
            }
            pipeline::Event::NeedKeyframe(track) => self.room.request_keyframe(&track),
            pipeline::Event::Decoding(track) => {
                self.losses.health.track_back(track.as_str());
                let cut = self.director.decoding(&track);
                self.show(cut);
            }
            pipeline::Event::Undecodable(track, why) => {
                tracing::warn!(%track, why, "cannot be decoded");
                self.losses.track_lost(self.director.roster(), &track, &why);
                let cut = self.director.undecodable(&track);
                self.show(cut);
            }
            pipeline::Event::AudioLost { track, ns } => {
                self.losses.audio_lost(self.director.roster(), &track, ns);
            }
            pipeline::Event::Hole { from_ns, to_ns, cause, why } => {
                tracing::warn!(from_ns, to_ns, cause = cause.name(), why, "there is a hole in the recording");
                self.losses.health.hole(from_ns, to_ns, cause, &why);
            }
            pipeline::Event::QualityChanged { quality, late_ms } => self.quality_changed(quality, late_ms),
            pipeline::Event::Drained { bytes, duration_ns } => {
                self.publish();
                return Some(Last::Drained { bytes, duration_ns });
            }
            pipeline::Event::Broke(why) => return Some(Last::Broke(why)),
        }
        None
    }

    /// The file is as a kill would have left it. It may be the disk that broke: then it stays like that.
    async fn salvage(self, why: String) -> Report {
        if self.gate.leaves_broken() {
            return Report::Broke { failure: Failure::new(ErrorKind::Internal, why), salvaged: None };
        }
        let (container, path, steps) = (self.container, self.path.clone(), self.pipeline.steps());
        let mut work = tokio::task::spawn_blocking(move || pipeline::salvage(container, &path, &steps));
        let mut ticks = tokio::time::interval(PROGRESS);
        let left = loop {
            tokio::select! {
                left = &mut work => break left,
                _ = ticks.tick() => self.publish(),
            }
        };
        let (bytes, duration_ns) = match left {
            Ok(Ok(left)) => (left.media.bytes, left.media.duration_ns),
            Ok(Err(_)) | Err(_) => (self.pipeline.stats().bytes, self.pipeline.stats().duration_ns),
        };
        let salvaged = (bytes > 0 && duration_ns > 0).then_some((bytes, duration_ns));
        Report::Broke { failure: Failure::new(ErrorKind::Internal, why), salvaged }
    }

    /// Another quality from now on; everybody who looks is notified.
    fn quality_changed(&mut self, quality: Quality, late_ms: u64) {
        let before = std::mem::replace(&mut self.quality, quality);
        let (level, dropped) = (quality.name(), self.pipeline.stats().dropped);
        self.losses.quality(quality, Instant::now());
        if quality > before {
            tracing::warn!(level, late_ms, dropped, "the machine does not keep up: from now on {}", quality.words());
        } else {
            tracing::info!(level, "the machine keeps up again: from now on {}", quality.words());
        }
        let cut = self.director.set_stage_only(quality.stage_only());
        self.show(cut);
        self.publish();
    }

    /// Shows a new scene from when it was true, and wants what is now to be seen and heard.
    fn show(&mut self, cut: Option<Cut>) {
        if self.draining {
            return;
        }
        if let Some(Cut { scene, cause }) = cut {
            let late = match cause {
                Cause::Heard => LATENCY,
                Cause::Seen => LATENCY - LEAD,
                Cause::Announced => Duration::ZERO,
            };
            let now = Instant::now();
            self.pipeline.show(scene, now.checked_sub(late).unwrap_or(now));
        }
        let voices = if self.audio { self.director.voices() } else { HashSet::new() };
        if self.audio {
            self.count_unheard(&voices);
        }
        let mut now = wanted(self.director.roster(), self.director.scene(), &self.director.ahead(), &voices);
        now.retain(|wanted| !self.vigil.rests(&wanted.track) && !self.gate.excludes(&wanted.track));
        if now == self.wanted {
            return;
        }
        for gone in self.wanted.iter().filter(|w| !now.iter().any(|n| n.track == w.track)) {
            if self.attached.remove(&gone.track).is_some() {
                self.pipeline.detach(&gone.track);
            }
        }
        self.room.want(now.clone());
        self.wanted = now;
    }

    /// Whose audio is left out is reported, and that it no longer is.
    fn count_unheard(&mut self, voices: &HashSet<TrackId>) {
        let (left_out, back) = self.vigil.voices(self.director.roster(), voices);
        for track in left_out {
            self.losses.track_lost(
                self.director.roster(),
                &track,
                &format!("more than {MOST_VOICES} audio tracks at once"),
            );
        }
        back.iter().for_each(|track| self.losses.health.track_back(track.as_str()));
    }

    /// Notices what should move and does not.
    fn keep_vigil(&mut self) {
        let now = Instant::now();
        let duration = self.pipeline.stats().duration_ns;
        if let Some(change) = self.vigil.output(duration, now).filter(|_| self.flowing && !self.draining) {
            tracing::warn!("{change}");
        }
        if self.vigil.renew(self.director.undecodables(), now) {
            self.show(None);
        }
        // What does not come while the connection is lost is told apart.
        let wanted = if let Connection::Lost(_) = self.connection { &[][..] } else { &self.wanted };
        let microphones = self.vigil.microphones(self.director.roster(), wanted, now);
        let cameras = self.vigil.cameras(self.director.roster(), wanted, now);
        microphones.iter().for_each(|track| {
            self.losses.track_lost(self.director.roster(), track, "the microphone is on and has never sent anything")
        });
        for track in cameras {
            self.losses.track_lost(self.director.roster(), &track, "it is on and sends nothing");
            self.room.request_keyframe(&track);
        }
    }

    /// Another layout from now on.
    fn arrange(&mut self, layout: Layout) {
        tracing::info!(layout = layout.name(), "layout changed");
        let cut = self.director.set_layout(layout);
        self.show(cut);
    }

    /// Holds what is recorded against its limits.
    fn watch(&mut self) {
        while !self.draining {
            let stats = self.pipeline.stats();
            let waiting = Duration::from_nanos(stats.waiting_ns);
            let seen =
                Seen { flowing: self.flowing, bytes: stats.bytes, waiting, people: self.director.roster().people() };
            match self.watcher.handle(seen, Instant::now()) {
                None => return,
                Some(LimitEvent::Near(limit)) => self.report(Report::LimitNear(limit)),
                Some(LimitEvent::Hit(limit)) => {
                    self.report(Report::LimitHit(limit));
                    self.drain();
                }
                Some(LimitEvent::Deserted(time)) => {
                    self.report(Report::RoomClosed(format!("nobody was in the room for {time:?}")));
                    self.drain();
                }
            }
        }
    }

    fn drain(&mut self) {
        if !self.draining {
            self.draining = true;
            self.pipeline.drain();
            self.room.leave();
        }
    }

    /// Told at once: losing and regaining the connection may lie between two ticks.
    fn connection(&mut self, now: Connection) {
        self.connection = now;
        self.publish();
    }

    fn publish(&self) {
        let stats = self.pipeline.stats();
        let _ = self.progress.send(Progress {
            started_at: Some(self.started_at),
            duration_ns: stats.duration_ns,
            participants: self.director.roster().people(),
            speaker: self.director.speaker().map(str::to_owned),
            frames: stats.frames,
            dropped: stats.dropped,
            quality: self.quality,
            bytes: stats.bytes,
            steps: stats.steps,
            room_id: Some(self.room.sid()).filter(|sid| !sid.is_empty()).map(str::to_owned),
            connection: self.connection.clone(),
        });
    }

    /// Nanoseconds since recording time zero.
    fn media_time(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.start).as_nanos()).unwrap_or(u64::MAX)
    }

    /// Reports what is missing, when that has changed.
    fn report_health(&mut self) {
        let now = Instant::now();
        if let Some(health) = self.losses.changed(self.pipeline.stats().dropped, now, self.media_time(now)) {
            self.report(Report::Health(Box::new(health)));
        }
    }

    fn report(&self, report: Report) {
        let _ = self.reports.send((self.id.clone(), report));
    }
}
