//! Ranges of HTTP statuses, as options write them: `404`, `500-599`.

use std::ops::RangeInclusive;

/// A set of statuses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StatusRanges(Vec<RangeInclusive<u16>>);

/// Why an entry is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither a status nor a range of them such as 500-599")]
pub struct StatusRangeError(pub String);

impl StatusRanges {
    /// Reads entries.
    ///
    /// # Errors
    /// At the first that is neither a status, of three digits, nor a range of them that rises.
    pub fn parse<'a>(entries: impl IntoIterator<Item = &'a str>) -> Result<Self, StatusRangeError> {
        entries.into_iter().map(range).collect::<Result<_, _>>().map(Self)
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a status is in the set.
    #[must_use]
    pub fn hold(&self, status: u16) -> bool {
        self.0.iter().any(|range| range.contains(&status))
    }
}

fn range(entry: &str) -> Result<RangeInclusive<u16>, StatusRangeError> {
    let wrong = || StatusRangeError(entry.to_owned());
    let status = |text: &str| match text.trim().parse() {
        Ok(status @ 100..=999) => Ok(status),
        _ => Err(wrong()),
    };
    let (first, last) = entry.split_once('-').unwrap_or((entry, entry));
    let range = status(first)?..=status(last)?;
    if range.is_empty() { Err(wrong()) } else { Ok(range) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_statuses_and_ranges() {
        let ranges = StatusRanges::parse(["300-302", "500"]).unwrap();
        for (status, expect) in [(299, false), (300, true), (302, true), (303, false), (500, true)]
        {
            assert_eq!(ranges.hold(status), expect, "{status}");
        }
        for bad in ["", "5xx", "504-500", "99", "1000", "500-"] {
            assert_eq!(StatusRanges::parse([bad]), Err(StatusRangeError(bad.to_owned())));
        }
        assert!(!StatusRanges::default().hold(200));
    }
}
