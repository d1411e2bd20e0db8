//! The law: who may name whom, what pure means, how large a file may grow. The table is data; the text of src/ is read.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

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
    ("psrpc", Impure, "error secret document"),
    ("room", Impure, "ids error media http livekit"),
    ("pipeline", Impure, "ids error media timeline scene compositor recording"),
    ("notify", Impure, "error secret document recording egress http livekit psrpc"),
    ("recorder", Impure, "ids error media scene recording livekit room pipeline"),
    ("outbox", Impure, "ids error recording egress spool storage db notify"),
    ("control", Impure, "ids error scene recording egress capacity spool storage db recorder outbox"),
    ("api", Impure, "ids error secret document scene recording egress sealing capacity livekit psrpc storage control"),
];

/// Put the others together and may name anyone.
const ASSEMBLY: &[&str] = &["main", "lib", "cmd", "sidecar", "config"];

/// Outside crates that have one home.
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
    ("rustix", &["capacity", "spool", "storage"]),
    ("redis", &["psrpc"]),
    ("prost", &["livekit", "psrpc", "room", "egress", "notify", "api"]),
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
    ("cosmic_text", &["compositor"]),
    ("yuv_sys", &["compositor"]),
    ("serde_ignored", &["document"]),
    ("serde_path_to_error", &["document"]),
    ("ureq", &[]),
    ("reqwest", &["http", "livekit", "notify", "storage", "cmd"]),
];

/// What pure code must not contain.
const IMPURE: &[&str] = &[
    "async ",
    ".await",
    "tokio::",
    "std::thread",
    "std::fs",
    "std::net",
    "std::env",
    "std::io",
    "std::process",
    "rand::",
    "::now()",
    "File::",
];

/// Lines of code a file may have; comments, blank lines and tests at its end are not counted.
const LINES: usize = 400;

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
    assert!(faults("room/x.rs", &"f();\n".repeat(401)).contains("401"));
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
    let lines = production.lines().filter(|line| !line.trim().is_empty()).count();
    if lines > LINES {
        faults.push(format!("{file}: {lines} lines of code; {LINES} is the most"));
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

/// `room/token.rs` → `room`, `ids.rs` → `ids`.
fn module_of(file: &str) -> &str {
    file.split('/').next().unwrap().trim_end_matches(".rs")
}

/// How many modules deep a file is: `ids.rs` and `room/mod.rs` 1, `room/token.rs` 2.
fn depth_of(file: &str) -> usize {
    let parts = file.trim_end_matches(".rs").split('/').collect::<Vec<_>>();
    if parts.last() == Some(&"mod") { parts.len() - 1 } else { parts.len() }
}

/// The text without comments and without what stands in quotes; lines are kept.
fn code_of(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let raw = ["r\"", "r#\"", "r##\""].iter().find(|open| rest.starts_with(**open));
        if rest.starts_with("//") {
            rest = &rest[rest.find('\n').unwrap_or(rest.len())..];
        } else if rest.starts_with("/*") {
            let end = rest.find("*/").map_or(rest.len(), |end| end + 2);
            code.extend(rest[..end].chars().filter(|c| *c == '\n'));
            rest = &rest[end..];
        } else if let Some(open) = raw.filter(|_| !code.ends_with(|c: char| c.is_alphanumeric() || c == '_')) {
            let close = format!("\"{}", "#".repeat(open.len() - 2));
            let body = &rest[open.len()..];
            let end = body.find(&close).map_or(body.len(), |end| end + close.len());
            code.push_str("\"\"");
            code.extend(body[..end].chars().filter(|c| *c == '\n'));
            rest = &body[end..];
        } else if c == '"' {
            let mut length = 1;
            let mut escaped = false;
            for c in rest[1..].chars() {
                length += c.len_utf8();
                match c {
                    '\\' if !escaped => escaped = true,
                    '"' if !escaped => break,
                    _ => escaped = false,
                }
            }
            code.push_str("\"\"");
            code.extend(rest[..length].chars().filter(|c| *c == '\n'));
            rest = &rest[length..];
        } else if rest.starts_with("'\"'") || rest.starts_with("'\\\"'") {
            code.push_str("' '");
            rest = &rest[if rest.starts_with("'\\") { 4 } else { 3 }..];
        } else {
            code.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    code
}

/// Tests come last in a file, and files named tests.rs hold nothing else. A block of tests is left out only where nothing follows
/// it; a line that declares a file of tests is not the end of this one.
fn without_tests<'a>(code: &'a str, file: &str) -> &'a str {
    if file.ends_with("tests.rs") {
        return "";
    }
    let is_last_block = |(at, mark): &(usize, &str)| {
        let after = code[at + mark.len()..].trim_start();
        let head = after.lines().next().unwrap_or_default();
        // Formatted code closes a block of the file's own level in the first column.
        let rest = after.split_once("\n}").map_or("", |(_, rest)| rest);
        head.starts_with("mod ") && head.ends_with('{') && rest.trim().is_empty()
    };
    let end = code.match_indices("#[cfg(test)]").find(is_last_block);
    &code[..end.map_or(code.len(), |(at, _)| at)]
}

