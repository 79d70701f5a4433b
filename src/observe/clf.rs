//! A request as a line of the common log format with Traefik's further fields.
//!
//! `client - user [time] "method target protocol" status bytes "-" "-" count "router" "server"
//! NNms`. Referrer and agent are dropped by Traefik unless header fields are kept, which is not
//! supported. The time is that of the request's start, in UTC as Traefik writes it.

use std::io::Write;
use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;

use super::AccessRecord;

/// The line with its end.
pub(super) fn line(record: &AccessRecord<'_>, started: SystemTime, count: u64) -> Vec<u8> {
    let mut line = Vec::with_capacity(LINE_BYTES + record.target.len());
    address(&mut line, record.client);
    line.extend_from_slice(b" - ");
    text(&mut line, record.user);
    line.extend_from_slice(b" [");
    time(&mut line, started.duration_since(UNIX_EPOCH).unwrap_or_default());
    line.extend_from_slice(b"] \"");
    escaped(&mut line, record.method);
    line.push(b' ');
    escaped(&mut line, record.target);
    line.push(b' ');
    line.extend_from_slice(record.protocol.as_bytes());
    line.extend_from_slice(b"\" ");
    number(&mut line, record.status.into());
    line.push(b' ');
    number(&mut line, record.bytes);
    line.extend_from_slice(b" \"-\" \"-\" ");
    number(&mut line, count);
    line.extend_from_slice(b" \"");
    text(&mut line, record.router);
    line.extend_from_slice(b"\" \"");
    text(&mut line, record.server);
    line.extend_from_slice(b"\" ");
    number(&mut line, u64::try_from(record.duration.as_millis()).unwrap_or(u64::MAX));
    line.extend_from_slice(b"ms\n");
    line
}

/// What a line takes without its target, mostly.
const LINE_BYTES: usize = 192;

fn address(line: &mut Vec<u8>, address: IpAddr) {
    let IpAddr::V4(v4) = address else {
        // Writing to memory cannot fail.
        let _ = write!(line, "{address}");
        return;
    };
    for (index, octet) in v4.octets().into_iter().enumerate() {
        if index > 0 {
            line.push(b'.');
        }
        number(line, octet.into());
    }
}

/// Several times as fast as the formatting machinery, which is most of a line otherwise.
fn number(line: &mut Vec<u8>, mut number: u64) {
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

fn text(line: &mut Vec<u8>, text: Option<&str>) {
    escaped(line, text.filter(|text| !text.is_empty()).unwrap_or("-"));
}

/// What a client wrote may neither end its field nor its line.
fn escaped(line: &mut Vec<u8>, text: &str) {
    let is_plain = |byte: &u8| !matches!(byte, 0..=0x1f | b'"' | b'\\' | 0x7f);
    if text.bytes().all(|byte| is_plain(&byte)) {
        line.extend_from_slice(text.as_bytes());
        return;
    }
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => line.extend([b'\\', byte]),
            byte if is_plain(&byte) => line.push(byte),
            byte => {
                let _ = write!(line, "\\x{byte:02x}");
            }
        }
    }
}

/// `02/Jan/2006:15:04:05 +0000`.
fn time(line: &mut Vec<u8>, since_epoch: Duration) {
    let seconds = i64::try_from(since_epoch.as_secs()).unwrap_or_default();
    let at = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let month = MONTHS[usize::from(u8::from(at.month())) - 1].as_bytes();
    two(line, at.day());
    line.push(b'/');
    line.extend_from_slice(month);
    line.push(b'/');
    let year = u16::try_from(at.year()).unwrap_or_default();
    two(line, u8::try_from(year / 100).unwrap_or_default());
    two(line, u8::try_from(year % 100).unwrap_or_default());
    for part in [at.hour(), at.minute(), at.second()] {
        line.push(b':');
        two(line, part);
    }
    line.extend_from_slice(b" +0000");
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

fn two(line: &mut Vec<u8>, number: u8) {
    line.extend([b'0' + number / 10, b'0' + number % 10]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(change: impl FnOnce(&mut AccessRecord<'static>), expect: &str) {
        let mut record = AccessRecord {
            client: IpAddr::from([127, 0, 0, 1]),
            user: None,
            method: "GET",
            target: "/a/x?y=1",
            protocol: "HTTP/1.1",
            status: 200,
            bytes: 17,
            router: Some("a@file"),
            server: Some("http://127.0.0.1:8080"),
            duration: Duration::from_micros(12_999),
        };
        change(&mut record);
        let started = UNIX_EPOCH + Duration::from_millis(1_136_214_245_999);
        let line = String::from_utf8(line(&record, started, 7)).unwrap();
        assert_eq!(line, format!("{expect}\n"));
    }

    #[test]
    fn lines_are_traefiks() {
        check(
            |_| {},
            "127.0.0.1 - - [02/Jan/2006:15:04:05 +0000] \"GET /a/x?y=1 HTTP/1.1\" 200 17 \
             \"-\" \"-\" 7 \"a@file\" \"http://127.0.0.1:8080\" 12ms",
        );
        check(
            |record| {
                (record.user, record.router, record.server) = (Some("joe"), None, None);
                (record.status, record.bytes) = (404, 19);
                record.client = "2001:db8::1".parse().unwrap();
            },
            "2001:db8::1 - joe [02/Jan/2006:15:04:05 +0000] \"GET /a/x?y=1 HTTP/1.1\" 404 19 \
             \"-\" \"-\" 7 \"-\" \"-\" 12ms",
        );
        check(
            |record| (record.user, record.target) = (Some("a\"b\nc"), "/\\\u{7f}é"),
            "127.0.0.1 - a\\\"b\\x0ac [02/Jan/2006:15:04:05 +0000] \"GET /\\\\\\x7fé HTTP/1.1\" \
             200 17 \"-\" \"-\" 7 \"a@file\" \"http://127.0.0.1:8080\" 12ms",
        );
    }

    #[test]
    fn numbers() {
        for value in [0, 9, 10, 100, 1_234_567, u64::MAX] {
            let mut line = b"x".to_vec();
            number(&mut line, value);
            assert_eq!(String::from_utf8(line).unwrap(), format!("x{value}"));
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
            let mut line = Vec::new();
            time(&mut line, Duration::from_secs(seconds));
            assert_eq!(String::from_utf8(line).unwrap(), expect);
        }
    }
}
