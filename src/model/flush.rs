//! The flush interval, which may be negative: then Traefik flushes after every write.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::value::GoDuration;

/// How long bytes of an answer may wait before they are handed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlushInterval {
    /// They never wait; the duration is what was written after the minus.
    AtOnce(GoDuration),
    /// So long.
    Every(GoDuration),
}

impl Default for FlushInterval {
    fn default() -> Self {
        Self::Every(GoDuration::from_millis(100))
    }
}

impl Serialize for FlushInterval {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::AtOnce(duration) => serializer.collect_str(&format_args!("-{duration}")),
            Self::Every(duration) => duration.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for FlushInterval {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The decoder makes text of a number where text is wanted.
        let text = String::deserialize(deserializer)?;
        let (is_negative, duration) = match text.trim().strip_prefix('-') {
            Some(rest) => (true, GoDuration::parse(rest)),
            None => (false, GoDuration::parse(&text)),
        };
        let duration = duration.map_err(serde::de::Error::custom)?;
        Ok(if is_negative { Self::AtOnce(duration) } else { Self::Every(duration) })
    }
}
