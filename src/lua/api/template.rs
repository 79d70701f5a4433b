//! The module `template`: texts with places that are filled in.
//!
//! There is nothing to compute in a template: a script does that, in Lua.

use std::rc::Rc;

use mlua::{LuaString, Table, UserData, UserDataRegistry, Value};

use super::members::Others;
use super::{Doc, Function, Member, Module, Object};

/// Bytes that a filled template may have.
const OUTPUT_BYTES_MAX: usize = 4 << 20;

pub(super) const MODULE: Module = Module {
    name: "template",
    text: "Pages with places that are filled in.",
    functions: &[
        Function {
            doc: Doc {
                name: "compile",
                signature: "template.compile(text: string) -> page",
                text: "Reads a template, best at the top level or in `setup`. `{{name}}` stands \
                       for a value, in which `& < > \" '` are escaped as HTML needs it; \
                       `{{{name}}}` for one that is put in as it is; `{{a.b}}` for a field of a \
                       table. Fails when a place is not closed.",
                example: "local page = template.compile(\"<h1>{{title}}</h1>\")",
            },
            make: |lua, _| {
                lua.create_function(|_, text: LuaString| {
                    let text = text.to_str()?;
                    parse(&text).map(|parts| Page(parts.into())).map_err(mlua::Error::runtime)
                })
                .map(Value::Function)
            },
        },
        Function {
            doc: Doc {
                name: "escape",
                signature: "template.escape(text: string) -> string",
                text: "Escapes `& < > \" '` as HTML needs it.",
                example: "return respond(404, \"<p>\" .. template.escape(req.path))",
            },
            make: |lua, _| {
                lua.create_function(|_, text: LuaString| {
                    let mut out = Vec::new();
                    escape(&text.as_bytes(), &mut out);
                    Ok(mlua::BString::from(out))
                })
                .map(Value::Function)
            },
        },
    ],
};

/// A part of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    /// A value, by the names that lead to it.
    Value {
        path: Vec<String>,
        escaping: Escaping,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Escaping {
    Html,
    Nothing,
}

fn parse(text: &str) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        if !before.is_empty() {
            parts.push(Part::Text(before.to_owned()));
        }
        let (after, end, escaping) = match after.strip_prefix('{') {
            Some(after) => (after, "}}}", Escaping::Nothing),
            None => (after, "}}", Escaping::Html),
        };
        let line = text.len() - after.len();
        let line = text.get(..line).unwrap_or_default().matches('\n').count() + 1;
        let (name, following) = after
            .split_once(end)
            .ok_or_else(|| format!("template: line {line}: a place is not closed"))?;
        let path: Vec<String> = name.trim().split('.').map(str::to_owned).collect();
        let is_name = |part: &String| {
            !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '_')
        };
        if !path.iter().all(is_name) {
            return Err(format!("template: line {line}: {:?} is no name", name.trim()));
        }
        parts.push(Part::Value { path, escaping });
        rest = following;
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest.to_owned()));
    }
    Ok(parts)
}

fn escape(text: &[u8], out: &mut Vec<u8>) {
    for byte in text {
        match byte {
            b'&' => out.extend_from_slice(b"&amp;"),
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            b'"' => out.extend_from_slice(b"&#34;"),
            b'\'' => out.extend_from_slice(b"&#39;"),
            other => out.push(*other),
        }
    }
}

/// What `template.compile` makes.
pub(super) struct Page(Rc<[Part]>);

pub(super) const PAGE: Object<Page> = Object {
    name: "page",
    text: "A template that `template.compile` has read.",
    members: &[Member {
        doc: Doc {
            name: "render",
            signature: "page:render(values: table) -> string",
            text: "Fills the places in. A value that is not there leaves nothing. Fails when \
                   more than 4 MiB come out.",
            example: "return respond(503, page:render({ title = \"Back soon\" }))",
        },
        add: |members| {
            members.method("render", |_, page, values: Table| {
                render(&page.0, &values).map(mlua::BString::from)
            });
        },
    }],
};

fn render(parts: &[Part], values: &Table) -> mlua::Result<Vec<u8>> {
    let mut out = Vec::new();
    for part in parts {
        match part {
            Part::Text(text) => out.extend_from_slice(text.as_bytes()),
            Part::Value { path, escaping } => {
                let mut value = Value::Table(values.clone());
                for name in path {
                    value = match value {
                        Value::Table(table) => table.raw_get(name.as_str())?,
                        _ => Value::Nil,
                    };
                }
                if !value.is_nil() {
                    let text = value.to_string()?;
                    match escaping {
                        Escaping::Html => escape(text.as_bytes(), &mut out),
                        Escaping::Nothing => out.extend_from_slice(text.as_bytes()),
                    }
                }
            }
        }
        if out.len() > OUTPUT_BYTES_MAX {
            let text = format!("a template came to more than {OUTPUT_BYTES_MAX} bytes");
            return Err(mlua::Error::runtime(text));
        }
    }
    Ok(out)
}

impl UserData for Page {
    fn register(registry: &mut UserDataRegistry<Self>) {
        PAGE.register(registry, &Others::NONE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_filled_in() {
        let lua = mlua::Lua::new();
        let values: Table = lua
            .load("return { a = '<b>', n = 5, t = { x = \"it's\" }, yes = true }")
            .eval()
            .unwrap();
        for (text, expect) in [
            ("{{a}} {{{a}}} {{ n }}", "&lt;b&gt; <b> 5"),
            ("{{t.x}}{{t.y}}{{a.b}}{{missing.x}}", "it&#39;s"),
            ("no places { } }}", "no places { } }}"),
            ("{{yes}}", "true"),
        ] {
            let parts = parse(text).unwrap();
            let out = render(&parts, &values).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), expect, "{text}");
        }
    }

    #[test]
    fn broken_templates_say_where() {
        for (text, part) in [
            ("a\n{{b", "line 2"),
            ("{{{b}}", "not closed"),
            ("{{b c}}", "no name"),
            ("{{}}", "name"),
        ] {
            assert!(parse(text).unwrap_err().contains(part), "{text}");
        }
    }
}
