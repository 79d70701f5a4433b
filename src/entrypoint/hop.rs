//! What `Connection` names is of this hop (RFC 9110, section 7.6.1): it goes before any middleware
//! sees the request, so that a client cannot drop what a middleware adds.

use http::header::{self, HeaderName, HeaderValue};

use crate::headers::Headers;

/// Values that name no header: nearly all there are.
const PLAIN: [&[u8]; 6] =
    [b"keep-alive", b"close", b"upgrade", b"Keep-Alive", b"Close", b"Upgrade"];

/// Removes the headers that `Connection` names, but those in `kept`, which go no further than to
/// middlewares (`forwardedHeaders.connection`), and those that tell servers where the request came
/// from. What is left of `Connection` names no others.
pub(super) fn end_hop(headers: &mut Headers, kept: &[HeaderName]) {
    let values = headers.values(&header::CONNECTION);
    if values.iter().all(|value| PLAIN.contains(value)) {
        return;
    }
    let tokens = values.iter().flat_map(|value| value.split(|&b| b == b','));
    let tokens = tokens.filter_map(|token| HeaderName::from_bytes(token.trim_ascii()).ok());
    let tokens: Vec<_> = tokens.collect();
    drop(values);
    let mut left = Vec::new();
    for name in tokens {
        let is_plain = matches!(name.as_str(), "keep-alive" | "close" | "upgrade");
        if is_plain || kept.contains(&name) {
            left.push(name);
        } else if !is_ours(&name) {
            headers.remove(name);
        }
    }
    headers.remove(header::CONNECTION);
    let left: Vec<&[u8]> = left.iter().map(|name| name.as_str().as_bytes()).collect();
    if let (false, Ok(left)) = (left.is_empty(), HeaderValue::from_bytes(&left.join(&b", "[..]))) {
        headers.insert(header::CONNECTION, left);
    }
}

/// Headers that this hop writes itself, or reads later.
fn is_ours(name: &HeaderName) -> bool {
    name.as_str().starts_with("x-forwarded-") || name == "x-real-ip" || name == header::TE
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(connection: &[&'static str], expect: &str) {
        let mut headers = Headers::new();
        for name in ["a", "b", "x-forwarded-for", "x-real-ip", "te", "upgrade"] {
            headers.append(name, HeaderValue::from_static("v"));
        }
        for value in connection {
            headers.append(header::CONNECTION, HeaderValue::from_static(value));
        }
        end_hop(&mut headers, &[HeaderName::from_static("b")]);
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.retain(|name| *name != "connection");
        left.sort_unstable();
        let connection = headers.get(header::CONNECTION).map_or("-", |v| v.to_str().unwrap());
        assert_eq!(format!("{} | {connection}", left.join(" ")), expect);
    }

    #[test]
    fn what_connection_names_ends_here() {
        let all = "a b te upgrade x-forwarded-for x-real-ip";
        check(&[], &format!("{all} | -"));
        check(&["Upgrade"], &format!("{all} | Upgrade"));
        check(&["keep-alive", "close"], &format!("{all} | keep-alive"));
        check(&["A"], "b te upgrade x-forwarded-for x-real-ip | -");
        check(&["a, Upgrade", "close"], "b te upgrade x-forwarded-for x-real-ip | upgrade, close");
        check(&["b ,a,, "], "b te upgrade x-forwarded-for x-real-ip | b");
        check(&["X-Forwarded-For, X-Real-Ip, TE"], &format!("{all} | -"));
        check(&["connection"], &format!("{all} | -"));
    }
}
