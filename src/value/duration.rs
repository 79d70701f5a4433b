//! Durations in Go's syntax (`1m30s`), or a plain number of seconds.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A duration that is written as Go writes it, such as `1m30s`, `300ms`, `1.5h`; a plain number
/// means seconds, as in Traefik. Never negative.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GoDuration(Duration);

/// Why a text is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Not a number followed by a unit.
    #[error("{0:?} is no duration: write it as 300ms, 1m30s or a number of seconds")]
    Syntax(String),
    /// Below zero.
    #[error("{0:?} is negative")]
    Negative(String),
    /// More than about 292 years, the most Go can hold.
    #[error("{0:?} is too long")]
    Overflow(String),
}

impl GoDuration {
    /// No time; where it limits something, no limit.
    pub const ZERO: Self = Self(Duration::ZERO);

    /// That many seconds.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self(Duration::from_secs(secs))
    }

    /// That many milliseconds.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }

    /// As a standard duration.
    #[must_use]
    pub const fn get(self) -> Duration {
        self.0
    }

    /// As a limit: none for zero.
    #[must_use]
    pub fn limit(self) -> Option<Duration> {
        (!self.0.is_zero()).then_some(self.0)
    }

    /// Reads Go's syntax, or a plain number of seconds.
    ///
    /// # Errors
    /// When the text is no duration, negative or too long.
    pub fn parse(text: &str) -> Result<Self, DurationError> {
        let trimmed = text.trim();
        if let Some(rest) = trimmed.strip_prefix('-') {
            if !rest.starts_with(|c: char| c == '.' || c.is_ascii_digit()) {
                return Err(DurationError::Syntax(text.to_owned()));
            }
            return match Self::parse(rest) {
                // Nothing is not less than nothing.
                Ok(Self::ZERO) => Ok(Self::ZERO),
                Ok(_) | Err(DurationError::Overflow(_)) => {
                    Err(DurationError::Negative(text.to_owned()))
                }
                Err(_) => Err(DurationError::Syntax(text.to_owned())),
            };
        }
        let plain = trimmed.strip_prefix('+').unwrap_or(trimmed);
        if let Ok(secs) = plain.parse::<u64>() {
            return Self::checked(u128::from(secs) * 1_000_000_000, text);
        }
        let nanos = nanos(plain).ok_or_else(|| DurationError::Syntax(text.to_owned()))?;
        Self::checked(nanos, text)
    }

    fn checked(nanos: u128, text: &str) -> Result<Self, DurationError> {
        let nanos = i64::try_from(nanos).map_err(|_| DurationError::Overflow(text.to_owned()))?;
        Ok(Self(Duration::from_nanos(nanos.unsigned_abs())))
    }
}

/// The sum of number-unit pairs, in nanoseconds.
fn nanos(mut rest: &str) -> Option<u128> {
    const UNITS: [(&str, u128); 8] = [
        ("ns", 1),
        ("us", 1_000),
        ("\u{b5}s", 1_000),
        ("\u{3bc}s", 1_000),
        ("ms", 1_000_000),
        ("s", 1_000_000_000),
        ("m", 60_000_000_000),
        ("h", 3_600_000_000_000),
    ];
    if rest.is_empty() {
        return None;
    }
    let mut sum = 0u128;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(digits);
        let unit_len = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_len);
        let (_, scale) = UNITS.iter().find(|(name, _)| *name == unit)?;
        sum = sum.checked_add(scaled(number, *scale)?)?;
        rest = tail;
    }
    Some(sum)
}

/// A decimal number times a scale, rounded down.
fn scaled(number: &str, scale: u128) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') || number.len() > 30 {
        return None;
    }
    let whole: u128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let fraction = &fraction[..fraction.len().min(15)];
    let part = if fraction.is_empty() {
        0
    } else {
        fraction.parse::<u128>().ok()? * scale / 10u128.pow(u32::try_from(fraction.len()).ok()?)
    };
    whole.checked_mul(scale)?.checked_add(part)
}

impl fmt::Display for GoDuration {
    /// As Go's `Duration.String` writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.as_nanos();
        let (scale, unit) = match nanos {
            0 => return f.write_str("0s"),
            1..1_000 => (1, "ns"),
            1_000..1_000_000 => (1_000, "\u{b5}s"),
            1_000_000..1_000_000_000 => (1_000_000, "ms"),
            _ => {
                let secs = self.0.as_secs();
                let (hours, minutes) = (secs / 3600, secs / 60 % 60);
                if hours > 0 {
                    write!(f, "{hours}h")?;
                }
                if hours > 0 || minutes > 0 {
                    write!(f, "{minutes}m")?;
                }
                write_decimal(f, nanos % 60_000_000_000, 1_000_000_000)?;
                return f.write_str("s");
            }
        };
        write_decimal(f, nanos, scale)?;
        f.write_str(unit)
    }
}

fn write_decimal(f: &mut fmt::Formatter<'_>, nanos: u128, scale: u128) -> fmt::Result {
    write!(f, "{}", nanos / scale)?;
    let rest = nanos % scale;
    if rest > 0 {
        let width = scale.ilog10() as usize;
        let digits = format!("{rest:0width$}");
        write!(f, ".{}", digits.trim_end_matches('0'))?;
    }
    Ok(())
}

impl Serialize for GoDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for GoDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Visitor)
    }
}

struct Visitor;

impl serde::de::Visitor<'_> for Visitor {
    type Value = GoDuration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration such as 300ms or 1m30s, or a number of seconds")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<GoDuration, E> {
        GoDuration::parse(text).map_err(E::custom)
    }

    fn visit_u64<E: serde::de::Error>(self, secs: u64) -> Result<GoDuration, E> {
        GoDuration::parse(&secs.to_string()).map_err(E::custom)
    }

    fn visit_i64<E: serde::de::Error>(self, secs: i64) -> Result<GoDuration, E> {
        GoDuration::parse(&secs.to_string()).map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &str) {
        assert_eq!(GoDuration::parse(text).unwrap().to_string(), expect, "{text}");
    }

    #[test]
    fn reads_and_prints_as_go() {
        check("1m30s", "1m30s");
        check("90", "1m30s");
        check("0", "0s");
        check("-0s", "0s");
        check("1.5h", "1h30m0s");
        check("300ms", "300ms");
        check("1.5s", "1.5s");
        check("2h", "2h0m0s");
        check("10us", "10\u{b5}s");
        check("100ns", "100ns");
        check(".5s", "500ms");
    }

    #[test]
    fn refuses_what_is_none() {
        for text in ["", "s", "1", "1x", "1.2.3s", "5 s", "1d"] {
            assert_eq!(GoDuration::parse(text).is_ok(), text == "1", "{text}");
        }
        assert!(matches!(GoDuration::parse("-1s"), Err(DurationError::Negative(_))));
        assert!(matches!(GoDuration::parse("-s"), Err(DurationError::Syntax(_))));
        assert!(matches!(GoDuration::parse("9999999h"), Err(DurationError::Overflow(_))));
    }
}
