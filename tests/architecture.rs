//! The law: who may name whom, what pure means, how large a file may grow. The table is data; the text of src/ is read.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

#[path = "support/rust_text.rs"]
mod rust_text;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use rust_text::{
    code_of, depth_of, lines_of, module_of, named_modules, names_crate, public_fields, sources, tokens, uses,
    without_tests,
};

#[derive(Clone, Copy, PartialEq)]
enum Band {
    /// No clock, no IO, no tasks.
    Pure,
    Impure,
}

use Band::{Impure, Pure};

/// Bottom-up. A line names only lines above it: the order is the proof that there is no cycle.
const LAW: &[(&str, Band, &str)] = &[
    ("ids", Pure, ""),
    ("error", Pure, ""),
    ("secret", Pure, ""),
    ("document", Pure, "error"),
    ("media", Pure, ""),
    ("timeline", Pure, ""),
    ("scene", Pure, "ids"),
    ("compositor", Pure, "ids scene"),
    ("recording", Pure, "ids error secret scene"),
    ("egress", Pure, "ids error secret scene recording"),
    ("sealing", Impure, "error secret"),
    ("capacity", Impure, ""),
    ("spool", Impure, "ids error"),
    ("storage", Impure, "error document secret sealing"),
    ("db", Impure, "ids error scene recording"),
    ("http", Impure, "error"),
    ("livekit", Impure, "error secret http"),
    ("psrpc", Impure, "error secret document storage"),
    ("room", Impure, "ids error media livekit"),
    ("pipeline", Impure, "ids error media timeline scene compositor recording"),
    ("notify", Impure, "error secret document recording egress http livekit psrpc"),
    ("recorder", Impure, "ids error media scene recording livekit room pipeline"),
    ("outbox", Impure, "ids error recording egress sealing spool storage db notify"),
    ("control", Impure, "ids error scene recording egress capacity spool storage db recorder outbox"),
    ("worker", Impure, "ids error scene recording livekit recorder control"),
    ("api", Impure, "ids error secret document scene recording egress sealing capacity livekit psrpc storage control"),
];

/// Put the others together and may name anyone.
const ASSEMBLY: &[&str] = &["main", "lib", "cmd", "sidecar", "config"];

/// Outside crates that any module may name: they do nothing but turn values into others. What is logged in pure code is a fact
/// that it should have returned.
const EVERYWHERE: &[&str] = &["base64", "bytes", "serde", "serde_json", "tracing", "url"];

/// Outside crates and where they are at home.
const HOMES: &[(&str, &[&str])] = &[
    ("gstreamer", &["pipeline"]),
    ("gstreamer_app", &["pipeline"]),
    ("gstreamer_video", &["pipeline"]),
    ("gst", &["pipeline"]),
    ("str0m", &["room"]),
    ("livekit_api", &["livekit", "api"]),
    ("livekit_protocol", &["livekit", "room", "egress", "notify", "api"]),
    ("livekit_signaling", &["room"]),
    ("sled", &["db"]),
    ("rustix", &["capacity", "spool", "storage", "worker"]),
    ("landlock", &["worker"]),
    ("seccompiler", &["worker"]),
    ("libc", &["worker"]),
    ("redis", &["psrpc"]),
    ("prost", &["livekit", "psrpc", "egress", "notify", "api"]),
    ("flate2", &["psrpc", "outbox"]),
    ("object_store", &["storage"]),
    ("http_body_util", &["storage"]),
    ("md5", &["storage"]),
    ("lettre", &["notify"]),
    ("prometheus_client", &["api"]),
    ("minijinja", &["api", "notify"]),
    ("warp", &["api"]),
    ("hyper", &["api"]),
    ("hyper_util", &["api"]),
    ("ipnet", &["api"]),
    ("tower_service", &["api"]),
    ("cosmic_text", &["compositor", "pipeline"]),
    ("crc", &["pipeline"]),
    ("yuv_sys", &["compositor"]),
    ("serde_ignored", &["document"]),
    ("serde_path_to_error", &["document"]),
    ("ureq", &[]),
    ("reqwest", &["http", "livekit", "notify", "storage", "cmd"]),
    (
        "tokio",
        &[
            "storage", "psrpc", "room", "pipeline", "notify", "recorder", "outbox", "control", "api", "capacity",
            "worker", "sidecar", "cmd",
        ],
    ),
    ("futures_util", &["storage", "psrpc", "notify", "outbox", "control", "api"]),
    ("rustls", &["livekit", "room", "cmd"]),
    ("rustls_native_certs", &["livekit"]),
    ("tokio_rustls", &["room"]),
    ("aws_lc_rs", &["sealing", "livekit", "psrpc", "notify", "api"]),
    (
        "jiff",
        &[
            "recording",
            "egress",
            "db",
            "http",
            "notify",
            "recorder",
            "outbox",
            "control",
            "worker",
            "api",
            "config",
            "sidecar",
            "cmd",
        ],
    ),
    ("rand", &["capacity", "storage", "psrpc", "outbox", "control"]),
    ("percent_encoding", &["storage", "notify", "api", "cmd"]),
    ("serde_saphyr", &["config", "api"]),
    ("strsim", &["config"]),
    ("clap", &["cmd"]),
    ("clap_complete", &["cmd"]),
    ("clap_mangen", &["cmd"]),
    ("indicatif", &["cmd"]),
    ("tracing_subscriber", &["cmd"]),
];

