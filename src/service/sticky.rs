//! Sticky sessions: a cookie names the member that a client is served by.
//!
//! The cookie holds a hash of the member's name as Traefik makes it (the first 16 hexadecimal
//! digits of SHA-256), and what older versions of Traefik put there (FNV-1, once and twice, or
//! the name itself) is understood and replaced, so that sessions outlive the change.

use std::fmt::Write;

use data_encoding::HEXLOWER;
use hashbrown::HashMap;
use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue};
use ring::digest;

use super::hash::fnv1;
use crate::headers::Headers;
use crate::model::Cookie;

/// Members by the cookie that names them.
#[derive(Debug)]
pub struct Sticky {
    name: Box<str>,
    places: HashMap<Box<str>, Named>,
    /// The `Set-Cookie` of each member.
    cookies: Vec<HeaderValue>,
}

#[derive(Debug, Clone, Copy)]
struct Named {
    place: usize,
    age: Age,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Age {
    Current,
    /// As an older Traefik wrote it; to be replaced.
    Old,
}

/// A chosen member, with the cookie to be set.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) place: usize,
    pub(super) cookie: Option<HeaderValue>,
}

/// Why a cookie cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StickyError {
    /// Path or domain hold what a header must not.
    #[error("sticky.cookie: path and domain must not hold control characters or semicolons")]
    Attribute,
}

impl Sticky {
    /// The cookie of a service for its members by name; those of weight 0 have none.
    ///
    /// # Errors
    /// When an attribute cannot be part of a header.
    pub fn new(
        service: &str,
        cookie: &Cookie,
        members: &[(&str, u32)],
    ) -> Result<Self, StickyError> {
        let name = cookie_name(&cookie.name, service);
        if [&cookie.path, &cookie.domain].iter().any(|text| text.contains(';')) {
            return Err(StickyError::Attribute);
        }
        let attributes = attributes(cookie);
        let mut places = HashMap::new();
        let mut cookies = Vec::with_capacity(members.len());
        for (place, (member, weight)) in members.iter().enumerate() {
            let value = sha256(member);
            let header = format!("{name}={value}{attributes}");
            cookies.push(HeaderValue::try_from(header).map_err(|_| StickyError::Attribute)?);
            if *weight == 0 {
                continue;
            }
            let once = format!("{:x}", fnv1(member.as_bytes()));
            let twice = format!("{:x}", fnv1(once.as_bytes()));
            for old in [(*member).to_owned(), once, twice] {
                places.entry(old.into()).or_insert(Named { place, age: Age::Old });
            }
            places.insert(value.into(), Named { place, age: Age::Current });
        }
        Ok(Self { name: name.into(), places, cookies })
    }

    /// The cookie's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The member that a request's cookie names.
    pub(super) fn place(&self, headers: &HeaderMap) -> Option<usize> {
        self.named(headers).map(|named| named.place)
    }

    fn named(&self, headers: &HeaderMap) -> Option<Named> {
        cookie(headers, &self.name).and_then(|value| self.places.get(value)).copied()
    }

    fn cookie(&self, place: usize) -> Option<HeaderValue> {
        self.cookies.get(place).cloned()
    }
}

/// The member that a cookie names, if it is up, else a fresh choice and its cookie.
pub(super) fn choose(
    sticky: Option<&Sticky>,
    headers: &Headers,
    is_up: impl Fn(usize) -> bool,
    fresh: impl FnOnce() -> Option<usize>,
) -> Option<Choice> {
    let Some(sticky) = sticky else {
        return fresh().map(|place| Choice { place, cookie: None });
    };
    match sticky.named(headers).filter(|named| is_up(named.place)) {
        Some(Named { place, age: Age::Current }) => Some(Choice { place, cookie: None }),
        Some(Named { place, age: Age::Old }) => {
            Some(Choice { place, cookie: sticky.cookie(place) })
        }
        None => fresh().map(|place| Choice { place, cookie: sticky.cookie(place) }),
    }
}

/// Adds cookies to an answer.
pub(super) fn set(headers: &mut Headers, cookies: impl IntoIterator<Item = HeaderValue>) {
    for cookie in cookies {
        headers.append(SET_COOKIE, cookie);
    }
}

/// The value of a cookie in a request.
pub(super) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(key, _)| key.trim() == name)?;
    let value = value.trim();
    Some(value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value))
}

