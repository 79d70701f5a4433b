//! The module `files`.

use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use http::HeaderValue;
use http::header::CONTENT_LENGTH;
use mlua::{Lua, LuaString, UserData, UserDataRegistry, Value};

use super::answer::status_of;
use super::members::{Others, This};
use super::{Doc, Function, Member, Module, Object, ResponseObject};
use crate::lua::files::{FileBody, Found, Opened, find};
use crate::lua::inspect;
use crate::lua::run::ResponseSlot;
use crate::lua::tools::Tools;
use crate::message::Response;
use crate::schema::{Held, Source};

pub(super) const MODULE: Module = Module {
    name: "files",
    text: "Files below a folder that the configuration names.",
    functions: &[Function {
        doc: Doc {
            name: "open",
            signature: "files.open(folder: string) -> files",
            text: "Opens a folder, in `setup`. It must be the value of an option of the type \
                   `path`: scripts have no other way to files.",
            example: "local root = files.open(options.root)",
        },
        make: |lua, tools| {
            let tools = Rc::clone(tools);
            lua.create_function(move |_, folder: LuaString| {
                let folder = permitted(&tools, &folder.to_str()?)?;
                Ok(Files { folder: folder.into(), tools: Rc::clone(&tools) })
            })
            .map(Value::Function)
        },
    }],
};

/// A path that the configuration names in an option of the type `path`.
///
/// # Errors
/// When it is not, and where no instance is known that it could be an option of.
pub(super) fn permitted(tools: &Tools, path: &str) -> mlua::Result<PathBuf> {
    let run = tools.current.borrow().clone();
    let run = run.ok_or_else(|| mlua::Error::runtime("files are opened in setup"))?;
    let spec = run.instance.spec();
    let info = inspect(&spec.source).map_err(mlua::Error::external)?;
    let (mut options, mut named) = ((*spec.options).clone(), false);
    info.schema.visit(&mut options, Source::File, &mut |held, value| {
        named |= held == Held::Path && value.as_str() == Some(path);
    });
    if named {
        return Ok(path.into());
    }
    let text = format!("{path:?} is not the value of an option of the type path");
    Err(mlua::Error::runtime(text))
}

/// What `files.open` opens.
pub(super) struct Files {
    folder: Arc<std::path::Path>,
    tools: Rc<Tools>,
}

pub(super) const FILES: Object<Files> = Object {
    name: "files",
    text: "A folder that `files.open` has opened.",
    members: &[Member {
        doc: Doc {
            name: "find",
            signature: "files:find(path: string) -> file?, string?",
            text: "Opens the file that a path names, relative to the folder, and waits for it. \
                   Nil and why else: `folder`, or `nothing`, which names that lead out of the \
                   folder are as well, links among them.",
            example: "local file, why = root:find(\"docs/index.html\")",
        },
        add: |members| members.async_method("find", look),
    }],
};

impl UserData for Files {
    fn register(registry: &mut UserDataRegistry<Self>) {
        FILES.register(registry, &Others::NONE);
    }
}

type Looked = (Option<FileObject>, Option<&'static str>);

#[expect(clippy::needless_pass_by_value, reason = "what mlua hands over is ours")]
fn look(
    lua: Lua,
    this: This<Files>,
    path: LuaString,
) -> impl Future<Output = mlua::Result<Looked>> + use<> {
    let begun = this.tools.gate.may_wait(&lua);
    let (folder, tools) = (Arc::clone(&this.folder), Rc::clone(&this.tools));
    let path = path.to_string_lossy();
    async move {
        begun?;
        let relative = path.trim_start_matches('/').to_owned();
        let found = tokio::task::spawn_blocking(move || find(&folder, &relative)).await;
        match found.map_err(mlua::Error::external)?.map_err(mlua::Error::external)? {
            Found::File(opened) => Ok((Some(FileObject { opened, tools }), None)),
            Found::Folder => Ok((None, Some("folder"))),
            Found::Nothing => Ok((None, Some("nothing"))),
        }
    }
}

/// A file that `files:find` has opened.
pub(super) struct FileObject {
    opened: Opened,
    tools: Rc<Tools>,
}

pub(super) const FILE: Object<FileObject> = Object {
    name: "file",
    text: "A file that `files:find` has opened.",
    members: &[
        Member {
            doc: Doc {
                name: "length",
                signature: "file.length: number",
                text: "How many bytes it has.",
                example: "if file.length == 0 then return respond(204) end",
            },
            add: |members| members.getter("length", |_, file| Ok(file.opened.length)),
        },
        Member {
            doc: Doc {
                name: "modified",
                signature: "file.modified: number",
                text: "When it was changed last, in whole seconds since 1970.",
                example: "res.headers[\"Last-Modified\"] = time.http(file.modified)",
            },
            add: |members| members.getter("modified", |_, file| Ok(file.opened.modified.max(0))),
        },
        Member {
            doc: Doc {
                name: "tag",
                signature: "file.tag: string",
                text: "A text that changes whenever the file does, for `ETag`.",
                example: "res.headers[\"ETag\"] = '\"' .. file.tag .. '\"'",
            },
            add: |members| members.getter("tag", |_, file| Ok(file.opened.tag())),
        },
        Member {
            doc: Doc {
                name: "respond",
                signature: "file:respond(status: number, first: number?, last: number?) -> res",
                text: "Makes a response of the file, or of its bytes from `first` to `last`, \
                       counted from 0. They are read as the client takes them.",
                example: "return file:respond(200)",
            },
            add: |members| members.method("respond", respond),
        },
    ],
};

impl UserData for FileObject {
    fn register(registry: &mut UserDataRegistry<Self>) {
        FILE.register(registry, &Others::NONE);
    }
}

fn respond(
    _: &Lua,
    this: &FileObject,
    (status, first, last): (i64, Option<u64>, Option<u64>),
) -> mlua::Result<ResponseObject> {
    let length = this.opened.length;
    let end = last.map_or(length, |last| last.saturating_add(1)).min(length);
    let at = first.unwrap_or_default().min(end);
    let mut response = Response::new(status_of(status)?);
    response.headers.insert(CONTENT_LENGTH, HeaderValue::from(end - at));
    response.body = FileBody::part(Arc::clone(&this.opened.file), at, end);
    Ok(ResponseObject(ResponseSlot::new(response, Rc::clone(&this.tools))))
}
