//! The text of Rust's files as the law reads it: without comments and quotes, tests apart, token by token.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

pub fn lines_of(code: &str) -> usize {
    code.lines().filter(|line| !line.trim().is_empty()).count()
}

/// `room/token.rs` → `room`, `ids.rs` → `ids`.
pub fn module_of(file: &str) -> &str {
    file.split('/').next().unwrap().trim_end_matches(".rs")
}

/// How many modules deep a file is: `ids.rs` and `room/mod.rs` 1, `room/token.rs` 2.
pub fn depth_of(file: &str) -> usize {
    let parts = file.trim_end_matches(".rs").split('/').collect::<Vec<_>>();
    if parts.last() == Some(&"mod") { parts.len() - 1 } else { parts.len() }
}

/// The text without comments and without what stands in quotes; lines are kept.
pub fn code_of(text: &str) -> String {
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

/// Tests come last in a file, and files named tests.rs or in a folder of that name hold nothing else. A block of tests is left out only where nothing follows
/// it; a line that declares a file of tests is not the end of this one.
pub fn without_tests<'a>(code: &'a str, file: &str) -> &'a str {
    if file.ends_with("tests.rs") || file.contains("/tests/") {
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
pub fn named_modules(code: &str, depth: usize) -> BTreeSet<String> {
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
pub fn names_crate(code: &str, name: &str) -> bool {
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

pub fn tokens(code: &str) -> Vec<String> {
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

pub fn sources(folder: &Path) -> Vec<PathBuf> {
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

/// The fields that others may read.
pub fn public_fields(tokens: &[String]) -> Vec<String> {
    let field = |part: &[String]| (part[0] == "pub" && part[2] == ":").then(|| part[1].clone());
    tokens.windows(3).filter_map(field).collect()
}

/// `x.field`, or `let A { field, … } = x`.
pub fn uses(tokens: &[String], field: &str) -> bool {
    let read = |part: &[String]| part[0] == "." && part[1] == field && part[2] != "(" && part[2] != "=";
    let taken_apart = || {
        tokens.split(|token| token == "let").skip(1).any(|pattern| {
            let pattern: Vec<_> = pattern.iter().take_while(|token| *token != "=").collect();
            let braces = pattern.iter().any(|token| *token == "{");
            braces && pattern.windows(2).any(|pair| pair[0] == field && (pair[1] == "," || pair[1] == "}"))
        })
    };
    tokens.windows(3).any(read) || taken_apart()
}
