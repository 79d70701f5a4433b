//! Expectations on the last answer, for sessions that are tests.
//!
//! Must not know how the answer came.

use super::session::Exchange;
use super::{ReplError, line};

const USAGE: &str = "expect STATUS | router NAME | service NAME | server NAME | body TEXT | \
                     header NAME[: VALUE] | share SERVER FROM..TO";

/// Fails when the answer is another.
pub(super) fn check(exchange: &Exchange, text: &str) -> Result<(), ReplError> {
    let (what, rest) = line::first(text);
    let reply = &exchange.reply;
    let met = |holds: bool, got: String| match holds {
        true => Ok(()),
        false => Err(ReplError::Expected(format!("{text}, got {got}"))),
    };
    if let Ok(status) = what.parse::<u16>() {
        return met(reply.status == status, reply.status.to_string());
    }
    let element = |name: &Option<String>| {
        let name = name.clone().unwrap_or_else(|| "none".to_owned());
        let bare = name.split('@').next().unwrap_or_default();
        met(name == rest || bare == rest, name.clone())
    };
    match what {
        "router" => element(&exchange.router),
        "service" => element(&exchange.service),
        "server" => element(&exchange.server),
        "body" => {
            let body = String::from_utf8_lossy(&reply.body);
            met(body.contains(rest), body.chars().take(200).collect())
        }
        "header" => {
            let (name, value) = rest.split_once(':').unwrap_or((rest, ""));
            let found: Vec<_> = reply
                .headers
                .iter()
                .filter(|(other, _)| other.eq_ignore_ascii_case(name.trim()))
                .map(|(_, value)| value.clone())
                .collect();
            let value = value.trim();
            let holds = match rest.contains(':') {
                true => found.iter().any(|found| found == value),
                false => !found.is_empty(),
            };
            met(holds, if found.is_empty() { "none".to_owned() } else { found.join(", ") })
        }
        "share" => share(exchange, text, rest),
        _ => Err(ReplError::Usage(USAGE)),
    }
}

/// A server's share of the answers, in percent.
fn share(exchange: &Exchange, text: &str, rest: &str) -> Result<(), ReplError> {
    let (server, range) = line::first(rest);
    let bounds = range.split_once("..").and_then(|(from, to)| {
        let percent = |text: &str| text.trim().trim_end_matches('%').parse::<f64>().ok();
        Some((percent(from)?, percent(to)?))
    });
    let (from, to) = bounds.ok_or(ReplError::Usage(USAGE))?;
    let all: usize = exchange.servers.values().sum();
    let count = exchange.servers.get(server).copied().unwrap_or_default();
    let percent = percent(count, all);
    match (from..=to).contains(&percent) {
        true => Ok(()),
        false => Err(ReplError::Expected(format!("{text}, got {percent:.1} %"))),
    }
}

/// A part of a whole in percent.
#[expect(clippy::cast_precision_loss, reason = "counts of requests are small")]
pub(super) fn percent(part: usize, whole: usize) -> f64 {
    100.0 * part as f64 / whole.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repl::client::Reply;

    #[test]
    fn expectations_hold_or_say_what_came() {
        let exchange = Exchange {
            reply: Reply {
                status: 200,
                headers: vec![("X-A".into(), "1".into())],
                body: b"hello".to_vec(),
                ..Reply::default()
            },
            router: Some("shop@file".into()),
            servers: [("a".to_owned(), 9), ("b".to_owned(), 1)].into(),
            ..Exchange::default()
        };
        for (text, expect) in [
            ("200", ""),
            ("404", "expected 404, got 200"),
            ("router shop", ""),
            ("router shop@file", ""),
            ("router x", "expected router x, got shop@file"),
            ("server a", "expected server a, got none"),
            ("body ell", ""),
            ("header x-a", ""),
            ("header x-a: 1", ""),
            ("header x-a: 2", "expected header x-a: 2, got 1"),
            ("share b 5..15", ""),
            ("share b 11..15%", "expected share b 11..15%, got 10.0 %"),
        ] {
            let got = check(&exchange, text).map_err(|error| error.to_string());
            assert_eq!(got.err().unwrap_or_default(), expect, "{text}");
        }
        assert!(matches!(check(&exchange, "nonsense"), Err(ReplError::Usage(_))));
    }
}
