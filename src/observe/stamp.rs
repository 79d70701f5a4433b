//! Times as logs write them, without the formatting machinery, which would be most of a line.

use std::time::Duration;

use time::OffsetDateTime;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

fn at(since_epoch: Duration) -> OffsetDateTime {
    let seconds = i64::try_from(since_epoch.as_secs()).unwrap_or_default();
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// `02/Jan/2006:15:04:05 +0000`.
pub(super) fn clf(line: &mut Vec<u8>, since_epoch: Duration) {
    let at = at(since_epoch);
    two(line, at.day());
    line.push(b'/');
    line.extend_from_slice(MONTHS[usize::from(u8::from(at.month())) - 1].as_bytes());
    line.push(b'/');
    year(line, at);
    for part in [at.hour(), at.minute(), at.second()] {
        line.push(b':');
        two(line, part);
    }
    line.extend_from_slice(b" +0000");
}

/// How exact a time is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exact {
    Seconds,
    /// Without zeros at the end, as Go writes it.
    Nanos,
}

/// `2006-01-02T15:04:05Z` (RFC 3339).
pub(super) fn rfc3339(line: &mut Vec<u8>, since_epoch: Duration, exact: Exact) {
    let at = at(since_epoch);
    year(line, at);
    for (mark, part) in [
        (b'-', u8::from(at.month())),
        (b'-', at.day()),
        (b'T', at.hour()),
        (b':', at.minute()),
        (b':', at.second()),
    ] {
        line.push(mark);
        two(line, part);
    }
    let mut nanos = since_epoch.subsec_nanos();
    if exact == Exact::Nanos && nanos > 0 {
        line.push(b'.');
        let mut place = 100_000_000;
        while nanos > 0 {
            line.push(b'0' + u8::try_from(nanos / place).unwrap_or_default());
            nanos %= place;
            place /= 10;
        }
    }
    line.push(b'Z');
}

/// Several times as fast as the formatting machinery.
pub(super) fn number(line: &mut Vec<u8>, mut number: u64) {
    let start = line.len();
    loop {
        line.push(b'0' + u8::try_from(number % 10).unwrap_or_default());
        number /= 10;
        if number == 0 {
            break;
        }
    }
    if let Some(digits) = line.get_mut(start..) {
        digits.reverse();
    }
}

fn year(line: &mut Vec<u8>, at: OffsetDateTime) {
    let year = u16::try_from(at.year()).unwrap_or_default();
    two(line, u8::try_from(year / 100).unwrap_or_default());
    two(line, u8::try_from(year % 100).unwrap_or_default());
}

fn two(line: &mut Vec<u8>, number: u8) {
    line.extend([b'0' + number / 10, b'0' + number % 10]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut line = Vec::new();
        write(&mut line);
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn numbers() {
        for value in [0, 9, 10, 100, 1_234_567, u64::MAX] {
            assert_eq!(text(|line| number(line, value)), value.to_string());
        }
    }

    #[test]
    fn days_of_leap_years() {
        for (seconds, expect) in [
            (0, "01/Jan/1970:00:00:00 +0000"),
            (951_782_400, "29/Feb/2000:00:00:00 +0000"),
            (1_709_251_199, "29/Feb/2024:23:59:59 +0000"),
            (4_107_542_400, "01/Mar/2100:00:00:00 +0000"),
        ] {
            assert_eq!(text(|line| clf(line, Duration::from_secs(seconds))), expect);
        }
    }

    #[test]
    fn fractions_end_without_zeros() {
        for (nanos, exact, expect) in [
            (0, Exact::Nanos, "2006-01-02T15:04:05Z"),
            (120_000_000, Exact::Nanos, "2006-01-02T15:04:05.12Z"),
            (1, Exact::Nanos, "2006-01-02T15:04:05.000000001Z"),
            (999_999_999, Exact::Seconds, "2006-01-02T15:04:05Z"),
        ] {
            let at = Duration::new(1_136_214_245, nanos);
            assert_eq!(text(|line| rfc3339(line, at, exact)), expect);
        }
    }
}
