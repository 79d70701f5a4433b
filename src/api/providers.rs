//! `/api/providers` and `/api/findings`: what providers have said, and what is wrong with it.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::list::Row;
use super::scripts::moment;
use crate::model::{Diagnostic, Severity};
use crate::snapshot::Live;

/// All providers that have said anything.
pub(super) fn body(live: &Live) -> Value {
    let providers = live.providers().into_iter().map(|(name, state)| {
        json!({
            "name": name,
            "elements": state.elements,
            "updated": state.updated.map(moment),
            "rejected": state.rejected.map(moment),
            "findings": state.findings,
        })
    });
    providers.collect()
}

/// All findings: of what is served, and of what providers could not read.
#[derive(Debug)]
pub(super) struct Findings(Vec<(String, Diagnostic)>);

impl Findings {
    pub(super) fn of(live: &Live) -> Self {
        let mut all: Vec<Diagnostic> = live.findings().to_vec();
        for state in live.providers().into_values() {
            for finding in state.findings {
                if !all.contains(&finding) {
                    all.push(finding);
                }
            }
        }
        all.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| a.path.cmp(&b.path)));
        // The order is their own, so they are found by it.
        Self(all.into_iter().enumerate().map(|(i, found)| (format!("{i:08}"), found)).collect())
    }

    /// What lists look at.
    pub(super) fn rows(&self) -> Vec<Row<'_>> {
        let row = |(id, finding): &'_ (String, Diagnostic)| -> Row<'_> {
            let source = finding.source.as_deref().unwrap_or_default();
            Row {
                id: Cow::Owned(id.clone()),
                status: match finding.severity {
                    Severity::Error => "disabled",
                    Severity::Warning => "warning",
                },
                texts: [&*finding.path, &*finding.reason, source]
                    .map(|text| Cow::Owned(text.to_owned()))
                    .into(),
                ..Row::default()
            }
        };
        self.0.iter().map(row).collect()
    }

    /// One finding by its place.
    pub(super) fn one(&self, id: &str) -> Option<Value> {
        let (_, finding) = self.0.iter().find(|(known, _)| known == id)?;
        serde_json::to_value(finding).ok()
    }
}
