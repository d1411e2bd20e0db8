//! What a configuration may say, what it comes to, and what is answered when it is wrong.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::*;
use crate::recording::{Container, Encoding, Output};

mod options;
mod refusals;

const MINIMAL: &str = "livekit: { url: 'ws://127.0.0.1:7880', api_key: devkey, api_secret: secret }\n";

fn error(yaml: &str) -> String {
    Config::parse(yaml, Overrides::default()).unwrap_err().message
}

fn environment(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// The minimal file with these variables.
fn with(pairs: &[(&str, &str)]) -> Result<(Config, Vec<Warning>)> {
    let body = Some(MINIMAL.to_owned());
    Config::read(&Sources { body, environment: environment(pairs), ..Sources::default() })
}

fn texts(warnings: &[Warning]) -> Vec<String> {
    warnings.iter().map(ToString::to_string).collect()
}

fn output(config: &Config, mode: &str) -> Output {
    config.worker_classes.of(mode).unwrap().output(&Encoding::default(), "").unwrap()
}

fn s3(storage: &storage::Settings) -> storage::S3 {
    let storage::Target::S3(s3) = &storage.target else { panic!("not S3: {storage:?}") };
    (**s3).clone()
}

fn testdata(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/config").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Meet's variables.
fn meet() -> Sources {
    let text = testdata("meet.env");
    let pairs = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('='));
    let environment = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    Sources { environment, ..Sources::default() }
}

fn egress() -> Sources {
    let environment = environment(&[("EGRESS_CONFIG_BODY", &testdata("egress.yaml"))]);
    Sources { environment, ..Sources::default() }
}

#[test]
fn the_minimum_has_good_defaults() {
    let (config, warnings) = Config::parse(MINIMAL, Overrides::default()).unwrap();
    assert_eq!(warnings, []);
    assert_eq!(config.api.listen.to_string(), "127.0.0.1:7990");
    assert_eq!(config.data_dir, Path::new("greffier-data"));
    assert_eq!(output(&config, "transcript").container(), Container::Ogg);
    assert_eq!(config.worker_classes, WorkerClasses::default());
    assert_eq!(config.policy.output_folder, "recordings");
    assert_eq!(config.policy.expires_after, None);
    assert_eq!(config.limits, Limits { warning: Some(Duration::from_secs(60)), ..Limits::default() });
    assert!(config.feature.enabled && config.redis.is_none());
    assert_eq!((config.health_port, config.prometheus_port, config.logging.level), (None, None, Level::Info));
}

#[test]
fn flags_go_before_variables_and_those_before_the_file() {
    let flags =
        Overrides { url: Some("wss://flag".into()), listen: Some("127.0.0.1:0".into()), ..Overrides::default() };
    let variables = [("LIVEKIT_URL", "ws://env"), ("LIVEKIT_API_KEY", "env-key"), ("GREFFIER_LIVEKIT_API_SECRET", "s")];
    let environment = environment(&variables);
    let sources = Sources { body: Some(MINIMAL.to_owned()), environment, flags, ..Sources::default() };
    let (config, _) = Config::read(&sources).unwrap();
    assert_eq!((config.server.url.as_str(), config.server.api_key.as_str()), ("wss://flag", "env-key"));
    assert_eq!(config.api.listen.port(), 0);
    let effective = sources.read().unwrap();
    let origin = |path| effective.tree.origin(path);
    assert_eq!(origin("livekit.url"), Some("--url"));
    assert_eq!(origin("livekit.api_key"), Some("LIVEKIT_API_KEY"));
    assert_eq!(origin("livekit.api_secret"), Some("GREFFIER_LIVEKIT_API_SECRET"));
    assert_eq!(origin("data_dir"), Some("default"));
}

#[test]
fn livekit_egress_files_are_understood() {
    let (config, warnings) = Config::read(&egress()).unwrap();
    assert_eq!((config.server.url.as_str(), config.server.api_key.as_str()), ("ws://livekit:7880", "devkey"));
    // There it loosens Chrome; here it would trust every certificate.
    assert!(!config.server.insecure);
    assert_eq!(config.limits.max_duration, Some(Duration::from_secs(5400)));
    assert_eq!(config.limits.max_bytes, Some(5_000_000_000));
    assert_eq!(
        (config.health_port, config.prometheus_port, config.logging.level),
        (Some(9090), Some(9091), Level::Debug)
    );
    let redis = config.redis.unwrap();
    assert_eq!((redis.name().as_str(), redis.db), ("redis:6379", 2));
    assert_eq!((s3(&config.storage).bucket, config.storage.prefix.as_str()), ("meetings".to_owned(), "egress"));
    let nothing = "insecure, backup_storage, cpu_cost, enable_chrome_sandbox, redis.dial_timeout, \
                   session_limits.stream_output_max_duration, template_base: no meaning here, ignored";
    assert_eq!(texts(&warnings), [nothing, "new_key_of_next_year.secret: unknown key, ignored"]);
    // Their flat blocks, and a key that stands there twice.
    let yaml = format!(
        "{MINIMAL}ws_url: ws://other\ns3: {{ bucket: flat, region: r }}\nstorage: {{ s3: {{ region: ours }} }}\n"
    );
    let (config, warnings) = Config::parse(&yaml, Overrides::default()).unwrap();
    assert_eq!(config.server.url, "ws://127.0.0.1:7880");
    let s3 = s3(&config.storage);
    assert_eq!((s3.bucket.as_str(), s3.region.as_str()), ("flat", "ours"));
    assert_eq!(texts(&warnings), ["ws_url: not used, because livekit.url is there too"]);
}

#[test]
fn meets_variables_mean_what_they_mean_there() {
    let (config, warnings) = Config::read(&meet()).unwrap();
    assert_eq!(config.server.url, "http://livekit:7880");
    assert!(!config.server.insecure && config.feature.enabled);
    assert_eq!(config.policy.output_folder, "recordings/meet");
    assert_eq!(config.policy.expires_after, Some(jiff::SignedDuration::from_hours(30 * 24)));
    assert_eq!(config.limits.max_duration, Some(Duration::from_secs(7200)));
    let events = &config.feature.storage_events;
    assert!(events.enabled && events.parser == api::Parser::S3);
    let token = events.token.as_ref().map(std::slice::from_ref).unwrap();
    assert!(api::ApiToken::shown(token, "the-storage-event-token").is_some());
    assert_eq!(config.feature.download_base_url.as_deref(), Some("https://meet.example.org/recording"));
    assert_eq!(config.worker_classes.names().collect::<Vec<_>>(), ["screen_recording", "transcript"]);
    let made = output(&config, "screen_recording");
    let video = made.video().unwrap();
    let size = (video.size.width.get(), video.size.height.get());
    let interval = video.key_frame_interval.as_millis();
    assert_eq!((size, video.framerate, video.bitrate, interval), ((1920, 1080), 25, 4000, 4000));
    assert_eq!((made.audio().unwrap().bitrate, video.layout.name()), (96, "speaker-light"));
    let s3 = s3(&config.storage);
    assert_eq!((s3.bucket.as_str(), s3.region.as_str()), ("meet-media-storage", ""));
    assert_eq!(s3.secret.as_ref().map(Secret::expose), Some("the-s3-secret"));
    let meant = "did you mean RECORDING_WORKER_CLASSES?";
    assert_eq!(texts(&warnings), [format!("RECORDING_WORKER_CLASS: unknown variable, ignored; {meant}")]);
    let (config, _) = with(&[("LIVEKIT_VERIFY_SSL", "False"), ("RECORDING_ENABLE", "0")]).unwrap();
    assert!(config.server.insecure && !config.feature.enabled);
}

#[test]
fn modes_are_added_changed_and_taken_away() {
    let (config, warnings) = Config::parse(&testdata("greffier.yaml"), Overrides::default()).unwrap();
    assert_eq!(warnings, []);
    assert_eq!(config.worker_classes.names().collect::<Vec<_>>(), ["lecture", "screen_recording"]);
    assert_eq!(output(&config, "screen_recording").video().unwrap().layout.name(), "grid-dark");
    let lecture = output(&config, "lecture");
    let video = lecture.video().unwrap();
    assert_eq!((video.size.height.get(), video.bitrate, video.layout.name()), (1080, 4500, "single-speaker-dark"));
    assert_eq!(config.api.public_url.as_deref(), Some("https://recordings.example.org"));
    // A variable names all of them.
    let (config, _) = with(&[("RECORDING_WORKER_CLASSES", r#"{"only": "audio_composite"}"#)]).unwrap();
    assert_eq!(config.worker_classes.names().collect::<Vec<_>>(), ["only"]);
}

#[test]
fn secrets_come_from_files_too_and_from_one_place_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    std::fs::write(&path, "in a file\n").unwrap();
    let path = path.to_str().unwrap();
    let (config, _) = with(&[("LIVEKIT_API_SECRET_FILE", path)]).unwrap();
    assert_eq!(config.server.api_secret.expose(), "in a file");
    let both = with(&[("LIVEKIT_API_SECRET_FILE", path), ("LIVEKIT_API_SECRET", "x")]).unwrap_err().message;
    assert_eq!(both, "LIVEKIT_API_SECRET_FILE: LIVEKIT_API_SECRET is set too; leave one of them out");
    let missing = with(&[("RECORDING_STORAGE_EVENT_TOKEN_FILE", "/nowhere")]).unwrap_err().message;
    assert!(missing.starts_with("RECORDING_STORAGE_EVENT_TOKEN_FILE: cannot read /nowhere: "), "{missing}");
}

#[test]
fn what_has_no_effect_is_said_once_with_its_path() {
    let yaml = format!(
        "{MINIMAL}log_levle: debug\nlivekit2:\nrecording: {{ encoding: {{ width: 640 }} }}\nstorage: {{ s3: {{ bucket: b, bukcet: b }} }}\n\
         worker_classes:\n  transcript: {{ class: audio_composite, shape: 1, storage: {{ s3: {{ bucket: b, bukcet: c }} }} }}\n"
    );
    let (_, warnings) = Config::parse(&yaml, Overrides::default()).unwrap();
    let mut warnings = texts(&warnings);
    warnings.sort();
    let wanted = [
        "log_levle: unknown key, ignored; did you mean log_level?",
        "recording.encoding: has no effect while recording.encoding.enabled is false",
        "storage.s3.bukcet: unknown key, ignored; did you mean storage.s3.bucket?",
        "worker_classes.transcript.shape: unknown key, ignored",
        "worker_classes.transcript.storage.s3.bukcet: unknown key, ignored; did you mean worker_classes.transcript.storage.s3.bucket?",
    ];
    assert_eq!(warnings, wanted);
}

/// Who writes a key or variable of ours that nobody knows wanted something that does not happen. In a file of LiveKit Egress it
/// may be one that is newer than we are.
#[test]
fn a_slip_is_a_mistake_and_what_others_may_have_added_is_not() {
    let mistakes = |sources: Sources| {
        let (_, warnings) = Config::read(&sources).unwrap();
        warnings.iter().map(|warning| (warning.to_string(), warning.is_mistake())).collect::<Vec<_>>()
    };
    let file = |more: &str| Sources { body: Some(format!("{MINIMAL}{more}")), ..Sources::default() };
    let theirs = |more: &str| {
        let body = format!("{MINIMAL}{more}");
        Sources { environment: environment(&[("EGRESS_CONFIG_BODY", &body)]), ..Sources::default() }
    };
    let variable = |name: &str| Sources { environment: environment(&[(name, "1")]), ..file("") };
    for (sources, words, mistake) in [
        (
            file("limtis: { max_duration: 1h }"),
            "limtis.max_duration: unknown key, ignored; did you mean limits.max_duration?",
            true,
        ),
        (file("limtis:"), "", false),
        (file("limtis: 1h"), "limtis: unknown key, ignored; did you mean limits?", true),
        (file("colour: red"), "colour: unknown key, ignored", true),
        (theirs("colour: red"), "colour: unknown key, ignored", false),
        (theirs("limtis: 1h"), "limtis: unknown key, ignored; did you mean limits?", true),
        (variable("GREFFIER_COLOUR"), "GREFFIER_COLOUR: unknown variable, ignored", true),
        (variable("GREFFIER_LISTN"), "GREFFIER_LISTN: unknown variable, ignored; did you mean GREFFIER_LISTEN?", true),
        (variable("RECORDING_COLOUR"), "RECORDING_COLOUR: unknown variable, ignored", false),
    ] {
        let wanted: Vec<_> = (!words.is_empty()).then(|| (words.to_owned(), mistake)).into_iter().collect();
        assert_eq!(mistakes(sources), wanted, "{words}");
    }
}

/// What an option did that is gone, and what to do now, is said once; it is no mistake that anybody must mend at once.
#[test]
fn an_option_that_is_gone_says_what_to_do() {
    let body = format!("{MINIMAL}transcription: {{ endpoint: 'https://s/', webhook_token: s3cret }}");
    let variables = ["GREFFIER_TRANSCRIPTION_WEBHOOK_TOKEN", "GREFFIER_TRANSCRIPTION_WEBHOOK_TOKEN_FILE"];
    // Meet's own variable stands in an environment that is shared with it.
    let meets = [("SUMMARY_SERVICE_WEBHOOK_API_TOKEN", "s3cret")];
    let environment = environment(&[&meets[..], &variables.map(|name| (name, "s3cret"))].concat());
    let (_, warnings) = Config::read(&Sources { body: Some(body), environment, ..Sources::default() }).unwrap();
    let names = [&["transcription.webhook_token"], &variables[..]].concat();
    assert_eq!(warnings.len(), names.len(), "{warnings:?}");
    for (warning, name) in warnings.iter().zip(names) {
        let words = warning.to_string();
        assert!(words.starts_with(&format!("{name}: no option; ")) && !warning.is_mistake(), "{words}");
        assert!(words.contains("La Suite Meet") && !words.contains("s3cret"), "{words}");
    }
}

#[test]
fn libraries_are_quiet_unless_they_are_asked() {
    let read = |yaml: &str| Config::parse(&format!("{MINIMAL}{yaml}"), Overrides::default()).unwrap().0.logging;
    assert_eq!(read(""), Logging { level: Level::Info, json: false });
    assert_eq!(read("logging: { level: warning, json: true }"), Logging { level: Level::Warn, json: true });
    assert_eq!(Level::Info.filter(), "error,warp::server=off,greffier=info");
    let people = |yaml: &str| {
        Logging::of(&Sources { body: Some(yaml.into()), ..Sources::default() }.read().unwrap(), Level::Warn)
    };
    assert_eq!(people("").level, Level::Warn);
    assert_eq!(people("logging: { level: info }").level, Level::Info);
    assert_eq!(people("logging: { level: loud }").level, Level::Warn, "who needs the configuration says so");
}

/// LiveKit's own keys mean nothing in the storage of a mode either, and are no mistakes there.
#[test]
fn a_modes_storage_may_have_livekits_keys() {
    let mode = "{ class: video_composite, storage: { s3: { bucket: b, max_retries: 5, bukcet: c } } }";
    let (_, warnings) =
        Config::parse(&format!("{MINIMAL}worker_classes: {{ m: {mode} }}"), Overrides::default()).unwrap();
    let path = "worker_classes.m.storage.s3";
    assert_eq!(texts(&warnings), [format!("{path}.bukcet: unknown key, ignored; did you mean {path}.bucket?")]);
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(64))]

    /// Whatever a file and the environment say is read, or refused in one line.
    #[test]
    fn whatever_is_written_is_read_or_refused(
        any in ".*", ours: bool, spots in proptest::collection::vec((0..100_000_usize, 0..40_usize, "[ -~\n\t\u{fc}]{0,6}"), 0..4),
        value in ".*", variable in 0..1000_usize,
    ) {
        let mut yaml = testdata(if ours { "greffier.yaml" } else { "egress.yaml" });
        for (at, length, text) in spots {
            let from = yaml.floor_char_boundary(at % yaml.len().max(1));
            let to = yaml.floor_char_boundary(from + length).max(from);
            yaml.replace_range(from..to, &text);
        }
        let variables: Vec<String> = meet().environment.into_keys().collect();
        let variable = variables[variable % variables.len()].clone();
        for body in [any, yaml, MINIMAL.to_owned()] {
            let environment = [(variable.clone(), value.clone())].into();
            let sources = Sources { body: Some(body), environment, ..Sources::default() };
            if let Err(error) = Config::read(&sources) {
                proptest::prop_assert!(!error.message.contains('\n'), "{:?}", error);
            }
        }
    }
}
