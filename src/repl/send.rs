//! Requests as they are typed: `METHOD URL` with flags as curl has them.
//!
//! Must not know what becomes of them.

use std::net::IpAddr;

use super::client::Ask;
use super::{ReplError, line};

/// A request, and how it is sent.
#[derive(Debug, Clone, Default)]
pub(super) struct Sending {
    pub(super) ask: Ask,
    pub(super) url: String,
    pub(super) entrypoint: Option<String>,
    /// How often it is sent.
    pub(super) times: usize,
    /// Whether cookies of answers are kept and sent.
    pub(super) jar: bool,
}

/// Requests of one line.
const TIMES_MAX: usize = 100_000;

const USAGE: &str = "METHOD URL [-H 'Name: value']... [-d BODY] [-c CLIENT] [-e ENTRYPOINT] \
                     [-n TIMES] [-j]";

/// Whether a line begins as a request does.
pub(super) fn is_request(text: &str) -> bool {
    let (method, rest) = line::first(text);
    let is_method = |c: char| c.is_ascii_uppercase() || c == '-';
    !method.is_empty() && method.chars().all(is_method) && line::first(rest).0.contains("://")
}

/// Reads a request.
pub(super) fn read(text: &str) -> Result<Sending, ReplError> {
    let usage = || ReplError::Usage(USAGE);
    let mut words = line::words(text).into_iter();
    let method = words.next().ok_or_else(usage)?;
    let url = words.next().ok_or_else(usage)?;
    let (scheme, rest) = url.split_once("://").ok_or_else(usage)?;
    if !matches!(scheme, "http" | "https") {
        return Err(ReplError::Line(format!("{scheme}: the scheme must be http or https")));
    }
    let rest = rest.split('#').next().unwrap_or_default();
    let (authority, target) = match rest.find(['/', '?']) {
        Some(at) => rest.split_at(at),
        None => (rest, "/"),
    };
    let slash = if target.starts_with('?') { "/" } else { "" };
    let mut sending = Sending {
        ask: Ask {
            method,
            scheme: scheme.to_owned(),
            authority: authority.to_owned(),
            target: format!("{slash}{target}"),
            ..Ask::default()
        },
        url: url.clone(),
        times: 1,
        ..Sending::default()
    };
    while let Some(flag) = words.next() {
        if flag == "-j" {
            sending.jar = true;
            continue;
        }
        let value = words.next().ok_or_else(usage)?;
        match flag.as_str() {
            "-H" => {
                let (name, value) = value.split_once(':').ok_or_else(usage)?;
                let value = value.trim().to_owned();
                if value.contains(['\r', '\n']) || name.contains(char::is_whitespace) {
                    return Err(usage());
                }
                sending.ask.headers.push((name.to_owned(), value));
            }
            "-d" => sending.ask.body = value,
            "-c" => {
                let address: IpAddr = value
                    .parse()
                    .map_err(|_| ReplError::Line(format!("-c: {value:?} is no address")))?;
                sending.ask.client = Some(address);
            }
            "-e" => sending.entrypoint = Some(value),
            "-n" => {
                let times = value.parse().ok().filter(|times| (1..=TIMES_MAX).contains(times));
                sending.times = times.ok_or_else(|| {
                    ReplError::Line(format!("-n: give a number from 1 to {TIMES_MAX}"))
                })?;
            }
            _ => return Err(usage()),
        }
    }
    Ok(sending)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read() {
        assert!(is_request("GET http://a/") && is_request("M-SEARCH https://a"));
        assert!(!is_request("Host(`a`)") && !is_request("get http://a") && !is_request("GET a"));
        let read = |text: &str| super::read(text).map_err(|error| error.to_string());
        let all = "POST https://a.test:8443/x?y=1#z -H 'X: a b' -d '{}' -c 10.0.0.1 -n 5 -j -e web";
        let sending = read(all).unwrap();
        assert_eq!(sending.ask.authority, "a.test:8443");
        assert_eq!(sending.ask.target, "/x?y=1");
        assert_eq!(sending.ask.headers, [("X".to_owned(), "a b".to_owned())]);
        assert_eq!((sending.times, sending.jar, &*sending.ask.body), (5, true, "{}"));
        assert_eq!(sending.entrypoint.as_deref(), Some("web"));
        assert_eq!(read("GET http://a").unwrap().ask.target, "/");
        assert_eq!(read("GET http://a?b").unwrap().ask.target, "/?b");
        for bad in ["GET ftp://a", "GET http://a -H x", "GET http://a -n 0", "GET http://a -c x"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
