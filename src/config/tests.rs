//! What a configuration may say, what it comes to, and what is answered when it is wrong.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::*;
use crate::recording::{Container, Encoding, Output};

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

#[test]
fn a_wrong_value_names_its_key() {
    let yaml = |more: &str| error(&format!("{MINIMAL}{more}\n"));
    let env = |name: &str, value: &str| with(&[(name, value)]).unwrap_err().message;
    let table = [
        (error(""), "url: missing; "),
        (error("livekit: { url: 'ftp://x', api_key: k, api_secret: s }"), "url: \"ftp://x\" does not begin with ws://"),
        (error("livekit: { url: 'nonsense', api_key: k, api_secret: s }"), "url: \"nonsense\" is not a URL"),
        (error("livekit: { url: 'ws://x', api_secret: s }"), "api_key: missing; "),
        (error("livekit: { url: 'ws://x', api_key: k }"), "api_secret: missing; "),
        (error("livekit: { url: 'ws://x', api_key: 12, api_secret: s }"), "livekit.api_key: expected a string"),
        (error("{ ws_url: 'ws://x', api_key: 12, api_secret: s }"), "api_key: expected a string"),
        (error("livekit: [1]"), "livekit: expected an object"),
        (error("livekit: {"), "--config-body: not valid YAML: "),
        (error("- a"), "--config-body: expected an object"),
        (yaml("listen: here"), "listen: "),
        (yaml("listen: 0.0.0.0:7990"), "listen: 0.0.0.0:7990 can be reached from elsewhere"),
        (yaml("health_port: 70000"), "health_port: 70000 is no port"),
        (yaml("logging: { level: loud }"), "logging.level: \"loud\" is no level"),
        (yaml("log_level: loud"), "log_level: \"loud\" is no level"),
        (yaml("recording: { download_base_url: meet }"), "recording.download_base_url: \"meet\" is no link"),
        (yaml("public_url: meet"), "public_url: \"meet\" is not a URL"),
        (yaml("limits: { max_duration: soon }"), "limits.max_duration: \"soon\" is not a length of time"),
        (yaml("session_limits: { file_output_max_duration: x }"), "session_limits.file_output_max_duration: \"x\""),
        (yaml("recording: { max_duration: 1h }"), "recording.max_duration: expected milliseconds"),
        (yaml("recording: { output_folder: ../x }"), "recording.output_folder: "),
        (yaml("recording: { expiration_days: 0 }"), "recording.expiration_days: 0 would"),
        (yaml("recording: { event_parser: ceph }"), "recording.event_parser: there is no parser \"ceph\""),
        (yaml("recording: { storage_event_enabled: true }"), "recording.storage_event_token: missing"),
        (yaml("worker_classes: { m: {} }"), "worker_classes.m.class: missing"),
        (yaml("worker_classes: { m: { layout: grid } }"), "worker_classes.m.class: missing"),
        (yaml("worker_classes: { m: { class: web } }"), "worker_classes.m.class: there is no class \"web\""),
        (yaml("worker_classes: { m: { class: video_composite, layout: x } }"), "worker_classes.m.layout: "),
        (yaml("worker_classes: { m: { class: video_composite, preset: x } }"), "worker_classes.m.preset: there is no"),
        (yaml("worker_classes: { m: { class: video_composite, outputs: [hls] } }"), "worker_classes.m.outputs: "),
        (env("RECORDING_EXPIRATION_DAYS", "soon"), "RECORDING_EXPIRATION_DAYS: expected a whole number"),
        (env("RECORDING_EXPIRATION_DAYS", "0"), "RECORDING_EXPIRATION_DAYS: 0 would"),
        (env("RECORDING_MAX_DURATION", "1h"), "RECORDING_MAX_DURATION: expected whole milliseconds"),
        (env("RECORDING_ENABLE", "maybe"), "RECORDING_ENABLE: expected true or false"),
        (env("RECORDING_WORKER_CLASSES", "[1]"), "RECORDING_WORKER_CLASSES: expected an object"),
        (
            env("RECORDING_WORKER_CLASSES", "{'m': 'a.B'}"),
            "RECORDING_WORKER_CLASSES: worker_classes.m.class: there is no class \"a.B\"",
        ),
        (env("GREFFIER_LIMITS_WARNING", "x"), "GREFFIER_LIMITS_WARNING: \"x\" is not a length"),
    ];
    for (message, start) in table {
        assert!(message.starts_with(start), "{message:?} should begin with {start:?}");
        assert!(!message.contains('\n'), "{message:?} should be one line");
    }
}

