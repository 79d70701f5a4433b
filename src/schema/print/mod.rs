//! What a schema prints: reference pages, CRD schemas, editor types. Must not decode.

mod crd;
mod editor;
mod markdown;
mod variables;

pub use crd::crd;
pub use editor::editor_types;
pub use markdown::{markdown, types};
pub use variables::variables;

pub(super) use crd::openapi;
pub(super) use editor::editor_class;
