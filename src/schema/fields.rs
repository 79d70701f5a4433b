//! The options of a section: their declarations, and decoding a section by them.

use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::declaration::Declaration;
use super::kind::{self, Kind};
use super::place::Place;
use super::{Held, SchemaError, Source};
use crate::value::nearest;

/// A section may have this many options.
const OPTIONS_MAX: usize = 500;

/// The options of a section in the order of their names.
#[derive(Debug)]
pub(super) struct Fields {
    pub(super) list: Vec<Field>,
    /// Whether the section may be given without any option of its own, as in `compress: {}`.
    pub(super) standalone: bool,
    /// What the section is for.
    pub(super) doc: String,
}

/// One option.
pub(super) struct Field {
    pub(super) name: String,
    pub(super) doc: String,
    pub(super) kind: Arc<dyn Kind>,
    pub(super) required: bool,
    /// Decoded.
    pub(super) default: Option<Value>,
    /// Names the option had before.
    pub(super) aliases: Vec<String>,
    /// What to do instead of using the option.
    pub(super) deprecated: Option<String>,
    pub(super) crd: Form,
}

/// How an option is written in Kubernetes objects.
pub(super) enum Form {
    /// As in files.
    Same,
    /// Not at all.
    Absent,
    /// Under another name, with another type, or both.
    Other(Other),
}

/// An option as only Kubernetes objects have it. Several options may share its name.
pub(super) struct Other {
    pub(super) name: String,
    pub(super) kind: Arc<dyn Kind>,
    pub(super) doc: Option<String>,
}

/// Traefik's words, which users search for.
const STANDALONE: &str = "cannot be a standalone element, at least one option must be set";

impl Fields {
    /// Reads a table of options. In it a table declares an option; `standalone` as a switch and
    /// `doc` as text speak of the whole.
    pub(super) fn parse(declared: &Value, at: &Declaration<'_>) -> Result<Self, SchemaError> {
        let mut fields = Self { list: Vec::new(), standalone: true, doc: String::new() };
        let options = match declared {
            Value::Object(options) => options,
            // An empty Lua table is a list as well.
            Value::Array(items) if items.is_empty() => return Ok(fields),
            _ => return Err(at.error("expected a table of options by name")),
        };
        for (name, option) in options {
            match (name.as_str(), option) {
                ("standalone", Value::Bool(standalone)) => fields.standalone = *standalone,
                ("doc", Value::String(doc)) => fields.doc.clone_from(doc),
                _ => fields.list.push(Field::parse(name, option, at)?),
            }
        }
        if fields.list.len() > OPTIONS_MAX {
            return Err(at.error(format!("more than {OPTIONS_MAX} options")));
        }
        // A Lua table has no order, and equal options must be equal text.
        fields.list.sort_by(|a, b| a.name.cmp(&b.name));
        fields.refuse_ambiguity(at)?;
        Ok(fields)
    }

    /// Every name means one option, but for a name that several have only in Kubernetes objects.
    fn refuse_ambiguity(&self, at: &Declaration<'_>) -> Result<(), SchemaError> {
        for source in [Source::File, Source::Crd] {
            let mut seen: Vec<(&str, bool)> = Vec::new();
            for field in &self.list {
                let shares = source == Source::Crd && matches!(field.crd, Form::Other(_));
                for name in field.names(source) {
                    let same = |other: &&(&str, bool)| other.0.eq_ignore_ascii_case(name);
                    if seen.iter().find(same).is_some_and(|other| !(shares && other.1)) {
                        return Err(at.error(format!("two options are called `{name}`")));
                    }
                    seen.push((name, shares));
                }
            }
        }
        Ok(())
    }

