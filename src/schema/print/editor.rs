//! The options as scripts see them, for editors: annotations of the Lua language server.

use std::fmt::Write as _;

use super::super::fields::{Field, Fields};
use super::super::{Schema, Source};

/// A meta file that defines `class` with the decoded options, and a class for every section.
#[must_use]
pub fn editor_types(schema: &Schema, class: &str) -> String {
    let mut classes = Vec::new();
    match schema.fields() {
        Some(fields) => editor_class(fields, class, &mut classes),
        None => classes.push(format!("---@class {class}\n---@field [string] any\n")),
    }
    format!("---@meta\n\n{}", classes.join("\n"))
}

/// Adds the class of a section, then those of the sections in it.
pub(in crate::schema) fn editor_class(fields: &Fields, class: &str, classes: &mut Vec<String>) {
    let mut text = String::new();
    if !fields.doc.is_empty() {
        let _ = writeln!(text, "---{}", one_line(&fields.doc));
    }
    let _ = writeln!(text, "---@class {class}");
    let place = classes.len();
    classes.push(String::new());
    for field in &fields.list {
        let inner = format!("{class}.{}", field.name);
        let kind = field.kind(Source::File).map(|kind| kind.editor(&inner, classes));
        text.push_str(&line(field, &kind.unwrap_or_default()));
    }
    if let Some(slot) = classes.get_mut(place) {
        *slot = text;
    }
}

fn line(field: &Field, kind: &str) -> String {
    // Without a default an option that is not given is nil.
    let optional = if field.required || field.default.is_some() { "" } else { "?" };
    let mut line = format!("---@field {}{optional} {kind}", field.name);
    if let Some(instead) = &field.deprecated {
        let _ = write!(line, " Deprecated: {}.", one_line(instead));
    }
    if !field.doc.is_empty() {
        let _ = write!(line, " {}", one_line(&field.doc));
    }
    line.push('\n');
    line
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
