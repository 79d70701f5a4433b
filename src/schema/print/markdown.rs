//! Reference pages: the options of a schema, and the types there are.

use std::fmt::Write as _;

use super::super::fields::{Field, Fields, Form};
use super::super::kind::KINDS;
use super::super::{Schema, Source};

/// A table of the options, those of inner sections with their path.
#[must_use]
pub fn markdown(schema: &Schema) -> String {
    let Some(fields) = schema.fields() else {
        return "The script takes any options.\n".to_owned();
    };
    let mut page = String::new();
    if !fields.doc.is_empty() {
        let _ = writeln!(page, "{}\n", fields.doc);
    }
    if !fields.standalone {
        page.push_str("At least one option must be set.\n\n");
    }
    if fields.list.is_empty() {
        page.push_str("There are no options.\n");
        return page;
    }
    page.push_str("| Option | Type | Default | Required | Description |\n");
    page.push_str("| --- | --- | --- | --- | --- |\n");
    add_rows(&mut page, "", fields);
    page
}

/// A table of the types that options can have.
#[must_use]
pub fn types() -> String {
    let mut page = String::from("| Type | Meaning | Example |\n| --- | --- | --- |\n");
    for kind in KINDS {
        let (doc, example) = (cell(kind.doc), cell(kind.example));
        let _ = writeln!(page, "| `{}` | {doc} | `{example}` |", kind.name);
    }
    page
}

fn add_rows(page: &mut String, prefix: &str, fields: &Fields) {
    for field in &fields.list {
        let path = format!("{prefix}{}", field.name);
        let default = field.default.as_ref().map(|default| field.kind.show(default));
        let default = default.map(|default| format!("`{default}`")).unwrap_or_default();
        let required = if field.required { "yes" } else { "no" };
        let _ = writeln!(
            page,
            "| `{path}` | {} | {} | {required} | {} |",
            cell(&field.kind.title()),
            cell(&default),
            cell(&describe(field)),
        );
        for (way, inner) in field.kind.sections() {
            add_rows(page, &format!("{path}{way}."), inner);
        }
    }
}

fn describe(field: &Field) -> String {
    let mut sentences: Vec<String> = Vec::new();
    if let Some(instead) = &field.deprecated {
        sentences.push(format!("**Deprecated**: {instead}."));
    }
    if !field.doc.is_empty() {
        sentences.push(field.doc.clone());
    }
    sentences.extend(field.kind.rules());
    if !field.aliases.is_empty() {
        sentences.push(format!("Was called `{}`.", field.aliases.join("`, `")));
    }
    sentences.extend(in_objects(field));
    sentences.join(" ")
}

/// How Kubernetes objects write the option, where that differs.
fn in_objects(field: &Field) -> Option<String> {
    let Some(kind) = field.kind(Source::Crd) else {
        return Some("Not in Kubernetes objects.".to_owned());
    };
    let title = kind.title_in_objects();
    match &field.crd {
        Form::Other(other) => Some(format!("In Kubernetes objects: `{}` ({title}).", other.name)),
        _ if title != field.kind.title() => Some(format!("In Kubernetes objects: {title}.")),
        _ => None,
    }
}

/// Text that does not end its cell.
pub(super) fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
