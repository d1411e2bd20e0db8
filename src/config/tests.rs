//! What a configuration file may say, and what is answered when it is wrong.

use super::*;
use crate::recording::{Container, Encoding};

const MINIMAL: &str = "livekit: { url: 'ws://127.0.0.1:7880', api_key: devkey, api_secret: secret }\n";

fn error(yaml: &str) -> String {
    Config::parse(yaml, Overrides::default()).unwrap_err().message
}

#[test]
fn the_minimum_has_good_defaults() {
    let (config, warnings) = Config::parse(MINIMAL, Overrides::default()).unwrap();
    assert!(warnings.is_empty());
    assert_eq!(config.api.listen.to_string(), "127.0.0.1:7990");
    assert_eq!(config.data_dir, Path::new("greffier-data"));
    let transcript = config.worker_classes.of("transcript").unwrap().output(&Encoding::default(), "").unwrap();
    assert_eq!(transcript.container(), Container::Ogg);
}

#[test]
fn flags_and_environment_go_first_and_a_file_is_not_needed() {
    let overrides = Overrides {
        url: Some("wss://other".into()),
        api_key: Some("k".into()),
        api_secret: Some(Secret::new("s")),
        listen: Some("127.0.0.1:0".into()),
        ..Overrides::default()
    };
    let (config, _) = Config::parse(MINIMAL, overrides.clone()).unwrap();
    assert_eq!((config.server.url.as_str(), config.server.api_key.as_str()), ("wss://other", "k"));
    assert_eq!(config.api.listen.port(), 0);
    assert!(Config::parse("# nothing\n", overrides).is_ok());
}

#[test]
fn unknown_keys_are_warnings_with_their_path() {
    let yaml =
        format!("{MINIMAL}log_level: debug\nworker_classes:\n  transcript: {{ class: audio_composite, shape: 1 }}\n");
    let (_, warnings) = Config::parse(&yaml, Overrides::default()).unwrap();
    assert_eq!(warnings, ["worker_classes.transcript.shape: unknown key, ignored", "log_level: unknown key, ignored"]);
}

#[test]
fn a_wrong_value_names_its_key() {
    let with = |more: &str| error(&format!("{MINIMAL}{more}\n"));
    let table = [
        (error(""), "url: missing; "),
        (error("livekit: { url: 'ftp://x', api_key: k, api_secret: s }"), "url: \"ftp://x\" does not begin with ws://"),
        (error("livekit: { url: 'nonsense', api_key: k, api_secret: s }"), "url: \"nonsense\" is not a URL"),
        (error("livekit: { url: 'ws://x', api_secret: s }"), "api_key: missing; "),
        (error("livekit: { url: 'ws://x', api_key: k }"), "api_secret: missing; "),
        (error("livekit: { url: 'ws://x', api_key: 12, api_secret: s }"), "livekit.api_key: expected a text"),
        (error("livekit: [1]"), "livekit: expected names and values"),
        (error("livekit: {"), "--config: not valid YAML: "),
        (with("listen: here"), "listen: "),
        (with("listen: 0.0.0.0:7990"), "listen: 0.0.0.0:7990 can be reached from elsewhere"),
        (with("worker_classes: { m: {} }"), "worker_classes.m.class: missing"),
        (with("worker_classes: { m: { class: web } }"), "worker_classes.m.class: there is no class \"web\""),
        (with("worker_classes: { m: { class: video_composite, layout: x } }"), "worker_classes.m.layout: "),
        (with("worker_classes: { m: { class: video_composite, outputs: [hls] } }"), "worker_classes.m.outputs: "),
    ];
    for (message, start) in table {
        assert!(message.starts_with(start), "{message:?} should begin with {start:?}");
        assert!(!message.contains('\n'), "{message:?} should be one line");
    }
}

#[test]
fn a_token_opens_the_door_to_others() {
    let yaml = format!("{MINIMAL}listen: 0.0.0.0:7990\napi_token: a-long-enough-token\n");
    let (config, _) = Config::parse(&yaml, Overrides::default()).unwrap();
    assert!(!config.api.listen.ip().is_loopback());
    assert!(!format!("{config:?}").contains("a-long-enough-token"));
}
