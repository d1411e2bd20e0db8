//! What this machine itself must have: GStreamer's elements, fonts, a folder to write to.

use std::path::Path;

use super::finding::Finding;
use crate::pipeline::{self, system_fonts};
use crate::spool::Spool;

/// Elements and the encoder.
pub fn gstreamer() -> Vec<Finding> {
    const WHAT: &str = "gstreamer";
    let found = match pipeline::inventory() {
        Ok(found) => found,
        Err(e) => return vec![Finding::error(WHAT, &e)],
    };
    if found.missing.is_empty() {
        return vec![Finding::ok(WHAT, format!("{}, every decoder, encoder {}", found.version, found.encoder))];
    }
    found.missing.into_iter().map(|line| Finding::failure(WHAT, line)).collect()
}

/// Names and initials need a font.
pub fn fonts() -> Finding {
    const WHAT: &str = "fonts";
    let fonts = system_fonts();
    if fonts.is_empty() {
        let fix = "install the Debian packages fonts-dejavu-core fonts-noto-core";
        return Finding::warning(WHAT, format!("none: the video will show no names; {fix}"));
    }
    Finding::ok(WHAT, format!("{} faces", fonts.faces()))
}

/// Store and spool.
pub fn data_dir(folder: &Path) -> Finding {
    const WHAT: &str = "data_dir";
    match Spool::open(folder) {
        Ok(_) => Finding::ok(WHAT, format!("{} can be written to", folder.display())),
        Err(e) => Finding::error(WHAT, &e),
    }
}
