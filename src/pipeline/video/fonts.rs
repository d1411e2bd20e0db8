//! The fonts of this machine, for the compositor, which reads no disk.

use cosmic_text::FontSystem;

use crate::compositor::Fonts;

/// The system's fonts. Finding them takes a moment.
pub fn system_fonts() -> Fonts {
    let (locale, db) = FontSystem::new().into_locale_and_db();
    Fonts::of(locale, db)
}
