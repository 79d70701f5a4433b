//! Encodings, hashes and JSON.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use data_encoding::HEXLOWER;
use ring::digest::{Algorithm, SHA1_FOR_LEGACY_USE_ONLY, SHA256, SHA512, digest};
use serde_json::Value as Json;

use super::{Arguments, Function, entry};
use crate::template::error::Fault;
use crate::template::eval::World;
use crate::template::value::Value;

pub(super) const FUNCTIONS: &[Function] = &[
    entry("b64enc", "text", (1, 1), "In base64.", |_, a| {
        Ok(Value::text(STANDARD.encode(a.text(0)?)))
    }),
    entry("b64dec", "text", (1, 1), "The text that was written in base64.", |_, a| {
        let bytes = STANDARD.decode(a.text(0)?).map_err(|error| a.unreadable(error))?;
        Ok(Value::text(String::from_utf8_lossy(&bytes)))
    }),
    entry("b32enc", "text", (1, 1), "In base32.", |_, a| {
        Ok(Value::text(base32(a.text(0)?.as_bytes())))
    }),
    entry("b32dec", "text", (1, 1), "The text that was written in base32.", |_, a| {
        let bytes = from_base32(a.text(0)?).ok_or_else(|| a.unreadable("this is no base32"))?;
        Ok(Value::text(String::from_utf8_lossy(&bytes)))
    }),
    entry("sha1sum", "text", (1, 1), "The SHA-1 hash in hexadecimal digits.", |_, a| {
        hash(&SHA1_FOR_LEGACY_USE_ONLY, a)
    }),
    entry("sha256sum", "text", (1, 1), "The SHA-256 hash in hexadecimal digits.", |_, a| {
        hash(&SHA256, a)
    }),
    entry("sha512sum", "text", (1, 1), "The SHA-512 hash in hexadecimal digits.", |_, a| {
        hash(&SHA512, a)
    }),
    entry("adler32sum", "text", (1, 1), "The Adler-32 sum as a number.", |_, a| {
        let (mut low, mut high) = (1_u32, 0_u32);
        for byte in a.text(0)?.bytes() {
            low = (low + u32::from(byte)) % 65_521;
            high = (high + low) % 65_521;
        }
        Ok(Value::text(((high << 16) | low).to_string()))
    }),
    entry("toJson", "value", (1, 1), "As JSON, with escapes for HTML.", |_, a| {
        let text = a.any(0).to_json().to_string();
        let text = text.replace('&', "\\u0026").replace('<', "\\u003c").replace('>', "\\u003e");
        Ok(Value::text(text))
    }),
    entry("mustToJson", "value", (1, 1), "As JSON, with escapes for HTML.", |_, a| {
        let text = a.any(0).to_json().to_string();
        let text = text.replace('&', "\\u0026").replace('<', "\\u003c").replace('>', "\\u003e");
        Ok(Value::text(text))
    }),
    entry("toRawJson", "value", (1, 1), "As JSON.", |_, a| {
        Ok(Value::text(a.any(0).to_json().to_string()))
    }),
    entry("toPrettyJson", "value", (1, 1), "As JSON with indentation.", |_, a| {
        let text = serde_json::to_string_pretty(&a.any(0).to_json());
        Ok(Value::text(text.map_err(|error| a.unreadable(error))?))
    }),
    entry(
        "fromJson",
        "text",
        (1, 1),
        "The value that was written as JSON, nothing when it is none.",
        |_, a| {
            let json: Result<Json, _> = serde_json::from_str(a.text(0)?);
            Ok(json.map_or(Value::Nil, |json| Value::from_json(&json)))
        },
    ),
    entry("mustFromJson", "text", (1, 1), "The value that was written as JSON.", from_json),
];

fn hash(algorithm: &'static Algorithm, a: &Arguments) -> Result<Value, Fault> {
    let digest = digest(algorithm, a.text(0)?.as_bytes());
    Ok(Value::text(HEXLOWER.encode(digest.as_ref())))
}

fn from_json(_: &mut World<'_>, a: &Arguments) -> Result<Value, Fault> {
    let json: Json = serde_json::from_str(a.text(0)?).map_err(|error| a.unreadable(error))?;
    Ok(Value::from_json(&json))
}

const DIGITS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

fn base32(bytes: &[u8]) -> String {
    let mut out = String::new();
    for group in bytes.chunks(5) {
        let number =
            (0..5).fold(0_u64, |n, i| n << 8 | u64::from(group.get(i).copied().unwrap_or(0)));
        let digits = (group.len() * 8).div_ceil(5);
        for place in 0..8 {
            let digit = usize::try_from(number >> (35 - 5 * place) & 31).unwrap_or_default();
            out.push(if place < digits { char::from(DIGITS[digit]) } else { '=' });
        }
    }
    out
}

fn from_base32(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_end_matches('=');
    let (mut number, mut bits) = (0_u64, 0);
    let mut out = Vec::new();
    for c in text.bytes().filter(|c| !matches!(c, b'\r' | b'\n')) {
        let digit = DIGITS.iter().position(|digit| *digit == c)?;
        number = number << 5 | u64::try_from(digit).ok()?;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            out.push(u8::try_from(number >> bits & 255).ok()?);
        }
    }
    Some(out)
}