/// A value that YAML could mean in two ways, and one that would be lost on the way, are refused; names of others stay on one line.
#[test]
fn what_could_mean_two_things_is_refused() {
    let yaml = |more: &str| error(&format!("{MINIMAL}{more}\n"));
    for (more, wanted) in [
        ("max_cpu_utilization: .nan", "--config-body: not valid YAML: "),
        ("max_cpu_utilization: .inf", "--config-body: not valid YAML: "),
        ("max_cpu_utilization: 1e999", "--config-body: not valid YAML: "),
        ("max_cpu_utilization: -1", "max_cpu_utilization: -1 is out of range"),
        ("listen: a\nlisten: b", "--config-body: not valid YAML: "),
        ("storage: { prefix: a, prefix: b }", "--config-body: not valid YAML: "),
        (
            "limits: { max_size: -1 }",
            "limits.max_size: expected a whole number from 0 to 18446744073709551615, found a negative",
        ),
        (
            "limits: { max_size: 1e3 }",
            "limits.max_size: expected a whole number from 0 to 18446744073709551615, found a number with",
        ),
        (
            "limits: { max_size: '5' }",
            "limits.max_size: expected a whole number from 0 to 18446744073709551615, found a string",
        ),
        ("health_port: 4294967296", "health_port: expected a whole number from 0 to 4294967295, found a number"),
        (
            "mail: { smtp: { password: 77777 } }",
            "mail.smtp.password: expected a string (numbers in quotes), found a number",
        ),
        ("redis: { sentinel_addresses: s3cret }", "redis.sentinel_addresses: expected a list, found a string"),
        ("storage: { s3: s3cret }", "storage.s3: expected an object, found a string"),
        (
            "worker_classes: { m: [s3cret] }",
            "worker_classes.m: expected the name of a class, or an object, found a list",
        ),
        (
            "worker_classes: { m: { class: video_composite, storage: { s3: { bucket: 7 } } } }",
            "worker_classes.m.storage.s3.bucket: expected a string",
        ),
        (
            "worker_classes: { m: { class: video_composite, storage: { s3: {} } } }",
            "worker_classes.m.storage.s3.bucket: missing",
        ),
        (
            "worker_classes: { m: { class: video_composite, storage: { timeout: 0 } } }",
            "worker_classes.m.storage.timeout: 0 s",
        ),
    ] {
        let message = yaml(more);
        assert!(message.starts_with(wanted), "{message}");
        assert!(!message.contains("s3cret") && !message.contains("77777") && !message.contains('\n'), "{message}");
    }
    let nested = yaml(&format!("storage: {}{}", "[".repeat(200), "]".repeat(200)));
    assert!(nested.starts_with("--config-body: not valid YAML: "), "{nested}");
    for number in ["NaN", "inf", "-inf", "1e999"] {
        let message = with(&[("GREFFIER_MAX_CPU_UTILIZATION", number)]).unwrap_err().message;
        assert_eq!(message, "GREFFIER_MAX_CPU_UTILIZATION: expected a number");
    }
    // The one within a list is named too, and who set it.
    let hosts = yaml("requests: { allowed_hosts: [minio, 7] }");
    assert!(hosts.starts_with("requests.allowed_hosts[1]: expected a string"), "{hosts}");
    let variable = with(&[("GREFFIER_REQUESTS_ALLOWED_HOSTS", "[minio, 7]")]).unwrap_err().message;
    let wanted = "GREFFIER_REQUESTS_ALLOWED_HOSTS: requests.allowed_hosts[1]: expected a string";
    assert!(variable.starts_with(wanted), "{variable}");
    let yaml = format!("{MINIMAL}? \"a\\nb{}\"\n: 1\n", "x".repeat(1000));
    let (_, warnings) = Config::parse(&yaml, Overrides::default()).unwrap();
    assert!(warnings.iter().all(|warning| !warning.to_string().contains('\n')), "{warnings:?}");
    assert!(warnings.iter().all(|warning| warning.to_string().len() < 200), "{warnings:?}");
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

#[test]
fn encodings_that_cannot_be_are_refused_under_the_name_they_were_given() {
    let with =
        |name: &str, value: &str| with(&[("RECORDING_ENCODING_ENABLED", "true"), (name, value)]).unwrap_err().message;
    let table = [
        ("RECORDING_ENCODING_WIDTH", "1281", "1281 is odd"),
        ("RECORDING_ENCODING_HEIGHT", "2", "2 is out of range"),
        ("RECORDING_ENCODING_FRAMERATE", "500", "500 is out of range"),
        ("RECORDING_ENCODING_VIDEO_BITRATE_KBPS", "1", "1 is out of range"),
        ("RECORDING_ENCODING_AUDIO_BITRATE_KBPS", "1", "1 is out of range"),
        ("RECORDING_ENCODING_KEY_FRAME_INTERVAL_S", "61", "61 is out of range; use 0.001 to 60 seconds"),
    ];
    for (name, value, why) in table {
        let message = with(name, value);
        assert!(message.starts_with(&format!("{name}: {why}")), "{message}");
    }
}

#[test]
fn a_token_opens_the_door_to_others() {
    let yaml = format!("{MINIMAL}listen: 0.0.0.0:7990\napi_token: a-long-enough-token\n");
    let (config, _) = Config::parse(&yaml, Overrides::default()).unwrap();
    assert!(!config.api.listen.ip().is_loopback());
    assert!(!format!("{config:?}").contains("a-long-enough-token"));
}

#[test]
fn what_is_in_force_is_shown_with_its_origin_and_without_secrets() {
    let greffier = Sources { body: Some(testdata("greffier.yaml")), ..Sources::default() };
    for (name, sources) in [("egress", egress()), ("meet", meet()), ("greffier", greffier)] {
        let shown = show(&sources.read().unwrap());
        for secret in [
            "secret-of",
            "the-redis-password",
            "the-s3-secret",
            "the-backup-secret",
            "enough-token",
            "event-token",
            "whatever",
        ] {
            assert!(!shown.contains(secret), "{secret} in\n{shown}");
        }
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/config").join(format!("{name}.shown"));
        if std::env::var_os("UPDATE_GOLDENS").is_some() {
            std::fs::write(&path, &shown).unwrap();
        }
        let golden = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(shown, golden, "{}: write it anew with UPDATE_GOLDENS=1", path.display());
    }
}

#[test]
fn what_is_shown_can_be_read_again() {
    let first = meet().read().unwrap();
    let again = Sources { body: Some(show(&first)), ..Sources::default() }.read().unwrap();
    assert_eq!(again.warnings, []);
    for leaf in first.tree.leaves().filter(|leaf| !matches!(entry_kind(leaf.path), ValueKind::Secret)) {
        assert_eq!(again.tree.get(leaf.path), Some(leaf.value), "{}", leaf.path);
    }
}

fn entry_kind(path: &str) -> ValueKind {
    table::entry(path).unwrap_or_else(|| panic!("{path} has no entry")).kind
}

/// The table promises nothing that nobody reads, and its names are its own.
#[test]
fn the_table_is_consistent() {
    let mut names = std::collections::HashSet::new();
    for entry in TABLE {
        assert!(names.insert(entry.path), "{} stands there twice", entry.path);
        for name in entry.env {
            assert!(names.insert(name), "{name} sets two options");
        }
        assert!(!entry.doc.is_empty() && !entry.doc.ends_with('.'), "{}", entry.path);
        assert!(
            entry.own_variable().is_none_or(|own| !entry.env.contains(&own.as_str())),
            "{}: said twice",
            entry.path
        );
        assert!(upstream::FOREIGN.iter().all(|(key, _)| *key != entry.path), "{} is foreign too", entry.path);
    }
    let layout = TABLE.iter().find(|entry| entry.path == "worker_classes.*.layout").unwrap();
    assert_eq!(layout.unset, crate::recording::LAYOUT.name());
    for (key, here) in upstream::FOREIGN {
        if let Some(path) = here.option() {
            let known = TABLE.iter().any(|entry| entry.path == path || entry.path.starts_with(&format!("{path}.")));
            assert!(known, "{key}: {path} is no option");
        }
    }
    // Given a value of its own kind, every option of a section that is read here is read.
    for entry in TABLE.iter().filter(|entry| !entry.path.contains('*')) {
        let value = match entry.kind {
            ValueKind::Text if entry.path == "mail.transport" => "none",
            ValueKind::Text | ValueKind::Secret => "x",
            ValueKind::Number | ValueKind::Real => "1",
            ValueKind::Flag | ValueKind::NotFlag => "true",
            ValueKind::List => "[x]",
            ValueKind::Length | ValueKind::Millis => "1s",
            ValueKind::Tree if entry.path == "storage.s3.metadata" => "{ x: text }",
            ValueKind::Tree => "{ x: { class: audio_composite } }",
        };
        let yaml = entry.path.rsplit('.').fold(value.to_owned(), |inner, key| format!("{{ {key}: {inner} }}"));
        match Config::parse(
            &yaml,
            Overrides {
                url: Some("ws://x".into()),
                api_key: Some("k".into()),
                api_secret: Some(Secret::new("s")),
                ..Overrides::default()
            },
        ) {
            Ok((_, warnings)) => {
                let unknown: Vec<_> = warnings.iter().filter(|warning| warning.is_mistake()).collect();
                assert!(unknown.is_empty(), "{}: {unknown:?}", entry.path);
            }
            Err(e) if entry.path == "recording.storage_event_enabled" => assert!(e.message.contains("token: missing")),
            // One half of two.
            Err(e) if e.message.contains(": missing") => {}
            // Somebody read it, and found it wrong.
            Err(e) => {
                assert!(entry.path.ends_with(e.message.split(':').next().unwrap()), "{}: {}", entry.path, e.message)
            }
        }
    }
}

/// `docs/options.md` shows the table between two marks.
#[test]
fn the_reference_shows_every_option() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/options.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (begin, end) = ("<!-- options: made by `make bless` -->\n", "<!-- end of options -->");
    let (before, rest) = text.split_once(begin).expect("options.md has the mark where the options begin");
    let (shown, after) = rest.split_once(end).expect("options.md has the mark where the options end");
    let wanted = format!("\n{}\n", reference());
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        std::fs::write(&path, format!("{before}{begin}{wanted}{end}{after}")).unwrap();
    } else {
        assert_eq!(shown, wanted, "write it anew with `make bless`");
    }
}

