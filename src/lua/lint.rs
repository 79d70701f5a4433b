//! Names that a script uses and nobody defines: mistakes that would show only when their line runs.
//!
//! Reads them off the bytecode that Luau's compiler makes of the script, which is the only one who
//! knows for certain what is a local. Bytecode of another version than the one that is built in
//! yields no findings; a test holds that ours does.

use hashbrown::{HashMap, HashSet};
use mlua::{Lua, Table, Value};

use super::tools::{Mode, Tools};
use super::{ScriptSource, Shared, sandbox};
use crate::value::nearest;

/// A name that nobody defines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    /// The line that uses it.
    pub line: usize,
    /// What is wrong, in words.
    pub reason: String,
}

/// The globals, and the fields of modules, that a script uses and nobody defines; in order. Empty
/// for a script that does not compile, which loading it says.
#[must_use]
pub fn lint(source: &ScriptSource) -> Vec<Unknown> {
    let tools = Tools::new(Mode::Inert, Shared::new());
    let Ok(lua) = sandbox::vm(&tools) else { return Vec::new() };
    let known = known(&lua);
    let Some(used) = uses(&source.text) else { return Vec::new() };
    let own: HashSet<&str> =
        used.iter().filter(|used| used.is_set).map(|used| used.name.as_str()).collect();
    let mut found: Vec<Unknown> = used
        .iter()
        .filter(|used| !used.is_set && !own.contains(used.name.as_str()))
        .filter_map(|used| Some(Unknown { line: used.line, reason: used.wrong(&known)? }))
        .collect();
    found.sort_by(|a, b| a.line.cmp(&b.line).then_with(|| a.reason.cmp(&b.reason)));
    found.dedup();
    found
}

type Known = HashMap<String, Option<HashSet<String>>>;

/// All globals; of modules their fields as well.
fn known(lua: &Lua) -> Known {
    let keys = |table: &Table| {
        let pairs = table.pairs::<Value, Value>().filter_map(Result::ok);
        pairs
            .filter_map(|(key, value)| Some((key.as_string()?.to_string_lossy(), value)))
            .collect::<Vec<_>>()
    };
    let fields = |value: &Value| match value {
        Value::Table(module) => Some(keys(module).into_iter().map(|(name, _)| name).collect()),
        _ => None,
    };
    // What a VM protects are its globals behind a table in front of them.
    let globals = lua.globals();
    let behind = globals.metatable().and_then(|meta| meta.raw_get::<Table>("__index").ok());
    keys(&behind.unwrap_or(globals))
        .into_iter()
        .map(|(name, value)| (name, fields(&value)))
        .collect()
}

/// A use of a global.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Use {
    name: String,
    /// The field that is read of it at once.
    field: Option<String>,
    line: usize,
    /// Whether it is given a value.
    is_set: bool,
}

impl Use {
    fn wrong(&self, known: &Known) -> Option<String> {
        let similar = |near: Option<&str>| match near {
            Some(near) => format!("; did you mean {near:?}?"),
            None => String::new(),
        };
        match (known.get(&self.name), &self.field) {
            (None, _) => {
                let near = nearest(&self.name, known.keys().map(String::as_str));
                Some(format!("unknown global {:?}{}", self.name, similar(near)))
            }
            (Some(Some(fields)), Some(field)) if !fields.contains(field) => {
                let near = nearest(field, fields.iter().map(String::as_str));
                Some(format!("{} has no {field:?}{}", self.name, similar(near)))
            }
            _ => None,
        }
    }
}

/// Versions of the bytecode that are understood here.
const VERSIONS: std::ops::RangeInclusive<u8> = 4..=10;

const GET_GLOBAL: u8 = 7;
const SET_GLOBAL: u8 = 8;
const GET_FIELD: u8 = 15;

/// Instructions that are followed by a word of data.
const LONG: [u8; 30] = [
    7, 8, 12, 15, 16, 20, 27, 28, 29, 30, 31, 32, 53, 55, 58, 60, 66, 74, 75, 77, 78, 79, 80, 83,
    84, 85, 86, 87, 88, 90,
];

/// All uses of globals; none when the text does not compile or the bytecode is not understood.
fn uses(text: &str) -> Option<Vec<Use>> {
    // Without optimisations every global is looked up by its name where it is used.
    let compiler = mlua::chunk::Compiler::new().set_optimization_level(0).set_debug_level(1);
    let code = compiler.compile(text).ok()?;
    let mut reader = Reader { rest: &code };
    let version = reader.byte()?;
    if !VERSIONS.contains(&version) {
        return None;
    }
    let types = reader.byte()?;
    let strings = (0..reader.number()?)
        .map(|_| {
            let length = reader.number()?;
            Some(String::from_utf8_lossy(reader.take(length)?).into_owned())
        })
        .collect::<Option<Vec<_>>>()?;
    if types == 3 {
        while reader.byte()? != 0 {
            reader.number()?;
        }
    }
    let mut found = Vec::new();
    for _ in 0..reader.number()? {
        prototype(&mut reader, &strings, &mut found)?;
    }
    Some(found)
}