    /// Decodes the options that are given and fills in the others. None if something is wrong.
    pub(super) fn decode(&self, given: &Map<String, Value>, place: &mut Place) -> Option<Value> {
        // In Kubernetes objects an empty section is Traefik's own defaults.
        let may_be_empty = self.standalone || place.source != Source::File;
        if given.is_empty() && !may_be_empty {
            return place.refuse(STANDALONE);
        }
        let before = place.problem_count();
        let mut values: Vec<Option<(&str, &Value)>> = vec![None; self.list.len()];
        for (key, value) in given {
            self.assign(key, value, &mut values, place);
        }
        let mut decoded = Map::new();
        let mut any_set = false;
        for (field, value) in self.list.iter().zip(values) {
            let value = field.decode(value, &mut any_set, place);
            if let Some(value) = value {
                decoded.insert(field.name.clone(), value);
            }
        }
        if place.problem_count() > before {
            return None;
        }
        if !any_set && !may_be_empty {
            return place.refuse(STANDALONE);
        }
        Some(Value::Object(decoded))
    }

    /// Puts a given value where it belongs.
    fn assign<'a>(
        &self,
        key: &'a str,
        value: &'a Value,
        values: &mut [Option<(&'a str, &'a Value)>],
        place: &mut Place,
    ) {
        let mut known = false;
        for (field, slot) in self.list.iter().zip(values) {
            if !field.is_called(key, place.source) {
                continue;
            }
            if slot.is_some() && !known {
                place.within(key, |place| place.refuse::<()>("given twice"));
            }
            known = true;
            slot.get_or_insert((key, value));
        }
        if !known {
            let reason = self.unknown(key, place.source);
            place.within(key, |place| place.refuse::<()>(reason));
        }
    }

    fn unknown(&self, key: &str, source: Source) -> String {
        let elsewhere = self.list.iter().find(|field| field.is_called(key, Source::File));
        if let (Source::Crd, Some(field)) = (source, elsewhere) {
            return match &field.crd {
                Form::Other(other) => format!("is called {:?} in Kubernetes objects", other.name),
                _ => "cannot be set in Kubernetes objects".to_owned(),
            };
        }
        let names = self.list.iter().flat_map(|field| field.names(source));
        match nearest(key, names) {
            Some(near) => format!("unknown option, did you mean {near:?}?"),
            None => "unknown option".to_owned(),
        }
    }

    /// Shows every secret and reference in decoded options.
    pub(super) fn walk(
        &self,
        options: &mut Value,
        source: Source,
        visit: &mut dyn FnMut(Held, &mut Value),
    ) {
        for field in &self.list {
            if let (Some(value), Some(kind)) = (options.get_mut(&field.name), field.kind(source)) {
                kind.walk(value, source, visit);
            }
        }
    }
}

impl Field {
    fn parse(name: &str, declared: &Value, at: &Declaration<'_>) -> Result<Self, SchemaError> {
        let mut own = at.inner(name, declared)?;
        if name.is_empty() {
            return Err(own.error("an option needs a name"));
        }
        if !declared.is_object() {
            return Err(own.error("expected a table with a `type`"));
        }
        let kind = kind::parse(declared, &mut own)?;
        let mut field = Self {
            name: name.to_owned(),
            doc: own.text("doc")?.unwrap_or_default().to_owned(),
            required: own.flag("required")?,
            default: None,
            aliases: own.texts("aliases")?,
            deprecated: own.text("deprecated")?.map(str::to_owned),
            crd: Form::parse(name, &kind, &mut own)?,
            kind,
        };
        if let Some(default) = own.value("default") {
            field.default = Some(field.parse_default(default, &own)?);
        }
        own.finish()?;
        Ok(field)
    }