/// What pure code must not contain. Chance that comes from a seed is an argument like any other.
const IMPURE: &[&str] = &[
    "async ",
    ".await",
    "tokio::",
    "std::thread",
    "std::fs",
    "std::net",
    "std::env",
    "std::io",
    "std::os",
    "std::process",
    "rng()",
    "rand::random",
    "SysRng",
    "::now()",
    "SystemTime",
    "File::",
    "tracing::",
    "print!(",
    "println!(",
    // Databases on the disk: time zones, fonts.
    "TimeZone::get",
    "TimeZone::system",
    "TimeZone::try_system",
    "tz::db",
    "FontSystem::new(",
];

/// Lines of code a file may have; comments, blank lines and tests at its end are not counted.
const LINES: usize = 400;
/// Lines of tests a file may have, and lines of a file of tests; comments and blank lines are not counted.
const TEST_LINES: usize = 500;

#[test]
fn the_law_holds() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut faults = table_faults();
    let mut used = BTreeSet::new();
    for path in sources(&root) {
        let text = fs::read_to_string(&path).unwrap();
        let name = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
        faults.extend(file_faults(&name, &text, &mut used));
    }
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn every_permission_is_used() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut used = BTreeSet::new();
    for path in sources(&root) {
        let name = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
        file_faults(&name, &fs::read_to_string(&path).unwrap(), &mut used);
    }
    let unused: Vec<_> = LAW
        .iter()
        .flat_map(|(module, _, allowed)| allowed.split_whitespace().map(move |to| (module.to_string(), to.to_string())))
        .filter(|pair| !used.contains(pair))
        .map(|(from, to)| format!("{from} → {to}"))
        .collect();
    assert!(unused.is_empty(), "permissions that no file uses: {}", unused.join(", "));
}

/// A crate that is new finds its home here first, and one that nobody names any more leaves Cargo.toml.
#[test]
fn every_dependency_has_a_home_and_lives_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let dependencies = manifest.split("[dependencies]").nth(1).unwrap().split("\n[").next().unwrap();
    let names = dependencies.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(" = "));
    // The name of `md-5` as a crate.
    let names: BTreeSet<_> = names.map(|(name, _)| name.replace('-', "_").replace("md_5", "md5")).collect();
    assert!(names.len() > 30, "{names:?}");
    let mut named = BTreeSet::new();
    for path in sources(&root.join("src")) {
        let file = path.strip_prefix(root.join("src")).unwrap().to_string_lossy().into_owned();
        let code = code_of(&fs::read_to_string(&path).unwrap());
        let known = HOMES.iter().map(|(outside, _)| *outside).chain(names.iter().map(String::as_str));
        named.extend(
            known
                .filter(|outside| names_crate(&code, outside))
                .map(|outside| (outside.to_owned(), module_of(&file).to_owned())),
        );
    }
    let has_home = |name: &str| EVERYWHERE.contains(&name) || HOMES.iter().any(|(outside, _)| *outside == name);
    let homeless: Vec<_> = names.iter().filter(|name| !has_home(name)).collect();
    assert!(homeless.is_empty(), "dependencies without a line in HOMES: {homeless:?}");
    let idle: Vec<_> = names.iter().filter(|name| !named.iter().any(|(outside, _)| outside == *name)).collect();
    assert!(idle.is_empty(), "dependencies that no module names: {idle:?}");
    let homes =
        HOMES.iter().flat_map(|(outside, homes)| homes.iter().map(|home| (outside.to_string(), home.to_string())));
    let empty: Vec<_> = homes.filter(|pair| !named.contains(pair)).collect();
    assert!(empty.is_empty(), "homes where nobody lives: {empty:?}");
}

/// Tests are read by people too.
#[test]
fn files_of_tests_stay_short_and_say_what_they_are_for() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut faults = Vec::new();
    for path in ["tests", "benches", "examples", "fuzz"].iter().flat_map(|folder| sources(&root.join(folder))) {
        let name = path.strip_prefix(root).unwrap().display();
        let text = fs::read_to_string(&path).unwrap();
        let lines = lines_of(&code_of(&text));
        if lines > TEST_LINES {
            faults.push(format!("{name}: {lines} lines; {TEST_LINES} is the most"));
        }
        if !text.starts_with("//! ") {
            faults.push(format!("{name}: the first line must say after //! what it is for"));
        }
    }
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

