//! `Method`: the request's method.

use super::{Facts, Kind, Test, first};

pub(super) const KIND: Kind = Kind {
    name: "Method",
    signature: "Method(`method`)",
    doc: "The request's method is that, in upper case.",
    example: "Method(`GET`) || Method(`HEAD`)",
    arity: (1, 1),
    build,
};

#[derive(Debug)]
struct Method(String);

fn build(args: &[String]) -> Result<Box<dyn Test>, String> {
    let method = first(args).to_ascii_uppercase();
    if http::Method::from_bytes(method.as_bytes()).is_err() {
        return Err(format!("{method:?} is no method"));
    }
    Ok(Box::new(Method(method)))
}

impl Test for Method {
    fn matches(&self, facts: &Facts<'_>) -> bool {
        facts.method.as_str() == self.0
    }
}
