//! Sizes in bytes (`64MiB`), or a plain number of bytes.

/// Why a text is no size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SizeError {
    /// Not a number followed by a unit.
    #[error("{0:?} is no size: write it as 64MiB, 1.5GB or a number of bytes")]
    Syntax(String),
    /// More than can be counted.
    #[error("{0:?} is too large")]
    Overflow(String),
}

/// Units in lower case with their bytes; the longest that fits comes first.
const UNITS: [(&str, u64); 10] = [
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
    ("b", 1),
    ("", 1),
];

/// Reads a number of bytes, with a unit (`KiB` is 1024, `KB` is 1000, whatever their case) or
/// without one; a fraction is rounded down to whole bytes.
///
/// # Errors
/// When the text is no size, or one of more than `i64::MAX` bytes.
pub fn parse_size(text: &str) -> Result<u64, SizeError> {
    let syntax = || SizeError::Syntax(text.to_owned());
    let overflow = || SizeError::Overflow(text.to_owned());
    let lower = text.trim().to_ascii_lowercase();
    let fit = UNITS.iter().find_map(|(unit, bytes)| Some((lower.strip_suffix(unit)?, *bytes)));
    let (number, unit) = fit.ok_or_else(syntax)?;
    let number = number.trim_end();
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > FRACTION_DIGITS_MAX {
        return Err(syntax());
    }
    let whole = whole.parse::<u64>().map_err(|_| overflow())?;
    let scale = 10u64.pow(u32::try_from(fraction.len()).map_err(|_| syntax())?);
    let part = fraction.parse::<u64>().map_err(|_| syntax())?;
    let part = u128::from(part) * u128::from(unit) / u128::from(scale);
    let bytes = u128::from(whole) * u128::from(unit) + part;
    i64::try_from(bytes).map(i64::unsigned_abs).map_err(|_| overflow())
}

/// More digits than these behind the point say nothing.
const FRACTION_DIGITS_MAX: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_sizes() {
        for (text, expect) in [
            ("0", Some(0)),
            ("1024", Some(1024)),
            ("1KiB", Some(1024)),
            ("1.5 MiB", Some(1_572_864)),
            ("2kb", Some(2000)),
            ("1GB", Some(1_000_000_000)),
            ("7B", Some(7)),
            ("", None),
            ("MiB", None),
            ("-1", None),
            ("5m", None),
            ("1.MiB", None),
            ("1e3", None),
            ("99999999999999999999", None),
            ("9999999999GiB", None),
        ] {
            assert_eq!(parse_size(text).ok(), expect, "{text}");
        }
    }
}