/// Reads one function.
fn prototype(reader: &mut Reader<'_>, strings: &[String], found: &mut Vec<Use>) -> Option<()> {
    reader.take(5)?;
    let types = reader.number()?;
    reader.take(types)?;
    let length = reader.number()?;
    let code = (0..length).map(|_| reader.word()).collect::<Option<Vec<_>>>()?;
    let constants = (0..reader.number()?).map(|_| constant(reader)).collect::<Option<Vec<_>>>()?;
    for _ in 0..reader.number()? {
        reader.number()?;
    }
    let first_line = reader.number()?;
    reader.number()?;
    let lines = lines(reader, length, first_line)?;
    if reader.byte()? != 0 {
        for _ in 0..reader.number()? {
            (reader.number()?, reader.number()?, reader.number()?, reader.byte()?);
        }
        for _ in 0..reader.number()? {
            reader.number()?;
        }
    }
    let text = |index: Option<&u32>| {
        let constant = constants.get(usize::try_from(*index?).ok()?)?;
        strings.get((*constant)?.checked_sub(1)?).cloned()
    };
    let mut at = 0;
    while let Some(instruction) = code.get(at) {
        let [operation, register, ..] = instruction.to_le_bytes();
        if matches!(operation, GET_GLOBAL | SET_GLOBAL)
            && let Some(name) = text(code.get(at + 1))
        {
            let field = code.get(at + 2).filter(|next| {
                let [next, _, from, _] = next.to_le_bytes();
                operation == GET_GLOBAL && next == GET_FIELD && from == register
            });
            let field = field.and_then(|_| text(code.get(at + 3)));
            let line = lines.get(at).copied().unwrap_or(first_line);
            found.push(Use { name, field, line, is_set: operation == SET_GLOBAL });
        }
        at += if LONG.contains(&operation) { 2 } else { 1 };
    }
    Some(())
}

/// Reads a constant; the number of its string, if it is one.
fn constant(reader: &mut Reader<'_>) -> Option<Option<usize>> {
    match reader.byte()? {
        0 => {}
        1 => drop(reader.take(1)?),
        2 => drop(reader.take(8)?),
        3 => return Some(Some(reader.number()?)),
        4 => drop(reader.take(4)?),
        5 => {
            for _ in 0..reader.number()? {
                reader.number()?;
            }
        }
        6 => drop(reader.number()?),
        7 => drop(reader.take(16)?),
        8 => {
            for _ in 0..reader.number()? {
                reader.number()?;
                reader.take(4)?;
            }
        }
        9 => {
            reader.take(1)?;
            reader.number()?;
        }
        _ => return None,
    }
    Some(None)
}

/// Reads the lines of a function's instructions.
fn lines(reader: &mut Reader<'_>, length: usize, first_line: usize) -> Option<Vec<usize>> {
    if reader.byte()? == 0 {
        return Some(vec![first_line; length]);
    }
    let gap = u32::from(reader.byte()?);
    let intervals = (length.checked_sub(1)?.checked_shr(gap)?) + 1;
    let mut offset = 0_u8;
    let offsets = (0..length)
        .map(|_| {
            offset = offset.wrapping_add(reader.byte()?);
            Some(offset)
        })
        .collect::<Option<Vec<_>>>()?;
    let mut line = 0_usize;
    let bases = (0..intervals)
        .map(|_| {
            let step = i32::from_le_bytes(reader.word()?.to_le_bytes());
            line = line.checked_add_signed(isize::try_from(step).ok()?)?;
            Some(line)
        })
        .collect::<Option<Vec<_>>>()?;
    let line = |(at, offset): (usize, &u8)| Some(bases.get(at >> gap)? + usize::from(*offset));
    offsets.iter().enumerate().map(line).collect()
}

/// Bytes that are read from the front.
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn word(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    /// A number of seven bits per byte, the lowest first.
    fn number(&mut self) -> Option<usize> {
        let mut value = 0_usize;
        for shift in (0..usize::BITS).step_by(7) {
            let byte = self.byte()?;
            value |= usize::from(byte & 0x7f).checked_shl(shift)?;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let source = ScriptSource { name: "t.lua".into(), text: text.into() };
        lint(&source)
            .iter()
            .map(|unknown| format!("{}: {}", unknown.line, unknown.reason))
            .collect()
    }

    #[test]
    fn unknown_names_are_told_with_their_lines() {
        for (text, expect) in [
            (
                "return { request = function(req) respont(200) end }",
                &["1: unknown global \"respont\"; did you mean \"respond\"?"][..],
            ),
            (
                "local a = 1\n\nreturn { request = function()\n  local f = function() return b end\nend }",
                &["4: unknown global \"b\""],
            ),
            (
                "return { setup = function() return crypto.sha265('x') end }",
                &["1: crypto has no \"sha265\"; did you mean \"sha256\"?"],
            ),
            ("count = 0\nreturn { request = function() count = count + 1 end }", &[]),
            ("local x = string.rep('a', 3) .. math.floor(1.5)\nreturn {}", &[]),
            ("if require then end\nreturn {}", &["1: unknown global \"require\""]),
            ("return {", &[]),
        ] {
            assert_eq!(found(text), expect, "{text}");
        }
    }

    #[test]
    fn long_functions_have_their_lines() {
        let mut text = String::from("local t = {}\n");
        for line in 2..2000 {
            text.push_str(&format!("t[{line}] = tostring({line} + #t)\n"));
        }
        text.push_str("nothing()\n");
        assert_eq!(found(&text), ["2000: unknown global \"nothing\""]);
    }

    #[test]
    fn the_scripts_that_come_with_moongate_use_nothing_unknown() {
        for source in crate::lua::builtins().chain(crate::lua::tcp_builtins()) {
            assert_eq!(lint(&source), [], "{}", source.name);
            assert!(uses(&source.text).is_some(), "{}", source.name);
        }
    }
}
