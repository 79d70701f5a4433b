//! Reference pages of scripts whose options are variables of the environment.

use std::fmt::Write as _;

use super::super::Schema;
use super::markdown::cell;

/// A table of the variables, those that must be set first.
#[must_use]
pub fn variables(schema: &Schema) -> String {
    let Some(fields) = schema.fields() else { return String::new() };
    let mut page = String::new();
    if !fields.doc.is_empty() {
        let _ = writeln!(page, "{}\n", fields.doc);
    }
    if fields.list.is_empty() {
        return page;
    }
    page.push_str("| Variable | Default | Meaning |\n| --- | --- | --- |\n");
    let (needed, others): (Vec<_>, Vec<_>) = fields.list.iter().partition(|field| field.required);
    for field in needed.into_iter().chain(others) {
        let mut names = format!("`{}`", field.name);
        for alias in &field.aliases {
            let _ = write!(names, ", `{alias}`");
        }
        let default =
            field.default.as_ref().map(|default| format!("`{}`", field.kind.show(default)));
        let mut sentences = vec![field.doc.clone()];
        if field.required {
            sentences.push("Must be set.".to_owned());
        }
        sentences.extend(field.kind.rules());
        if let Some(instead) = &field.deprecated {
            sentences.push(format!("**Deprecated**: {instead}."));
        }
        let (default, meaning) = (default.unwrap_or_default(), sentences.join(" "));
        let _ = writeln!(page, "| {names} | {} | {} |", cell(&default), cell(&meaning));
    }
    page
}
