//! `file`: text that is kept in a file.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::super::declaration::Declaration;
use super::super::place::Place;
use super::super::{Held, SchemaError, Source};
use super::{Entry, Kind, openapi, plain, shape};

pub(super) const ENTRY: Entry = Entry {
    name: "file",
    doc: "Text that is kept in a file, whose path is written; scripts get the text, and get it \
          anew when it changes. With `pem`, PEM text can stand in the path's place, and must in \
          Kubernetes objects.",
    example: r#"{"type": "file", "pem": true}"#,
    build,
};

/// What PEM text holds and no path does.
const PEM: &str = "-----BEGIN";

/// Text that is longer is no path; Linux has the same limit.
const PATH_LEN_MAX: usize = 4096;

#[derive(Debug)]
struct File {
    /// Whether PEM text can be written in the path's place.
    pem: bool,
}

fn build(own: &mut Declaration<'_>) -> Result<Arc<dyn Kind>, SchemaError> {
    Ok(Arc::new(File { pem: own.flag("pem")? }))
}

impl File {
    /// The path as it was written, or as it was decoded before.
    fn path(value: &Value) -> Option<String> {
        match value {
            Value::Object(fields) if fields.len() == 1 => {
                fields.get("file").and_then(Value::as_str).map(str::to_owned)
            }
            other => plain(other),
        }
    }
}

impl Kind for File {
    fn title(&self) -> String {
        if self.pem { "path or PEM text".to_owned() } else { "path".to_owned() }
    }

    fn show(&self, _: &Value) -> String {
        "(text of a file)".to_owned()
    }

    fn fits(&self, value: &Value, source: Source) -> bool {
        let mut trial = Place::root(source);
        matches!(value, Value::String(_) | Value::Object(_))
            && self.decode(value, &mut trial).is_some()
    }

    fn decode(&self, value: &Value, place: &mut Place) -> Option<Value> {
        match Self::path(value) {
            None => place.refuse(format!("expected a path, got {}", shape(value))),
            // As if the option were not there, which is how Traefik reads it.
            Some(path) if path.is_empty() => None,
            Some(text) if self.pem && text.contains(PEM) => Some(Value::String(text)),
            // The files of the router are not theirs to read.
            Some(_) if place.source == Source::Crd => {
                place.refuse_value("a path cannot be given in Kubernetes objects")
            }
            Some(path) => Some(json!({ "file": path })),
        }
    }

    fn openapi(&self) -> Map<String, Value> {
        openapi("string")
    }

    fn editor(&self, _: &str, _: &mut Vec<String>) -> String {
        "string".to_owned()
    }

    fn conceals(&self, written: &Value) -> bool {
        // A path is told; text that may be a key without its frame is not.
        !Self::path(written).is_some_and(|path| path.len() < PATH_LEN_MAX && !path.contains(PEM))
    }

    fn held(&self) -> Option<Held> {
        Some(Held::Secret)
    }
}
