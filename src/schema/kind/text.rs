//! `string`: text, or a plain value that becomes text.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::super::declaration::Declaration;
use super::super::place::Place;
use super::super::{SchemaError, Source};
use super::{Entry, Kind, openapi, plain, shape};
use crate::value::go_regex;

pub(super) const ENTRY: Entry = Entry {
    name: "string",
    doc: "Text; numbers and switches become text. `non_empty` refuses empty text, `pattern` is a \
          regular expression in Go's spelling (not a Lua pattern) that must be found in it.",
    example: r#"{"type": "string", "pattern": "^[A-Za-z-]+$", "default": "X-Id"}"#,
    build,
};

#[derive(Debug)]
struct Text {
    non_empty: bool,
    pattern: Option<::regex::Regex>,
    /// The pattern as it is declared.
    written: String,
}

fn build(own: &mut Declaration<'_>) -> Result<Arc<dyn Kind>, SchemaError> {
    let non_empty = own.flag("non_empty")?;
    let written = own.text("pattern")?.unwrap_or_default().to_owned();
    if is_lua_pattern(&written) {
        return Err(own.error("`pattern` is a regular expression: write \\w, not %w"));
    }
    let pattern = if written.is_empty() {
        None
    } else {
        Some(go_regex(&written).map_err(|error| own.error(format!("`pattern`: {error}")))?)
    };
    Ok(Arc::new(Text { non_empty, pattern, written }))
}

/// Whether a pattern has one of Lua's character classes, and not an escaped byte as in a URL.
fn is_lua_pattern(pattern: &str) -> bool {
    pattern.split('%').skip(1).any(|rest| {
        let mut rest = rest.chars();
        let (class, next) = (rest.next(), rest.next().unwrap_or('$'));
        class.is_some_and(|class| {
            "glpsuwxGLPSUWX".contains(class) || ("adAD".contains(class) && "+*-?]$".contains(next))
        })
    })
}

impl Kind for Text {
    fn title(&self) -> String {
        "string".to_owned()
    }

    fn rules(&self) -> Vec<String> {
        let empty = self.non_empty.then(|| "Not empty.".to_owned());
        let pattern = self.pattern.as_ref().map(|_| format!("Matches `{}`.", self.written));
        empty.into_iter().chain(pattern).collect()
    }

    fn fits(&self, value: &Value, _: Source) -> bool {
        value.is_string()
    }

    fn decode(&self, value: &Value, place: &mut Place) -> Option<Value> {
        let Some(text) = plain(value) else {
            return place.refuse(format!("expected text, got {}", shape(value)));
        };
        if self.non_empty && text.is_empty() {
            return place.refuse_value("must not be empty");
        }
        if self.pattern.as_ref().is_some_and(|pattern| !pattern.is_match(&text)) {
            return place.refuse_value(format!("{text:?} does not match {}", self.written));
        }
        Some(Value::String(text))
    }

    fn openapi(&self) -> Map<String, Value> {
        let mut schema = openapi("string");
        if self.non_empty {
            schema.insert("minLength".to_owned(), Value::from(1));
        }
        if self.pattern.is_some() {
            schema.insert("pattern".to_owned(), Value::from(self.written.as_str()));
        }
        schema
    }

    fn editor(&self, _: &str, _: &mut Vec<String>) -> String {
        "string".to_owned()
    }
}
