//! Pure. The figures in OpenMetrics' text format: LiveKit Egress' names where one has a meaning here, and ours.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::tally::{Tally, kind};
use crate::api::RestStatus;
use crate::recording::{Job, Quality, Recording};

/// What is told.
#[derive(Debug)]
pub struct Snapshot<'a> {
    /// Nothing runs here.
    pub idle: bool,
    /// One more with a picture may begin.
    pub accepts: bool,
    /// We are about to end.
    pub closing: bool,
    /// Of the machine that is in use, from 0 to 1.
    pub load: f64,
    /// Recordings that are known.
    pub count: usize,
    /// The newest of them.
    pub recordings: &'a [Recording],
    /// How much is done for the frames of those that run.
    pub qualities: &'a [Quality],
    /// Work that waits.
    pub jobs: &'a [Job],
    /// What was counted.
    pub tally: &'a Tally,
}

type Labels = Vec<(&'static str, String)>;
type Decimal = Gauge<f64, AtomicU64>;

/// As Prometheus reads it.
pub fn text(facts: &Snapshot) -> String {
    let mut registry = Registry::default();
    let figure = |registry: &mut Registry, name: &str, help: &str, yes: bool| {
        let gauge: Gauge = Gauge::default();
        gauge.set(i64::from(yes));
        registry.register(name, help, gauge);
    };
    figure(&mut registry, "livekit_egress_available", "1 when nothing is recorded here", facts.idle);
    figure(&mut registry, "livekit_egress_can_accept_request", "1 when one more room fits", facts.accepts);
    figure(&mut registry, "livekit_egress_is_disabled", "1 when nothing more is accepted", facts.closing);
    figure(&mut registry, "livekit_egress_is_terminating", "1 when it is about to end", facts.closing);

    let load = Family::<Labels, Decimal>::default();
    load.get_or_create(&vec![("node_type", "EGRESS".to_owned())]).set(facts.load);
    registry.register("livekit_node_cpu_load", "Share of the machine that is in use, 0 to 1", load);

    let requests = Family::<Labels, Gauge>::default();
    requests.get_or_create(&vec![("type", "room_composite".to_owned())]).set(0);
    for recording in facts.recordings.iter().filter(|recording| recording.state.outcome().is_none()) {
        requests.get_or_create(&vec![("type", kind(recording).to_owned())]).inc();
    }
    registry.register("livekit_egress_requests", "Recordings that have not ended", requests);

    let results = Family::<Labels, Counter>::default();
    for (kind, result, count) in facts.tally.results() {
        results.get_or_create(&vec![("type", kind.to_owned()), ("result", result.to_owned())]).inc_by(count);
    }
    registry.register("livekit_egress_handler_results", "Recordings that ended since the start", results);

    let states = Family::<Labels, Gauge>::default();
    for recording in facts.recordings {
        states.get_or_create(&vec![("state", RestStatus::of(recording).name().to_owned())]).inc();
    }
    registry.register("greffier_recordings", "The newest 1000 recordings, by status", states);
    let known: Gauge = Gauge::default();
    known.set(i64::try_from(facts.count).unwrap_or(i64::MAX));
    registry.register("greffier_recordings_known", "Recordings in the store", known);

    let degraded = Family::<Labels, Gauge>::default();
    for quality in Quality::ALL.iter().filter(|quality| **quality != Quality::Full) {
        let count = facts.qualities.iter().filter(|one| *one == quality).count();
        let gauge = degraded.get_or_create(&vec![("level", quality.name().to_owned())]);
        gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
    }
    registry.register("greffier_recordings_degraded", "Those for which the machine does not keep up", degraded);

    let jobs = Family::<Labels, Gauge>::default();
    jobs.get_or_create(&vec![("lane", "object".to_owned())]).set(0);
    let tried = Family::<Labels, Gauge>::default();
    tried.get_or_create(&vec![("lane", "object".to_owned())]).set(0);
    for job in facts.jobs {
        let queue = vec![("lane", queue(job))];
        jobs.get_or_create(&queue).inc();
        tried.get_or_create(&queue).inc_by(i64::from(job.attempts > 0));
    }
    registry.register("greffier_outbox_jobs", "Uploads and messages that wait", jobs);
    registry.register("greffier_outbox_jobs_failing", "Those of them that were tried in vain", tried);

    let media: Counter<f64, AtomicU64> = Counter::default();
    media.inc_by(facts.tally.media_seconds());
    registry.register("greffier_media_seconds", "Length of what was recorded since the start", media);
    let holes: Counter<f64, AtomicU64> = Counter::default();
    holes.inc_by(facts.tally.hole_seconds());
    registry.register("greffier_hole_seconds", "Times without media in it, since the start", holes);
    let lost: Counter<f64, AtomicU64> = Counter::default();
    lost.inc_by(facts.tally.lost_audio_seconds());
    registry.register(
        "greffier_lost_audio_seconds",
        "Audio of participants that is missing in recordings, since the start",
        lost,
    );
    let interruptions: Counter = Counter::default();
    interruptions.inc_by(facts.tally.interruptions());
    registry.register(
        "greffier_interruptions",
        "Recorders that had ended and were replaced by one that went on, since the start",
        interruptions,
    );

    let mut text = String::new();
    encode(&mut text, &registry).expect("writing to a text cannot fail");
    text
}

/// Where the job waits, without the address, which may hold a key.
fn queue(job: &Job) -> String {
    job.queue().name.split(' ').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::ids::RecordingId;
    use crate::recording::{Event, Limits, Options, Output, Policy, Request, Target, Task};

    #[test]
    fn prometheus_reads_it_and_no_address_is_in_it() {
        let now = Timestamp::from_second(1).unwrap();
        let request = Request { room: "daily".into(), output: Output::ogg(), limits: Limits::default() };
        let (options, policy) = (Options::default(), Policy::default());
        let (one, _) = Recording::begin(RecordingId::new("EG_1"), "transcript".into(), request, options, &policy, now);
        let to = Target::Webhook("https://example.org/?token=hidden".into());
        let task = Task::Notify { event: Event::Started, to, about: Box::new(one.clone()) };
        let mut job = Job::new(one.id.clone(), task, now);
        job.attempts = 2;
        let mut tally = Tally::new(now);
        let recordings = [one];
        tally.take_in(&recordings, &Default::default());
        let text = text(&Snapshot {
            idle: false,
            accepts: true,
            closing: false,
            load: 0.25,
            count: 1,
            recordings: &recordings,
            qualities: &[Quality::Full, Quality::HalfRate],
            jobs: &[job],
            tally: &tally,
        });
        for line in [
            "# TYPE livekit_egress_can_accept_request gauge",
            "livekit_egress_available 0",
            "livekit_egress_can_accept_request 1",
            "livekit_node_cpu_load{node_type=\"EGRESS\"} 0.25",
            "livekit_egress_requests{type=\"room_composite\"} 1",
            "greffier_recordings{state=\"initiated\"} 1",
            "greffier_recordings_known 1",
            "greffier_recordings_degraded{level=\"half_rate\"} 1",
            "greffier_recordings_degraded{level=\"quarter_rate\"} 0",
            "greffier_outbox_jobs{lane=\"webhook\"} 1",
            "greffier_outbox_jobs_failing{lane=\"webhook\"} 1",
            "greffier_outbox_jobs{lane=\"object\"} 0",
            "greffier_media_seconds_total 0.0",
            "greffier_hole_seconds_total 0.0",
            "greffier_lost_audio_seconds_total 0.0",
            "greffier_interruptions_total 0",
            "# EOF",
        ] {
            assert!(text.lines().any(|one| one == line), "{line} is not in\n{text}");
        }
        assert!(!text.contains("hidden"));
    }
}
