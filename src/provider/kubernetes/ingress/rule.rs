//! Hosts and paths of an Ingress become rules, in Traefik's words.

use super::model::Path;

/// How paths of the type `Prefix` match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Prefixes {
    /// Character by character, as Traefik does unless it is told otherwise.
    Loose,
    /// Segment by segment, as Kubernetes defines it.
    Strict,
}

/// Matchers of paths that an annotation may ask for.
pub(super) const PATH_MATCHERS: &[&str] = &["Path", "PathPrefix", "PathRegexp"];

/// The rule of a host and a path; `matcher` is that of paths of no fixed type.
pub(super) fn rule(host: &str, path: &Path, matcher: &str, prefixes: Prefixes) -> String {
    let parts = [host_rule(host), path_rule(path, matcher, prefixes)];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" && ")
}

fn host_rule(host: &str) -> Option<String> {
    match host.strip_prefix("*.") {
        _ if host.is_empty() => None,
        None => Some(format!("Host({})", quoted(host))),
        Some(rest) => {
            let pattern = format!("^[a-zA-Z0-9-]+\\.{}$", rest.replace('.', "\\."));
            Some(format!("HostRegexp({})", quoted(&pattern)))
        }
    }
}

fn path_rule(path: &Path, matcher: &str, prefixes: Prefixes) -> Option<String> {
    let text = path.path.as_str();
    match (path.path_type.as_str(), prefixes) {
        _ if text.is_empty() => None,
        ("Exact", _) => Some(format!("Path({})", quoted(text))),
        ("Prefix", Prefixes::Strict) if text != "/" => {
            let text = text.trim_end_matches('/');
            let below = quoted(&format!("{text}/"));
            Some(format!("(Path({}) || PathPrefix({below}))", quoted(text)))
        }
        ("Prefix", _) => Some(format!("PathPrefix({})", quoted(text))),
        _ => Some(format!("{matcher}({})", quoted(text))),
    }
}

/// A text in double quotes.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::{Syntax, parse};

    fn check(host: &str, path: &str, path_type: &str, prefixes: Prefixes, expect: &str) {
        let given =
            Path { path: path.to_owned(), path_type: path_type.to_owned(), ..Path::default() };
        let rule = rule(host, &given, "PathPrefix", prefixes);
        assert_eq!(rule, expect);
        Syntax::V3.compile(&parse(&rule).unwrap()).unwrap();
    }

    #[test]
    fn rules_are_traefiks() {
        use Prefixes::{Loose, Strict};
        check("a.test", "/x", "Exact", Loose, r#"Host("a.test") && Path("/x")"#);
        check("a.test", "/x", "Prefix", Loose, r#"Host("a.test") && PathPrefix("/x")"#);
        check(
            "a.test",
            "/x/",
            "ImplementationSpecific",
            Strict,
            r#"Host("a.test") && PathPrefix("/x/")"#,
        );
        check("", "/x/", "Prefix", Strict, r#"(Path("/x") || PathPrefix("/x/"))"#);
        check("", "/", "Prefix", Strict, r#"PathPrefix("/")"#);
        check("*.a.test", "", "", Loose, r#"HostRegexp("^[a-zA-Z0-9-]+\\.a\\.test$")"#);
    }
}
