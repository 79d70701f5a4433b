//! `onError` and `limits`, which stand beside a middleware's kind.

use serde_json::Value;

use super::{Limits, OnError};
use crate::value::{GoDuration, parse_size};

/// Reads `limits: {cpu, wait, memory, body, fetches}`.
///
/// # Errors
/// What is wrong with it, in a sentence.
pub fn limits(value: Option<&Value>) -> Result<Limits, String> {
    let mut limits = Limits::default();
    let Some(value) = value else { return Ok(limits) };
    let fields = value.as_object().ok_or("limits: expected an object")?;
    for (key, value) in fields {
        match key.to_ascii_lowercase().as_str() {
            "cpu" => limits.cpu = duration(key, value)?.get(),
            "wait" => limits.wait = duration(key, value)?.limit(),
            "memory" => limits.memory_bytes = bytes(key, value)?,
            "body" => limits.body_bytes = bytes(key, value)?,
            "fetches" => {
                let number = value.as_u64().and_then(|n| u32::try_from(n).ok());
                limits.fetches = number.ok_or("limits.fetches: expected a number")?;
            }
            _ => {
                let known = "cpu, wait, memory, body, fetches";
                return Err(format!("limits.{key}: unknown option; known are {known}"));
            }
        }
    }
    Ok(limits)
}

/// Reads `onError: fail | skip | {status, body}`.
///
/// # Errors
/// What is wrong with it, in a sentence.
pub fn on_error(value: Option<&Value>) -> Result<OnError, String> {
    let wrong = "onError: expected fail, skip or {status, body}";
    match value {
        None => Ok(OnError::Fail),
        Some(Value::String(text)) if text.eq_ignore_ascii_case("fail") => Ok(OnError::Fail),
        Some(Value::String(text)) if text.eq_ignore_ascii_case("skip") => Ok(OnError::Skip),
        Some(Value::Object(fields)) => {
            let status = fields.get("status").and_then(Value::as_u64);
            let status = status.and_then(|status| u16::try_from(status).ok());
            let status = status.filter(|status| (200..600).contains(status)).ok_or(wrong)?;
            let body = fields.get("body").and_then(Value::as_str).unwrap_or_default();
            if let Some(key) = fields.keys().find(|key| !["status", "body"].contains(&&***key)) {
                return Err(format!("onError.{key}: unknown option; known are status, body"));
            }
            Ok(OnError::Answer { status, body: body.to_owned() })
        }
        Some(_) => Err(wrong.to_owned()),
    }
}

fn duration(key: &str, value: &Value) -> Result<GoDuration, String> {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    GoDuration::parse(&text).map_err(|error| format!("limits.{key}: {error}"))
}

fn bytes(key: &str, value: &Value) -> Result<usize, String> {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let bytes = parse_size(&text).map_err(|error| format!("limits.{key}: {error}"))?;
    usize::try_from(bytes).map_err(|_| format!("limits.{key}: {text:?} is too large"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_limits() {
        let read = limits(Some(&json!({"cpu": "5ms", "wait": 2, "body": "1MiB"}))).unwrap();
        assert_eq!(read.cpu.as_millis(), 5);
        assert_eq!(read.wait.unwrap().as_secs(), 2);
        assert_eq!(read.body_bytes, 1 << 20);
        for (bad, part) in [
            (json!({"cpu": "x"}), "limits.cpu"),
            (json!({"heap": 1}), "limits.heap"),
            (json!({"memory": "many"}), "limits.memory"),
            (json!(1), "expected an object"),
        ] {
            assert!(limits(Some(&bad)).unwrap_err().contains(part), "{bad}");
        }
    }

    #[test]
    fn reads_on_error() {
        assert_eq!(on_error(Some(&json!("skip"))), Ok(OnError::Skip));
        let answer = OnError::Answer { status: 503, body: "later".to_owned() };
        assert_eq!(on_error(Some(&json!({"status": 503, "body": "later"}))), Ok(answer));
        for bad in [json!("maybe"), json!({"status": 1}), json!({"status": 500, "x": 1}), json!(5)]
        {
            assert!(on_error(Some(&bad)).is_err(), "{bad}");
        }
    }
}
