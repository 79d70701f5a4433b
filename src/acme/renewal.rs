//! When certificates are renewed: by Traefik's table, or as the authority wishes (RFC 9773).
//!
//! Pure. Must not know how they are renewed.

use std::time::Duration;

use super::client::{Renewal, encode};
use crate::value::Certificate;

/// How long before its end a certificate is renewed, and how often this is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) before_seconds: i64,
    pub(super) every: Duration,
}

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Hours that certificates are valid for, at least; how long before the end; how often.
const ROWS: &[(u32, i64, i64)] = &[
    (365 * 24, 120 * DAY, 7 * DAY),
    (90 * 24, 30 * DAY, DAY),
    (30 * 24, 10 * DAY, 12 * HOUR),
    (6 * 24, 2 * DAY, 2 * HOUR),
    (24, 6 * HOUR, 10 * MINUTE),
    (0, 20 * MINUTE, MINUTE),
];

impl Table {
    /// The row for certificates that are valid for so many hours.
    pub(super) fn of(hours: u32) -> Self {
        let row = ROWS.iter().find(|(least, _, _)| hours >= *least);
        let (_, before_seconds, every) = row.copied().unwrap_or((0, 20 * MINUTE, MINUTE));
        Self { before_seconds, every: Duration::from_secs(every.unsigned_abs()) }
    }
}

/// What renewals need to know of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) names: Vec<String>,
    pub(super) not_after: i64,
    /// How the authority is asked for it (RFC 9773, section 4.1); none where it says nothing of
    /// its issuer.
    pub(super) id: Option<String>,
}

/// 2.5.29.35, the key of the issuer.
const ISSUER_KEY: &[u8] = &[0x55, 0x1d, 0x23];

impl Facts {
    pub(super) fn read(der: &[u8]) -> Option<Self> {
        let certificate = Certificate::read(der)?;
        let id = certificate
            .extension(ISSUER_KEY)
            .and_then(key_of)
            .map(|key| format!("{}.{}", encode(key), encode(certificate.serial)));
        Some(Self { names: certificate.names.clone(), not_after: certificate.not_after, id })
    }

    /// When it is to be renewed, as the authority wishes or else by the table.
    pub(super) fn due(&self, table: Table, wish: Option<Renewal>) -> i64 {
        match wish {
            Some(wish) => {
                // Spread over the window, but at the same time whoever asks.
                let span = wish.end.saturating_sub(wish.start).max(1);
                let seed = self.id.as_deref().unwrap_or_default().bytes();
                let place = seed.fold(7_i64, |sum, byte| (sum * 31 + i64::from(byte)) % span);
                wish.start.saturating_add(place)
            }
            None => self.not_after.saturating_sub(table.before_seconds),
        }
    }
}

/// The identifier in the extension: `SEQUENCE { [0] bytes, … }`, all of it short.
fn key_of(extension: &[u8]) -> Option<&[u8]> {
    let [0x30, _, 0x80, length, rest @ ..] = extension else { return None };
    rest.get(..usize::from(*length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_traefiks() {
        for (hours, days_before, every_minutes) in
            [(8760, 120, 7 * 24 * 60), (2160, 30, 24 * 60), (720, 10, 12 * 60), (144, 2, 120)]
        {
            let table = Table::of(hours);
            assert_eq!(table.before_seconds, days_before * DAY, "{hours}");
            assert_eq!(table.every, Duration::from_secs(every_minutes * 60), "{hours}");
        }
        assert_eq!(Table::of(24).before_seconds, 6 * HOUR);
        assert_eq!(Table::of(23), Table { before_seconds: 1200, every: Duration::from_mins(1) });
    }

    #[test]
    fn a_window_goes_before_the_table() {
        let facts = Facts { names: vec![], not_after: 100 * DAY, id: Some("a.b".to_owned()) };
        let table = Table::of(2160);
        assert_eq!(facts.due(table, None), 70 * DAY);
        let wish = Renewal { start: 50 * DAY, end: 52 * DAY, again: Duration::ZERO };
        let due = facts.due(table, Some(wish));
        assert!((50 * DAY..52 * DAY).contains(&due), "{due}");
        assert_eq!(due, facts.due(table, Some(wish)));
    }

    #[test]
    fn certificates_are_named_by_issuer_and_serial() {
        // The example of RFC 9773, section 4.1.
        let key = [
            0x69, 0x88, 0x5b, 0x6b, 0x87, 0x46, 0x40, 0x41, 0xe1, 0xb3, 0x7b, 0x84, 0x7b, 0xa0,
            0xae, 0x2c, 0xde, 0x01, 0xc8, 0xd4,
        ];
        let extension = [&[0x30, 0x16, 0x80, 0x14][..], &key].concat();
        let name = key_of(&extension).map(encode).unwrap();
        assert_eq!(name, "aYhba4dGQEHhs3uEe6CuLN4ByNQ");
        assert_eq!(encode(&[0, 0x87, 0x65, 0x43, 0x21]), "AIdlQyE");
        assert_eq!(key_of(&[0x30, 2, 0x82, 0]), None);
    }
}
