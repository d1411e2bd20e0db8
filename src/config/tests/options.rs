//! The table of options: what it says of each is what happens, and what is in force is shown.

use super::*;

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
        match Config::parse(&in_yaml(entry), flags()) {
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

/// What there is to say of this option in a file or a variable.
fn value(entry: &Entry) -> String {
    let text = match entry.kind {
        ValueKind::Text if entry.path == "mail.transport" => "none",
        ValueKind::Text | ValueKind::Secret => "x",
        ValueKind::Number | ValueKind::Real => "1",
        ValueKind::Flag | ValueKind::NotFlag => "true",
        ValueKind::List => "[x]",
        ValueKind::Length | ValueKind::Millis => "1s",
        ValueKind::Tree if entry.path == "storage.s3.metadata" => "{ x: text }",
        ValueKind::Tree => "{ x: { class: audio_composite } }",
        ValueKind::Objects => return format!("[{{ name: x, sha256: '{}', scopes: [read] }}]", "0".repeat(64)),
    };
    text.to_owned()
}

fn in_yaml(entry: &Entry) -> String {
    entry.path.rsplit('.').fold(value(entry), |inner, key| format!("{{ {key}: {inner} }}"))
}

fn flags() -> Overrides {
    Overrides {
        url: Some("ws://x".into()),
        api_key: Some("k".into()),
        api_secret: Some(Secret::new("s")),
        ..Overrides::default()
    }
}

/// Every option can be set by a variable, and means there what it means in a file.
#[test]
fn a_variable_says_what_a_file_says() {
    // That variable replaces every mode, and the file adds to them.
    for entry in TABLE.iter().filter(|entry| entry.path != "worker_classes") {
        let Some(name) = entry.own_variable() else { continue };
        let environment = environment(&[(name.as_str(), value(entry).as_str())]);
        let by_variable = Config::read(&Sources { environment, flags: flags(), ..Sources::default() });
        match (by_variable, Config::parse(&in_yaml(entry), flags())) {
            (Ok((variable, _)), Ok((file, _))) => assert_eq!(format!("{variable:?}"), format!("{file:?}"), "{name}"),
            (Err(variable), Err(file)) => assert!(variable.message.ends_with(file.why()), "{name}: {variable}; {file}"),
            (variable, file) => panic!("{name}: {:?}; in a file {:?}", variable.err(), file.err()),
        }
    }
    let tokens = with(&[("GREFFIER_API_TOKENS", "{}")]).unwrap_err().message;
    assert_eq!(tokens, "GREFFIER_API_TOKENS: expected a list such as [{\"name\": \"value\"}]");
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
    let config = |body: &str| Config::parse(body, flags()).map(|(config, _)| format!("{config:?}"));
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
            ValueKind::Secret
            | ValueKind::List
            | ValueKind::Length
            | ValueKind::Millis
            | ValueKind::Tree
            | ValueKind::Objects => false,
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
