//! The scripting API as a catalogue: every function and every field of an object is an entry with
//! name, signature, text, example and code, from which the reference page is printed.
//!
//! An area is a file. Must not know any middleware.

mod answer;
mod assets;
mod bodies;
mod body;
pub(super) mod chunk;
mod conn;
mod content;
pub(super) mod context;
mod cookies;
mod crypto;
mod dns;
mod encoding;
mod files;
mod geo;
mod headers;
mod hello;
mod http;
mod ip;
pub(super) mod json;
mod jwt;
mod later;
mod limit;
mod log;
mod machine;
mod members;
mod metrics;
mod once;
mod os;
mod password;
mod predicate;
mod re;
mod redis;
mod reference;
mod request;
mod resolve;
mod response;
mod responses;
mod seal;
mod sign;
mod stats;
mod store;
mod substitute;
mod template;
mod time;
mod timer;
mod trace;
mod turns;
mod types;
mod url;
mod x509;
mod xml;

use std::rc::Rc;

use mlua::{Lua, Table, UserDataRegistry, Value};

use super::raw;
use super::tools::Tools;
use members::{Members, Others};

pub(super) use conn::{ConnObject, ConnSlot};
pub(super) use hello::{HelloObject, HelloSlot};
pub use reference::reference;
pub(super) use request::RequestObject;
pub(super) use response::ResponseObject;
pub use types::{luals_types, luau_types};

/// What users read about one function or field.
#[derive(Debug, Clone, Copy)]
pub struct Doc {
    /// Its name, such as `hmac`.
    pub name: &'static str,
    /// How it is written, with types: `crypto.hmac(algorithm: string, ...) -> string`.
    pub signature: &'static str,
    /// What it does, in sentences.
    pub text: &'static str,
    /// One line of Lua that uses it.
    pub example: &'static str,
}

/// A part of the API: a module, an object, or the global functions.
#[derive(Debug)]
pub struct Section {
    /// Such as `crypto` or `req`; empty for global functions.
    pub name: &'static str,
    /// What it is.
    pub text: &'static str,
    /// What is in it.
    pub entries: Vec<&'static Doc>,
    /// Where scripts find it.
    pub form: Form,
}

/// Where scripts find a part of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A module, or the global functions.
    Module,
    /// An object that functions and hooks hand out.
    Object,
}

/// A function of a module.
pub(super) struct Function {
    doc: Doc,
    make: fn(&Lua, &Rc<Tools>) -> mlua::Result<Value>,
}

/// A module; one without a name holds global functions.
pub(super) struct Module {
    name: &'static str,
    text: &'static str,
    functions: &'static [Function],
}

/// A field or method of an object.
pub(super) struct Member<T: 'static> {
    doc: Doc,
    add: fn(&mut Members<T>),
}

/// An object and what users read about it.
pub(super) struct Object<T: 'static> {
    name: &'static str,
    text: &'static str,
    members: &'static [Member<T>],
}

/// All modules.
const MODULES: &[Module] = &[
    answer::MODULE,
    log::MODULE,
    re::MODULE,
    content::MODULE,
    predicate::MODULE,
    json::MODULE,
    encoding::BASE64,
    encoding::HEX,
    xml::MODULE,
    url::MODULE,
    crypto::MODULE,
    jwt::MODULE,
    ip::MODULE,
    store::MODULE,
    responses::MODULE,
    limit::MODULE,
    stats::MODULE,
    metrics::MODULE,
    trace::MODULE,
    template::MODULE,
    http::MODULE,
    files::MODULE,
    assets::MODULE,
    geo::MODULE,
    redis::MODULE,
    time::MODULE,
    timer::MODULE,
    dns::MODULE,
    machine::MODULE,
    os::MODULE,
];

/// The whole API, in the order of the reference page.
#[must_use]
pub fn sections() -> Vec<Section> {
    let mut sections = vec![
        request::OBJECT.section(),
        response::OBJECT.section(),
        bodies::Bodies::<ResponseObject>::OBJECT.section(),
        headers::OBJECT.section(),
        cookies::REQUEST_COOKIES.section(),
        cookies::RESPONSE_COOKIES.section(),
        context::section(),
        conn::OBJECT.section(),
        hello::OBJECT.section(),
    ];
    sections.extend(MODULES.iter().map(|module| Section {
        name: module.name,
        text: module.text,
        entries: module.functions.iter().map(|function| &function.doc).collect(),
        form: Form::Module,
    }));
    sections.push(re::EXPRESSION.section());
    sections.push(predicate::COMPILED.section());
    sections.extend([crypto::KEY.section(), jwt::KEYS.section()]);
    sections.extend([ip::SET.section(), ip::STRATEGY.section(), store::STORE.section()]);
    sections.push(responses::RESPONSES.section());
    sections.extend([limit::RATE.section(), limit::CONCURRENCY.section()]);
    sections.extend([turns::TURNS.section(), turns::TURN.section()]);
    sections.push(stats::WINDOW.section());
    sections.extend([files::FILES.section(), files::FILE.section(), geo::GEO.section()]);
    sections.extend([http::CLIENT.section(), redis::CLIENT.section()]);
    sections.extend([metrics::COUNTER.section(), metrics::GAUGE.section()]);
    sections.extend([metrics::HISTOGRAM.section(), template::PAGE.section()]);
    sections
}

impl<T> Object<T> {
    /// Puts all members into the registry of the object's type.
    fn register(&self, registry: &mut UserDataRegistry<T>, others: &Others<T>) {
        let mut members = Members::new();
        self.collect(&mut members);
        members.install(registry, others);
    }

    /// Adds all members to those of the object's type.
    fn collect(&self, members: &mut Members<T>) {
        for member in self.members {
            (member.add)(members);
        }
    }

    fn section(&self) -> Section {
        let entries = self.members.iter().map(|member| &member.doc).collect();
        Section { name: self.name, text: self.text, entries, form: Form::Object }
    }
}

/// Puts the API into the globals of a VM.
///
/// # Errors
/// When there is no memory for it.
pub(super) fn install(lua: &Lua, tools: &Rc<Tools>) -> mlua::Result<()> {
    let globals = lua.globals();
    for module in MODULES {
        let table: Table = match module.name {
            "" => globals.clone(),
            name => match globals.raw_get(name)? {
                Value::Table(table) => table,
                _ => lua.create_table()?,
            },
        };
        for function in module.functions {
            table.raw_set(function.doc.name, (function.make)(lua, tools)?)?;
        }
        if !module.name.is_empty() {
            // `sandbox` protects the standard modules; ours are protected here.
            table.set_readonly(true);
            globals.raw_set(module.name, table)?;
        }
    }
    request::install(lua)?;
    response::install(lua)?;
    headers::install(lua)?;
    cookies::install(lua)?;
    globals.raw_set("pairs", raw::pairs(lua)?)
}
