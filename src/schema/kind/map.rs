//! `map`: values of one type under names of the user's choice.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::super::declaration::Declaration;
use super::super::fields::Fields;
use super::super::place::Place;
use super::super::{Held, SchemaError, Source};
use super::{Entry, Kind, openapi, parse_element, shape};

pub(super) const ENTRY: Entry = Entry {
    name: "map",
    doc: "Values of the type in `of` under names that keep their case. `non_empty` wants at least \
          one.",
    example: r#"{"type": "map", "of": "string"}"#,
    build,
};

#[derive(Debug)]
struct Entries {
    of: Arc<dyn Kind>,
    non_empty: bool,
}

fn build(own: &mut Declaration<'_>) -> Result<Arc<dyn Kind>, SchemaError> {
    Ok(Arc::new(Entries { of: parse_element("of", own)?, non_empty: own.flag("non_empty")? }))
}

impl Kind for Entries {
    fn title(&self) -> String {
        format!("map of names to {}", self.of.title())
    }

    fn title_in_objects(&self) -> String {
        format!("map of names to {}", self.of.title_in_objects())
    }

    fn rules(&self) -> Vec<String> {
        let own = self.non_empty.then(|| "Not empty.".to_owned());
        let of = self.of.rules().into_iter().map(|rule| format!("Each: {rule}"));
        own.into_iter().chain(of).collect()
    }

    fn fits(&self, value: &Value, _: Source) -> bool {
        value.is_object()
    }

    fn decode(&self, value: &Value, place: &mut Place) -> Option<Value> {
        let Some(entries) = value.as_object() else {
            return place.refuse(format!("expected a section of names, got {}", shape(value)));
        };
        if self.non_empty && entries.is_empty() {
            return place.refuse_value("must not be empty");
        }
        let before = place.problem_count();
        let mut decoded = Map::new();
        for (name, entry) in entries {
            if let Some(entry) = place.within(name, |place| self.of.decode(entry, place)) {
                decoded.insert(name.clone(), entry);
            }
        }
        (place.problem_count() == before).then_some(Value::Object(decoded))
    }

    fn openapi(&self) -> Map<String, Value> {
        let mut schema = openapi("object");
        schema.insert("additionalProperties".to_owned(), Value::Object(self.of.openapi()));
        if self.non_empty {
            schema.insert("minProperties".to_owned(), Value::from(1));
        }
        schema
    }

    fn editor(&self, class: &str, classes: &mut Vec<String>) -> String {
        format!("table<string, {}>", self.of.editor(class, classes))
    }

    fn inner(&self) -> Vec<&dyn Kind> {
        vec![&*self.of]
    }

    fn sections(&self) -> Vec<(String, &Fields)> {
        let sections = self.of.sections().into_iter();
        sections.map(|(way, fields)| (format!(".NAME{way}"), fields)).collect()
    }

    fn walk(&self, value: &mut Value, source: Source, visit: &mut dyn FnMut(Held, &mut Value)) {
        for (_, entry) in value.as_object_mut().into_iter().flatten() {
            self.of.walk(entry, source, visit);
        }
    }
}
