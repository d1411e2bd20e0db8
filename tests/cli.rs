//! The command line as an operator meets it: what the configuration comes to, and what the preflight says.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod support;

use std::path::Path;
use std::process::{Command, Output};

use support::server::LiveKit;
use tempfile::TempDir;

/// Runs it with these variables and no others.
fn greffier(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_greffier"))
        .args(arguments)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .envs(variables.iter().copied())
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn testdata(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/config").join(name).display().to_string()
}

#[test]
fn the_effective_configuration_is_shown_without_secrets() {
    let folder = TempDir::new().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "the-token-from-a-file\n").unwrap();
    let variables = [
        ("EGRESS_CONFIG_FILE", testdata("egress.yaml")),
        ("GREFFIER_API_TOKEN_FILE", token.display().to_string()),
        ("AWS_S3_SECRET_ACCESS_KEY", "the-secret-of-the-environment".to_owned()),
        ("RECORDING_EXPIRATION_DAYS", "7".to_owned()),
    ];
    let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
    let done =
        greffier(&["config", "--show", "--api-secret", "the-secret-of-the-flag", "--listen", "[::1]:80"], &variables);
    let (out, log) = (text(&done.stdout), text(&done.stderr));
    assert!(done.status.success(), "{log}");
    let line = |start: &str| {
        let lines = out.lines().filter(|line| line.trim().starts_with(start));
        lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>().join("; ")
    };
    assert_eq!(line("api_token:"), "api_token: '***' # from GREFFIER_API_TOKEN_FILE");
    assert_eq!(line("api_secret:"), "api_secret: '***' # from --api-secret");
    assert_eq!(line("secret:"), "secret: '***' # from AWS_S3_SECRET_ACCESS_KEY");
    assert_eq!(line("listen:"), "listen: \"[::1]:80\" # from --listen");
    assert_eq!(line("expiration_days:"), "expiration_days: 7 # from RECORDING_EXPIRATION_DAYS");
    assert_eq!(line("url:"), format!("url: ws://livekit:7880 # from {} (ws_url)", variables[0].1));
    for secret in
        ["the-token-", "the-secret-", "the-redis-", "the-s3-", "the-backup-", "secret-of-the-file", "whatever"]
    {
        assert!(!out.contains(secret) && !log.contains(secret), "{secret} is shown:\n{out}\n{log}");
    }
    assert!(log.contains("template_base: no meaning here, ignored"), "{log}");
    assert!(log.contains("new_key_of_next_year.secret: unknown key, ignored"), "{log}");
}

#[test]
fn what_is_wrong_is_one_line_and_exit_code_64() {
    for (variables, why) in [
        (vec![("GREFFIER_CONFIG", "/nowhere.yaml")], "greffier: GREFFIER_CONFIG: cannot read /nowhere.yaml: "),
        (vec![("EGRESS_CONFIG_BODY", "api_key: [")], "greffier: EGRESS_CONFIG_BODY: not valid YAML: "),
        (vec![("RECORDING_MAX_DURATION", "1h")], "greffier: RECORDING_MAX_DURATION: expected whole milliseconds"),
        (vec![("GREFFIER_LISTEN", "here")], "greffier: url: missing; "),
    ] {
        for verb in [&["serve"][..], &["check"], &["config", "--show"]] {
            let done = greffier(verb, &variables);
            let log = text(&done.stderr);
            assert_eq!(done.status.code(), Some(64), "{verb:?} {log}");
            assert!(log.starts_with(why) && log.lines().count() == 1, "{log}");
        }
    }
}

#[test]
fn the_preflight_names_what_fails_and_its_fix() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let variables = [
        ("LIVEKIT_URL", "ws://127.0.0.1:1"),
        ("LIVEKIT_API_KEY", "devkey"),
        ("LIVEKIT_API_SECRET", "the-secret-of-the-environment"),
        ("GREFFIER_DATA_DIR", file.to_str().unwrap()),
        ("GREFFIER_REDIS_ADDRESS", "127.0.0.1:1"),
        ("EGRESS_CONFIG_BODY", "mail: { transport: smtp, from: a@b.example, smtp: { host: 127.0.0.1, port: 1 } }"),
    ];
    let done = greffier(&["check"], &variables);
    let (out, log) = (text(&done.stdout), text(&done.stderr));
    assert_eq!(done.status.code(), Some(1), "{out}{log}");
    for start in [
        "ok    config     read; ",
        "ok    gstreamer  GStreamer 1.",
        "ok    fonts      ",
        "FAIL  livekit    url: cannot reach ws://127.0.0.1:1: ",
        "skip  clock      the server does not answer\n",
        "skip  udp        not checked without a room; add --room",
        "FAIL  redis      Redis at 127.0.0.1:1: ",
        "FAIL  data_dir   data_dir: cannot make ",
        "FAIL  storage    ",
        "warn  mail       127.0.0.1:1: ",
    ] {
        assert!(out.lines().any(|line| format!("{line}\n").starts_with(start)), "no line {start:?}:\n{out}");
    }
    assert!(out.contains("; choose a folder this user may write to (--data-dir)"), "{out}");
    assert!(log.ends_with("4 of these must be put right first\n"), "{log}");
    assert!(!out.contains("the-secret-") && !log.contains("the-secret-"), "{out}{log}");
}

/// A real server, a wrong key, and a room that is joined for real.
#[test]
fn the_preflight_tries_the_server_the_clock_and_the_media_path() {
    let server = LiveKit::start();
    server.create_room("open");
    let folder = TempDir::new().unwrap();
    let check = |secret: &str, room: &str| {
        let data_dir = folder.path().join("data");
        let variables = [
            ("LIVEKIT_WS_URL", server.url.as_str()),
            ("LIVEKIT_API_KEY", &server.api_key),
            ("LIVEKIT_API_SECRET", secret),
            ("GREFFIER_DATA_DIR", data_dir.to_str().unwrap()),
        ];
        let done = greffier(&["check", "--room", room], &variables);
        (done.status.code(), text(&done.stdout))
    };
    let has = |out: &str, start: &str| assert!(out.lines().any(|line| line.starts_with(start)), "no {start:?}:\n{out}");
    let (code, out) = check(&server.api_secret, "open");
    has(&out, &format!("ok    livekit    {} answers, key accepted", server.url));
    has(&out, "ok    clock      as the server's");
    has(&out, "ok    udp        media path to the server stands after ");
    has(&out, "ok    data_dir   ");
    has(&out, "ok    storage    the folder ");
    has(&out, "skip  redis      not configured");
    assert_eq!(code, Some(0), "{out}");
    let (code, out) = check("another secret of thirty-two letters", "open");
    has(&out, "FAIL  livekit    api_key/api_secret: ");
    has(&out, "ok    clock      as the server's");
    has(&out, "FAIL  udp        api_key/api_secret: ");
    assert_eq!(code, Some(1), "{out}");
    let (_, out) = check(&server.api_secret, "closed");
    has(&out, "FAIL  udp        room: \"closed\" does not exist on ");
}
