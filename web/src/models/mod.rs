//! The models: what the browser has stored, and the dialog that manages it.

mod cards;
mod dialog;
mod row;
mod shelf;

pub use dialog::{ModelsButton, ModelsDialog};
pub use shelf::Models;
