//! One declaration of a schema: a table of attributes, each of which somebody must ask for.

use serde_json::{Map, Value};

use super::SchemaError;
use crate::value::nearest;

/// Sections may be nested this deep.
const DEPTH_MAX: usize = 16;

/// The attributes of one option or element, with those that were asked for.
#[derive(Debug)]
pub(super) struct Declaration<'a> {
    attributes: Option<&'a Map<String, Value>>,
    known: Vec<&'static str>,
    pub(super) path: String,
    depth: usize,
}

impl<'a> Declaration<'a> {
    /// The outermost one.
    pub(super) fn root() -> Self {
        Self { attributes: None, known: Vec::new(), path: String::new(), depth: 0 }
    }

    /// One inside this one; a text alone stands for `{ type = text }`.
    pub(super) fn inner<'b>(
        &self,
        element: &str,
        value: &'b Value,
    ) -> Result<Declaration<'b>, SchemaError> {
        let path = match self.path.as_str() {
            "" => element.to_owned(),
            outer => format!("{outer}.{element}"),
        };
        let inner = Declaration {
            attributes: value.as_object(),
            known: vec!["type"],
            path,
            depth: self.depth + 1,
        };
        if inner.depth > DEPTH_MAX {
            return Err(inner.error(format!("options are nested deeper than {DEPTH_MAX}")));
        }
        match value {
            Value::Object(_) | Value::String(_) => Ok(inner),
            _ => Err(inner.error("expected the name of a type, or a table with a `type`")),
        }
    }

    /// An error about this declaration.
    pub(super) fn error(&self, reason: impl Into<String>) -> SchemaError {
        SchemaError { path: self.path.clone(), reason: reason.into() }
    }

    /// An attribute, whatever it is.
    pub(super) fn value(&mut self, name: &'static str) -> Option<&'a Value> {
        self.known.push(name);
        self.attributes?.get(name)
    }

    /// An attribute that is text.
    pub(super) fn text(&mut self, name: &'static str) -> Result<Option<&'a str>, SchemaError> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.error(format!("`{name}` must be text"))),
        }
    }

    /// A switch, off unless it is given.
    pub(super) fn flag(&mut self, name: &'static str) -> Result<bool, SchemaError> {
        match self.value(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(self.error(format!("`{name}` must be true or false"))),
        }
    }

    /// An attribute that is a list of texts; none is an empty one.
    pub(super) fn texts(&mut self, name: &'static str) -> Result<Vec<String>, SchemaError> {
        let wrong = |this: &Self| this.error(format!("`{name}` must be a list of texts"));
        match self.value(name) {
            None => Ok(Vec::new()),
            Some(Value::Object(fields)) if fields.is_empty() => Ok(Vec::new()),
            Some(Value::Array(items)) => items
                .iter()
                .map(|item| item.as_str().map(str::to_owned).ok_or_else(|| wrong(self)))
                .collect(),
            Some(_) => Err(wrong(self)),
        }
    }

    /// An attribute that must be there.
    pub(super) fn needed(&mut self, name: &'static str) -> Result<&'a Value, SchemaError> {
        self.value(name).ok_or_else(|| self.error(format!("`{name}` is missing")))
    }

    /// Refuses attributes that nobody asked for.
    pub(super) fn finish(self) -> Result<(), SchemaError> {
        let mut given = self.attributes.into_iter().flat_map(Map::keys);
        let Some(unknown) = given.find(|key| !self.known.contains(&key.as_str())) else {
            return Ok(());
        };
        let reason = match nearest(unknown, self.known.iter().copied()) {
            Some(near) => format!("`{unknown}` means nothing here, did you mean `{near}`?"),
            None => format!("`{unknown}` means nothing here"),
        };
        Err(self.error(reason))
    }
}
