//! The flush interval of answers, which may be negative.

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::value::GoDuration;

/// How often Traefik flushes answers; a negative interval means after every write. Moongate hands
/// every byte on at once, which satisfies any value, so it is only checked and shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlushInterval {
    sign: Sign,
    length: GoDuration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    Plus,
    Minus,
}

impl Default for FlushInterval {
    fn default() -> Self {
        Self { sign: Sign::Plus, length: GoDuration::from_millis(100) }
    }
}

impl fmt::Display for FlushInterval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.sign {
            Sign::Plus => self.length.fmt(f),
            Sign::Minus => write!(f, "-{}", self.length),
        }
    }
}

impl Serialize for FlushInterval {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for FlushInterval {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = match Value::deserialize(deserializer)? {
            Value::String(text) => text,
            Value::Number(number) => number.to_string(),
            _ => return Err(D::Error::custom("expected a duration")),
        };
        let (sign, length) = match text.trim().strip_prefix('-') {
            Some(length) => (Sign::Minus, length),
            None => (Sign::Plus, text.trim()),
        };
        let length = GoDuration::parse(length).map_err(D::Error::custom)?;
        Ok(Self { sign, length })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn may_be_negative() {
        let check = |value: Value, expect: Option<&str>| {
            let read = serde_json::from_value::<FlushInterval>(value.clone());
            assert_eq!(read.ok().map(|read| read.to_string()).as_deref(), expect, "{value}");
        };
        check(json!(-1), Some("-1s"));
        check(json!(2), Some("2s"));
        check(json!("-5ms"), Some("-5ms"));
        check(json!("100ms"), Some("100ms"));
        check(json!("--1"), None);
        check(json!("soon"), None);
        check(json!([]), None);
        assert_eq!(FlushInterval::default().to_string(), "100ms");
    }
}
