//! Pure. What LiveKit tells a recorder through its participant's metadata.

use serde_json::Value;

use crate::scene::Layout;

/// The layout that `UpdateLayout` asks for: LiveKit's server sets `{"layout":"<name>"}`. A name that is not known gives the
/// layout it gives everywhere, see [`Layout::from_name`]; metadata of another shape is not meant for us.
pub(super) fn layout(metadata: &str) -> Option<Layout> {
    let value: Value = serde_json::from_str(metadata).ok()?;
    value.get("layout")?.as_str().map(Layout::from_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layout_is_read_and_nothing_else() {
        for (metadata, name) in [
            (r#"{"layout":"speaker-light"}"#, Some("speaker-light")),
            (r#"{"layout":"single-speaker","more":[1]}"#, Some("single-speaker-dark")),
            (r#"{"layout":"mosaic"}"#, Some("grid-dark")),
            (r#"{"layout":""}"#, Some("grid-dark")),
            (r#"{"layout":7}"#, None),
            (r#"{"Layout":"speaker"}"#, None),
            (r#"["layout"]"#, None),
            (r#""layout""#, None),
            ("speaker", None),
            ("{", None),
            ("", None),
        ] {
            assert_eq!(layout(metadata).map(Layout::name), name, "{metadata}");
        }
    }
}
