//! Rules of the old group: Traefik 2 reads them in the older syntax.
//!
//! Most rules are the same in both. One that is not is of the older syntax if it can be read in
//! that; one that only the present syntax can read is of that.

use crate::rule::{Call, Syntax, parse};

/// Whether a rule of HTTP means something else in the older syntax, or has a meaning only there.
pub(super) fn is_old(rule: &str) -> bool {
    let Ok(tree) = parse(rule) else { return false };
    if Syntax::V2.compile(&tree).is_err() {
        return false;
    }
    Syntax::V3.compile(&tree).is_err() || tree.calls().iter().any(|call| differs(call))
}

/// Whether a matcher that both syntaxes have means different things in them.
fn differs(call: &Call) -> bool {
    let has = |what: char| call.args.iter().any(|arg| arg.contains(what));
    // Braces hold a name and an expression in the older syntax, and the only argument of a query
    // holds its value.
    has('{') || (call.name.eq_ignore_ascii_case("Query") && has('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_old() {
        for (rule, expect) in [
            ("Host(`a.test`) && PathPrefix(`/p`)", false),
            ("Host(`a.test`, `b.test`)", true),
            ("Headers(`X`, `y`)", true),
            ("HeadersRegexp(`X`, `y`)", true),
            ("HostRegexp(`{sub:[a-z]+}.test`)", true),
            ("HostRegexp(`^[a-z]+\\.test$`)", false),
            ("Path(`/p/{id:[0-9]+}`)", true),
            ("Query(`a=b`)", true),
            ("Query(`a`, `b`)", false),
            ("Header(`X`, `y`)", false),
            ("HeaderRegexp(`X`, `y`) && Headers(`X`, `y`)", false),
            ("Host(`a.test`", false),
        ] {
            assert_eq!(is_old(rule), expect, "{rule}");
        }
    }
}
