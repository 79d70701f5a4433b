//! What a schema prints: reference pages, CRD schemas, editor types. Must not decode.

mod crd;
mod editor;
mod markdown;

pub use crd::crd;
pub use editor::editor_types;
pub use markdown::{markdown, types};

pub(super) use crd::openapi;
pub(super) use editor::editor_class;
