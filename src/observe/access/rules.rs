//! Which requests are in the log, and what of them.

use std::collections::BTreeMap;
use std::time::Duration;

use super::record::{AccessRecord, FIELDS, Field, FieldValue, Moment};
use crate::headers::Headers;
use crate::value::StatusRanges;

/// Which requests are in the log: those of which any of this is true; all where nothing is said.
#[derive(Debug, Clone, Default)]
pub struct Filters {
    /// Their status is one of these.
    pub statuses: StatusRanges,
    /// They were tried again.
    pub retried: bool,
    /// They took longer than this.
    pub longer_than: Option<Duration>,
}

impl Filters {
    pub(super) fn keep(&self, record: &AccessRecord<'_>) -> bool {
        let says_nothing = self.statuses.is_empty() && !self.retried && self.longer_than.is_none();
        says_nothing
            || self.statuses.hold(record.status)
            || (self.retried && record.retries > 0)
            || self.longer_than.is_some_and(|limit| record.duration > limit)
    }
}

/// What becomes of a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HeaderMode {
    /// It is kept.
    Keep,
    /// It is left out.
    #[default]
    Drop,
    /// Its name is kept.
    Redact,
}

/// Which fields and headers lines hold.
#[derive(Debug, Clone)]
pub struct FieldRules {
    /// Whether fields are kept that are not named.
    pub default: bool,
    /// Whether these are kept; names in lower case.
    pub names: BTreeMap<String, bool>,
    /// What becomes of headers that are not named.
    pub header_default: HeaderMode,
    /// What becomes of these; names in lower case.
    pub headers: BTreeMap<String, HeaderMode>,
    /// Whether queries are kept.
    pub queries: bool,
}

impl Default for FieldRules {
    fn default() -> Self {
        Self {
            default: true,
            names: BTreeMap::new(),
            header_default: HeaderMode::Drop,
            headers: BTreeMap::new(),
            queries: true,
        }
    }
}

/// Prefixes of headers: those of the request, of the server's answer, of the answer.
const PREFIXES: [&str; 3] = ["request_", "origin_", "downstream_"];

/// What stands in place of a header's value.
const REDACTED: &str = "REDACTED";

/// The rules, ready to be asked for every line.
#[derive(Debug)]
pub(super) struct Kept {
    /// By the places of [`FIELDS`].
    fields: Vec<bool>,
    rules: FieldRules,
}

impl Kept {
    pub(super) fn new(rules: FieldRules) -> Self {
        let is_kept = |field: &Field| rules.keeps(field.name);
        Self { fields: FIELDS.iter().map(is_kept).collect(), rules }
    }

    /// Whether any header may be in a line.
    pub(super) fn wants_headers(&self) -> bool {
        self.rules.header_default != HeaderMode::Drop
            || self.rules.headers.values().any(|mode| *mode != HeaderMode::Drop)
    }

    pub(super) fn keeps_queries(&self) -> bool {
        self.rules.queries
    }

    /// A field, if it is kept.
    pub(super) fn known(&self, name: &str) -> Option<&'static Field> {
        let place = FIELDS.binary_search_by(|field| field.name.cmp(name)).ok()?;
        FIELDS.get(place).filter(|_| self.fields.get(place).copied().unwrap_or_default())
    }

    /// All fields that are kept; what scripts have set, then headers, come last.
    pub(super) fn each(
        &self,
        record: &AccessRecord<'_>,
        moment: Moment,
        mut show: impl FnMut(&str, FieldValue<'_>),
    ) {
        for (field, _) in FIELDS.iter().zip(&self.fields).filter(|(_, kept)| **kept) {
            if let Some(value) = field.value(record, moment) {
                show(field.name, value);
            }
        }
        let is_free = |name: &str| {
            FIELDS.binary_search_by(|field| field.name.cmp(name)).is_err()
                && !["level", "msg", "time"].contains(&name)
        };
        for (name, value) in record.more {
            if !is_free(name) || !self.rules.keeps(name) {
                continue;
            }
            let value = match value {
                serde_json::Value::String(text) => FieldValue::Text(text.as_str().into()),
                other => match other.as_u64() {
                    Some(number) => FieldValue::Number(number),
                    None => other.as_f64().map_or_else(
                        || FieldValue::Text(other.to_string().into()),
                        FieldValue::Ratio,
                    ),
                },
            };
            show(name, value);
        }
        for (prefix, headers) in PREFIXES.into_iter().zip(record.headers) {
            self.each_header(prefix, headers, &mut show);
        }
    }

    fn each_header(
        &self,
        prefix: &str,
        headers: Option<&Headers>,
        show: &mut impl FnMut(&str, FieldValue<'_>),
    ) {
        let mut found: BTreeMap<String, String> = BTreeMap::new();
        let Some(headers) = headers else { return };
        headers.each(|name, value| {
            let name = String::from_utf8_lossy(name);
            match self.rules.header(&name) {
                HeaderMode::Drop => {}
                HeaderMode::Redact => {
                    found.insert(canonical(&name), REDACTED.to_owned());
                }
                HeaderMode::Keep => {
                    let value = String::from_utf8_lossy(value);
                    let values = found.entry(canonical(&name)).or_default();
                    if !values.is_empty() {
                        values.push(',');
                    }
                    values.push_str(&value);
                }
            }
        });
        for (name, value) in found {
            show(&format!("{prefix}{name}"), FieldValue::Text(value.into()));
        }
    }

    /// The values of one header of the request, if it is kept.
    pub(super) fn request_header(&self, name: &str, record: &AccessRecord<'_>) -> Option<String> {
        let mode = self.rules.header(name);
        let headers = record.headers[0].filter(|_| mode != HeaderMode::Drop)?;
        let name = http::HeaderName::from_bytes(name.as_bytes()).ok()?;
        let values = headers.values(&name);
        if values.is_empty() {
            return None;
        }
        if mode == HeaderMode::Redact {
            return Some(REDACTED.to_owned());
        }
        Some(values.iter().map(|v| String::from_utf8_lossy(v)).collect::<Vec<_>>().join(","))
    }
}

impl FieldRules {
    fn keeps(&self, name: &str) -> bool {
        self.names.get(&name.to_ascii_lowercase()).copied().unwrap_or(self.default)
    }

    fn header(&self, name: &str) -> HeaderMode {
        if self.headers.is_empty() {
            return self.header_default;
        }
        self.headers.get(&name.to_ascii_lowercase()).copied().unwrap_or(self.header_default)
    }
}

/// A header's name as Go writes it: `X-Request-Id`.
fn canonical(name: &str) -> String {
    let mut starts = true;
    let cased = name.chars().map(|c| {
        let cased = if starts { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
        starts = c == '-';
        cased
    });
    cased.collect()
}
