//! Lists of elements: search, filters, order, pages.
//!
//! An element is looked at as a row, which costs little; what is shown of it is made for one page
//! alone.

use std::borrow::Cow;
use std::cmp::Ordering;

use http::StatusCode;
use serde_json::Value;

use super::reply::Reply;

/// What a list is searched, filtered and ordered by.
#[derive(Debug, Default)]
pub(super) struct Row<'a> {
    /// What the element is found by.
    pub(super) id: Cow<'a, str>,
    /// `enabled`, `warning` or `disabled`.
    pub(super) status: &'static str,
    /// What `search` looks at.
    pub(super) texts: Vec<Cow<'a, str>>,
    /// What `sortBy` may name.
    pub(super) keys: Vec<(&'static str, Key<'a>)>,
    /// Names that are looked up in other elements: a router's service and middlewares, as written.
    pub(super) service: Cow<'a, str>,
    /// See [`Row::service`].
    pub(super) middlewares: &'a [String],
}

/// What rows are ordered by.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key<'a> {
    Text(Cow<'a, str>),
    Number(i64),
}

impl<'a> Key<'a> {
    pub(super) fn text(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }

    pub(super) fn count(count: usize) -> Self {
        Self::Number(i64::try_from(count).unwrap_or(i64::MAX))
    }
}

/// The query of a request.
#[derive(Debug, Default)]
pub(super) struct Query {
    pairs: Vec<(String, String)>,
}

/// Items of a page where `per_page` is not given.
const PER_PAGE: usize = 100;

impl Query {
    pub(super) fn parse(query: &str) -> Self {
        let decoded = |text: &str| unescape(&text.replace('+', " ")).into_owned();
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(name), decoded(value))
        };
        Self { pairs: query.split('&').filter(|p| !p.is_empty()).map(pair).collect() }
    }

    /// The first value of a name that is not empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let mut pairs = self.pairs.iter();
        pairs.find(|(n, value)| n == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// All values of a name that are not empty.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let pairs = self.pairs.iter().filter(move |(n, value)| n == name && !value.is_empty());
        pairs.map(|(_, value)| value.as_str())
    }

    fn number(&self, name: &str, default: usize) -> Result<usize, Reply> {
        let Some(text) = self.get(name) else { return Ok(default) };
        text.parse().ok().filter(|&number| number > 0).ok_or_else(|| {
            let message = format!("invalid request: {name}: {text}");
            Reply::error(StatusCode::BAD_REQUEST, &message)
        })
    }

    /// Leaves out what the query does not ask for.
    fn filter(&self, rows: &mut Vec<Row<'_>>) {
        if let Some(wanted) = self.get("search").map(str::to_lowercase) {
            rows.retain(|row| row.texts.iter().any(|text| text.to_lowercase().contains(&wanted)));
        }
        if let Some(wanted) = self.get("status") {
            rows.retain(|row| row.status.eq_ignore_ascii_case(wanted));
        }
        if let Some(wanted) = self.get("serviceName") {
            rows.retain(|row| row.names(&row.service, wanted));
        }
        if let Some(wanted) = self.get("middlewareName") {
            rows.retain(|row| row.middlewares.iter().any(|name| row.names(name, wanted)));
        }
    }

    /// As Traefik: by what is asked for and then by name, all of it in the one direction.
    fn sort(&self, rows: &mut [Row<'_>]) {
        let by = self.get("sortBy").unwrap_or("name");
        // All rows of a list have the same keys.
        let keys = rows.first().map(|row| &row.keys[..]).unwrap_or_default();
        let place = keys.iter().position(|(name, _)| *name == by);
        rows.sort_by(|a, b| {
            let keys = place.and_then(|place| Some((a.keys.get(place)?, b.keys.get(place)?)));
            let by_key = keys.map(|((_, a), (_, b))| a.cmp(b));
            by_key.unwrap_or(Ordering::Equal).then_with(|| a.id.cmp(&b.id))
        });
        if self.get("direction").is_some_and(|d| d.eq_ignore_ascii_case("desc")) {
            rows.reverse();
        }
    }
}

impl Row<'_> {
    /// Whether a name in this element is the wanted one, which may have its provider.
    fn names(&self, name: &str, wanted: &str) -> bool {
        let provider = self.id.rsplit_once('@').map_or("", |(_, provider)| provider);
        name == wanted || wanted.rsplit_once('@') == Some((name, provider))
    }
}

