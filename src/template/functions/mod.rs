//! The functions of templates: a table, from which the reference is printed as well.

mod dicts;
mod encoding;
mod lists;
mod logic;
mod numbers;
mod paths;
mod refused;
mod regexps;
mod texts;

use super::error::Fault;
use super::eval::World;
use super::value::{Dict, Value};
use crate::value::nearest;

/// A function of templates.
#[derive(Debug)]
pub struct Function {
    /// Its name.
    pub name: &'static str,
    /// Its arguments, as the reference shows them.
    pub arguments: &'static str,
    /// What it does.
    pub doc: &'static str,
    least: usize,
    most: usize,
    pub(super) run: Run,
}

/// What a function does.
#[derive(Debug)]
pub(super) enum Run {
    Call(fn(&mut World<'_>, &Arguments) -> Result<Value, Fault>),
    /// Takes arguments until one's truth is this; the rest is not looked at.
    Until(bool),
}

/// As many as the user likes.
const ANY: usize = usize::MAX;

/// An area of the table.
pub(super) struct Area {
    pub(super) name: &'static str,
    pub(super) functions: &'static [Function],
}

/// All areas, as the reference lists them.
pub(super) const AREAS: &[Area] = &[
    Area { name: "Decisions", functions: logic::FUNCTIONS },
    Area { name: "Texts", functions: texts::FUNCTIONS },
    Area { name: "Regular expressions", functions: regexps::FUNCTIONS },
    Area { name: "Numbers", functions: numbers::FUNCTIONS },
    Area { name: "Lists", functions: lists::FUNCTIONS },
    Area { name: "Maps", functions: dicts::FUNCTIONS },
    Area { name: "Encodings and hashes", functions: encoding::FUNCTIONS },
    Area { name: "Paths and the environment", functions: paths::FUNCTIONS },
];

pub(super) use refused::REFUSED;

pub(super) fn all() -> impl Iterator<Item = &'static Function> {
    AREAS.iter().flat_map(|area| area.functions)
}

/// The function of a name.
pub(super) fn find(name: &str) -> Result<&'static Function, Fault> {
    if let Some(function) = all().find(|function| function.name == name) {
        return Ok(function);
    }
    if let Some((name, reason)) = REFUSED.iter().find(|(refused, _)| *refused == name) {
        return Err(Fault::Unsupported { name, reason });
    }
    let nearest = nearest(name, all().map(|function| function.name));
    Err(Fault::Function { name: name.to_owned(), nearest })
}

/// An entry of a table.
const fn entry(
    name: &'static str,
    arguments: &'static str,
    counts: (usize, usize),
    doc: &'static str,
    run: fn(&mut World<'_>, &Arguments) -> Result<Value, Fault>,
) -> Function {
    Function { name, arguments, doc, least: counts.0, most: counts.1, run: Run::Call(run) }
}

impl Function {
    /// Fails when it does not take so many arguments.
    pub(super) fn check(&self, given: usize) -> Result<(), Fault> {
        if (self.least..=self.most).contains(&given) {
            return Ok(());
        }
        let wants = match (self.least, self.most) {
            (least, most) if least == most => least.to_string(),
            (least, ANY) => format!("at least {least}"),
            (least, most) => format!("{least} to {most}"),
        };
        Err(Fault::Count { name: self.name, wants, given })
    }

    pub(super) fn call(
        &'static self,
        world: &mut World<'_>,
        values: Vec<Value>,
    ) -> Result<Value, Fault> {
        match self.run {
            Run::Call(run) => run(world, &Arguments { name: self.name, values }),
            Run::Until(_) => Ok(values.into_iter().next_back().unwrap_or(Value::Nil)),
        }
    }
}

/// What a function is given. Places count from 0.
pub(super) struct Arguments {
    name: &'static str,
    values: Vec<Value>,
}

impl Arguments {
    fn len(&self) -> usize {
        self.values.len()
    }

    fn any(&self, place: usize) -> &Value {
        self.values.get(place).unwrap_or(&Value::Nil)
    }

    fn from(&self, place: usize) -> &[Value] {
        self.values.get(place..).unwrap_or_default()
    }

    fn wrong(&self, place: usize, wants: &'static str) -> Fault {
        let given = self.any(place).kind();
        Fault::Type { name: self.name, place: place + 1, wants, given }
    }

    fn text(&self, place: usize) -> Result<&str, Fault> {
        match self.any(place) {
            Value::Text(text) => Ok(text),
            _ => Err(self.wrong(place, "a string")),
        }
    }

    fn int(&self, place: usize) -> Result<i64, Fault> {
        match self.any(place) {
            Value::Int(number) => Ok(*number),
            _ => Err(self.wrong(place, "an int")),
        }
    }

    /// A count; negative ones are none.
    fn count(&self, place: usize) -> Result<usize, Fault> {
        Ok(usize::try_from(self.int(place)?).unwrap_or_default())
    }

    fn list(&self, place: usize) -> Result<&[Value], Fault> {
        match self.any(place) {
            Value::List(items) => Ok(items),
            Value::Nil => Ok(&[]),
            _ => Err(self.wrong(place, "a list")),
        }
    }

    fn dict(&self, place: usize) -> Result<&Dict, Fault> {
        match self.any(place) {
            Value::Dict(fields) => Ok(fields),
            _ => Err(self.wrong(place, "a map")),
        }
    }

    fn unreadable(&self, reason: impl std::fmt::Display) -> Fault {
        Fault::Unreadable { name: self.name, reason: format!("{reason}") }
    }
}
