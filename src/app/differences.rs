//! What of a configuration for Traefik behaves differently here, and why.
//!
//! What a middleware does differently stands in its script (`differs`).

use std::collections::BTreeMap;

use crate::compile::Scripts;
use crate::model::{Diagnostic, Dynamic, Outcome};

/// Options that change nothing here, by path in lower case.
const OPTIONS: &[(&str, &str)] = &[
    ("global.checknewversion", "nothing is asked of anybody"),
    ("global.sendanonymoususage", "nothing is sent to anybody"),
    ("api.disabledashboardad", "there is no advert"),
    ("serverstransport.maxidleconnsperhost", "the limit holds over all workers of the process"),
];

/// Differences of the options that are given.
#[must_use]
pub fn of_options(given: &[String]) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for option in given {
        let lower = option.to_ascii_lowercase();
        if let Some((_, reason)) = OPTIONS.iter().find(|(known, _)| *known == lower) {
            found.push(Diagnostic::warning(option, format!("differs from Traefik: {reason}")));
        }
    }
    found
}

/// Differences of elements.
pub(super) fn of_elements(
    dynamic: &Dynamic,
    scripts: &Scripts,
    outcome: &Outcome,
) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (name, middleware) in &dynamic.http.middlewares {
        for (kind, options) in &middleware.kinds {
            let info = scripts.kind(kind).and_then(|script| script.info.as_ref().ok());
            let differences = info.map(|info| info.differs.as_slice()).unwrap_or_default();
            for (option, reason) in differences {
                let mut given = options.as_object().into_iter().flatten();
                let concerns = option
                    .as_ref()
                    .is_none_or(|option| given.any(|(name, _)| name.eq_ignore_ascii_case(option)));
                if concerns {
                    let place = format!("http.middlewares.{name}");
                    let reason = format!("differs from Traefik: {reason}");
                    found.push(Diagnostic::warning(place, reason));
                }
            }
        }
    }
    found.extend(ties(outcome));
    found
}

/// Routers that cannot be told apart: the order of Traefik's is not fixed.
fn ties(outcome: &Outcome) -> Vec<Diagnostic> {
    let mut alike: BTreeMap<(&str, i64, &[String]), Vec<&str>> = BTreeMap::new();
    for (name, router) in &outcome.routers {
        let config = &router.config;
        let key = (config.rule.as_str(), router.priority, config.entry_points.as_slice());
        alike.entry(key).or_default().push(name);
    }
    let ties = alike.into_values().filter(|names| names.len() > 1);
    ties.flat_map(|names| {
        let (first, rest) =
            names.split_first().map_or(("", &[][..]), |(first, rest)| (*first, rest));
        let tie = |name: &&str| {
            let reason = format!(
                "differs from Traefik: its rule and its priority are those of {first}, which \
                 answers here after every start; there either may"
            );
            Diagnostic::warning(format!("http.routers.{name}"), reason)
        };
        rest.iter().map(tie).collect::<Vec<_>>()
    })
    .collect()
}
