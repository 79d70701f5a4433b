//! The options as Kubernetes objects have them: a structural `OpenAPI` v3 schema.

use serde_json::{Map, Value};

use super::super::fields::{Field, Fields, Form};
use super::super::{Schema, Source};

/// The schema of the options in a custom resource. Defaults are told, not set: objects stay as
/// they were written.
#[must_use]
pub fn crd(schema: &Schema) -> Value {
    let free = || {
        Map::from_iter([
            ("type".to_owned(), Value::from("object")),
            ("x-kubernetes-preserve-unknown-fields".to_owned(), Value::from(true)),
        ])
    };
    Value::Object(schema.fields().map_or_else(free, openapi))
}

/// The schema of a section.
pub(in crate::schema) fn openapi(fields: &Fields) -> Map<String, Value> {
    let mut properties = Map::new();
    let mut required: Vec<Value> = Vec::new();
    for field in &fields.list {
        let Some(kind) = field.kind(Source::Crd) else { continue };
        for name in field.names(Source::Crd) {
            // Options that share a name in objects share its type there.
            properties.entry(name).or_insert_with(|| {
                let mut property = Map::new();
                let description = describe(field, name);
                if !description.is_empty() {
                    property.insert("description".to_owned(), Value::from(description));
                }
                property.extend(kind.openapi());
                Value::Object(property)
            });
        }
        // One of several names is required: only the decoder can tell.
        let mut names = field.names(Source::Crd).map(Value::from);
        if let (true, Some(name), None) = (field.required, names.next(), names.next())
            && !required.contains(&name)
        {
            required.push(name);
        }
    }
    let mut schema = Map::new();
    if !fields.doc.is_empty() {
        schema.insert("description".to_owned(), Value::from(fields.doc.as_str()));
    }
    schema.insert("type".to_owned(), Value::from("object"));
    if !properties.is_empty() {
        schema.insert("properties".to_owned(), Value::Object(properties));
    }
    if !required.is_empty() {
        schema.insert("required".to_owned(), Value::from(required));
    }
    schema
}

/// What the option is for, and what a schema cannot say.
fn describe(field: &Field, name: &str) -> String {
    if field.aliases.iter().any(|alias| alias == name) {
        return format!("Deprecated: is now called {}.", field.name);
    }
    let doc = match &field.crd {
        Form::Other(other) => other.doc.as_deref().unwrap_or(&field.doc),
        _ => &field.doc,
    };
    let mut sentences: Vec<String> = Vec::new();
    if !doc.is_empty() {
        sentences.push(doc.to_owned());
    }
    if let Some(instead) = &field.deprecated {
        sentences.push(format!("Deprecated: {instead}."));
    }
    if let (Some(default), Form::Same) = (&field.default, &field.crd) {
        sentences.push(format!("Default: {}.", field.kind.show(default)));
    }
    sentences.join(" ")
}
