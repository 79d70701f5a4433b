//! `Path`, `PathPrefix`: one of several templates of paths.

use super::template::{Place, Template};
use super::{Kind, MANY};
use crate::rule::key::{self, Key, PathKey};
use crate::rule::matcher::{Facts, Test};

pub(super) const EXACT: Kind = Kind {
    name: "Path",
    signature: "Path(`template`, ...)",
    doc: "The request's path is one of the templates; a variable is a segment, or what its \
          regular expression matches.",
    example: "Path(`/cart`, `/product/{id:[0-9]+}`)",
    arity: MANY,
    build: exact,
};

pub(super) const PREFIX: Kind = Kind {
    name: "PathPrefix",
    signature: "PathPrefix(`template`, ...)",
    doc: "The request's path begins with one of the templates, character by character.",
    example: "PathPrefix(`/api/`, `/v{version:[0-9]+}/`)",
    arity: MANY,
    build: prefix,
};

#[derive(Debug)]
struct Paths {
    place: Place,
    templates: Vec<Template>,
}

fn build(args: &[String], place: Place) -> Result<Box<dyn Test>, String> {
    let template = |path: &String| {
        if path.starts_with('/') {
            return Template::new(path, place);
        }
        Err(format!("{path:?} does not begin with a slash"))
    };
    let templates = args.iter().map(template).collect::<Result<_, _>>()?;
    Ok(Box::new(Paths { place, templates }))
}

fn exact(args: &[String]) -> Result<Box<dyn Test>, String> {
    build(args, Place::Path)
}

fn prefix(args: &[String]) -> Result<Box<dyn Test>, String> {
    build(args, Place::PathPrefix)
}

impl Test for Paths {
    fn matches(&self, facts: &Facts<'_>) -> bool {
        self.templates.iter().any(|template| match &template.regexp {
            Some(regexp) => regexp.is_match(facts.path),
            None if self.place == Place::PathPrefix => facts.path.starts_with(&template.lead),
            None => facts.path == template.lead,
        })
    }

    fn keys(&self) -> Vec<Key> {
        key::any(self.templates.iter().map(|template| {
            let lead = template.lead.as_str().into();
            let key = match &template.regexp {
                Some(_) => Key { suffices: false, ..Key::of_path(PathKey::Prefix(lead)) },
                None if self.place == Place::PathPrefix => Key::of_path(PathKey::Prefix(lead)),
                None => Key::of_path(PathKey::Exact(lead)),
            };
            vec![key]
        }))
    }
}
