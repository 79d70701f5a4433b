//! Prints the catalogue as a page of Markdown.

use std::fmt::Write as _;

use super::{Section, sections};

/// The reference page of the scripting API.
#[must_use]
pub fn reference() -> String {
    let mut page = String::from("# The scripting API\n");
    for section in sections() {
        print(&mut page, &section);
    }
    page
}

fn print(page: &mut String, section: &Section) {
    let title = match section.name {
        "" => "Global functions".to_owned(),
        name => format!("`{name}`"),
    };
    // Writing to a string cannot fail.
    let _ = write!(page, "\n## {title}\n\n{}\n", section.text);
    for entry in &section.entries {
        let _ = write!(
            page,
            "\n### `{}`\n\n```\n{}\n```\n\n{}\n\n```lua\n{}\n```\n",
            entry.name, entry.signature, entry.text, entry.example
        );
    }
}
