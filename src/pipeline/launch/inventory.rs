//! What this machine has of GStreamer: for `greffier check`.

use gstreamer as gst;

use super::{elements, plan, template};
use crate::error::{Error, ErrorKind, Result};
use crate::pipeline::Codec;
use crate::recording::{Output, Preset};
use crate::scene::Layout;

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inventory {
    /// GStreamer's own name and version.
    pub version: String,
    /// The element that would encode video.
    pub encoder: String,
    /// A line for each element that is missing, with the package that holds it.
    pub missing: Vec<String>,
}

/// Looks for every element of every pipeline.
pub fn inventory() -> Result<Inventory> {
    gst::init().map_err(|e| Error::new(ErrorKind::FailedPrecondition, format!("GStreamer does not start: {e}")))?;
    let codecs = [Codec::Opus, Codec::Vp8, Codec::Vp9, Codec::H264, Codec::Av1];
    let wrong = |e| Error::new(ErrorKind::Internal, format!("a pipeline of ours is wrong: {e}"));
    let inputs = codecs.into_iter().map(|codec| template::fill(plan::input(codec), &[]).map_err(wrong));
    let mut descriptions = inputs.collect::<Result<Vec<_>>>()?;
    let mut encoder = "";
    for output in [Output::mp4(Preset::ALL[0].video(Layout::from_name("speaker")))?, Output::ogg()] {
        let plan = plan::output(&output, elements::installed).map_err(wrong)?;
        encoder = plan.encoder.unwrap_or(encoder);
        descriptions.push(plan.description);
    }
    let mut names: Vec<_> = descriptions.iter().flat_map(|text| template::elements(text)).collect();
    names.sort();
    names.dedup();
    let missing = names.into_iter().filter(|name| !elements::installed(name)).map(elements::fault);
    Ok(Inventory {
        version: gst::version_string().to_string(),
        encoder: encoder.to_owned(),
        missing: missing.collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_everything() {
        let found = inventory().unwrap();
        assert_eq!(found.missing, Vec::<String>::new(), "install them: make debian");
        assert!(found.version.starts_with("GStreamer 1."), "{}", found.version);
        assert_eq!(found.encoder, "x264enc");
    }
}
