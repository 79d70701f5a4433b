//! The host of a request as rules see it.

use std::borrow::Cow;

/// The host as rules see it: lower case, without port and brackets. Its trailing dot stays, since
/// `HostRegexp` sees it, and so does the zone of an IPv6 address, which Traefik keeps as well.
#[must_use]
pub fn routing_host(host: &[u8]) -> Cow<'_, str> {
    // The host has been checked to be ASCII.
    let text = std::str::from_utf8(host).unwrap_or_default();
    let bracketed = text.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let name = match (bracketed, text.split_once(':')) {
        (Some((address, after)), _) if after.is_empty() || is_port(after) => address,
        // More colons than one are an address without brackets, and no port.
        (None, Some((name, port))) if !port.contains(':') && !name.starts_with('[') => name,
        _ => text,
    };
    if name.bytes().any(|b| b.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}

/// Whether what follows a closing bracket is a port, of whatever bytes, as Go reads it.
fn is_port(after: &str) -> bool {
    after.strip_prefix(':').is_some_and(|port| !port.contains([':', '[', ']']))
}

#[cfg(test)]
mod tests {
    use super::routing_host;

    #[test]
    fn rules_see_the_host_without_port_and_brackets() {
        for (host, expect) in [
            ("", ""),
            ("Example.COM", "example.com"),
            ("example.com:8080", "example.com"),
            ("example.com.", "example.com."),
            ("example.com.:8080", "example.com."),
            ("example.com..", "example.com.."),
            ("h.test:notaport", "h.test"),
            ("h.test:", "h.test"),
            (":80", ""),
            ("127.0.0.1:80", "127.0.0.1"),
            ("[::1]", "::1"),
            ("[::1]:8080", "::1"),
            ("::1", "::1"),
            ("[FE80::1%25eth0]:80", "fe80::1%25eth0"),
            ("[::1", "[::1"),
            ("[::1]x", "[::1]x"),
            ("[::1]:80:90", "[::1]:80:90"),
        ] {
            assert_eq!(routing_host(host.as_bytes()), expect, "{host}");
        }
    }
}
