//! `url`: an absolute URL.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::super::Source;
use super::super::place::Place;
use super::{Entry, Kind, openapi, printed};

pub(super) const ENTRY: Entry = Entry {
    name: "url",
    doc: "An absolute URL: a scheme, a host, and what may follow. Scripts get the text.",
    example: r#"{"type": "url", "required": true}"#,
    build: |_| Ok(Arc::new(Url)),
};

#[derive(Debug)]
struct Url;

/// Whether a text has a scheme and a host, and nothing that no URL has.
fn is_absolute(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else {
        return false;
    };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = host.rsplit('@').next().unwrap_or_default();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(plain)
        && !host.is_empty()
        && !host.starts_with(':')
        && !text.contains(|c: char| c.is_whitespace() || c.is_control())
}

impl Kind for Url {
    fn title(&self) -> String {
        "URL".to_owned()
    }

    fn fits(&self, value: &Value, _: Source) -> bool {
        value.as_str().is_some_and(is_absolute)
    }

    fn decode(&self, value: &Value, place: &mut Place) -> Option<Value> {
        match value.as_str().filter(|text| is_absolute(text)) {
            Some(url) => Some(Value::from(url)),
            None => {
                let got = printed(value);
                place.refuse_value(format!("expected a URL such as http://host:80/path, got {got}"))
            }
        }
    }

    fn openapi(&self) -> Map<String, Value> {
        openapi("string")
    }

    fn editor(&self, _: &str, _: &mut Vec<String>) -> String {
        "string".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::is_absolute;

    #[test]
    fn needs_scheme_and_host() {
        for (text, expect) in [
            ("http://auth.example:8080/verify?x=1", true),
            ("redis+tls://u:p@[::1]:6379", true),
            ("/verify", false),
            ("auth.example", false),
            ("http:///verify", false),
            ("http://:80", false),
            ("http://a b", false),
            ("1http://a", false),
        ] {
            assert_eq!(is_absolute(text), expect, "{text}");
        }
    }
}
