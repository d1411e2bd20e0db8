//! The command line as an operator meets it: what the configuration comes to, and what the preflight says.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod support;

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use support::server::LiveKit;
use support::sidecar::Sidecar;
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

#[test]
fn record_finds_the_server_where_serve_finds_it() {
    let folder = TempDir::new().unwrap();
    let (secret, output) = (folder.path().join("secret"), folder.path().join("a.mp4"));
    std::fs::write(&secret, "of a file\n").unwrap();
    let record = ["record", "--room", "daily", "--output", output.to_str().unwrap()];
    let refused = |arguments: &[&str], variables: &[(&str, &str)]| {
        let done = greffier(&[&record, arguments].concat(), variables);
        assert!(!done.status.success());
        text(&done.stderr)
    };
    let variables = [
        ("LIVEKIT_WS_URL", "ws://127.0.0.1:1"),
        ("LIVEKIT_API_KEY", "devkey"),
        ("LIVEKIT_API_SECRET_FILE", secret.to_str().unwrap()),
    ];
    let error = refused(&[], &variables);
    assert!(error.contains("cannot reach ws://127.0.0.1:1"), "{error}");
    let file = "livekit: { url: 'ws://127.0.0.1:2', api_key: k, api_secret: s }";
    let error = refused(&["--config-body", file], &[]);
    assert!(error.contains("cannot reach ws://127.0.0.1:2"), "{error}");
    let error = refused(&["--url", "ws://127.0.0.1:3"], &variables);
    assert!(error.contains("cannot reach ws://127.0.0.1:3"), "a flag goes first: {error}");
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
    has(&out, "ok    udp        media path to the server established after ");
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

/// Flags of `record` that lead nowhere.
const NOWHERE: [&str; 6] = ["--url", "ws://127.0.0.1:1", "--api-key", "k", "--api-secret", "s"];

#[test]
fn record_writes_over_nothing() {
    let folder = TempDir::new().unwrap();
    let output = folder.path().join("meeting.mp4");
    let record = |more: &[&str]| {
        let own = ["record", "--room", "r", "--output", output.to_str().unwrap()];
        let done = greffier(&[&own[..], &NOWHERE, more].concat(), &[]);
        (done.status.code(), text(&done.stderr))
    };
    std::fs::write(&output, "a meeting").unwrap();
    let (code, log) = record(&[]);
    assert_eq!(code, Some(64), "{log}");
    assert!(
        log.starts_with("greffier: output: ") && log.contains(" is there already; ") && log.contains("--force"),
        "{log}"
    );
    // Who may replace it does so with a recording only.
    let (code, log) = record(&["--force"]);
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("url: cannot reach ws://127.0.0.1:1: "), "{log}");
    assert_eq!(std::fs::read_to_string(&output).unwrap(), "a meeting");
    // What a crash left.
    std::fs::remove_file(&output).unwrap();
    std::fs::write(folder.path().join("meeting.mp4.part"), "half a meeting").unwrap();
    let (code, log) = record(&[]);
    assert_eq!(code, Some(1), "{log}");
    let left = folder.path().join("meeting-interrupted.mp4");
    assert_eq!(std::fs::read_to_string(&left).unwrap(), "half a meeting");
    assert!(
        log.contains(&format!("an earlier recording was interrupted; what there is of it is now {}", left.display())),
        "{log}"
    );
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
}

#[test]
fn a_slip_in_the_configuration_is_told_with_what_was_meant_and_fails_the_preflight() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("greffier.yaml");
    std::fs::write(
        &file,
        "livekit: { url: 'ws://127.0.0.1:1', api_key: k, api_secret: s }\nlimtis: { max_duration: 1h }\n",
    )
    .unwrap();
    let data = folder.path().join("data");
    let variables = [
        ("GREFFIER_CONFIG", file.to_str().unwrap()),
        ("GREFFIER_DATADIR", "x"),
        ("GREFFIER_DATA_DIR", data.to_str().unwrap()),
    ];
    let done = greffier(&["check"], &variables);
    let out = text(&done.stdout);
    assert_eq!(done.status.code(), Some(1), "{out}");
    for line in [
        "FAIL  config     limtis.max_duration: unknown key, ignored; did you mean limits.max_duration?",
        "FAIL  config     GREFFIER_DATADIR: unknown variable, ignored; did you mean GREFFIER_DATA_DIR?",
    ] {
        assert!(out.lines().any(|one| one == line), "no line {line:?}:\n{out}");
    }
    let with_flag = greffier(&["config", "--show"], &variables);
    assert!(text(&with_flag.stderr).contains("did you mean limits.max_duration?"), "{}", text(&with_flag.stderr));
    let without = greffier(&["config"], &variables);
    assert_eq!((without.status.code(), text(&without.stdout)), (Some(0), text(&with_flag.stdout)));
}