    fn parse_default(&self, default: &Value, own: &Declaration<'_>) -> Result<Value, SchemaError> {
        if self.required {
            return Err(own.error("a required option has no default"));
        }
        if kind::holds(&*self.kind, Held::Secret) {
            return Err(own.error("a secret has no default"));
        }
        if kind::holds(&*self.kind, Held::Path) {
            return Err(own.error("a path has no default"));
        }
        // An empty Lua table is a list as well.
        let empty_list = default.as_array().is_some_and(Vec::is_empty);
        let empty = Value::Object(Map::new());
        let is_section = !self.kind.fits(default, Source::File);
        let default = if empty_list && is_section { &empty } else { default };
        let mut place = Place::root(Source::File);
        let decoded = self.kind.decode(default, &mut place);
        match (decoded, place.finish()) {
            (Some(decoded), Ok(_)) => Ok(decoded),
            (_, Err(problems)) => {
                let reasons: Vec<&str> = problems.iter().map(|p| p.reason.as_str()).collect();
                Err(own.error(format!("the default does not fit: {}", reasons.join("; "))))
            }
            (None, Ok(_)) => Err(own.error("the default is no value")),
        }
    }

    /// The type in a source; none where the option cannot be given.
    pub(super) fn kind(&self, source: Source) -> Option<&dyn Kind> {
        match (source, &self.crd) {
            (Source::File, _) | (Source::Crd, Form::Same) => Some(&*self.kind),
            (Source::Crd, Form::Other(other)) => Some(&*other.kind),
            (Source::Crd, Form::Absent) => None,
        }
    }

    /// The names in a source, the current one first.
    pub(super) fn names(&self, source: Source) -> impl Iterator<Item = &str> {
        let (name, aliases) = match (source, &self.crd) {
            (Source::File, _) | (Source::Crd, Form::Same) => (Some(&self.name), &self.aliases[..]),
            (Source::Crd, Form::Other(other)) => (Some(&other.name), &[][..]),
            (Source::Crd, Form::Absent) => (None, &[][..]),
        };
        name.into_iter().chain(aliases).map(String::as_str)
    }

    pub(super) fn is_called(&self, key: &str, source: Source) -> bool {
        self.names(source).any(|name| name.eq_ignore_ascii_case(key))
    }

    fn decode(
        &self,
        given: Option<(&str, &Value)>,
        any_set: &mut bool,
        place: &mut Place,
    ) -> Option<Value> {
        let before = place.problem_count();
        if let (Some((key, value)), Some(kind)) = (given, self.kind(place.source))
            && (!value.is_null() || kind.takes_nothing(place.source))
        {
            let decoded = place.within(key, |place| {
                self.advise(key, place);
                kind.decode(value, place)
            });
            if decoded.is_some() || place.problem_count() > before {
                *any_set |= decoded.is_some();
                return decoded;
            }
        }
        if self.required && self.kind(place.source).is_some() {
            let name = self.names(place.source).next().unwrap_or(&self.name).to_owned();
            return place.within(&name, |place| place.refuse_value("is required"));
        }
        self.default.clone()
    }

    fn advise(&self, key: &str, place: &mut Place) {
        if self.aliases.iter().any(|alias| alias.eq_ignore_ascii_case(key)) {
            place.warn(format!("is now called {:?}", self.name));
        }
        if let Some(instead) = &self.deprecated {
            place.warn(format!("is deprecated: {instead}"));
        }
    }
}

impl Form {
    fn parse(
        name: &str,
        kind: &Arc<dyn Kind>,
        own: &mut Declaration<'_>,
    ) -> Result<Self, SchemaError> {
        let declared = match own.value("crd") {
            None | Some(Value::Bool(true)) => return Ok(Self::Same),
            Some(Value::Bool(false)) => return Ok(Self::Absent),
            Some(declared) => declared,
        };
        let mut form = own.inner("crd", declared)?;
        let name = form.text("name")?.unwrap_or(name).to_owned();
        let doc = form.text("doc")?.map(str::to_owned);
        let kind = match form.value("type") {
            None => Arc::clone(kind),
            Some(_) => kind::parse(declared, &mut form)?,
        };
        form.finish()?;
        Ok(Self::Other(Other { name, kind, doc }))
    }
}

impl fmt::Debug for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.kind.title())
    }
}
