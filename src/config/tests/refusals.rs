//! What is answered when a value is wrong.

use super::*;

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