/// Every module of the crate that this code names by a path from the root, also within groups, also by climbing up.
fn named_modules(code: &str, depth: usize) -> BTreeSet<String> {
    let mut tokens = tokens(code).into_iter().peekable();
    let mut named = BTreeSet::new();
    let mut before = String::new();
    while let Some(token) = tokens.next() {
        let starts =
            (token == "crate" || token == "greffier" || token == "super") && before != "::" && before != "pub(";
        let mut climbs = usize::from(token == "super");
        before = token.clone();
        if !starts || tokens.peek().map(String::as_str) != Some("::") {
            continue;
        }
        tokens.next();
        while tokens.peek().map(String::as_str) == Some("super") {
            climbs += 1;
            tokens.next();
            if tokens.peek().map(String::as_str) == Some("::") {
                tokens.next();
            }
        }
        // A chain that stays within its module says nothing; one that reaches the root names modules.
        if token == "super" && climbs < depth {
            continue;
        }
        match tokens.next().as_deref() {
            Some("{") => {
                let (mut level, mut first) = (1, true);
                for token in tokens.by_ref() {
                    match token.as_str() {
                        "{" => level += 1,
                        "}" => level -= 1,
                        "," if level == 1 => first = true,
                        name if level == 1 && first => {
                            named.insert(name.to_owned());
                            first = false;
                        }
                        _ => {}
                    }
                    if level == 0 {
                        break;
                    }
                }
            }
            Some(name) => {
                named.insert(name.to_owned());
            }
            None => {}
        }
    }
    named
}

/// `name::` at the head of a path, or `use name`.
fn names_crate(code: &str, name: &str) -> bool {
    let tokens = tokens(code);
    (0..tokens.len()).any(|n| {
        let before = |back: usize| n.checked_sub(back).map_or("", |n| tokens[n].as_str());
        // `::warp` is the crate, `room::warp` is not.
        let at_head = before(1) != "."
            && (before(1) != "::"
                || !before(2).chars().all(|c| c.is_alphanumeric() || c == '_')
                || before(2).is_empty());
        let path = tokens.get(n + 1).is_some_and(|next| next == "::");
        let used = before(1) == "use";
        tokens[n] == name && at_head && (path || used)
    })
}

fn tokens(code: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut chars = code.chars().peekable();
    while let Some(c) = chars.next() {
        if c.is_alphanumeric() || c == '_' {
            let mut word = String::from(c);
            while let Some(c) = chars.next_if(|c| c.is_alphanumeric() || *c == '_') {
                word.push(c);
            }
            tokens.push(word);
        } else if c == ':' && chars.next_if_eq(&':').is_some() {
            tokens.push("::".to_owned());
        } else if !c.is_whitespace() {
            tokens.push(c.to_string());
        }
    }
    tokens
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}
