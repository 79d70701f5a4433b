//! `secret`: a value that is never printed, given as text or by where it is kept.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::super::declaration::Declaration;
use super::super::place::Place;
use super::super::{Held, SchemaError, Source};
use super::{Entry, Kind, free_openapi, openapi, plain, shape};

pub(super) const ENTRY: Entry = Entry {
    name: "secret",
    doc: "A value that is never printed. In files: the text, `{env: NAME}` or `{file: PATH}`. In \
          Kubernetes objects: the name of a Secret if the declaration lists its `keys` (the first \
          that is there is taken), else the text, `urn:k8s:secret:NAME:KEY` or \
          `{secret: NAME, key: KEY}`; decoded as `{secret, keys}`. `non_empty` refuses empty text.",
    example: r#"{"type": "secret"}"#,
    build,
};

/// How plugins of Traefik name a key of a Secret.
const URN: &str = "urn:k8s:secret:";

#[derive(Debug)]
struct Secret {
    /// The keys of the Secret that is named in Kubernetes objects.
    keys: Vec<String>,
    non_empty: bool,
}

fn build(own: &mut Declaration<'_>) -> Result<Arc<dyn Kind>, SchemaError> {
    Ok(Arc::new(Secret { keys: own.texts("keys")?, non_empty: own.flag("non_empty")? }))
}

impl Secret {
    /// In files: the text, or where it is.
    fn in_file(&self, value: &Value, place: &mut Place) -> Option<Value> {
        let Value::Object(fields) = value else {
            return self.inline(value, place);
        };
        let mut fields = fields.iter();
        if let (Some((key, Value::String(way))), None) = (fields.next(), fields.next())
            && let Some(key) = ["env", "file"].iter().find(|known| known.eq_ignore_ascii_case(key))
            && !way.is_empty()
        {
            return Some(json!({ *key: way }));
        }
        place.refuse("expected the text, {env: NAME} or {file: PATH}")
    }

    /// In Kubernetes objects: the text, or a key of a Secret. Neither the environment nor the files
    /// of the router are theirs to read.
    fn in_object(&self, value: &Value, place: &mut Place) -> Option<Value> {
        if !self.keys.is_empty() {
            return match value.as_str().filter(|name| !name.is_empty()) {
                Some(name) => Some(json!({"secret": name, "keys": self.keys})),
                None => place.refuse(format!("expected a Secret's name, got {}", shape(value))),
            };
        }
        let urn = value.as_str().and_then(|text| text.strip_prefix(URN));
        let named = match (urn, value) {
            (Some(urn), _) => urn.split_once(':'),
            (None, Value::Object(fields)) if fields.len() == 2 => {
                let text = |name| fields.get(name).and_then(Value::as_str);
                text("secret").zip(text("key"))
            }
            (None, Value::Object(_)) => None,
            (None, _) => return self.inline(value, place),
        };
        match named.filter(|(name, key)| !name.is_empty() && !key.is_empty()) {
            Some((name, key)) => Some(json!({"secret": name, "keys": [key]})),
            None => place.refuse(format!("expected {{secret: NAME, key: KEY}} or {URN}NAME:KEY")),
        }
    }

    fn inline(&self, value: &Value, place: &mut Place) -> Option<Value> {
        match plain(value) {
            Some(text) if text.is_empty() && self.non_empty => {
                place.refuse_value("must not be empty")
            }
            Some(text) => Some(Value::String(text)),
            None => place.refuse(format!("expected text, got {}", shape(value))),
        }
    }
}

impl Kind for Secret {
    fn title(&self) -> String {
        if self.keys.is_empty() { "secret".to_owned() } else { "name of a Secret".to_owned() }
    }

    fn rules(&self) -> Vec<String> {
        self.non_empty.then(|| "Not empty.".to_owned()).into_iter().collect()
    }

    fn show(&self, _: &Value) -> String {
        "(secret)".to_owned()
    }

    fn fits(&self, value: &Value, source: Source) -> bool {
        let mut trial = Place::root(source);
        matches!(value, Value::String(_) | Value::Object(_))
            && self.decode(value, &mut trial).is_some()
    }

    fn decode(&self, value: &Value, place: &mut Place) -> Option<Value> {
        match place.source {
            Source::File => self.in_file(value, place),
            Source::Crd => self.in_object(value, place),
        }
    }

    fn openapi(&self) -> Map<String, Value> {
        if self.keys.is_empty() { free_openapi() } else { openapi("string") }
    }

    fn editor(&self, _: &str, _: &mut Vec<String>) -> String {
        "string".to_owned()
    }

    fn held(&self) -> Option<Held> {
        Some(Held::Secret)
    }
}
