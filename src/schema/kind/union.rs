//! `union`: a value of one of several types.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::super::declaration::Declaration;
use super::super::fields::Fields;
use super::super::place::Place;
use super::super::{Held, SchemaError, Source};
use super::{Entry, Kind, free_openapi, int_or_string_openapi, parse_inner, shape};

pub(super) const ENTRY: Entry = Entry {
    name: "union",
    doc: "A value of one of the types in `of`. A value that is of one of them as it stands stays \
          what it is (the text `8081` is no number); otherwise the first it can become is taken.",
    example: r#"{"type": "union", "of": ["integer", "string"]}"#,
    build,
};

#[derive(Debug)]
struct Union {
    of: Vec<Arc<dyn Kind>>,
}

fn build(own: &mut Declaration<'_>) -> Result<Arc<dyn Kind>, SchemaError> {
    let declared = own.needed("of")?.as_array().filter(|of| of.len() > 1);
    let declared = declared.ok_or_else(|| own.error("`of` must be a list of types"))?;
    let of = declared.iter().map(|kind| parse_inner("of", kind, own)).collect::<Result<_, _>>()?;
    Ok(Arc::new(Union { of }))
}

impl Kind for Union {
    fn title(&self) -> String {
        self.of.iter().map(|kind| kind.title()).collect::<Vec<_>>().join(" or ")
    }

    fn title_in_objects(&self) -> String {
        self.of.iter().map(|kind| kind.title_in_objects()).collect::<Vec<_>>().join(" or ")
    }

    fn rules(&self) -> Vec<String> {
        self.of.iter().flat_map(|kind| kind.rules()).collect()
    }

    fn show(&self, value: &Value) -> String {
        let kind = self.of.iter().find(|kind| kind.fits(value, Source::File));
        kind.map(|kind| kind.show(value)).unwrap_or_default()
    }

    fn fits(&self, value: &Value, source: Source) -> bool {
        self.of.iter().any(|kind| kind.fits(value, source))
    }

    fn decode(&self, value: &Value, place: &mut Place) -> Option<Value> {
        let source = place.source;
        let fitting: Vec<_> = self.of.iter().filter(|kind| kind.fits(value, source)).collect();
        let tried = if fitting.is_empty() { self.of.iter().collect() } else { fitting.clone() };
        let mut failed = None;
        for kind in tried {
            let mut trial = place.trial();
            let decoded = kind.decode(value, &mut trial);
            if trial.problem_count() == 0 {
                place.adopt(trial);
                return decoded;
            }
            failed.get_or_insert(trial);
        }
        match failed {
            Some(trial) if !fitting.is_empty() => {
                place.adopt(trial);
                None
            }
            _ => place.refuse(format!("expected {}, got {}", self.title(), shape(value))),
        }
    }

    fn openapi(&self) -> Map<String, Value> {
        let schemas: Vec<_> = self.of.iter().map(|kind| kind.openapi()).collect();
        let of_type = |name: &str| schemas.iter().any(|s| s.get("type").is_some_and(|t| t == name));
        match schemas.as_slice() {
            [first, rest @ ..] if rest.iter().all(|other| other == first) => first.clone(),
            [_, _] if of_type("integer") && of_type("string") => int_or_string_openapi(),
            _ => free_openapi(),
        }
    }

    fn editor(&self, class: &str, classes: &mut Vec<String>) -> String {
        let types = self.of.iter().enumerate().map(|(index, kind)| match index {
            0 => kind.editor(class, classes),
            // A second section needs a class of its own.
            _ => kind.editor(&format!("{class}{}", index + 1), classes),
        });
        types.collect::<Vec<_>>().join("|")
    }

    fn inner(&self) -> Vec<&dyn Kind> {
        self.of.iter().map(|kind| &**kind).collect()
    }

    fn is_choice(&self) -> bool {
        true
    }

    fn sections(&self) -> Vec<(String, &Fields)> {
        self.of.iter().flat_map(|kind| kind.sections()).collect()
    }

    fn walk(&self, value: &mut Value, source: Source, visit: &mut dyn FnMut(Held, &mut Value)) {
        let secret = |kind: &&Arc<dyn Kind>| kind.held() == Some(Held::Secret);
        let fits = |kind: &&Arc<dyn Kind>| kind.fits(value, source);
        // Text that may be a secret is treated as one; what fits no type is a decoded secret.
        let kind = match self.of.iter().find(fits) {
            Some(fitting) if !value.is_string() => Some(fitting),
            fitting => self.of.iter().find(secret).or(fitting),
        };
        if let Some(kind) = kind {
            kind.walk(value, source, visit);
        }
    }
}
