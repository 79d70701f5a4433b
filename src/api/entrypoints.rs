//! `/api/entrypoints`: entrypoints with all their options.

use std::borrow::Cow;

use serde_json::Value;

use super::list::Row;
use crate::config::EntryPointPlan;

/// What lists look at.
pub(super) fn rows(plans: &[EntryPointPlan]) -> Vec<Row<'_>> {
    plans.iter().map(row).collect()
}

fn row(plan: &EntryPointPlan) -> Row<'_> {
    let texts = [&plan.name, &plan.options.address].map(|text| Cow::Borrowed(text.as_str()));
    let id = Cow::Borrowed(plan.name.as_str());
    Row { id, status: "enabled", texts: texts.into(), ..Row::default() }
}

/// One entrypoint.
pub(super) fn one(plans: &[EntryPointPlan], name: &str) -> Option<Value> {
    let plan = plans.iter().find(|plan| plan.name == name)?;
    let mut value = serde_json::to_value(&plan.options).unwrap_or_default();
    if let Value::Object(fields) = &mut value {
        fields.insert("name".to_owned(), plan.name.clone().into());
    }
    Some(value)
}
