//! Prints the catalogue as type definitions for editors: Luau's, and those of the Lua language
//! server. Signatures are written in Luau's own words, so that most of it is taken as it is.

use std::fmt::Write as _;

use super::{Form, Section, sections};

/// A signature in parts.
#[derive(Debug, PartialEq, Eq)]
enum Signature<'a> {
    /// A field with its type.
    Field(&'a str),
    /// A function: its parameters and what it returns.
    Function { parameters: Vec<&'a str>, returns: Vec<&'a str> },
}

/// Reads a signature of the catalogue.
fn parse(signature: &str) -> Signature<'_> {
    let open = signature.find('(');
    let typed = signature.find([':', '=', '(']).filter(|at| !signature[..*at].is_empty());
    // A method has a colon before its name, which an opening parenthesis follows.
    let name_end = signature.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.' | ':')));
    if open.is_none() || open != name_end {
        let kind = typed.map_or("any", |at| signature[at + 1..].trim());
        return Signature::Field(kind);
    }
    let rest = &signature[open.unwrap_or_default()..];
    let close = matching(rest);
    let inside = rest[1..close].trim();
    let after = rest[close + 1..].trim();
    let returns = after.strip_prefix("->").map(str::trim).unwrap_or_default();
    Signature::Function { parameters: split(inside), returns: split(returns) }
}

/// Where the parenthesis that opens a text is closed.
fn matching(text: &str) -> usize {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '(' | '{' => depth += 1,
            ')' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    text.len().saturating_sub(1)
}

/// Parts between commas that stand in no parentheses.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0_usize, 0);
    for (at, c) in text.char_indices() {
        match c {
            '(' | '{' => depth += 1,
            ')' | '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    let last = text[start..].trim();
    if !last.is_empty() {
        parts.push(last);
    }
    parts
}

/// What each hook of a script gets and returns.
const HOOKS: &[(&str, &str)] = &[
    ("setup", "(options: any, ctx: ctx) -> any"),
    ("request", "(req: req, ctx: ctx) -> res?"),
    ("response", "(res: res, ctx: ctx) -> res?"),
    ("request_body", "(chunk: string?, ctx: ctx) -> string?"),
    ("response_body", "(chunk: string?, ctx: ctx) -> string?"),
    ("stream", "(conn: conn, ctx: ctx) -> ()"),
    ("tls", "(hello: hello, ctx: ctx) -> ()"),
    ("log", "(entry: { [string]: any }, ctx: ctx) -> ()"),
];

/// The definitions as Luau reads them, `moongate.d.luau`.
#[must_use]
pub fn luau_types() -> String {
    let mut page = String::from(
        "-- What scripts of Moongate find, for luau-lsp and luau-analyze. Printed by `moongate \
         types`.\n\n",
    );
    let sections = sections();
    for section in sections.iter().filter(|section| section.form == Form::Object) {
        luau_object(&mut page, section, &sections);
    }
    page.push_str("export type script = {\n");
    for (name, kind) in HOOKS {
        // Writing to a string cannot fail.
        let _ = writeln!(page, "  {name}: ({kind})?,");
    }
    page.push_str("  schema: { [string]: any }?,\n}\n");
    for section in sections.iter().filter(|section| section.form == Form::Module) {
        match section.name {
            "" => {
                for entry in &section.entries {
                    let kind = luau_type(entry.signature, None);
                    let _ = writeln!(page, "\ndeclare {}: {kind}", entry.name);
                }
            }
            // Luau knows its own fields of this one.
            "os" => {}
            name => {
                let _ = writeln!(page, "\ndeclare {name}: {{");
                for entry in &section.entries {
                    let kind = luau_type(entry.signature, None);
                    let _ =
                        writeln!(page, "  -- {}\n  {}: {kind},", one_line(entry.text), entry.name);
                }
                page.push_str("}\n");
            }
        }
    }
    page
}

/// The members that an object has beside its own: messages have those of `message`.
fn shared<'a>(section: &Section, all: &'a [Section]) -> Option<&'a Section> {
    if !matches!(section.name, "req" | "res") {
        return None;
    }
    all.iter().find(|other| other.name == "message")
}

