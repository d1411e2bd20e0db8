//! All video into one, as cheaply as the machine needs it.

pub mod card;
pub mod fonts;
pub mod overload;
pub mod painter;