/// Every option says what applies without it, and what it says is what the module does.
#[test]
fn the_default_that_is_shown_applies() {
    let flags = Overrides {
        url: Some("ws://x".into()),
        api_key: Some("k".into()),
        api_secret: Some(Secret::new("s")),
        ..Overrides::default()
    };
    let config = |body: &str| Config::parse(body, flags.clone()).map(|(config, _)| format!("{config:?}"));
    let sections = "storage: { s3: { bucket: b, access_key: a, secret: b } }\nmail: { transport: smtp, from: a@b.example, \
                    smtp: { host: h } }\nredis: { address: 'h:1' }\nstorage_hook: { url: 'http://h' }\n\
                    transcription: { endpoint: 'http://h' }\nwebhooks: { urls: ['http://h'] }\n";
    let usual = config(sections).unwrap();
    let mut compared = 0;
    for entry in TABLE {
        let words = match (entry.default, entry.unset) {
            ("", "") => panic!("{}: what applies without it?", entry.path),
            ("", unset) => unset,
            (_, "") => continue,
            (default, unset) => panic!("{}: {default} or {unset}?", entry.path),
        };
        let is_value = match entry.kind {
            ValueKind::Number | ValueKind::Real => words.parse::<f64>().is_ok(),
            ValueKind::Flag | ValueKind::NotFlag => words.parse::<bool>().is_ok(),
            // Those that name a value of their own, not another option.
            ValueKind::Text => ["mail.brand", "mail.smtp.encryption", "storage.s3.checksum", "storage_hook.bucket"]
                .contains(&entry.path),
            ValueKind::Secret | ValueKind::List | ValueKind::Length | ValueKind::Millis | ValueKind::Tree => false,
        };
        if !is_value || entry.doc == "not supported" {
            continue;
        }
        // The first key of a path stands at the beginning of a line; the others are nested in braces.
        let (section, rest) = entry.path.split_once('.').expect("a section");
        let value = rest.rsplit('.').fold(words.to_owned(), |inner, key| format!("{{ {key}: {inner} }}"));
        let mut tree: serde_json::Value = serde_saphyr::from_str(sections).unwrap();
        let more: serde_json::Value = serde_saphyr::from_str(&value).unwrap();
        merge(&mut tree[section], more);
        assert_eq!(config(&tree.to_string()).unwrap(), usual, "{}", entry.path);
        compared += 1;
    }
    assert!(compared >= 10, "{compared} compared");
}

