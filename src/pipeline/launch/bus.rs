//! GStreamer's own words → ours: parsing, finding elements, bus messages (none is left unread).

use gstreamer as gst;
use gstreamer::prelude::*;

/// What a pipeline says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BusMessage {
    /// It is broken: the element, and what it says.
    Error(String),
    /// The end of the streams has reached every sink.
    End,
}

/// A pipeline from its description.
pub fn parse(description: &str) -> Result<gst::Pipeline, String> {
    let element = gst::parse::launch(description).map_err(|e| e.message().replace('\n', " "))?;
    element.downcast::<gst::Pipeline>().map_err(|_| "the description is no pipeline".to_owned())
}

/// The element of that name and type.
pub fn element<T: IsA<gst::Element>>(pipeline: &gst::Pipeline, name: &str) -> Result<T, String> {
    let found = pipeline.by_name(name).and_then(|e| e.downcast::<T>().ok());
    found.ok_or_else(|| format!("the pipeline has no element `{name}` of the right kind"))
}

/// Calls `report` for everything that matters, from whichever thread says it.
pub fn watch(pipeline: &gst::Pipeline, report: impl Fn(BusMessage) + Send + Sync + 'static) {
    let Some(bus) = pipeline.bus() else { return };
    bus.set_sync_handler(move |_, message| {
        let view = message.view();
        if let gst::MessageView::Error(error) = view {
            let from = error.src().map_or_else(String::new, |s| format!("{}: ", s.name()));
            tracing::debug!(from, debug = ?error.debug(), "gstreamer");
            report(BusMessage::Error(format!("{from}{}", error.error().message())));
        } else if let gst::MessageView::Eos(_) = view {
            report(BusMessage::End);
        } else if let gst::MessageView::Warning(warning) = view {
            tracing::debug!(warning = %warning.error().message(), "gstreamer");
        }
        gst::BusSyncReply::Drop
    });
}

/// Stops a pipeline without waiting for it: a decoder that hangs may never stop.
pub fn close_apart(pipeline: &gst::Pipeline) {
    let closing = pipeline.clone();
    // Without a thread there is no other way than to wait.
    if std::thread::Builder::new().name("closer".into()).spawn(move || close(&closing)).is_err() {
        close(pipeline);
    }
}

/// Stops a pipeline and waits until its threads are gone. Not to be called from one of them.
pub fn close(pipeline: &gst::Pipeline) {
    if let Some(bus) = pipeline.bus() {
        bus.unset_sync_handler();
    }
    let _ = pipeline.set_state(gst::State::Null);
}
