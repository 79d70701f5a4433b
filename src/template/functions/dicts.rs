//! Maps.

use std::rc::Rc;

use super::{ANY, Arguments, Function, entry};
use crate::template::error::Fault;
use crate::template::eval::World;
use crate::template::value::{Dict, Value};

pub(super) const FUNCTIONS: &[Function] = &[
    entry("dict", "key value...", (0, ANY), "A map of keys and their values.", |_, a| {
        let pairs = a.from(0).chunks(2);
        Ok(Value::dict(pairs.filter_map(|pair| {
            let value = pair.get(1).cloned().unwrap_or_else(|| Value::text(""));
            Some((pair.first()?.print(), value))
        })))
    }),
    entry("get", "map key", (2, 2), "The value of a key, else an empty text.", |_, a| {
        let value = a.dict(0)?.borrow().get(a.text(1)?).cloned();
        Ok(value.unwrap_or_else(|| Value::text("")))
    }),
    entry(
        "set",
        "map key value",
        (3, 3),
        "Sets a key in the map itself, and gives the map back.",
        |_, a| {
            let fields = a.dict(0)?;
            if a.any(2).holds(fields) {
                return Err(Fault::Loop);
            }
            fields.borrow_mut().insert(a.text(1)?.to_owned(), a.any(2).clone());
            Ok(a.any(0).clone())
        },
    ),
    entry(
        "unset",
        "map key",
        (2, 2),
        "Drops a key from the map itself, and gives the map back.",
        |_, a| {
            a.dict(0)?.borrow_mut().remove(a.text(1)?);
            Ok(a.any(0).clone())
        },
    ),
    entry("hasKey", "map key", (2, 2), "Whether the map has the key.", |_, a| {
        Ok(Value::Bool(a.dict(0)?.borrow().contains_key(a.text(1)?)))
    }),
    entry(
        "pluck",
        "key maps...",
        (1, ANY),
        "The values of a key in each map that has it.",
        |_, a| {
            let mut found = Vec::new();
            for place in 1..a.len() {
                found.extend(a.dict(place)?.borrow().get(a.text(0)?).cloned());
            }
            Ok(Value::list(found))
        },
    ),
    entry("keys", "maps...", (0, ANY), "The keys of all maps, each map's in order.", |_, a| {
        let mut found = Vec::new();
        for place in 0..a.len() {
            found.extend(a.dict(place)?.borrow().keys().cloned());
        }
        Ok(Value::texts(found))
    }),
    entry("values", "map", (1, 1), "The values, in the order of their keys.", |_, a| {
        Ok(Value::list(a.dict(0)?.borrow().values().cloned()))
    }),
    entry("pick", "map keys...", (1, ANY), "A map of these keys alone.", |_, a| {
        select(a, |picked| picked)
    }),
    entry("omit", "map keys...", (1, ANY), "A map without these keys.", |_, a| {
        select(a, |picked| !picked)
    }),
    entry(
        "merge",
        "map others...",
        (1, ANY),
        "Adds to the map what it has not; the others come in their order.",
        |_, a| merge_all(a, Wins::First),
    ),
    entry(
        "mergeOverwrite",
        "map others...",
        (1, ANY),
        "Puts into the map what the others have; the last one wins.",
        |_, a| merge_all(a, Wins::Last),
    ),
    entry(
        "dig",
        "keys... default map",
        (3, ANY),
        "The value under keys of maps in maps, else the default.",
        dig,
    ),
    entry("deepCopy", "value", (1, 1), "A copy that shares nothing.", |_, a| Ok(copy(a.any(0)))),
];

fn select(a: &Arguments, keep: fn(bool) -> bool) -> Result<Value, Fault> {
    let fields = a.dict(0)?.borrow();
    let mut names = Vec::new();
    for place in 1..a.len() {
        names.push(a.text(place)?);
    }
    let kept = fields.iter().filter(|(name, _)| keep(names.contains(&name.as_str())));
    Ok(Value::dict(kept.map(|(name, value)| (name.clone(), value.clone()))))
}

#[derive(Clone, Copy)]
enum Wins {
    First,
    Last,
}

fn merge_all(a: &Arguments, wins: Wins) -> Result<Value, Fault> {
    let into = a.dict(0)?;
    for place in 1..a.len() {
        // A copy, so that no map is held in two places, or in itself.
        if let Value::Dict(from) = copy(&Value::Dict(Rc::clone(a.dict(place)?))) {
            merge(into, &from, wins);
        }
    }
    Ok(a.any(0).clone())
}

fn merge(into: &Dict, from: &Dict, wins: Wins) {
    for (name, value) in from.borrow().iter() {
        let held = into.borrow().get(name).cloned();
        match (held, value) {
            (Some(Value::Dict(held)), Value::Dict(value)) => merge(&held, value, wins),
            (Some(held), value) => {
                let replaces = match wins {
                    Wins::First => !held.truth(),
                    Wins::Last => value.truth(),
                };
                if replaces {
                    into.borrow_mut().insert(name.clone(), value.clone());
                }
            }
            (None, value) => {
                into.borrow_mut().insert(name.clone(), value.clone());
            }
        }
    }
}

fn dig(_: &mut World<'_>, a: &Arguments) -> Result<Value, Fault> {
    let last = a.len() - 1;
    let mut fields = Rc::clone(a.dict(last)?);
    let keys = last - 1;
    for place in 0..keys {
        let found = fields.borrow().get(a.text(place)?).cloned();
        match found {
            Some(value) if place + 1 == keys => return Ok(value),
            Some(Value::Dict(inner)) => fields = inner,
            Some(_) => return Err(a.wrong(place, "the key of a map")),
            None => break,
        }
    }
    Ok(a.any(keys).clone())
}

fn copy(value: &Value) -> Value {
    match value {
        Value::List(items) => Value::list(items.iter().map(copy)),
        Value::Dict(fields) => {
            Value::dict(fields.borrow().iter().map(|(name, item)| (name.clone(), copy(item))))
        }
        other => other.clone(),
    }
}
