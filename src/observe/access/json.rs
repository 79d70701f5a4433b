//! A request as an object on a line, as Traefik writes it: its fields, then `level`, `msg` and
//! `time`.

use std::io::Write;

use super::super::stamp::{self, Exact};
use super::record::{AccessRecord, FieldValue, Moment};
use super::rules::Kept;

/// The line with its end.
pub(super) fn line(kept: &Kept, record: &AccessRecord<'_>, moment: Moment) -> Vec<u8> {
    let mut line = Vec::with_capacity(LINE_BYTES + record.target.len());
    line.push(b'{');
    kept.each(record, moment, |name, value| {
        // Names of fields and of headers hold nothing that would have to be escaped.
        line.push(b'"');
        line.extend_from_slice(name.as_bytes());
        line.extend_from_slice(b"\":");
        match value {
            FieldValue::Text(value) => text(&mut line, &value),
            FieldValue::Number(number) => stamp::number(&mut line, number),
            FieldValue::Ratio(ratio) => {
                // Writing to memory cannot fail.
                let _ = write!(line, "{ratio}");
            }
            FieldValue::Time(at) => {
                line.push(b'"');
                stamp::rfc3339(&mut line, at, Exact::Nanos);
                line.push(b'"');
            }
        }
        line.push(b',');
    });
    line.extend_from_slice(b"\"level\":\"info\",\"msg\":\"\",\"time\":\"");
    stamp::rfc3339(&mut line, moment.ended, Exact::Seconds);
    line.extend_from_slice(b"\"}\n");
    line
}

/// What a line takes without its target, mostly.
const LINE_BYTES: usize = 1024;

fn text(line: &mut Vec<u8>, text: &str) {
    let is_plain = |byte: u8| !matches!(byte, 0..=0x1f | b'"' | b'\\');
    line.push(b'"');
    // Looked through to the end, which takes many bytes at a time.
    if text.bytes().fold(true, |all, byte| all & is_plain(byte)) {
        line.extend_from_slice(text.as_bytes());
    } else {
        for byte in text.bytes() {
            match byte {
                b'"' | b'\\' => line.extend([b'\\', byte]),
                byte if is_plain(byte) => line.push(byte),
                byte => {
                    let _ = write!(line, "\\u{byte:04x}");
                }
            }
        }
    }
    line.push(b'"');
}