/// Each test file includes `tests/support` as a module and uses its own part of it, so the compiler cannot say what nobody uses. (A
/// package of its own would not either: what is public in one is never unused.)
#[test]
fn everything_in_support_is_used() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files: Vec<_> = ["tests", "benches"].iter().flat_map(|folder| sources(&root.join(folder))).collect();
    let mut named = BTreeMap::new();
    let mut offered = Vec::new();
    for path in files {
        let code = code_of(&fs::read_to_string(&path).unwrap());
        let words: Vec<_> =
            code.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty()).collect();
        if path.starts_with(root.join("tests/support")) {
            let kinds = ["fn", "struct", "enum", "const", "static", "type", "trait"];
            let public = ["pub", "async", "const", "super"];
            let items = words.windows(3).filter(|three| public.contains(&three[0]) && kinds.contains(&three[1]));
            let pairs = items.map(|three| three[2].to_owned());
            offered.extend(pairs.map(|name| (path.display().to_string(), name)));
        }
        for word in words {
            *named.entry(word.to_owned()).or_insert(0) += 1;
        }
    }
    let unused: Vec<_> = offered.into_iter().filter(|(_, name)| named[name] < 2).collect();
    assert!(unused.is_empty(), "nobody uses {unused:?}");
}

/// Where structs say what the configuration may hold.
const SETTINGS: &[&str] = &[
    "config/mod.rs",
    "config/feature.rs",
    "config/logging.rs",
    "api/settings.rs",
    "livekit/server.rs",
    "notify/settings/mod.rs",
    "notify/settings/mail.rs",
    "psrpc/settings.rs",
    "storage/settings.rs",
];

/// An option that is read and kept, and then used by nobody, promises what does not happen.
#[test]
fn every_setting_is_used() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let production = |path: &Path| {
        let name = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
        tokens(without_tests(&code_of(&fs::read_to_string(path).unwrap()), &name))
    };
    let files: Vec<_> = sources(&root).iter().map(|path| production(path)).collect();
    let is_used = |field: &str| files.iter().any(|tokens| uses(tokens, field));
    let mut seen = 0;
    for file in SETTINGS {
        for field in public_fields(&production(&root.join(file))) {
            assert!(is_used(&field), "{file}: nobody uses {field}");
            seen += 1;
        }
    }
    assert!(seen > 60, "{seen}");
    let text = |text: &str| tokens(text);
    assert_eq!(public_fields(&text("pub struct A { pub b: C, d: E, pub(super) f: G } pub fn h() {}")), ["b"]);
    assert!(uses(&text("x.b.c()"), "b") && uses(&text("let A { b, d: _ } = x;"), "b"));
    assert!(!uses(&text("A { b: fields.text(), d }"), "b") && !uses(&text("x.b()"), "b"));
}

