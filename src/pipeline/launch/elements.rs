//! Which Debian package holds which GStreamer element, and whether it is installed.

use gstreamer as gst;

use super::template;

/// The Debian package of an element we use.
pub fn package(element: &str) -> &'static str {
    match element {
        "appsrc" | "appsink" | "audioconvert" | "audioresample" | "videoconvert" | "opusdec" | "opusenc" | "oggmux" => {
            "gstreamer1.0-plugins-base"
        }
        "vp8dec" | "vp9dec" | "mp4mux" | "aacparse" => "gstreamer1.0-plugins-good",
        "av1dec" | "h264parse" | "openh264enc" => "gstreamer1.0-plugins-bad",
        "x264enc" => "gstreamer1.0-plugins-ugly",
        "avdec_h264" | "avenc_aac" => "gstreamer1.0-libav",
        _ => "libgstreamer1.0-0",
    }
}

/// Whether this element is installed.
pub fn installed(element: &str) -> bool {
    gst::ElementFactory::find(element).is_some()
}

/// The first element of a description that is not installed, as a line that says what to do.
pub fn missing(description: &str) -> Option<String> {
    let element = template::elements(description).into_iter().find(|e| !installed(e))?;
    Some(fault(element))
}

/// That this element is missing, and what to do.
pub fn fault(element: &str) -> String {
    format!("GStreamer element `{element}` is missing; install the Debian package {}", package(element))
}
