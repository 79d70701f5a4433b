//! The module `xml`: documents as tables.

use mlua::{Lua, LuaString, Table, Value};
use roxmltree::{Document, Node, ParsingOptions};

use super::{Doc, Function, Module};

/// Elements and texts of one document.
const NODES_MAX: u32 = 100_000;
/// Elements within elements.
const DEPTH_MAX: usize = 64;

pub(super) const MODULE: Module = Module {
    name: "xml",
    text: "XML, for services that speak it.",
    functions: &[
        Function {
            doc: Doc {
                name: "decode",
                signature: "xml.decode(text: string) -> table?, string?",
                text: "Reads a document and returns its outermost element: a table with `name` \
                       (without its namespace), `text` (its own, without that of elements in it), \
                       `attributes` (by name), and the elements in it as a list. Nil and the \
                       reason when it is none. Document types are refused.",
                example: "local root, why = xml.decode(res:body())",
            },
            make: |lua, _| {
                lua.create_function(|lua, text: LuaString| {
                    let text = match text.to_str() {
                        Ok(text) => text,
                        Err(error) => return Ok((None, Some(error.to_string()))),
                    };
                    let options = ParsingOptions {
                        allow_dtd: false,
                        nodes_limit: NODES_MAX,
                        ..Default::default()
                    };
                    match Document::parse_with_options(&text, options) {
                        Ok(document) => {
                            let root = document.root_element();
                            Ok((Some(element(lua, root, 0)?), None))
                        }
                        Err(error) => Ok((None, Some(error.to_string()))),
                    }
                })
                .map(Value::Function)
            },
        },
        Function {
            doc: Doc {
                name: "escape",
                signature: "xml.escape(text: string) -> string",
                text: "Text as it is written in elements and in attributes.",
                example: "local body = \"<Name>\" .. xml.escape(name) .. \"</Name>\"",
            },
            make: |lua, _| {
                lua.create_function(|_, text: String| Ok(escape(&text))).map(Value::Function)
            },
        },
    ],
};

fn element(lua: &Lua, node: Node<'_, '_>, depth: usize) -> mlua::Result<Table> {
    if depth > DEPTH_MAX {
        return Err(mlua::Error::runtime("xml.decode: the document is nested too deeply"));
    }
    let table = lua.create_table()?;
    table.raw_set("name", node.tag_name().name())?;
    let texts = node.children().filter(Node::is_text).filter_map(|text| text.text());
    table.raw_set("text", texts.collect::<String>())?;
    let attributes = lua.create_table()?;
    for attribute in node.attributes() {
        attributes.raw_set(attribute.name(), attribute.value())?;
    }
    table.raw_set("attributes", attributes)?;
    for child in node.children().filter(Node::is_element) {
        table.raw_push(element(lua, child, depth + 1)?)?;
    }
    Ok(table)
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            other => escaped.push(other),
        }
    }
    escaped
}
