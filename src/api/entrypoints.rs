//! `/api/entrypoints`: entrypoints with all their options.

use serde_json::Value;

use super::list::Search;
use crate::config::EntryPointPlan;

/// What a search looks at.
pub(super) const SEARCH: Search = Search { fields: &["name", "address"], sort: &["name"] };

/// All entrypoints.
pub(super) fn all(plans: &[EntryPointPlan]) -> Vec<Value> {
    plans.iter().map(body).collect()
}

/// One entrypoint.
pub(super) fn one(plans: &[EntryPointPlan], name: &str) -> Option<Value> {
    plans.iter().find(|plan| plan.name == name).map(body)
}

fn body(plan: &EntryPointPlan) -> Value {
    let mut value = serde_json::to_value(&plan.options).unwrap_or_default();
    if let Value::Object(fields) = &mut value {
        fields.insert("name".to_owned(), plan.name.clone().into());
    }
    value
}
