//! The catalogue of matchers as a page of the reference.

use std::fmt::Write as _;

use super::matcher::CATALOGUE;

/// The page in Markdown.
#[must_use]
pub fn reference() -> String {
    let mut page = PREFACE.to_owned();
    page.push_str("| matcher | matches when |\n| --- | --- |\n");
    for kind in CATALOGUE {
        // Written to a string, which cannot fail.
        let _ = writeln!(page, "| {} | {} |", code(kind.signature), cell(kind.doc));
    }
    page.push_str("\n## Examples\n");
    for kind in CATALOGUE {
        let _ = write!(page, "\n### {}\n\n```\n{}\n```\n", kind.name, kind.example);
    }
    page
}

/// Code that holds backticks, in a table.
fn code(text: &str) -> String {
    format!("`` {} ``", cell(text))
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

const PREFACE: &str = "\
# Matchers

A router's `rule` says which requests it takes. It is made of matchers, combined with `&&`, `||`
and `!`; `&&` binds tighter than `||`, and parentheses change that. Matchers are named as here, or
all in lower or all in upper case. Arguments stand in backticks, or in double quotes with Go's
escapes. A rule may go on in the next line after an operator, an opening parenthesis or a comma.

Of several routers whose rules match, the one with the greatest `priority` answers; without one, a
rule's length in bytes is its priority. Where those are equal, the names decide, in alphabetical
order.

Regular expressions are written as in Go and match anywhere, unless `^` and `$` say where. Host and
path come without port and query; the path's escapes are decoded, but those of reserved characters
such as `%2F`.

";
