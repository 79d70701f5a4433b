//! What a middleware has changed, told from what is seen in front of it and behind it.
//!
//! Must not know how it was seen.

use serde::Serialize;

use super::collect::Seen;

/// A line of a difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Change {
    /// `request` or `response`.
    pub(super) of: &'static str,
    /// Such as `uri`, or a header's name.
    pub(super) what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) before: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) after: Option<String>,
}

/// What one middleware did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Step {
    pub(super) middleware: String,
    pub(super) changes: Vec<Change>,
    /// Whether it answered instead of sending the request on.
    pub(super) answered: bool,
}

/// The steps of a request through middlewares.
pub(super) fn steps(middlewares: &[String], seen: &[Seen]) -> Vec<Step> {
    let first = |kind: &str, place: usize| {
        seen.iter().find(|seen| seen.kind == kind && seen.place == place)
    };
    // A middleware may send a request several times; the last response is the one that counts.
    let last = |kind: &str, place: usize| {
        seen.iter().rev().find(|seen| seen.kind == kind && seen.place == place)
    };
    let mut steps = Vec::new();
    for (place, middleware) in middlewares.iter().enumerate() {
        let Some(before) = first("request", place) else { break };
        let after = first("request", place + 1);
        let mut changes = after.map(|after| of_request(before, after)).unwrap_or_default();
        match (last("response", place + 1), last("response", place)) {
            (Some(inner), Some(outer)) => changes.extend(of_response(inner, outer)),
            (None, Some(outer)) => changes.extend(of_response(&Seen::default(), outer)),
            (_, None) => {}
        }
        let answered = after.is_none();
        steps.push(Step { middleware: middleware.clone(), changes, answered });
    }
    steps
}

fn of_request(before: &Seen, after: &Seen) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut value = |what: &str, a: &str, b: &str| {
        if a != b {
            changes.push(change("request", what, Some(a), Some(b)));
        }
    };
    value("method", &before.method, &after.method);
    value("host", &before.host, &after.host);
    value("uri", &before.uri, &after.uri);
    changes.extend(of_headers("request", before, after));
    changes.extend(of_length("request", before, after));
    changes
}

fn of_response(before: &Seen, after: &Seen) -> Vec<Change> {
    let mut changes = Vec::new();
    if before.status != after.status {
        let known = (before.status != 0).then(|| before.status.to_string());
        let now = after.status.to_string();
        changes.push(change("response", "status", known.as_deref(), Some(&now)));
    }
    changes.extend(of_headers("response", before, after));
    changes.extend(of_length("response", before, after));
    changes
}

fn of_length(of: &'static str, before: &Seen, after: &Seen) -> Option<Change> {
    let text = |seen: &Seen| seen.length.map(|length| length.to_string());
    let (a, b) = (text(before), text(after));
    (a != b).then(|| change(of, "body bytes", a.as_deref(), b.as_deref()))
}

fn of_headers(of: &'static str, before: &Seen, after: &Seen) -> Vec<Change> {
    let mut names: Vec<String> = Vec::new();
    for (name, _) in before.headers.iter().chain(&after.headers) {
        let name = name.to_ascii_lowercase();
        // The length of the body is told of by itself.
        if name != "content-length" && !names.contains(&name) {
            names.push(name);
        }
    }
    let values = |seen: &Seen, name: &str| {
        let found = seen.headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.clone()).collect::<Vec<_>>()
    };
    let mut changes = Vec::new();
    for name in names {
        let (a, b) = (values(before, &name), values(after, &name));
        if a != b {
            let text = |values: Vec<String>| (!values.is_empty()).then(|| values.join(", "));
            let (a, b) = (text(a), text(b));
            changes.push(change(of, &name, a.as_deref(), b.as_deref()));
        }
    }
    changes
}

fn change(of: &'static str, what: &str, before: Option<&str>, after: Option<&str>) -> Change {
    let (before, after) = (before.map(str::to_owned), after.map(str::to_owned));
    Change { of, what: what.to_owned(), before, after }
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.before, &self.after) {
            (None, Some(after)) => write!(f, "{:<8} + {}: {after}", self.of, self.what),
            (Some(before), None) => write!(f, "{:<8} - {}: {before}", self.of, self.what),
            (before, after) => {
                let (a, b) = (before.as_deref(), after.as_deref());
                let (a, b) = (a.unwrap_or_default(), b.unwrap_or_default());
                write!(f, "{:<8} ~ {}: {a} -> {b}", self.of, self.what)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(kind: &str, place: usize, uri: &str, status: u16, headers: &[(&str, &str)]) -> Seen {
        let pair = |(a, b): &(&str, &str)| ((*a).to_owned(), (*b).to_owned());
        let headers = headers.iter().map(pair).collect();
        Seen { kind: kind.into(), place, uri: uri.into(), status, headers, ..Seen::default() }
    }

    #[test]
    fn steps_say_what_changed_and_who_answered() {
        let names = ["strip".to_owned(), "gate".to_owned(), "never".to_owned()];
        let all = [
            seen("request", 0, "/a/b", 0, &[("x", "1"), ("y", "1")]),
            seen("request", 1, "/b", 0, &[("y", "2"), ("z", "3")]),
            seen("response", 1, "", 403, &[]),
            seen("response", 0, "", 403, &[("v", "1")]),
        ];
        let shown: Vec<String> = steps(&names, &all)
            .iter()
            .flat_map(|step| {
                let head = format!("{} {}", step.middleware, step.answered);
                std::iter::once(head).chain(step.changes.iter().map(ToString::to_string))
            })
            .collect();
        assert_eq!(
            shown,
            [
                "strip false",
                "request  ~ uri: /a/b -> /b",
                "request  - x: 1",
                "request  ~ y: 1 -> 2",
                "request  + z: 3",
                "response + v: 1",
                "gate true",
                "response + status: 403",
            ]
        );
    }
}
