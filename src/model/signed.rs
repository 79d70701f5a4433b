//! Durations that may be negative, which means something other than a time.

use std::fmt;
use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::value::GoDuration;

/// A duration, or a negative one. The default, 100 ms, is that of Traefik's `flushInterval` and
/// `terminationDelay`, which are what it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignedDuration {
    sign: Sign,
    length: GoDuration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    Plus,
    Minus,
}

impl SignedDuration {
    /// So many milliseconds.
    #[must_use]
    pub fn from_millis(millis: i64) -> Self {
        let sign = if millis < 0 { Sign::Minus } else { Sign::Plus };
        Self { sign, length: GoDuration::from_millis(millis.unsigned_abs()) }
    }

    /// The duration; none when it is negative.
    #[must_use]
    pub fn positive(self) -> Option<Duration> {
        (self.sign == Sign::Plus).then(|| self.length.get())
    }
}

impl Default for SignedDuration {
    fn default() -> Self {
        Self { sign: Sign::Plus, length: GoDuration::from_millis(100) }
    }
}

impl fmt::Display for SignedDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.sign {
            Sign::Plus => self.length.fmt(f),
            Sign::Minus => write!(f, "-{}", self.length),
        }
    }
}

impl Serialize for SignedDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SignedDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = match Value::deserialize(deserializer)? {
            Value::String(text) => text,
            Value::Number(number) => number.to_string(),
            _ => return Err(D::Error::custom("expected a duration")),
        };
        let (sign, length) = match text.trim().strip_prefix('-') {
            // Two signs are none.
            Some(length) if length.starts_with(['-', '+']) => {
                return Err(D::Error::custom("expected a duration"));
            }
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
            let read = serde_json::from_value::<SignedDuration>(value.clone());
            assert_eq!(read.ok().map(|read| read.to_string()).as_deref(), expect, "{value}");
        };
        check(json!(-1), Some("-1s"));
        check(json!(2), Some("2s"));
        check(json!("-5ms"), Some("-5ms"));
        check(json!("100ms"), Some("100ms"));
        check(json!("--1"), None);
        check(json!("--0"), None);
        check(json!("soon"), None);
        check(json!([]), None);
        assert_eq!(SignedDuration::default().to_string(), "100ms");
        assert_eq!(SignedDuration::from_millis(-100).positive(), None);
        assert_eq!(SignedDuration::from_millis(5).positive(), Some(Duration::from_millis(5)));
    }
}