/// What the table lays under everything is what a module does without it: one default, though it stands in two places.
#[test]
fn the_tables_defaults_are_the_modules() {
    let effective = Sources { body: Some(MINIMAL.to_owned()), ..Sources::default() }.read().unwrap();
    let read = |values: Value| {
        let sections: Sections = document::read(values, "")?;
        sections.read(&mut Vec::new()).map(|config| format!("{config:?}"))
    };
    let usual = read(effective.tree.values()).unwrap();
    // The only definition is the table's.
    let alone = ["listen", "data_dir", "limits.warning"];
    for entry in TABLE.iter().filter(|entry| !entry.default.is_empty() && !alone.contains(&entry.path)) {
        let Value::Object(mut values) = effective.tree.values() else { panic!("an object") };
        assert!(tree::take(&mut values, entry.path).is_some(), "{}", entry.path);
        assert_eq!(read(values.into()).unwrap(), usual, "{}", entry.path);
    }
}

fn merge(into: &mut serde_json::Value, more: serde_json::Value) {
    match (into, more) {
        (serde_json::Value::Object(into), serde_json::Value::Object(more)) => {
            for (key, value) in more {
                merge(into.entry(key).or_insert(serde_json::Value::Null), value);
            }
        }
        (into, more) => *into = more,
    }
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
