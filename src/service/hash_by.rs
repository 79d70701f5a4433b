//! What of a request is hashed, so that equal requests go to the same server.

use crate::message::Request;

use super::sticky::cookie;

/// What of a request is hashed; a request that lacks it is hashed by the client's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HashBy {
    /// The address of the connection, as in Traefik.
    ClientAddress,
    /// A header.
    Header(http::HeaderName),
    /// A cookie.
    Cookie(Box<str>),
    /// A parameter of the query, as it is written.
    Query(Box<str>),
    /// What a script says, by the script's name; it may choose the server itself.
    Script(Box<str>),
}

/// Hands the value of a request to a function; nothing is copied.
pub(super) fn with_key<T>(by: &HashBy, request: &Request, f: impl FnOnce(&[u8]) -> T) -> T {
    let key = match by {
        HashBy::ClientAddress | HashBy::Script(_) => None,
        HashBy::Header(name) => request.headers.get(name).map(http::HeaderValue::as_bytes),
        HashBy::Cookie(name) => cookie(&request.headers, name).map(str::as_bytes),
        HashBy::Query(name) => parameter(request.target.query(), name).map(str::as_bytes),
    };
    f(key.unwrap_or_else(|| request.exchange.client.ip.as_bytes()))
}

fn parameter<'a>(query: Option<&'a str>, name: &str) -> Option<&'a str> {
    let mut pairs = query?.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::super::tests::request;
    use super::*;

    fn check(by: &HashBy, expect: &str) {
        let mut request = request("/p?user=a%20b&x", "");
        request.headers.insert("x-user", "me".parse().unwrap());
        request.headers.insert("cookie", "a=1; id=7".parse().unwrap());
        with_key(by, &request, |key| assert_eq!(key, expect.as_bytes(), "{by:?}"));
    }

    #[test]
    fn finds_the_value() {
        check(&HashBy::ClientAddress, "127.0.0.1");
        check(&HashBy::Header(http::HeaderName::from_static("x-user")), "me");
        check(&HashBy::Header(http::HeaderName::from_static("x-other")), "127.0.0.1");
        check(&HashBy::Cookie("id".into()), "7");
        check(&HashBy::Query("user".into()), "a%20b");
        check(&HashBy::Query("x".into()), "");
        check(&HashBy::Query("y".into()), "127.0.0.1");
    }
}