/// One page of what the query asks for; the page after the last is 1.
pub(super) fn reply(
    mut rows: Vec<Row<'_>>,
    query: &Query,
    show: impl Fn(&str) -> Option<Value>,
) -> Reply {
    let (page, per_page) = match (query.number("page", 1), query.number("per_page", PER_PAGE)) {
        (Ok(page), Ok(per_page)) => (page, per_page),
        (Err(reply), _) | (_, Err(reply)) => return reply,
    };
    query.filter(&mut rows);
    query.sort(&mut rows);
    let start = (page - 1).saturating_mul(per_page);
    if start > 0 && start >= rows.len() {
        let message = format!("invalid request: page: {page}, per_page: {per_page}");
        return Reply::error(StatusCode::BAD_REQUEST, &message);
    }
    let end = start.saturating_add(per_page).min(rows.len());
    let next = if end < rows.len() { page + 1 } else { 1 };
    let shown = rows.get(start..end).unwrap_or_default().iter();
    Reply::page(shown.filter_map(|row| show(&row.id)).collect(), next, rows.len())
}

/// Decodes percent escapes.
pub(super) fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while let Some(&byte) = bytes.get(i) {
        let escaped = text.get(i + 1..i + 3).filter(|_| byte == b'%');
        match escaped.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(escaped) => {
                out.push(escaped);
                i += 3;
            }
            None => {
                out.push(byte);
                i += 1;
            }
        }
    }
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 4] = ["r1@file", "r2@file", "r3@file", "r4@file"];

    fn check(query: &str, status: u16, expect: &[&str], next: Option<&str>) {
        let rows = NAMES.iter().zip(0..).map(|(name, i)| Row {
            id: Cow::Borrowed(*name),
            status: if i == 3 { "disabled" } else { "enabled" },
            texts: vec![Cow::Borrowed(*name)],
            keys: vec![("priority", Key::Number(10 - i / 2))],
            service: Cow::Borrowed(if i == 0 { "s" } else { "t@other" }),
            middlewares: &[],
        });
        let show = |id: &str| Some(Value::from(id));
        let reply = reply(rows.collect(), &Query::parse(query), show);
        let (got, body) = reply.parts();
        assert_eq!(got, status, "{query}: {body}");
        if status == 200 {
            let names: Vec<String> = serde_json::from_str(body).unwrap();
            assert_eq!(names, expect, "{query}");
        }
        assert_eq!(reply.next_page(), next, "{query}");
    }

    #[test]
    fn pages_filters_orders() {
        check("per_page=3", 200, &["r1@file", "r2@file", "r3@file"], Some("2"));
        check("per_page=3&page=2", 200, &["r4@file"], Some("1"));
        check("per_page=2&page=2", 200, &["r3@file", "r4@file"], Some("1"));
        check("per_page=3&page=5", 400, &[], None);
        check("page=0", 400, &[], None);
        check("page=x", 400, &[], None);
        check("per_page=-1", 400, &[], None);
        check("search=R3%40", 200, &["r3@file"], Some("1"));
        check("search=nothing", 200, &[], Some("1"));
        check("status=disabled", 200, &["r4@file"], Some("1"));
        check("serviceName=s@file", 200, &["r1@file"], Some("1"));
        check("serviceName=s@other", 200, &[], Some("1"));
        check("serviceName=t@other&per_page=1", 200, &["r2@file"], Some("2"));
        check("sortBy=priority&per_page=2", 200, &["r3@file", "r4@file"], Some("2"));
        check("sortBy=priority&direction=desc&per_page=2", 200, &["r2@file", "r1@file"], Some("2"));
        check("sortBy=name&direction=desc&per_page=1", 200, &["r4@file"], Some("2"));
        check("direction=desc&per_page=1", 200, &["r4@file"], Some("2"));
    }

    #[test]
    fn queries_are_decoded() {
        let query = Query::parse("a=1+2%2B&header=x&header=y&empty=");
        assert_eq!(query.get("a"), Some("1 2+"));
        assert_eq!(query.all("header").collect::<Vec<_>>(), ["x", "y"]);
        assert_eq!(query.get("empty"), None);
    }
}