fn luau_object(page: &mut String, section: &Section, all: &[Section]) {
    let name = identifier(section.name);
    let _ = writeln!(page, "export type {name} = {{");
    let more = shared(section, all).into_iter().flat_map(|section| &section.entries);
    for entry in section.entries.iter().chain(more) {
        let owner = entry.signature.contains(':').then_some(name.as_str());
        let owner = owner.filter(|_| is_method(entry.signature));
        let kind = luau_type(entry.signature, owner);
        let _ = writeln!(page, "  -- {}\n  {}: {kind},", one_line(entry.text), entry.name);
    }
    if matches!(section.name, "headers" | "req.cookies") {
        page.push_str("  [string]: string?,\n");
    }
    page.push_str("}\n\n");
}

/// Whether a signature is `object:method(...)`.
fn is_method(signature: &str) -> bool {
    let open = signature.find('(').unwrap_or(signature.len());
    signature[..open].contains(':') && !signature[..open].contains(' ')
}

fn luau_type(signature: &str, owner: Option<&str>) -> String {
    match parse(signature) {
        Signature::Field(kind) => luau_name(kind),
        Signature::Function { parameters, returns } => {
            let own = owner.map(|owner| format!("self: {owner}"));
            let parameters: Vec<_> =
                own.into_iter().chain(parameters.iter().map(|p| luau_parameter(p))).collect();
            let returns: Vec<_> = returns.iter().map(|kind| luau_name(kind)).collect();
            let returned = match &returns[..] {
                [one] if !one.starts_with("...") => one.clone(),
                _ => format!("({})", returns.join(", ")),
            };
            format!("({}) -> {returned}", parameters.join(", "))
        }
    }
}

fn luau_parameter(parameter: &str) -> String {
    match parameter {
        "..." => "...any".to_owned(),
        text if text.contains(':') => match text.split_once(':') {
            Some((name, kind)) => format!("{}: {}", name.trim(), luau_name(kind.trim())),
            None => text.to_owned(),
        },
        name => format!("{name}: {name}"),
    }
}

/// A type of the catalogue in Luau's words.
fn luau_name(kind: &str) -> String {
    if let Some(kind) = kind.strip_suffix("...") {
        return format!("...{kind}");
    }
    let kind = kind.replace("req.cookies", "req_cookies").replace("res.cookies", "res_cookies");
    match kind.as_str() {
        "iterator" => "(any) -> (any, any)".to_owned(),
        "table" => "{ [any]: any }".to_owned(),
        "table?" => "{ [any]: any }?".to_owned(),
        kind if kind.starts_with('(') => format!("({})", kind.replace("ctx,", "ctx: ctx,")),
        kind => kind.to_owned(),
    }
}

