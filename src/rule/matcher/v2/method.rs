//! `Method`: one of several methods.

use http::Method;

use super::{Kind, MANY};
use crate::rule::key::{self, HeadKey, Key};
use crate::rule::matcher::{Facts, Test};

pub(super) const KIND: Kind = Kind {
    name: "Method",
    signature: "Method(`method`, ...)",
    doc: "The request's method is one of these, in upper case.",
    example: "Method(`GET`, `HEAD`)",
    arity: MANY,
    build,
};

#[derive(Debug)]
struct Methods(Vec<Method>);

fn build(args: &[String]) -> Result<Box<dyn Test>, String> {
    let method = |method: &String| {
        let method = method.to_ascii_uppercase();
        Method::from_bytes(method.as_bytes()).map_err(|_| format!("{method:?} is no method"))
    };
    Ok(Box::new(Methods(args.iter().map(method).collect::<Result<_, _>>()?)))
}

impl Test for Methods {
    fn matches(&self, facts: &Facts<'_>) -> bool {
        self.0.contains(facts.method)
    }

    fn keys(&self) -> Vec<Key> {
        let key = |method: &Method| vec![Key::of_head(HeadKey::Method(method.clone()))];
        key::any(self.0.iter().map(key))
    }
}
