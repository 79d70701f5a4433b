//! A request as a line of the common log format, with Traefik's further fields or without them.
//!
//! `client - user [time] "method target protocol" status bytes "referrer" "agent" count "router"
//! "server" NNms`. The time is that of the request's start, in UTC as Traefik writes it. A field
//! that is not kept is `-`.

use std::io::Write;
use std::net::IpAddr;

use super::super::stamp;
use super::record::{AccessRecord, Field, FieldValue, Moment};
use super::rules::Kept;

/// How much a line says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// Up to the agent.
    Generic,
    /// All of it.
    Traefik,
}

/// Fields of a line, in its order, but for referrer and agent.
const NAMES: [&str; 12] = [
    "ClientHost",
    "ClientUsername",
    "StartUTC",
    "StartLocal",
    "RequestMethod",
    "RequestPath",
    "RequestProtocol",
    "DownstreamStatus",
    "DownstreamContentSize",
    "RequestCount",
    "RouterName",
    "ServiceURL",
];

/// The fields of lines that are kept, looked up once.
#[derive(Debug)]
pub(super) struct Columns {
    fields: [Option<&'static Field>; NAMES.len()],
    keeps_duration: bool,
    extent: Extent,
}

impl Columns {
    pub(super) fn new(kept: &Kept, extent: Extent) -> Self {
        let keeps_duration = kept.known("Duration").is_some();
        Self { fields: NAMES.map(|name| kept.known(name)), keeps_duration, extent }
    }

    /// The line with its end.
    pub(super) fn line(&self, kept: &Kept, record: &AccessRecord<'_>, moment: Moment) -> Vec<u8> {
        let mut line = Vec::with_capacity(LINE_BYTES + record.target.len());
        let values = self.fields.map(|field| move || field?.value(record, moment));
        let [client, user, utc, local, method, path, protocol, rest @ ..] = values;
        let [status, size, count, router, server] = rest;
        match self.fields[0] {
            Some(_) if record.forwarded_for.is_none() => address(&mut line, record.client.ip()),
            _ => bare(&mut line, client()),
        }
        line.extend_from_slice(b" - ");
        bare(&mut line, user());
        line.extend_from_slice(b" [");
        match utc().or_else(local) {
            Some(FieldValue::Time(at)) => stamp::clf(&mut line, at),
            _ => line.push(b'-'),
        }
        line.extend_from_slice(b"] \"");
        for (value, end) in [(method(), b' '), (path(), b' '), (protocol(), b'"')] {
            bare(&mut line, value);
            line.push(end);
        }
        for value in [status(), size()] {
            line.push(b' ');
            bare(&mut line, value);
        }
        for name in ["referer", "user-agent"] {
            let value = kept.wants_headers().then(|| kept.request_header(name, record)).flatten();
            quoted(&mut line, value.map(|value| FieldValue::Text(value.into())));
        }
        if self.extent == Extent::Traefik {
            line.push(b' ');
            bare(&mut line, count());
            quoted(&mut line, router());
            quoted(&mut line, server());
            line.push(b' ');
            let millis = u64::try_from(record.duration.as_millis()).unwrap_or(u64::MAX);
            stamp::number(&mut line, if self.keeps_duration { millis } else { 0 });
            line.extend_from_slice(b"ms");
        }
        line.push(b'\n');
        line
    }
}

/// What a line takes without its target, mostly.
const LINE_BYTES: usize = 192;

/// Most clients', without the formatting machinery.
fn address(line: &mut Vec<u8>, address: IpAddr) {
    let IpAddr::V4(v4) = address.to_canonical() else {
        // Writing to memory cannot fail.
        let _ = write!(line, "{address}");
        return;
    };
    for (index, octet) in v4.octets().into_iter().enumerate() {
        if index > 0 {
            line.push(b'.');
        }
        stamp::number(line, octet.into());
    }
}

fn quoted(line: &mut Vec<u8>, value: Option<FieldValue<'_>>) {
    line.extend_from_slice(b" \"");
    bare(line, value);
    line.push(b'"');
}

fn bare(line: &mut Vec<u8>, value: Option<FieldValue<'_>>) {
    match value {
        Some(FieldValue::Text(text)) if !text.is_empty() => escaped(line, &text),
        Some(FieldValue::Number(number)) => stamp::number(line, number),
        _ => line.push(b'-'),
    }
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