fn identifier(name: &str) -> String {
    name.replace('.', "_")
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The definitions as the Lua language server reads them, `moongate.lua`.
#[must_use]
pub fn luals_types() -> String {
    let mut page = String::from(
        "---@meta moongate\n-- What scripts of Moongate find, for the Lua language server. Printed \
         by `moongate types --luals`.\n\n",
    );
    let sections = sections();
    for section in &sections {
        match (section.form, section.name) {
            (Form::Module, "") => {
                section.entries.iter().for_each(|e| luals_function(&mut page, e.signature, e.text));
            }
            // The language server knows this one.
            (Form::Module, "os") => {}
            (Form::Module, name) => {
                let _ = writeln!(page, "---@class {name}lib\n{name} = {{}}\n");
                section.entries.iter().for_each(|e| luals_function(&mut page, e.signature, e.text));
            }
            (Form::Object, _) => luals_object(&mut page, section, &sections),
        }
    }
    page.push_str("---@class script\n---@field schema? table<string, any>\n");
    for (name, kind) in HOOKS {
        let kind = kind.replace(" -> ()", "").replace(" -> ", ": ");
        let _ = writeln!(page, "---@field {name}? fun{kind}");
    }
    page
}

fn luals_object(page: &mut String, section: &Section, all: &[Section]) {
    let name = identifier(section.name);
    let _ = writeln!(page, "---@class {name}");
    let more = shared(section, all).into_iter().flat_map(|section| &section.entries);
    for entry in section.entries.iter().chain(more) {
        let kind = match parse(entry.signature) {
            Signature::Field(kind) => luals_name(kind),
            Signature::Function { parameters, returns } => {
                let own = is_method(entry.signature).then(|| format!("self: {name}"));
                let parameters = own.into_iter().chain(parameters.iter().map(|p| {
                    let (name, kind) = parts(p);
                    format!("{name}: {kind}")
                }));
                let parameters = parameters.collect::<Vec<_>>().join(", ");
                let returns: Vec<_> = returns.iter().map(|kind| luals_name(kind)).collect();
                let colon = if returns.is_empty() { "" } else { ": " };
                format!("fun({parameters}){colon}{}", returns.join(", "))
            }
        };
        let _ = writeln!(page, "---@field {} {kind} {}", entry.name, one_line(entry.text));
    }
    if matches!(section.name, "headers" | "req.cookies") {
        page.push_str("---@field [string] string?\n");
    }
    page.push('\n');
}

fn luals_function(page: &mut String, signature: &str, text: &str) {
    let Signature::Function { parameters, returns } = parse(signature) else { return };
    let name = signature.split('(').next().unwrap_or_default();
    let _ = writeln!(page, "---{}", one_line(text));
    let mut names = Vec::new();
    for parameter in parameters {
        let (name, kind) = parts(parameter);
        let _ = writeln!(page, "---@param {name} {kind}");
        names.push(name.trim_end_matches('?').to_owned());
    }
    for kind in returns {
        let _ = writeln!(page, "---@return {}", luals_name(kind));
    }
    let _ = writeln!(page, "function {name}({}) end\n", names.join(", "));
}

/// Name and type of a parameter in the language server's words.
fn parts(parameter: &str) -> (String, String) {
    match parameter.split_once(':') {
        Some((name, kind)) => {
            let kind = kind.trim();
            let optional = kind.ends_with('?') || kind.ends_with("nil");
            let mark = if optional { "?" } else { "" };
            (format!("{}{mark}", name.trim()), luals_name(kind))
        }
        None if parameter == "..." => ("...".to_owned(), "any".to_owned()),
        None => (parameter.to_owned(), parameter.to_owned()),
    }
}

fn luals_name(kind: &str) -> String {
    let optional = if kind.ends_with('?') { "?" } else { "" };
    let inner = kind.trim_end_matches('?');
    match inner {
        "req.cookies" => "req_cookies".to_owned(),
        "res.cookies" => "res_cookies".to_owned(),
        "iterator" => "fun(): any, any".to_owned(),
        _ if inner.starts_with("{ [string]:") || inner.starts_with("{ ") => {
            format!("table{optional}")
        }
        _ if inner.starts_with('{') => {
            format!("{}[]{optional}", inner.trim_matches(['{', '}']))
        }
        _ if inner.starts_with('(') => format!("function{optional}"),
        _ => kind.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_read() {
        let function = |parameters: &[&'static str], returns: &[&'static str]| {
            Signature::Function { parameters: parameters.to_vec(), returns: returns.to_vec() }
        };
        for (text, expect) in [
            ("req.port: number?", Signature::Field("number?")),
            ("res.body = string", Signature::Field("string")),
            ("ctx.next() -> res", function(&[], &["res"])),
            ("h:get(name: string) -> string?", function(&["name: string"], &["string?"])),
            (
                "f(a: { x: number, y: string }?, b) -> A, B",
                function(&["a: { x: number, y: string }?", "b"], &["A", "B"]),
            ),
        ] {
            assert_eq!(parse(text), expect, "{text}");
        }
    }

    #[test]
    fn every_entry_is_in_both() {
        let (luau, luals) = (luau_types(), luals_types());
        for section in sections().iter().filter(|section| section.name != "os") {
            for entry in &section.entries {
                assert!(luau.contains(&format!("{}: ", entry.name)), "{} in Luau", entry.signature);
                let is_there = luals.contains(&format!("---@field {} ", entry.name))
                    || luals.contains(&format!("{}(", entry.name));
                assert!(is_there, "{} for the language server", entry.signature);
            }
        }
        for part in [
            "declare respond: (status: number, body: string?, headers: { [any]: any }?) -> res",
            "get: (self: headers, name: string) -> string?,",
            "find: (self: expression, text: string, from: number?) -> (number?, number?, ...str",
        ] {
            assert!(luau.contains(part), "{part}\n{luau}");
        }
        assert!(luals.contains("---@param body? string?"), "{luals}");
    }

    #[test]
    fn the_language_servers_definitions_are_lua() {
        let lua = mlua::Lua::new();
        lua.load(luals_types()).into_function().unwrap();
    }
}
