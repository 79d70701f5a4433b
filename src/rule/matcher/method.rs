//! `Method`: the request's method.

use super::{Facts, Kind, Test, first};
use crate::rule::key::{HeadKey, Key};

pub(super) const KIND: Kind = Kind {
    name: "Method",
    signature: "Method(`method`)",
    doc: "The request's method is that, in upper case.",
    example: "Method(`GET`) || Method(`HEAD`)",
    arity: (1, 1),
    build,
};

#[derive(Debug)]
struct Method(http::Method);

fn build(args: &[String]) -> Result<Box<dyn Test>, String> {
    let method = first(args).to_ascii_uppercase();
    match http::Method::from_bytes(method.as_bytes()) {
        Ok(method) => Ok(Box::new(Method(method))),
        Err(_) => Err(format!("{method:?} is no method")),
    }
}

impl Test for Method {
    fn matches(&self, facts: &Facts<'_>) -> bool {
        *facts.method == self.0
    }

    fn keys(&self) -> Vec<Key> {
        vec![Key::of_head(HeadKey::Method(self.0.clone()))]
    }
}
