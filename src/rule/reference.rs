//! The catalogue of matchers as a page of the reference.

use std::fmt::Write as _;

use super::Syntax;

/// The page in Markdown.
#[must_use]
pub fn reference() -> String {
    let mut page = PREFACE.to_owned();
    matchers(&mut page, Syntax::V3, "##");
    page.push_str(OLDER);
    matchers(&mut page, Syntax::V2, "###");
    page
}

/// The matchers of a syntax, with examples below a heading of that depth.
fn matchers(page: &mut String, syntax: Syntax, heading: &str) {
    page.push_str("| matcher | matches when |\n| --- | --- |\n");
    for kind in syntax.catalogue() {
        // Written to a string, which cannot fail.
        let _ = writeln!(page, "| {} | {} |", code(kind.signature), cell(kind.doc));
    }
    let _ = write!(page, "\n{heading} Examples\n");
    for kind in syntax.catalogue() {
        let _ = write!(page, "\n{heading}# {}\n\n```\n{}\n```\n", kind.name, kind.example);
    }
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
and `!`; `&&` binds tighter than `||`, and parentheses change that. Matchers are named as here, all
in lower case, all in upper case, or with an upper-case first letter alone. Arguments stand in
backticks, or in double quotes with Go's escapes. A rule may go on in the next line after an
operator, an opening parenthesis or a comma.

Of several routers whose rules match, the one with the greatest `priority` answers; without one, a
rule's length in bytes is its priority. Where those are equal, the providers' order in
`providers.precedence` decides, then the routers' names in alphabetical order.

Regular expressions are written as in Go and match anywhere, unless `^` and `$` say where. Host and
path come without port and query; the path's escapes are decoded, but those of reserved characters
such as `%2F`.

";

const OLDER: &str = "
## The older syntax

`core.defaultRuleSyntax: v2`, or `ruleSyntax: v2` of one router, reads rules with the matchers of
Traefik 2. Both are deprecated there and told of in the log. Operators are the same; a matcher takes
many values.

A template is text with variables in braces: `{name}` or `{name:regexp}`. A variable's name means
nothing. Without a regular expression it is a segment of a path, a label of a host, or any value of
a query's parameter.

";
