//! LiveKit's words for our things.

mod info;
pub mod proto;
mod table;

pub use info::{Info, Status};
pub use table::{Row, table};