/// A `greffier serve` that is ended with the test, the lines of its log, and those that were read already.
struct Served(Child, std::io::Lines<BufReader<std::process::ChildStderr>>, Vec<String>);

impl Served {
    fn start(arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_greffier"))
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(arguments)
            .envs(variables.iter().copied())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        Self(child, lines, Vec::new())
    }

    /// The first line that says this; the end of the log fails the test.
    fn until(&mut self, words: &str) -> String {
        if let Some(line) = self.2.iter().find(|line| line.contains(words)) {
            return line.clone();
        }
        for line in self.1.by_ref() {
            self.2.push(line.unwrap());
            if let Some(line) = self.2.last().filter(|line| line.contains(words)) {
                return line.clone();
            }
        }
        panic!("nobody said {words:?}:\n{}", self.2.join("\n"));
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Nobody has asked for a recording yet.
#[test]
fn serve_says_at_once_what_keeps_it_from_recording_and_when_that_is_over() {
    let mut server = LiveKit::start();
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("data").display().to_string();
    let flags =
        |secret| ["--data-dir", &data, "--url", &server.url, "--api-key", &server.api_key, "--api-secret", secret];
    let wrong = Served::start(&flags("another secret of thirty-two letters"), &[]).until("WARN");
    assert!(wrong.contains("no room can be recorded") && wrong.contains("api_key/api_secret: "), "{wrong}");
    let bucket = "storage: { s3: { endpoint: 'http://127.0.0.1:1', bucket: b, access_key: k, secret: s } }";
    let variables = [("EGRESS_CONFIG_BODY", bucket), ("GREFFIER_LOGGING_JSON", "true")];
    let flags = flags(&server.api_secret).map(str::to_owned);
    server.kill();
    let mut served = Served::start(&flags.each_ref().map(String::as_str), &variables);
    let line: Value = serde_json::from_str(&served.until("no room can be recorded")).unwrap();
    assert_eq!(line["level"], "WARN", "{line}");
    assert!(line["message"].as_str().unwrap().contains("url: cannot reach "), "{line}");
    server.restart();
    let line: Value = serde_json::from_str(&served.until("lets us in")).unwrap();
    assert_eq!(line["level"], "INFO", "{line}");
    // One probe; whatever a try of it takes.
    let line: Value = serde_json::from_str(&served.until("recordings will wait on this disk")).unwrap();
    assert_eq!(line["level"], "WARN", "{line}");
}

#[test]
fn a_log_that_cannot_be_written_ends_nothing() {
    let folder = TempDir::new().unwrap();
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let flags =
        ["serve", "--listen", "127.0.0.1:0", "--url", "ws://127.0.0.1:1", "--api-key", "k", "--api-secret", "s"];
    let mut command = Command::new(env!("CARGO_BIN_EXE_greffier"));
    command.args(flags).arg("--data-dir").arg(folder.path()).stdout(Stdio::piped()).stderr(full);
    let mut served = command.spawn().unwrap();
    let line = BufReader::new(served.stdout.take().unwrap()).lines().next().unwrap().unwrap();
    let url = format!("{}/api/v1.0", line.strip_prefix("greffier is listening on ").unwrap());
    let path = format!("{url}/rooms/daily/start-recording/");
    let start = || ureq::post(&path).send_json(serde_json::json!({ "mode": "transcript" })).unwrap_err();
    // There is no server; whoever would say so would be gone the second time.
    let starts = [start().to_string(), start().to_string()];
    let _ = (served.kill(), served.wait());
    assert_eq!(starts, ["http status: 502", "http status: 502"]);
}

/// A whole life by the command line alone: started, listed, shown, stopped, shared, deleted.
#[test]
fn a_running_sidecar_is_driven_by_its_verbs() {
    let server = LiveKit::start();
    server.create_room("daily");
    let sidecar = Sidecar::start(&server);
    let verb = |arguments: &[&str]| {
        let done = greffier(arguments, &[("GREFFIER_SERVER", sidecar.url())]);
        (done.status.code(), text(&done.stdout), text(&done.stderr))
    };
    let id = |out: &str| out.trim_end().to_owned();
    let (code, out, log) = verb(&["start", "--room", "daily", "--layout", "grid", "--duration", "1h"]);
    assert_eq!(code, Some(0), "{log}");
    let first = id(&out);
    assert!(first.starts_with("EG_") && log.contains(&format!("greffier stop {first}")), "{out}{log}");
    let (code, _, log) = verb(&["start", "--room", "daily"]);
    assert_eq!(code, Some(1), "{log}");
    let (code, out, _) = verb(&["list"]);
    assert_eq!(code, Some(0));
    let lines: Vec<_> = out.lines().collect();
    assert!(lines[0].starts_with("ID") && lines[1].starts_with(&first) && lines[1].contains("  active  "), "{out}");
    assert!(lines.len() == 2 && lines.iter().all(|line| line.chars().count() <= 100), "{out}");
    let (_, out, log) = verb(&["delete", &first]);
    assert!(out.is_empty() && log.starts_with("greffier: "), "what runs is not deleted: {log}");
    assert_eq!(verb(&["stop", &first]).1, format!("{first}\n"));
    sidecar.until(&first, "saved");
    let (code, _, log) = verb(&["stop", &first]);
    assert!(code == Some(1) && log.contains(" does not run any more: it is saved"), "{log}");
    let (_, out, _) = verb(&["start", "--room", "daily", "--mode", "transcript", "--json"]);
    let second = serde_json::from_str::<Value>(&out).unwrap()["id"].as_str().unwrap().to_owned();
    assert_eq!(verb(&["stop", "--room", "daily"]).1, format!("{second}\n"));
    sidecar.until(&second, "saved");
    let listed = |arguments: &[&str]| {
        let (_, out, _) = verb(&[&["list", "--json"], arguments].concat());
        let list: Vec<Value> = serde_json::from_str(&out).unwrap();
        list.iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(listed(&[]), [second.as_str(), &first]);
    assert_eq!(listed(&["--limit", "1"]), [second.as_str()]);
    assert_eq!(listed(&["--room", "nightly"]), [""; 0]);
    assert_eq!(listed(&["--status", "active"]), [""; 0]);
    let (_, out, _) = verb(&["show", &first]);
    assert!(out.contains("room ") && out.contains("daily\n") && out.contains("stopped on request"), "{out}");
    let (_, out, log) = verb(&["share", &first, "--days", "2"]);
    assert!(out.starts_with("http") && out.lines().count() == 1 && log.contains("may watch until"), "{out}{log}");
    let (code, _, log) = verb(&["share", &first, "--days", "1000"]);
    assert!(code == Some(64) && log.contains("expires_in_days: 1000 is out of range"), "{log}");
    assert_eq!(verb(&["share", &first, "--revoke"]).0, Some(0));
    let file = listed_path(&verb(&["show", &first, "--json"]).1);
    assert_eq!(verb(&["delete", &first, "--keep-file"]).0, Some(0));
    assert!(Path::new(&file).exists(), "{file}");
    let (code, _, log) = verb(&["show", &first]);
    assert!(code == Some(1) && log.contains(&format!("there is no recording {first:?}")), "{log}");
    // A room's token opens that room alone.
    let key = ["--api-key", &server.api_key, "--api-secret", &server.api_secret];
    let (_, token, log) = verb(&[&["token", "--room", "nightly", "--ttl", "90s"], &key[..]].concat());
    let (code, _, log) = (verb(&["list", "--room", "nightly", "--api-token", token.trim()]).0, "", log);
    assert_eq!(code, Some(0), "{log}");
    let (code, _, log) = verb(&["list", "--room", "daily", "--api-token", token.trim()]);
    assert!(code == Some(1) && log.contains("another room"), "{log}");
    // A wrong token, a wrong flag, a wrong status, nobody there, somebody else there.
    let (code, _, log) = verb(&["list", "--api-token", "wrong"]);
    assert!(code == Some(1) && log.contains("GREFFIER_API_TOKEN"), "{log}");
    assert_eq!(verb(&["start", "--room", "daily", "--layout", "circle"]).0, Some(64));
    assert_eq!(verb(&["list", "--status", "asleep"]).0, Some(64));
    assert_eq!(verb(&["stop"]).0, Some(64));
    let (code, _, log) = verb(&["list", "--server", "http://127.0.0.1:1"]);
    assert!(code == Some(1) && log.contains("is `greffier serve` running there?"), "{log}");
    let (code, _, log) = verb(&["list", "--server", &server.url.replace("ws:", "http:")]);
    assert!(code == Some(1) && log.contains("is no greffier"), "{log}");
    let (code, _, log) = verb(&["list", "--server", "localhost:7990"]);
    assert!(code == Some(64) && log.contains("server: "), "{log}");
    // A whole life, and nothing to be afraid of; a machine that is busy with other tests may say so.
    let log = sidecar.log();
    let log = log.lines().filter(|line| !line.contains("does not keep up")).collect::<Vec<_>>().join("\n");
    assert!(!log.contains("WARN") && !log.contains("ERROR"), "{log}");
    assert!(!log.contains("(Failure") && !log.contains("Ended("), "{log}");
}

fn listed_path(out: &str) -> String {
    serde_json::from_str::<Value>(out).unwrap()["path"].as_str().unwrap().to_owned()
}

/// Where media flows, nothing is warned of; the unit of a plain number is said.
#[test]
fn a_healthy_recording_says_nothing_fearful() {
    let server = LiveKit::start();
    server.create_room("quiet");
    let folder = TempDir::new().unwrap();
    let output = folder.path().join("meeting.mp4");
    let variables = [
        ("LIVEKIT_URL", server.url.as_str()),
        ("LIVEKIT_API_KEY", &server.api_key),
        ("LIVEKIT_API_SECRET", &server.api_secret),
    ];
    for (more, length) in [(["--duration", "2"], 2.0), (["--duration", "1500ms"], 1.5)] {
        let _ = std::fs::remove_file(&output);
        let own = ["record", "--audio-only", "--room", "quiet", "--output", output.to_str().unwrap()];
        let done = greffier(&[&own[..], &more].concat(), &variables);
        let (out, log) = (text(&done.stdout), text(&done.stderr));
        assert_eq!(done.status.code(), Some(0), "{log}");
        let seconds: f64 = out.rsplit_once(": ").unwrap().1.split_once(" s, ").unwrap().0.parse().unwrap();
        assert!((seconds - length).abs() < 1.0, "{out}");
        assert!(!log.contains("WARN") && !log.contains("ERROR") && !log.contains("INFO"), "{log}");
    }
    let help = text(&greffier(&["record", "--help"], &[]).stdout);
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(help.contains("a plain number counts seconds"), "{help}");
    // logging.level is heard here too.
    let _ = std::fs::remove_file(&output);
    let own = ["record", "--audio-only", "--room", "quiet", "--duration", "1", "--output", output.to_str().unwrap()];
    let done = greffier(
        &own,
        &[&variables[..], &[("GREFFIER_LOGGING_LEVEL", "info"), ("GREFFIER_LOGGING_JSON", "1")]].concat(),
    );
    let log = text(&done.stderr);
    let json: Vec<Value> = log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    assert!(json.iter().any(|line| line["level"] == "INFO" && line["message"].as_str().is_some()), "{log}");
}

/// Killed in the middle: the next one of that name keeps what there is, as a film that can be watched.
#[test]
fn a_killed_recording_is_kept_by_the_next_one() {
    let server = LiveKit::start();
    server.create_room("daily");
    let folder = TempDir::new().unwrap();
    let output = folder.path().join("meeting.mp4");
    let part = folder.path().join("meeting.mp4.part");
    let own = ["record", "--room", "daily", "--output", output.to_str().unwrap()];
    let key = ["--url", &server.url, "--api-key", &server.api_key, "--api-secret", &server.api_secret];
    let mut first =
        Command::new(env!("CARGO_BIN_EXE_greffier")).args(own).args(key).stderr(Stdio::null()).spawn().unwrap();
    // Three seconds of it, by the boxes of its fragments.
    let fragments = || std::fs::read(&part).unwrap_or_default().windows(4).filter(|four| four == b"moof").count();
    while fragments() < 3 {
        assert!(first.try_wait().unwrap().is_none(), "the first one ended by itself");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    // While it runs its file is not touched.
    let done = greffier(&[&own[..], &key].concat(), &[]);
    let log = text(&done.stderr);
    assert!(done.status.code() == Some(64) && log.contains("another recorder is writing "), "{log}");
    first.kill().unwrap();
    first.wait().unwrap();
    let done = greffier(&[&own[..], &key, &["--duration", "1"]].concat(), &[]);
    let log = text(&done.stderr);
    assert_eq!(done.status.code(), Some(0), "{log}");
    assert!(log.contains("an earlier recording was interrupted") && log.contains("meeting-interrupted.mp4: "), "{log}");
    let mut names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["meeting-interrupted.mp4", "meeting.mp4"]);
}

#[test]
fn shells_and_manuals_are_served() {
    let folder = TempDir::new().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let done = greffier(&["completions", shell], &[]);
        assert!(done.status.success() && text(&done.stdout).contains("greffier"));
    }
    assert_eq!(greffier(&["completions", "basic"], &[]).status.code(), Some(64));
    let done = greffier(&["man", folder.path().to_str().unwrap()], &[]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    let page = std::fs::read_to_string(folder.path().join("greffier-record.1")).unwrap();
    assert!(page.contains("Exit codes") && page.contains("audio"), "{page}");
    assert_eq!(greffier(&["man", "/nowhere/at/all"], &[]).status.code(), Some(64));
}
