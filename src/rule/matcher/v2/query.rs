//! `Query`: parameters of the query, all of which must be there.

use regex::Regex;

use super::template::{Place, Template};
use super::{Kind, MANY};
use crate::rule::matcher::query::{is_whole, text};
use crate::rule::matcher::{Facts, Test};

pub(super) const KIND: Kind = Kind {
    name: "Query",
    signature: "Query(`name=value`, ...)",
    doc: "The query has each parameter, and its first value is that template; nothing after the \
          equals sign is any value.",
    example: "Query(`preview=true`, `page={page:[0-9]+}`)",
    arity: MANY,
    build,
};

#[derive(Debug)]
struct Queries(Vec<(String, Regex)>);

fn build(args: &[String]) -> Result<Box<dyn Test>, String> {
    // An argument without an equals sign is a name or a value, as it comes.
    let words: Vec<&str> = args.iter().flat_map(|arg| arg.splitn(2, '=')).collect();
    let parameter = |pair: &[&str]| {
        let [name, value] = pair else {
            return Err("parameters are written name=value".to_owned());
        };
        let template = Template::new(&format!("{name}={value}"), Place::Query)?;
        let regexp = template.regexp.ok_or_else(|| format!("{value:?} is no template"))?;
        Ok(((*name).to_owned(), regexp))
    };
    Ok(Box::new(Queries(words.chunks(2).map(parameter).collect::<Result<_, _>>()?)))
}

impl Test for Queries {
    fn matches(&self, facts: &Facts<'_>) -> bool {
        self.0.iter().all(|(name, regexp)| {
            let value = first_value(facts.query.unwrap_or_default(), name);
            value.is_some_and(|value| regexp.is_match(&format!("{name}={value}")))
        })
    }
}

/// A parameter's first value, decoded; pairs with broken escapes are passed over.
fn first_value(query: &str, name: &str) -> Option<String> {
    query.split(['&', ';']).filter(|pair| !pair.is_empty()).find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (is_whole(pair) && text(key) == name).then(|| text(value).into_owned())
    })
}
