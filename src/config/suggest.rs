//! Pure. The name that was probably meant by one that nobody knows.

use super::table::TABLE;
use super::upstream::FOREIGN;

/// The option or section that this path probably meant.
pub fn key(path: &str) -> Option<String> {
    // A mode's own storage has the options of `storage`.
    let rest = path.strip_prefix("worker_classes.").and_then(|rest| rest.split_once('.')).map(|(_, rest)| rest);
    if let Some(rest) = rest.filter(|rest| rest.starts_with("storage.")) {
        let mode = &path[..path.len() - rest.len()];
        return nearest_path(rest).map(|meant| format!("{mode}{meant}"));
    }
    nearest_path(path).or_else(|| elsewhere(path))
}

/// The variable that this one probably meant, out of these.
pub fn variable<'a>(name: &str, known: &'a [String]) -> Option<&'a str> {
    let theirs = |name: &str| {
        let (_, here) = FOREIGN.iter().find(|(key, _)| key.replace('.', "_").eq_ignore_ascii_case(name))?;
        here.option().map(|path| format!("GREFFIER_{}", path.replace('.', "_").to_uppercase()))
    };
    let rest = name.strip_prefix("GREFFIER_");
    if let Some(meant) = rest.and_then(theirs) {
        return known.iter().find(|one| **one == meant).map(String::as_str);
    }
    // The section may have been left out.
    let names = || known.iter().map(String::as_str);
    let sectionless = rest.and_then(|rest| only(names().filter(|one| one.ends_with(&format!("_{rest}")))));
    nearest(name, names()).or(sectionless)
}

/// Name by name from the root, each put right.
fn nearest_path(path: &str) -> Option<String> {
    let mut meant = String::new();
    for name in path.split('.') {
        let here = children(&meant);
        let right = match here.iter().find(|one| **one == name || **one == "*") {
            Some(_) => name,
            None => nearest(name, here.iter().copied())?,
        };
        if !meant.is_empty() {
            meant.push('.');
        }
        meant.push_str(right);
    }
    (meant != path).then_some(meant)
}

/// The same name in another section.
fn elsewhere(path: &str) -> Option<String> {
    let name = path.rsplit('.').next()?;
    let in_section = |path: &&str| path.split('.').count() == 2 && path.ends_with(&format!(".{name}"));
    only(TABLE.iter().map(|entry| entry.path).filter(in_section)).map(str::to_owned)
}

/// The names that may stand below this path, those of LiveKit Egress among them.
fn children(above: &str) -> Vec<&'static str> {
    let foreign = FOREIGN.iter().filter(|(_, here)| here.option().is_some()).map(|(key, _)| *key);
    let mut names: Vec<_> =
        TABLE.iter().map(|entry| entry.path).chain(foreign).filter_map(|path| below(above, path)).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The name that follows `above` in `path`, if it is there.
fn below(above: &str, path: &'static str) -> Option<&'static str> {
    let mut names = path.split('.');
    let mut given = above.split('.').filter(|name| !name.is_empty());
    given.all(|name| names.next().is_some_and(|own| own == name || own == "*")).then(|| names.next())?
}

/// The one of these that is written nearly so: another case, another hyphen, a slip or two.
fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str> + Clone) -> Option<&'a str> {
    let plain = |text: &str| text.replace(['_', '-'], "").to_lowercase();
    let name = plain(name);
    let slips = (name.chars().count() / 3).clamp(1, 3);
    let near = names.clone().map(|one| (strsim::damerau_levenshtein(&name, &plain(one)), one));
    let near = near
        .filter(|(distance, one)| *distance <= slips && *distance < plain(one).len())
        .min_by_key(|(distance, _)| *distance);
    let part = || only(names.clone().filter(|one| name.len() > 3 && plain(one).contains(&name)));
    near.map(|(_, one)| one).or_else(part)
}

fn only<'a>(mut names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    names.next().filter(|_| names.next().is_none())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn slips_are_put_right() {
        for (path, meant) in [
            ("limtis", Some("limits")),
            ("limtis.max_duration", Some("limits.max_duration")),
            ("limits.max-duration", Some("limits.max_duration")),
            ("limits.maxDuration", Some("limits.max_duration")),
            ("limits.duration", Some("limits.max_duration")),
            ("Limits", Some("limits")),
            ("storage.s3.bukcet", Some("storage.s3.bucket")),
            ("storge.s3.bukcet", Some("storage.s3.bucket")),
            ("worker_classes.lecture.layuot", Some("worker_classes.lecture.layout")),
            ("worker_classes.lecture.storage.s3.bukcet", Some("worker_classes.lecture.storage.s3.bucket")),
            ("log_levle", Some("log_level")),
            ("webhook.urls", Some("webhooks.urls")),
            ("max_duration", Some("limits.max_duration")),
            ("recording.max_size", Some("limits.max_size")),
            ("level", Some("log_level")),
            ("limits.download_base_url", Some("recording.download_base_url")),
            ("api-token", Some("api_token")),
            ("new_key_of_next_year.secret", None),
            ("storage.s3.metadata.colour", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(key(path).as_deref(), meant, "{path}");
        }
    }

    #[test]
    fn variables_are_put_right() {
        let known: Vec<_> = TABLE.iter().filter_map(super::super::Entry::own_variable).collect();
        for (name, meant) in [
            ("GREFFIER_LIMITS_MAX_DURATON", Some("GREFFIER_LIMITS_MAX_DURATION")),
            ("GREFFIER_LIMIT_MAX_DURATION", Some("GREFFIER_LIMITS_MAX_DURATION")),
            ("GREFFIER_MAX_DURATION", Some("GREFFIER_LIMITS_MAX_DURATION")),
            ("GREFFIER_LOG_LEVEL", Some("GREFFIER_LOGGING_LEVEL")),
            ("GREFFIER_DATADIR", Some("GREFFIER_DATA_DIR")),
            ("GREFFIER_COLOUR", None),
        ] {
            assert_eq!(variable(name, &known), meant, "{name}");
        }
    }

    proptest! {
        /// One letter too few in any option's path still leads to a name that exists.
        #[test]
        fn a_letter_that_is_missing_is_found(which in 0..TABLE.len(), at in 0_usize..60) {
            let path = TABLE[which].path;
            prop_assume!(!path.contains('*') && path.len() > 6);
            let at = at % path.len();
            prop_assume!(path.as_bytes()[at] != b'.');
            let wrong = format!("{}{}", &path[..at], &path[at + 1..]);
            prop_assume!(path.split('.').zip(wrong.split('.')).all(|(a, b)| a == b || b.len() > 3));
            if let Some(meant) = key(&wrong) {
                let exists = |one: &str| TABLE.iter().map(|e| e.path).chain(FOREIGN.iter().map(|(k, _)| *k))
                    .any(|path| path == one || path.starts_with(&format!("{one}.")));
                prop_assert!(exists(&meant), "{wrong}: {meant}");
            } else if !FOREIGN.iter().any(|(key, _)| *key == wrong) {
                prop_assert!(super::super::table::entry(&wrong).is_some(), "{wrong}: nothing is suggested");
            }
        }
    }
}