/// The configured name with everything that is no token made `_`, or a name made from the
/// service's: `_` and five digits of SHA-1, as in Traefik.
fn cookie_name(configured: &str, service: &str) -> String {
    if configured.is_empty() {
        let text = format!("_TRAEFIK_BACKEND_{service}");
        let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
        return format!("_{:.5}", HEXLOWER.encode(hash.as_ref()));
    }
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^`|~".contains(c);
    configured.chars().map(|c| if is_token(c) { c } else { '_' }).collect()
}

fn attributes(cookie: &Cookie) -> String {
    let mut text = String::new();
    // Writing to text cannot fail.
    if !cookie.path.is_empty() {
        let _ = write!(text, "; Path={}", cookie.path);
    }
    if !cookie.domain.is_empty() {
        let _ = write!(text, "; Domain={}", cookie.domain.trim_start_matches('.'));
    }
    match cookie.max_age {
        0 => {}
        age => {
            let _ = write!(text, "; Max-Age={}", age.max(0));
        }
    }
    if cookie.http_only {
        text.push_str("; HttpOnly");
    }
    if cookie.secure {
        text.push_str("; Secure");
    }
    match cookie.same_site.to_ascii_lowercase().as_str() {
        "none" => text.push_str("; SameSite=None"),
        "lax" => text.push_str("; SameSite=Lax"),
        "strict" => text.push_str("; SameSite=Strict"),
        _ => {}
    }
    text
}

fn sha256(name: &str) -> String {
    let mut text = HEXLOWER.encode(digest::digest(&digest::SHA256, name.as_bytes()).as_ref());
    text.truncate(16);
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sticky(cookie: &Cookie) -> Sticky {
        Sticky::new("s@file", cookie, &[("http://a", 1), ("http://b", 1), ("http://c", 0)]).unwrap()
    }

    fn named(name: &str) -> Cookie {
        Cookie { name: name.to_owned(), ..Cookie::default() }
    }

    fn with(cookie: &str) -> Headers {
        http::HeaderMap::from_iter([(COOKIE, HeaderValue::try_from(cookie).unwrap())]).into()
    }

    fn check(sticky: &Sticky, headers: &Headers, up: [bool; 3], place: usize, sets: bool) {
        let choice = choose(Some(sticky), headers, |i| up[i], || Some(0)).unwrap();
        assert_eq!((choice.place, choice.cookie.is_some()), (place, sets), "{headers:?}");
    }

    #[test]
    fn keeps_the_client_where_it_was() {
        let sticky = sticky(&named("lb"));
        let all = [true; 3];
        check(&sticky, &Headers::new(), all, 0, true);
        check(&sticky, &with("lb=unknown"), all, 0, true);
        // The name of an earlier version is replaced.
        check(&sticky, &with("lb=http://b"), all, 1, true);
        let value = sha256("http://b");
        check(&sticky, &with(&format!("x=y; lb={value}; z=1")), all, 1, false);
        check(&sticky, &with(&format!("lb={value}")), [true, false, true], 0, true);
        let once = format!("{:x}", fnv1(b"http://b"));
        check(&sticky, &with(&format!("lb={once}")), all, 1, true);
        // Weight 0 takes a server out for everybody.
        check(&sticky, &with(&format!("lb={}", sha256("http://c"))), all, 0, true);
    }

    #[test]
    fn writes_attributes_as_traefik_does() {
        let plain = sticky(&named("lb")).cookie(0).unwrap();
        assert_eq!(plain, format!("lb={}; Path=/", sha256("http://a")).as_str());
        let full = Cookie {
            name: "a b".to_owned(),
            secure: true,
            http_only: true,
            same_site: "Strict".to_owned(),
            max_age: 42,
            path: "/foo".to_owned(),
            domain: ".example.com".to_owned(),
        };
        let expect =
            "; Path=/foo; Domain=example.com; Max-Age=42; HttpOnly; Secure; SameSite=Strict";
        assert_eq!(attributes(&full), expect);
        assert_eq!(sticky(&full).name(), "a_b");
        assert!(attributes(&Cookie { max_age: -1, ..full.clone() }).contains("Max-Age=0"));
        let bad = Cookie { path: "/\n".to_owned(), ..full };
        assert_eq!(Sticky::new("s", &bad, &[("a", 1)]).err(), Some(StickyError::Attribute));
    }

    #[test]
    fn names_are_made_of_the_service() {
        let name = cookie_name("", "s@file");
        assert!(name.len() == 6 && name.starts_with('_'), "{name}");
        assert_ne!(name, cookie_name("", "t@file"));
        assert_eq!(sha256(""), "e3b0c44298fc1c14");
    }

    proptest! {
        #[test]
        fn what_is_set_comes_back(
            count in 1usize..6,
            place in 0usize..6,
            before in "[a-z=; ]{0,20}",
        ) {
            let names: Vec<_> = (0..count).map(|i| format!("http://10.0.0.{i}:80")).collect();
            let members: Vec<_> = names.iter().map(|name| (name.as_str(), 1)).collect();
            let sticky = Sticky::new("s", &named("LB"), &members).unwrap();
            let place = place % count;
            let first = choose(Some(&sticky), &Headers::new(), |_| true, || Some(place)).unwrap();
            let set = first.cookie.unwrap();
            let pair = set.to_str().unwrap().split(';').next().unwrap().to_owned();
            let again = with(&format!("{before};{pair}"));
            let second = choose(Some(&sticky), &again, |_| true, || None).unwrap();
            prop_assert_eq!((second.place, second.cookie), (place, None));
        }
    }
}