#[test]
fn the_law_sees_what_it_must_refuse() {
    let faults = |file: &str, text: &str| file_faults(file, &format!("//! x\n{text}"), &mut BTreeSet::new()).join("; ");
    // A plain path, one inside nested groups, one that climbs out by super, one over several lines.
    assert!(faults("spool/mod.rs", "use crate::db::Db;").contains("spool → db"));
    assert!(faults("room/x.rs", "use crate::{ids::{RecordingId, TrackId}, db::Row};").contains("room → db"));
    assert!(
        faults("room/x.rs", "use crate::{\n    ids::TrackId,\n    recording::{\n        Request,\n    },\n};")
            .contains("room → recording")
    );
    assert!(faults("room/x.rs", "fn f() { super::super::pipeline::f() }").contains("room → pipeline"));
    assert!(faults("room/x.rs", "use super::super::{error::Error, control::Control};").contains("room → control"));
    assert!(faults("scene/mod.rs", "use super::pipeline::Event;").contains("scene → pipeline"));
    assert!(faults("room/x.rs", "fn f() { greffier::api::f() }").contains("room → api"));
    // Allowed ones, words in comments and texts, and super within the module.
    assert_eq!(
        faults("room/x.rs", "use crate::ids::TrackId; // crate::db\nfn f() { super::g(\"crate::api::x\") }"),
        ""
    );
    assert_eq!(faults("cmd/x.rs", "use crate::{db::Db, api::Door};"), "");
    // Outside crates, purity, a missing first line, size, an unknown module.
    assert!(faults("control/x.rs", "use sled::Db;").contains("sled"));
    assert!(faults("room/x.rs", "fn f() { ::warp::serve() }").contains("warp"));
    assert_eq!(faults("room/x.rs", "fn f() { self.warp(); crate::room::sled::x() }"), "");
    assert!(faults("scene/x.rs", "fn f() { Instant::now(); }").contains("::now()"));
    assert!(file_faults("room/x.rs", "//! Pure. x\nasync fn f() {}", &mut BTreeSet::new())[0].contains("async"));
    assert!(file_faults("room/x.rs", "fn f() {}", &mut BTreeSet::new())[0].contains("//!"));
    assert_eq!(faults("capacity/x.rs", "//! Pure.\nfn f() { rand::rngs::SmallRng::seed_from_u64(7) }"), "");
    for impure in ["rand::random()", "rand::rng()", "TimeZone::get(name)", "FontSystem::new()", "tracing::warn!()"] {
        assert!(faults("scene/x.rs", &format!("fn f() {{ {impure} }}")).contains("is pure and says"), "{impure}");
    }
    assert!(faults("room/x.rs", &"f();\n".repeat(401)).contains("401"));
    let tests = |lines: usize| format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "g();\n".repeat(lines));
    assert_eq!(faults("room/x.rs", &tests(490)), "");
    assert!(faults("room/x.rs", &tests(500)).contains("503 lines of tests"));
    assert!(faults("room/tests/x.rs", &"f();\n".repeat(501)).contains("501 lines of tests"));
    assert_eq!(faults("scene/tests/x.rs", "fn f() { Instant::now(); }"), "");
    assert_eq!(
        faults(
            "room/x.rs",
            &format!("{}#[cfg(test)]\nmod tests {{\n{}}}\n", "f();\n".repeat(400), "g();\n".repeat(99))
        ),
        ""
    );
    assert!(faults("drawer/x.rs", "").contains("drawer"));
    // What follows a declaration of tests, or a block of them, ships.
    let impure = "fn f() { Instant::now(); }\n";
    assert!(faults("scene/x.rs", &format!("#[cfg(test)]\nmod tests;\n{impure}")).contains("::now()"));
    assert!(faults("scene/x.rs", &format!("#[cfg(test)]\nmod a {{\n}}\n{impure}")).contains("::now()"));
    assert!(faults("scene/x.rs", &format!("#[cfg(test)]\nmod a;\n{}", "f();\n".repeat(401))).contains("403"));
    assert_eq!(faults("scene/x.rs", &format!("#[cfg(test)]\nmod a;\n#[cfg(test)]\nmod b {{\n{impure}}}\n")), "");
}

fn table_faults() -> Vec<String> {
    let mut above = BTreeSet::new();
    let mut faults = Vec::new();
    for (module, band, allowed) in LAW {
        for to in allowed.split_whitespace() {
            if !above.contains(to) {
                faults.push(format!("the table: {module} names {to}, which is not above it"));
            }
            if *band == Pure && LAW.iter().any(|(name, band, _)| *name == to && *band == Impure) {
                faults.push(format!("the table: {module} is pure and names {to}, which is not"));
            }
        }
        above.insert(*module);
    }
    faults
}

fn file_faults(file: &str, text: &str, used: &mut BTreeSet<(String, String)>) -> Vec<String> {
    let mut faults = Vec::new();
    let module = module_of(file);
    if !text.starts_with("//! ") {
        faults.push(format!("{file}: the first line must say after //! what it is for"));
    }
    let code = code_of(text);
    let production = without_tests(&code, file);
    let lines = lines_of(production);
    if lines > LINES {
        faults.push(format!("{file}: {lines} lines of code; {LINES} is the most"));
    }
    let tests = lines_of(&code) - lines;
    if tests > TEST_LINES {
        faults.push(format!("{file}: {tests} lines of tests; {TEST_LINES} is the most"));
    }
    let law = LAW.iter().find(|(name, ..)| *name == module);
    let band = match law {
        Some((_, band, _)) => *band,
        None if ASSEMBLY.contains(&module) => Impure,
        None => return [faults, vec![format!("{file}: the module {module} has no line in the law")]].concat(),
    };
    // Tests may make what they need; what ships may not.
    if let Some((_, _, allowed)) = law {
        for to in named_modules(production, depth_of(file)) {
            let known = LAW.iter().any(|(name, ..)| *name == to) || ASSEMBLY.contains(&to.as_str());
            if to == module || !known {
                continue;
            }
            if allowed.split_whitespace().any(|name| name == to) {
                used.insert((module.to_owned(), to));
            } else {
                faults.push(format!("{file}: {module} → {to}"));
            }
        }
    }
    for (outside, homes) in HOMES {
        if !homes.contains(&module) && names_crate(&code, outside) {
            faults.push(format!("{file}: {outside} belongs in {}", homes.join(", ")));
        }
    }
    if band == Pure || text.starts_with("//! Pure.") {
        for word in IMPURE.iter().filter(|word| production.contains(**word)) {
            faults.push(format!("{file}: is pure and says {word:?}"));
        }
    }
    faults
}
