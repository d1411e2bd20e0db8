//! Pure. The text of a `.gst` file → what GStreamer can parse: comments stripped, `${values}` filled.

/// Why a template cannot be used. It is a fault of the program, never of the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TemplateError {
    /// `${name}` has no value.
    Unfilled(String),
    /// `${` without its `}`.
    Unclosed,
}

impl std::fmt::Display for TemplateError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unfilled(name) => write!(f, "no value for ${{{name}}}"),
            Self::Unclosed => f.write_str("`${` without `}`"),
        }
    }
}

/// The text without its comments (lines that begin with `#`: gst-launch knows none) and on one line, every `${name}` replaced.
pub fn fill(text: &str, values: &[(&str, String)]) -> Result<String, TemplateError> {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')).collect();
    let text = lines.join(" ");
    let mut filled = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once("${") {
        filled.push_str(before);
        let (name, after) = after.split_once('}').ok_or(TemplateError::Unclosed)?;
        let value = values.iter().find(|(n, _)| *n == name).ok_or_else(|| TemplateError::Unfilled(name.into()))?;
        filled.push_str(&value.1);
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

/// The factory names in a filled description: what begins a part between `!`, unless it is caps or a pad reference.
pub fn elements(description: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut begins = true;
    // Every second piece was in quotes.
    for words in description.split('"').step_by(2) {
        for word in words.split_whitespace() {
            if word == "!" {
                begins = true;
            } else if begins && !word.ends_with('.') {
                begins = false;
                if !word.contains('/') {
                    found.push(word);
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_and_strips() {
        let text = "# says\nfilesrc location=${path}\n  # more\n! a,w=${w} \n";
        let values = [("path", "x#y".to_owned()), ("w", "3".to_owned())];
        assert_eq!(fill(text, &values).unwrap(), "filesrc location=x#y ! a,w=3");
    }

    #[test]
    fn refuses_what_is_unfilled() {
        assert_eq!(fill("a b=${c}", &[]), Err(TemplateError::Unfilled("c".into())));
        assert_eq!(fill("a b=${c", &[]), Err(TemplateError::Unclosed));
    }

    #[test]
    fn names_the_elements() {
        let text = "appsrc name=a caps=\"x/y, z=1\" ! x264enc a=1 b=2 ! video/x-h264,profile=main ! mux. appsrc name=b ! mux. mp4mux name=mux ! filesink";
        assert_eq!(elements(text), ["appsrc", "x264enc", "appsrc", "mp4mux", "filesink"]);
    }
}
