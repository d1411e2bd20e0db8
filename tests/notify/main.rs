//! Telling, with real parts: emails by SMTP and into folders, signed webhooks through the outbox, notices in a room.
#![allow(clippy::unwrap_used)]

mod mail;
mod rooms;
#[path = "../support/mod.rs"]
mod support;
mod web;

use std::path::Path;

use greffier::ids::RecordingId;
use greffier::livekit::Server as LiveKit;
use greffier::notify::{Links, Notifier, Settings};
use greffier::recording::{
    Media, Options, Outcome, Output, Owner, Policy, Reason, Recording, Request, State, VideoSettings,
};
use greffier::scene::Layout;
use greffier::secret::Secret;

const KEY: &str = "devkey";
const SECRET: &str = "a secret of thirty-two letters, or more";

/// A recording of one hour, two minutes and three seconds that has just ended well.
fn recording(id: &str) -> Recording {
    let output = Output::mp4(VideoSettings::preset(Layout::from_name("speaker-light"))).unwrap();
    let request = Request { room: "daily".into(), output, limits: Default::default() };
    let owner = Owner {
        email: "ada@example.org".into(),
        name: Some("Ada Lovelace".into()),
        locale: Some("en".into()),
        time_zone: Some("Europe/London".into()),
    };
    let options = Options { owner: Some(owner), ..Options::default() };
    let at = |text: &str| text.parse().unwrap();
    let begun = at("2026-11-22T17:00:00Z");
    let id = RecordingId::new(id);
    let (mut one, _) = Recording::begin(id, "screen_recording".into(), request, options, &Policy::default(), begun);
    one.started_at = Some(at("2026-11-22T17:00:02Z"));
    one.ended_at = Some(at("2026-11-22T18:02:05Z"));
    one.updated_at = at("2026-11-22T18:02:07Z");
    one.media = Some(Media { bytes: 1_400_000_000, duration_ns: 3_723_000_000_000 });
    one.state = State::Ended(Outcome::Complete(Reason::Stopped));
    one
}

/// One that asks this server; nothing listens there unless the test starts it.
fn notifier(settings: Settings, data_dir: &Path, livekit: &str) -> Notifier {
    let livekit = LiveKit {
        url: livekit.to_owned(),
        api_key: KEY.to_owned(),
        api_secret: Secret::new(SECRET),
        ca_file: None,
        insecure: false,
    };
    let sign = |about: &Recording| -> futures_util::future::BoxFuture<'static, greffier::error::Attempt<String>> {
        let link = format!("https://s3.example.org/{}?signature=1", about.key);
        Box::pin(async move { Ok(link) })
    };
    let links = Links::new("https://meet.example.org/").with_sign(std::sync::Arc::new(sign));
    Notifier::new(settings, data_dir, livekit, links, None).unwrap()
}

/// For notifiers that have nothing to ask.
const NOWHERE: &str = "ws://127.0.0.1:9";
