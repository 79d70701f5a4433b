//! Configuration documents: YAML, TOML or JSON text becomes one kind of value.

use std::path::Path;

use serde_json::{Map, Value};

/// The language of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// YAML 1.1 as Traefik reads it, with anchors and merge keys.
    Yaml,
    /// TOML 1.0.
    Toml,
    /// JSON.
    Json,
}

/// A document that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {reason}")]
pub struct DocumentError {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// The parser's words.
    pub reason: String,
}

/// A document larger than this after its aliases are expanded is refused.
const VALUES_MAX: usize = 2_000_000;

impl Format {
    /// By a file's extension.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        match extension.as_str() {
            "yaml" | "yml" => Some(Self::Yaml),
            "toml" => Some(Self::Toml),
            "json" => Some(Self::Json),
            _ => None,
        }
    }

    /// Reads a document; an empty one is `Null`.
    ///
    /// # Errors
    /// With the place of what cannot be read.
    pub fn parse(self, text: &str) -> Result<Value, DocumentError> {
        let value = match self {
            Self::Yaml => yaml(text)?,
            Self::Toml => toml::from_str(text).map_err(|error| {
                let (line, column) = place(text, error.span().map_or(0, |span| span.start));
                DocumentError { line, column, reason: error.message().to_owned() }
            })?,
            Self::Json if text.trim().is_empty() => Value::Null,
            Self::Json => serde_json::from_str(text).map_err(|error| {
                let reason = error.to_string();
                let reason = reason.split(" at line ").next().unwrap_or_default().to_owned();
                DocumentError { line: error.line(), column: error.column(), reason }
            })?,
        };
        Ok(value)
    }
}

fn place(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

fn yaml(text: &str) -> Result<Value, DocumentError> {
    let located = |error: serde_yaml::Error| {
        let (line, column) = error.location().map_or((1, 1), |l| (l.line(), l.column()));
        let reason = error.to_string();
        let reason = reason.split(" at line ").next().unwrap_or_default().to_owned();
        DocumentError { line, column, reason }
    };
    if text.trim().is_empty() {
        return Ok(Value::Null);
    }
    let mut value: serde_yaml::Value = serde_yaml::from_str(text).map_err(located)?;
    value.apply_merge().map_err(located)?;
    let mut left = VALUES_MAX;
    from_yaml(value, &mut left)
}

/// YAML's values as JSON's: keys become text, tags are dropped.
fn from_yaml(value: serde_yaml::Value, left: &mut usize) -> Result<Value, DocumentError> {
    use serde_yaml::Value as Yaml;
    let refuse = |reason: &str| DocumentError { line: 1, column: 1, reason: reason.to_owned() };
    *left = left.checked_sub(1).ok_or_else(|| refuse("the document is too large"))?;
    Ok(match value {
        Yaml::Null => Value::Null,
        Yaml::Bool(switch) => Value::Bool(switch),
        Yaml::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
            (Some(number), _, _) => number.into(),
            (_, Some(number), _) => number.into(),
            (_, _, number) => number.map_or(Value::Null, Value::from),
        },
        Yaml::String(text) => Value::String(text),
        Yaml::Sequence(items) => {
            let items = items.into_iter().map(|item| from_yaml(item, left));
            Value::Array(items.collect::<Result<_, _>>()?)
        }
        Yaml::Mapping(fields) => {
            let mut map = Map::new();
            for (key, value) in fields {
                let key = match key {
                    Yaml::String(key) => key,
                    Yaml::Number(key) => key.to_string(),
                    Yaml::Bool(key) => key.to_string(),
                    _ => return Err(refuse("a key is neither text nor a number")),
                };
                map.insert(key, from_yaml(value, left)?);
            }
            Value::Object(map)
        }
        Yaml::Tagged(tagged) => from_yaml(tagged.value, left)?,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn three_languages_one_value() {
        let expect = json!({"a": {"b": [1, "x", true]}});
        for (format, text) in [
            (Format::Yaml, "a:\n  b: [1, x, true]\n"),
            (Format::Toml, "[a]\nb = [1, \"x\", true]\n"),
            (Format::Json, "{\"a\": {\"b\": [1, \"x\", true]}}"),
        ] {
            assert_eq!(format.parse(text).unwrap(), expect);
        }
        assert_eq!(Format::Yaml.parse("# nothing\n").unwrap(), Value::Null);
        assert_eq!(Format::Yaml.parse("200: x").unwrap(), json!({"200": "x"}));
        let merged = Format::Yaml.parse("a: &a {x: 1}\nb: {<<: *a, y: 2}").unwrap();
        assert_eq!(merged["b"], json!({"y": 2, "x": 1}));
    }

    #[test]
    fn errors_have_a_place() {
        for (format, text, line) in [
            (Format::Yaml, "a: 1\nb: [broken", 2),
            (Format::Yaml, "a: 1\na: 2\n", 1),
            (Format::Toml, "a = 1\nb = [", 2),
            (Format::Json, "{\n\"a\": }", 2),
        ] {
            let error = format.parse(text).unwrap_err();
            assert!(error.line >= line, "{text}: {error}");
            assert!(!error.reason.is_empty());
        }
    }
}
