//! A router's rule and its priority, and what there is to say of the syntax of all rules.

use std::sync::Arc;

use super::super::{Catalog, provider_of};
use crate::model::{Diagnostic, Elements, Router};
use crate::rule::{self, Matcher, Syntax};

/// The greatest priority users may give (`math.MaxInt64 - 1000` in Traefik); what is above is for
/// internal routers.
const PRIORITY_MAX: i64 = i64::MAX - 1000;

/// The syntax a router's rule is read in. A name that is none means the present one, as in
/// Traefik; rules of our own are never read in the older one.
fn syntax(config: &Router, provider: &str, catalog: &Catalog) -> Syntax {
    match config.rule_syntax.as_str() {
        "" if provider != "internal" => catalog.rules.syntax,
        given => Syntax::named(given).unwrap_or_default(),
    }
}

/// The syntax to show where the router does not name it and it is not the usual one.
pub(super) fn shown(config: &Router, provider: &str, catalog: &Catalog) -> Option<&'static str> {
    let (syntax, rules) = (syntax(config, provider, catalog), &catalog.rules);
    let is_usual = syntax == Syntax::default() && (provider == "internal" || !rules.names_syntax);
    (config.rule_syntax.is_empty() && !is_usual).then(|| syntax.name())
}

/// The rule ready to match; the reason why not otherwise.
pub(super) fn matcher(
    config: &Router,
    provider: &str,
    catalog: &Catalog,
) -> Result<Arc<Matcher>, String> {
    if config.rule.is_empty() {
        return Err("the rule is empty".to_owned());
    }
    let tree = rule::parse(&config.rule).map_err(|error| error.to_string())?;
    let matcher = syntax(config, provider, catalog).compile(&tree);
    matcher.map(Arc::new).map_err(|error| error.to_string())
}

/// The hosts the rule names; none where it cannot be read.
pub(super) fn hosts(config: &Router) -> Arc<[String]> {
    rule::parse(&config.rule).map(|tree| rule::hosts(&tree).into()).unwrap_or_default()
}

/// The priority in force, which is within the bounds, and the error when the given one is not.
pub(super) fn priority(config: &Router, provider: &str) -> (i64, Option<String>) {
    match config.priority {
        0 => (i64::try_from(config.rule.len()).unwrap_or(PRIORITY_MAX), None),
        given if given > PRIORITY_MAX && provider != "internal" => {
            let error = format!(
                "the router priority {given} exceeds the max user-defined priority {PRIORITY_MAX}"
            );
            (given, Some(error))
        }
        given => (given, None),
    }
}

/// The priority of a refused router, which never goes before internal ones.
pub(super) fn within_bounds(priority: i64, provider: &str) -> i64 {
    if provider == "internal" { priority } else { priority.min(PRIORITY_MAX) }
}

/// Words about options of all routers that change nothing of a router's status: each once, however
/// many routers have it.
pub(super) fn remarks(routers: &Elements<Router>, catalog: &Catalog) -> Vec<Diagnostic> {
    let mut remarks = Vec::new();
    if catalog.rules.syntax == Syntax::V2 {
        let reason = "the rule syntax v2 is deprecated, please write rules as v3";
        remarks.push(Diagnostic::warning("core.defaultRuleSyntax", reason));
    }
    let mut about = |option: &str, reason: &str, has: &dyn Fn(&Router) -> bool| {
        let mut with = routers.iter().filter(|(_, config)| has(config));
        let Some((first, _)) = with.next() else { return };
        let reason = match with.count() {
            0 => reason.to_owned(),
            more => format!("{reason} (and of {more} more routers)"),
        };
        remarks.push(Diagnostic::warning(format!("http.routers.{first}.{option}"), reason));
    };
    about("ruleSyntax", "the rule syntax v2 is deprecated, please write the rule as v3", &|r| {
        r.rule_syntax == "v2"
    });
    about("ruleSyntax", "neither v2 nor v3, so the rule is read as v3", &|r| {
        !matches!(r.rule_syntax.as_str(), "" | "default" | "v2" | "v3")
    });
    about("observability.traceVerbosity", "neither minimal nor detailed, so it is minimal", &|r| {
        let verbosity = r.observability.as_ref().and_then(|o| o.trace_verbosity.as_deref());
        !matches!(verbosity, None | Some("minimal" | "detailed"))
    });
    remarks
}

/// How early a provider's routers go among those of equal priority; those of a provider that is not
/// in the list go last.
pub(super) fn precedence(name: &str, catalog: &Catalog) -> usize {
    let provider = provider_of(name);
    let place = catalog.rules.precedence.iter().position(|listed| listed == provider);
    place.unwrap_or(usize::MAX)
}
