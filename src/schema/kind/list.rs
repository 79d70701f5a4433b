//! `list`: several values of one type.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::super::declaration::Declaration;
use super::super::fields::Fields;
use super::super::place::Place;
use super::super::{Held, SchemaError, Source};
use super::{Entry, Kind, openapi, parse_element, shape};

pub(super) const ENTRY: Entry = Entry {
    name: "list",
    doc: "Several values of the type in `of`: a list, text with commas or lines, or a map of \
          indices as labels write it (`users[0]`). `non_empty` wants at least one.",
    example: r#"{"type": "list", "of": "string", "non_empty": true}"#,
    build,
};

#[derive(Debug)]
struct List {
    of: Arc<dyn Kind>,
    non_empty: bool,
}

fn build(own: &mut Declaration<'_>) -> Result<Arc<dyn Kind>, SchemaError> {
    Ok(Arc::new(List { of: parse_element("of", own)?, non_empty: own.flag("non_empty")? }))
}

/// The elements in their order; none if it is no list.
fn elements(value: &Value) -> Option<Vec<Value>> {
    match value {
        Value::Array(items) => Some(items.clone()),
        Value::String(text) if text.trim().is_empty() => Some(Vec::new()),
        Value::String(text) => Some(parts(text)),
        Value::Number(_) | Value::Bool(_) => Some(vec![value.clone()]),
        Value::Object(fields) => indexed(fields),
        Value::Null => None,
    }
}

/// What commas part, or lines where there are several, as in a Secret with users.
fn parts(text: &str) -> Vec<Value> {
    let text = text.trim();
    if !text.contains('\n') {
        return text.split(',').map(|part| part.trim().into()).collect();
    }
    let lines = text.lines().map(str::trim);
    lines.filter(|line| !line.is_empty()).map(Value::from).collect()
}

/// The values of a map whose keys are `0`, `1` or `[0]`, `[1]`, in the order of the indices.
fn indexed(fields: &Map<String, Value>) -> Option<Vec<Value>> {
    let index = |key: &str| -> Option<usize> {
        let bare = key.strip_prefix('[').and_then(|key| key.strip_suffix(']'));
        bare.unwrap_or(key).parse().ok()
    };
    let indexed: Option<Vec<(usize, &Value)>> =
        fields.iter().map(|(key, value)| Some((index(key)?, value))).collect();
    let mut indexed = indexed?;
    indexed.sort_by_key(|(index, _)| *index);
    let twice = indexed.windows(2).any(|pair| pair[0].0 == pair[1].0);
    (!twice).then(|| indexed.into_iter().map(|(_, value)| value.clone()).collect())
}

impl Kind for List {
    fn title(&self) -> String {
        format!("list of {}", self.of.title())
    }

    fn title_in_objects(&self) -> String {
        format!("list of {}", self.of.title_in_objects())
    }

    fn rules(&self) -> Vec<String> {
        let own = self.non_empty.then(|| "Not empty.".to_owned());
        let of = self.of.rules().into_iter().map(|rule| format!("Each: {rule}"));
        own.into_iter().chain(of).collect()
    }

    fn show(&self, value: &Value) -> String {
        let items = value.as_array().into_iter().flatten().map(|item| self.of.show(item));
        format!("[{}]", items.collect::<Vec<_>>().join(", "))
    }

    fn fits(&self, value: &Value, _: Source) -> bool {
        value.is_array()
    }

    fn decode(&self, value: &Value, place: &mut Place) -> Option<Value> {
        let Some(items) = elements(value) else {
            return place.refuse(format!("expected a list, got {}", shape(value)));
        };
        if self.non_empty && items.is_empty() {
            return place.refuse_value("must not be empty");
        }
        let before = place.problem_count();
        let mut decoded = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let element = format!("[{index}]");
            decoded.extend(place.within(&element, |place| self.of.decode(item, place)));
        }
        (place.problem_count() == before).then_some(Value::Array(decoded))
    }

    fn openapi(&self) -> Map<String, Value> {
        let mut schema = openapi("array");
        schema.insert("items".to_owned(), Value::Object(self.of.openapi()));
        if self.non_empty {
            schema.insert("minItems".to_owned(), Value::from(1));
        }
        schema
    }

    fn editor(&self, class: &str, classes: &mut Vec<String>) -> String {
        let of = self.of.editor(class, classes);
        if of.contains('|') { format!("({of})[]") } else { format!("{of}[]") }
    }

    fn inner(&self) -> Vec<&dyn Kind> {
        vec![&*self.of]
    }

    fn sections(&self) -> Vec<(String, &Fields)> {
        let sections = self.of.sections().into_iter();
        sections.map(|(way, fields)| (format!("[]{way}"), fields)).collect()
    }

    fn walk(&self, value: &mut Value, source: Source, visit: &mut dyn FnMut(Held, &mut Value)) {
        for item in value.as_array_mut().into_iter().flatten() {
            self.of.walk(item, source, visit);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn takes_what_sources_write() {
        for (value, expect) in [
            (json!(["a", 1]), Some(json!(["a", 1]))),
            (json!("a, b"), Some(json!(["a", "b"]))),
            (json!("a,x\n\n b \n"), Some(json!(["a,x", "b"]))),
            (json!(""), Some(json!([]))),
            (json!(500), Some(json!([500]))),
            (json!({"[10]": "k", "[2]": "c"}), Some(json!(["c", "k"]))),
            (json!({"1": "b", "0": "a"}), Some(json!(["a", "b"]))),
            (json!({"1": "b", "[1]": "a"}), None),
            (json!({"first": "a"}), None),
            (json!(null), None),
        ] {
            assert_eq!(elements(&value).map(Value::Array), expect, "{value}");
        }
    }
}
