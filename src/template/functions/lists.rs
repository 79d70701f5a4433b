//! Lists.

use super::{ANY, Arguments, Function, entry};
use crate::template::error::Fault;
use crate::template::eval::World;
use crate::template::value::Value;

pub(super) const FUNCTIONS: &[Function] = &[
    entry("list", "values...", (0, ANY), "A list.", |_, a| Ok(Value::list(a.from(0).to_vec()))),
    entry("tuple", "values...", (0, ANY), "A list.", |_, a| Ok(Value::list(a.from(0).to_vec()))),
    entry("first", "list", (1, 1), "The first element.", |_, a| {
        Ok(a.list(0)?.first().cloned().unwrap_or(Value::Nil))
    }),
    entry("last", "list", (1, 1), "The last element.", |_, a| {
        Ok(a.list(0)?.last().cloned().unwrap_or(Value::Nil))
    }),
    entry("rest", "list", (1, 1), "All but the first element.", |_, a| {
        Ok(Value::list(a.list(0)?.iter().skip(1).cloned()))
    }),
    entry("initial", "list", (1, 1), "All but the last element.", |_, a| {
        let items = a.list(0)?;
        Ok(Value::list(items.iter().take(items.len().saturating_sub(1)).cloned()))
    }),
    entry("append", "list value", (2, 2), "The list with one more element at its end.", |_, a| {
        Ok(Value::list(a.list(0)?.iter().chain(a.from(1)).cloned()))
    }),
    entry("push", "list value", (2, 2), "The list with one more element at its end.", |_, a| {
        Ok(Value::list(a.list(0)?.iter().chain(a.from(1)).cloned()))
    }),
    entry("prepend", "list value", (2, 2), "The list with one more element in front.", |_, a| {
        Ok(Value::list(a.from(1).iter().chain(a.list(0)?).cloned()))
    }),
    entry("concat", "lists...", (0, ANY), "One list of the elements of all.", |_, a| {
        let mut all = Vec::new();
        for place in 0..a.len() {
            all.extend_from_slice(a.list(place)?);
        }
        Ok(Value::list(all))
    }),
    entry("reverse", "list", (1, 1), "The elements from the last to the first.", |_, a| {
        Ok(Value::list(a.list(0)?.iter().rev().cloned()))
    }),
    entry("uniq", "list", (1, 1), "Each element once.", |world, a| unique(world, a.list(0)?)),
    entry("without", "list values...", (1, ANY), "The list without some elements.", |world, a| {
        let (items, dropped) = (a.list(0)?, a.from(1));
        world.charge(items.len().saturating_mul(dropped.len()))?;
        let kept = items.iter().filter(|item| !dropped.iter().any(|other| item.same(other)));
        Ok(Value::list(kept.cloned()))
    }),
    entry("has", "value list", (2, 2), "Whether a list has the element.", |_, a| {
        Ok(Value::Bool(a.list(1)?.iter().any(|item| item.same(a.any(0)))))
    }),
    entry("compact", "list", (1, 1), "The elements that are not empty.", |_, a| {
        Ok(Value::list(a.list(0)?.iter().filter(|item| item.truth()).cloned()))
    }),
    entry("chunk", "size list", (2, 2), "Lists of at most so many elements.", |_, a| {
        let size = a.count(0)?.max(1);
        Ok(Value::list(a.list(1)?.chunks(size).map(|part| Value::list(part.to_vec()))))
    }),
    entry("sortAlpha", "list", (1, 1), "The elements as texts in order.", |_, a| {
        let mut texts: Vec<String> = a.list(0)?.iter().map(Value::print).collect();
        texts.sort_unstable();
        Ok(Value::texts(texts))
    }),
    entry("toStrings", "list", (1, 1), "The elements as texts.", |_, a| {
        Ok(Value::texts(a.list(0)?.iter().map(Value::print)))
    }),
    entry(
        "join",
        "separator list",
        (2, 2),
        "The elements with a separator between.",
        |world, a| {
            let texts: Vec<String> = match a.any(1) {
                Value::List(items) => items.iter().map(Value::print).collect(),
                other => vec![other.print()],
            };
            let between = a.text(0)?.len().saturating_mul(texts.len());
            world.room(texts.iter().map(String::len).sum::<usize>().saturating_add(between))?;
            Ok(Value::text(texts.join(a.text(0)?)))
        },
    ),
    entry("len", "value", (1, 1), "How many bytes, elements or keys there are.", |_, a| {
        let length = match a.any(0) {
            Value::Text(text) => text.len(),
            Value::List(items) => items.len(),
            Value::Dict(fields) => fields.borrow().len(),
            _ => return Err(a.wrong(0, "a string, a list or a map")),
        };
        Ok(Value::Int(i64::try_from(length).unwrap_or(i64::MAX)))
    }),
    entry(
        "index",
        "value keys...",
        (1, ANY),
        "The element at a place or of a key, as deep as there are keys.",
        index,
    ),
    entry("slice", "value [from [to]]", (1, 3), "A part of a text or a list.", slice),
];

fn unique(world: &mut World<'_>, items: &[Value]) -> Result<Value, Fault> {
    let mut kept: Vec<Value> = Vec::new();
    for item in items {
        world.charge(kept.len() / 8)?;
        if !kept.iter().any(|other| other.same(item)) {
            kept.push(item.clone());
        }
    }
    Ok(Value::list(kept))
}

fn index(_: &mut World<'_>, a: &Arguments) -> Result<Value, Fault> {
    let mut value = a.any(0).clone();
    for (place, key) in a.from(1).iter().enumerate() {
        let place = place + 1;
        value = match (&value, key) {
            (Value::Dict(fields), Value::Text(name)) => {
                fields.borrow().get(&**name).cloned().unwrap_or(Value::Nil)
            }
            (Value::Dict(_), _) => return Err(a.wrong(place, "a string")),
            (Value::List(items), Value::Int(at)) => {
                let found = usize::try_from(*at).ok().and_then(|at| items.get(at));
                found.cloned().ok_or(Fault::Range { index: *at, length: items.len() })?
            }
            (Value::Text(text), Value::Int(at)) => {
                let found = usize::try_from(*at).ok().and_then(|at| text.as_bytes().get(at));
                let byte = found.ok_or(Fault::Range { index: *at, length: text.len() })?;
                Value::Int(i64::from(*byte))
            }
            (Value::List(_) | Value::Text(_), _) => return Err(a.wrong(place, "an int")),
            _ => return Err(a.wrong(0, "a map, a list or a string")),
        };
    }
    Ok(value)
}

fn slice(_: &mut World<'_>, a: &Arguments) -> Result<Value, Fault> {
    let length = match a.any(0) {
        Value::Text(text) => text.len(),
        Value::List(items) => items.len(),
        _ => return Err(a.wrong(0, "a string or a list")),
    };
    let bound = |place: usize, otherwise: usize| match place < a.len() {
        true => {
            let index = a.int(place)?;
            let at = usize::try_from(index).ok().filter(|at| *at <= length);
            at.ok_or(Fault::Range { index, length })
        }
        false => Ok(otherwise),
    };
    let (from, to) = (bound(1, 0)?, bound(2, length)?);
    let range = Fault::Range { index: i64::try_from(from).unwrap_or(i64::MAX), length: to };
    match a.any(0) {
        Value::List(items) => {
            items.get(from..to).map(|part| Value::list(part.to_vec())).ok_or(range)
        }
        Value::Text(text) => text.get(from..to).map(Value::text).ok_or(range),
        _ => Err(range),
    }
}
