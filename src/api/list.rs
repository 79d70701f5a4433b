//! Lists of elements: search, filters, order, pages.

use std::borrow::Cow;
use std::cmp::Ordering;

use http::StatusCode;
use serde_json::Value;

use super::reply::Reply;

/// What a list's items can be searched and ordered by: names of their fields.
#[derive(Debug)]
pub(super) struct Search {
    /// Fields that `search` looks at.
    pub(super) fields: &'static [&'static str],
    /// Fields that `sortBy` takes.
    pub(super) sort: &'static [&'static str],
}

/// The query of a list.
#[derive(Debug, Default)]
pub(super) struct Query {
    pairs: Vec<(String, String)>,
}

/// Items of a page where `per_page` is not given.
const PER_PAGE: usize = 100;

impl Query {
    pub(super) fn parse(query: &str) -> Self {
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (unescape(name).into_owned(), unescape(value).into_owned())
        };
        Self { pairs: query.split('&').filter(|p| !p.is_empty()).map(pair).collect() }
    }

    fn get(&self, name: &str) -> Option<&str> {
        let mut pairs = self.pairs.iter();
        pairs.find(|(n, value)| n == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    fn number(&self, name: &str, default: usize) -> Result<usize, Reply> {
        let Some(text) = self.get(name) else { return Ok(default) };
        text.parse().ok().filter(|&number| number > 0).ok_or_else(|| {
            let message = format!("invalid request: {name}: {text}");
            Reply::error(StatusCode::BAD_REQUEST, &message)
        })
    }

    fn keeps(&self, item: &Value, search: &Search) -> bool {
        let text = |field: &str| item.get(field).and_then(Value::as_str).unwrap_or_default();
        let has = |wanted: &str| {
            let wanted = wanted.to_lowercase();
            search.fields.iter().any(|field| text(field).to_lowercase().contains(&wanted))
        };
        self.get("search").is_none_or(has)
            && self.get("status").is_none_or(|status| text("status").eq_ignore_ascii_case(status))
            && self.get("serviceName").is_none_or(|name| same_name(text("service"), name, item))
            && self.get("middlewareName").is_none_or(|name| {
                let names = item.get("middlewares").and_then(Value::as_array);
                names.into_iter().flatten().any(|n| n.as_str() == Some(name))
            })
    }

    fn sort(&self, items: &mut [Value], search: &Search) {
        let Some(by) = self.get("sortBy").filter(|by| search.sort.contains(by)) else { return };
        let order = |a: &Value, b: &Value| compare(&a[by], &b[by]);
        if self.get("direction").is_some_and(|d| d.eq_ignore_ascii_case("desc")) {
            items.sort_by(|a, b| order(b, a));
        } else {
            items.sort_by(order);
        }
    }
}

/// Whether a router's service is the one named with its provider.
fn same_name(service: &str, wanted: &str, item: &Value) -> bool {
    let provider = item.get("provider").and_then(Value::as_str).unwrap_or_default();
    service == wanted || format!("{service}@{provider}") == wanted
}

fn compare(a: &Value, b: &Value) -> Ordering {
    match (a.as_i64(), b.as_i64()) {
        (Some(a), Some(b)) => a.cmp(&b),
        _ => a.to_string().cmp(&b.to_string()),
    }
}

/// One page of what the query asks for; the page after the last is 1.
pub(super) fn reply(mut items: Vec<Value>, query: &Query, search: &Search) -> Reply {
    items.retain(|item| query.keeps(item, search));
    query.sort(&mut items, search);
    let (page, per_page) = match (query.number("page", 1), query.number("per_page", PER_PAGE)) {
        (Ok(page), Ok(per_page)) => (page, per_page),
        (Err(reply), _) | (_, Err(reply)) => return reply,
    };
    let start = (page - 1).saturating_mul(per_page);
    if start > 0 && start >= items.len() {
        let message = format!("invalid request: page: {page}, per_page: {per_page}");
        return Reply::error(StatusCode::BAD_REQUEST, &message);
    }
    let end = start.saturating_add(per_page).min(items.len());
    let next = if end < items.len() { page + 1 } else { 1 };
    items.truncate(end);
    Reply::page(items.split_off(start), next)
}

/// Decodes percent escapes; `+` is a space in a query and never in the names we look for.
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
    use serde_json::json;

    use super::*;

    const SEARCH: Search = Search { fields: &["name"], sort: &["name", "priority"] };

    fn check(query: &str, status: u16, expect: &[&str], next: Option<&str>) {
        let items = (1..=4).map(|i| {
            let status = if i == 4 { "disabled" } else { "enabled" };
            json!({"name": format!("r{i}@file"), "priority": 10 - i, "status": status})
        });
        let reply = reply(items.collect(), &Query::parse(query), &SEARCH);
        let (got, body) = reply.parts();
        assert_eq!(got, status, "{query}: {body}");
        if status == 200 {
            let body: Vec<Value> = serde_json::from_str(body).unwrap();
            let names: Vec<_> = body.iter().map(|item| item["name"].as_str().unwrap()).collect();
            assert_eq!(names, expect, "{query}");
        }
        assert_eq!(reply.next_page(), next, "{query}");
    }

    #[test]
    fn pages_filters_orders() {
        check("per_page=3", 200, &["r1@file", "r2@file", "r3@file"], Some("2"));
        check("per_page=3&page=2", 200, &["r4@file"], Some("1"));
        check("per_page=3&page=5", 400, &[], None);
        check("page=0", 400, &[], None);
        check("page=x", 400, &[], None);
        check("per_page=-1", 400, &[], None);
        check("search=R3%40", 200, &["r3@file"], Some("1"));
        check("search=nothing", 200, &[], Some("1"));
        check("status=disabled", 200, &["r4@file"], Some("1"));
        check("sortBy=priority&per_page=2", 200, &["r4@file", "r3@file"], Some("2"));
        check("sortBy=name&direction=desc&per_page=1", 200, &["r4@file"], Some("2"));
    }
}
