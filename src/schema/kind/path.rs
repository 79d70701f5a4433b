//! `path`: where a file or a folder is, for functions of the host that open it.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::super::declaration::Declaration;
use super::super::place::Place;
use super::super::{Held, SchemaError, Source};
use super::{Entry, Kind, openapi, plain, shape};

pub(super) const ENTRY: Entry = Entry {
    name: "path",
    doc: "Where a file or a folder is, for `files.open` and the like: scripts can open only what \
          such an option names, so it has no default, and cannot be given in Kubernetes objects. \
          Scripts get the text.",
    example: r#"{"type": "path", "required": true}"#,
    build,
};

#[derive(Debug)]
struct Path;

#[expect(clippy::unnecessary_wraps, reason = "what all types are built with")]
fn build(_: &mut Declaration<'_>) -> Result<Arc<dyn Kind>, SchemaError> {
    Ok(Arc::new(Path))
}

impl Kind for Path {
    fn title(&self) -> String {
        "path".to_owned()
    }

    fn fits(&self, value: &Value, source: Source) -> bool {
        value.is_string() && source == Source::File
    }

    fn decode(&self, value: &Value, place: &mut Place) -> Option<Value> {
        let Some(path) = plain(value) else {
            return place.refuse(format!("expected a path, got {}", shape(value)));
        };
        if path.is_empty() {
            return place.refuse_value("must not be empty");
        }
        // The files of the router are not theirs to open.
        if place.source == Source::Crd {
            return place.refuse_value("a path cannot be given in Kubernetes objects");
        }
        Some(Value::String(path))
    }

    fn openapi(&self) -> Map<String, Value> {
        openapi("string")
    }

    fn editor(&self, _: &str, _: &mut Vec<String>) -> String {
        "string".to_owned()
    }

    fn held(&self) -> Option<Held> {
        Some(Held::Path)
    }
}
