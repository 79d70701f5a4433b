//! `object`: a section with options of its own.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::super::declaration::Declaration;
use super::super::fields::Fields;
use super::super::place::Place;
use super::super::print;
use super::super::{Held, SchemaError, Source};
use super::{Entry, Kind, shape};

pub(super) const ENTRY: Entry = Entry {
    name: "object",
    doc: "A section with the options in `fields`; with `standalone = false` in them, at least one \
          must be set. `true` and nothing at all switch it on with its defaults, `false` leaves it \
          out.",
    example: r#"{"type": "object", "fields": {"depth": {"type": "integer", "default": 0}}}"#,
    build,
};

/// A section.
#[derive(Debug)]
pub(in crate::schema) struct Object {
    pub(in crate::schema) fields: Fields,
}

fn build(own: &mut Declaration<'_>) -> Result<Arc<dyn Kind>, SchemaError> {
    let fields = own.needed("fields")?;
    Ok(Arc::new(Object { fields: Fields::parse(fields, own)? }))
}

impl Kind for Object {
    fn title(&self) -> String {
        "section".to_owned()
    }

    fn show(&self, _: &Value) -> String {
        "{}".to_owned()
    }

    fn fits(&self, value: &Value, _: Source) -> bool {
        value.is_object()
    }

    fn takes_nothing(&self, source: Source) -> bool {
        // A null in a Kubernetes object is an option that is not there.
        source == Source::File
    }

    fn decode(&self, value: &Value, place: &mut Place) -> Option<Value> {
        let word = value.as_str().map(|text| text.trim().to_ascii_lowercase());
        match (value, word.as_deref()) {
            (Value::Object(given), _) => self.fields.decode(given, place),
            (Value::Null | Value::Bool(true), _) | (_, Some("" | "true")) => {
                self.fields.decode(&Map::new(), place)
            }
            (Value::Bool(false), _) | (_, Some("false")) => None,
            _ => place.refuse(format!("expected a section, got {}", shape(value))),
        }
    }

    fn openapi(&self) -> Map<String, Value> {
        print::openapi(&self.fields)
    }

    fn editor(&self, class: &str, classes: &mut Vec<String>) -> String {
        print::editor_class(&self.fields, class, classes);
        class.to_owned()
    }

    fn inner(&self) -> Vec<&dyn Kind> {
        let sources = [Source::File, Source::Crd].into_iter();
        sources
            .flat_map(|source| self.fields.list.iter().filter_map(move |field| field.kind(source)))
            .collect()
    }

    fn fields(&self) -> Option<&Fields> {
        Some(&self.fields)
    }

    fn sections(&self) -> Vec<(String, &Fields)> {
        vec![(String::new(), &self.fields)]
    }

    fn walk(&self, value: &mut Value, source: Source, visit: &mut dyn FnMut(Held, &mut Value)) {
        self.fields.walk(value, source, visit);
    }
}
