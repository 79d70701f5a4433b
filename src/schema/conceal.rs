//! Options as they are written, without their secrets: what an API may show.

use serde_json::Value;

use super::kind::{self, Kind};
use super::{Held, Source};

/// What stands in the place of a secret.
pub const STARS: &str = "xxxx";

/// Conceals what the type says is a secret.
pub(super) fn by_kind(kind: &dyn Kind, written: &mut Value) {
    if kind.held() == Some(Held::Secret) {
        if kind.conceals(written) {
            secret(written);
        }
        return;
    }
    if let Some(fields) = kind.fields() {
        let Value::Object(given) = written else { return };
        for (name, value) in given {
            let mut known = fields.list.iter();
            match known.find(|field| field.is_called(name, Source::File)) {
                Some(field) => by_kind(&*field.kind, value),
                None => everything(value),
            }
        }
        return;
    }
    let inner = kind.inner().into_iter().filter(|inner| kind::holds(*inner, Held::Secret));
    for inner in inner {
        match written {
            Value::Array(items) => items.iter_mut().for_each(|item| by_kind(inner, item)),
            Value::Object(_) if kind.is_choice() => by_kind(inner, written),
            Value::Object(entries) => entries.values_mut().for_each(|e| by_kind(inner, e)),
            // A list may be written as text.
            _ => secret(written),
        }
    }
}

/// Conceals text under names that speak of secrets, wherever it stands.
pub fn by_name(written: &mut Value) {
    match written {
        Value::Array(items) => items.iter_mut().for_each(by_name),
        Value::Object(entries) => {
            for (name, value) in entries {
                match value {
                    Value::String(_) | Value::Number(_) if speaks_of_secrets(name) => secret(value),
                    _ => by_name(value),
                }
            }
        }
        _ => {}
    }
}

/// Conceals all text.
pub fn everything(written: &mut Value) {
    match written {
        Value::Array(items) => items.iter_mut().for_each(everything),
        Value::Object(entries) => entries.values_mut().for_each(everything),
        Value::String(_) | Value::Number(_) => secret(written),
        Value::Null | Value::Bool(_) => {}
    }
}

/// Ends of names that speak of secrets, in lower case and without dashes and underscores.
const SECRETS: &[&str] = &[
    "password",
    "passwd",
    "secret",
    "token",
    "apikey",
    "privatekey",
    "credential",
    "credentials",
    "authorization",
    "setcookie",
    "hmacencoded",
];

fn speaks_of_secrets(name: &str) -> bool {
    let backwards = name.bytes().rev().filter(|b| !b"-_.".contains(b));
    SECRETS.iter().any(|secret| {
        let mut letters = backwards.clone().map(|b| b.to_ascii_lowercase());
        secret.bytes().rev().all(|wanted| letters.next() == Some(wanted))
    })
}

/// Conceals a secret; where it is kept may be told.
fn secret(written: &mut Value) {
    match written {
        Value::Null => {}
        Value::String(text) if text.is_empty() => {}
        Value::Object(way) if way.len() == 1 && ["env", "file"].iter().any(|w| is(way, w)) => {}
        Value::Array(items) => items.iter_mut().for_each(secret),
        Value::Object(entries) => entries.values_mut().for_each(secret),
        _ => *written = STARS.into(),
    }
}

fn is(way: &serde_json::Map<String, Value>, name: &str) -> bool {
    way.keys().any(|key| key.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Schema;
    use super::*;

    fn check(schema: &Value, written: Value, expect: &Value) {
        let mut shown = written;
        Schema::parse(schema).unwrap().conceal(&mut shown);
        assert_eq!(shown, *expect);
    }

    #[test]
    fn secrets_are_concealed_as_they_are_written() {
        let schema = json!({
            "users": {"type": "list", "of": "secret"},
            "realm": {"type": "string"},
            "nested": {
                "type": "object",
                "fields": {"key": {"type": "secret"}, "ttl": {"type": "duration"}},
            },
            "keys": {"type": "map", "of": "secret"},
        });
        let written = json!({
            "USERS": ["a:b", "c:d"], "realm": "r", "nested": {"key": "k", "ttl": "1s"},
            "keys": {"one": "s"}, "relam": "typo",
        });
        let expect = json!({
            "USERS": ["xxxx", "xxxx"], "realm": "r", "nested": {"key": "xxxx", "ttl": "1s"},
            "keys": {"one": "xxxx"}, "relam": "xxxx",
        });
        check(&schema, written, &expect);
        check(&schema, json!({"users": "a:b,c:d"}), &json!({"users": "xxxx"}));
        let kept = json!({"nested": {"key": {"env": "KEY"}}});
        check(&schema, kept.clone(), &kept);
        let free = json!({"apiKey": "s", "deep": [{"client-secret": "s", "url": "u"}]});
        let expect = json!({"apiKey": "xxxx", "deep": [{"client-secret": "xxxx", "url": "u"}]});
        check(&Value::Null, free, &expect);
    }
}
