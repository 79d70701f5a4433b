//! The catalogue of matchers of TCP routers as a page of the reference.

use std::fmt::Write as _;

use super::{Syntax, catalogue};

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
    for kind in catalogue(syntax) {
        // Written to a string, which cannot fail.
        let _ = writeln!(page, "| `` {} `` | {} |", kind.signature, kind.doc);
    }
    let _ = write!(page, "\n{heading} Examples\n");
    for kind in catalogue(syntax) {
        let _ = write!(page, "\n{heading}# {}\n\n```\n{}\n```\n", kind.name, kind.example);
    }
}

const OLDER: &str = "
## The older syntax

`core.defaultRuleSyntax: v2`, or `ruleSyntax: v2` of one router, reads rules with the matchers of
Traefik 2, which take many values. A template is text with variables in braces, `{name}` or
`{name:regexp}`; without a regular expression a variable is a label of the name.

";

const PREFACE: &str = "\
# Matchers of TCP routers

A TCP router's `rule` says which connections it takes. It is written as a rule of an HTTP router:
matchers, combined with `&&`, `||`, `!` and parentheses. UDP routers have no rule.

Of several routers whose rules match, the one with the greatest `priority` gets the connection;
without one, a rule's length in bytes is its priority, and that of `` HostSNI(`*`) `` alone is -1.
Where those are equal, the names decide, in alphabetical order.

An entrypoint with neither TCP routers with `tls` nor HTTP routers with `tls` hands every
connection that a TCP router matches on at once, TLS or not, before the client has said anything.
Otherwise TLS connections go to the first of: an HTTP router whose rule names the server name, a
TCP router with `tls` other than `` HostSNI(`*`) ``, any HTTP router with `tls`, the TCP router
with `tls` of `` HostSNI(`*`) ``. Other connections go to TCP routers without `tls`, else to HTTP.

";
