//! The module `http`: requests of a script's own.

mod options;
mod send;
mod url;

use std::rc::Rc;

use mlua::{IntoLua, Lua, LuaString, Table, UserData, UserDataRegistry, Value};

pub(super) use options::tls_client;

use super::members::Others;
use super::{Doc, Function, Member, Module, Object};
use crate::lua::HttpClient;
use crate::lua::tools::Tools;
use crate::lua::waiting;

pub(super) const MODULE: Module = Module {
    name: "http",
    text: "Requests of the script's own. They are waited for, their connections are used again, \
           and they end with the client's request. Redirections are not followed.",
    functions: &[
        Function {
            doc: Doc {
                name: "fetch",
                signature: "http.fetch(url: string, options: table?) -> res?, string?, string?",
                text: "Sends a request to a URL, or to a service as `service:NAME/PATH`, and \
                       returns the response, which the hook may change and return. Else returns \
                       nil, what happened, and which of `failed`, `timeout`, `request_too_large`, \
                       `response_too_large` it was. Options: `method` (`GET`), `headers` (a table \
                       as for `respond`, or headers; `Host` says another host), `body` (a string, \
                       or `req` for its body, which goes on to the server all the same), \
                       `request_max` (bytes of the body of `req`, the script's limit of bodies \
                       without it), `response_max` (bytes of the response's body, any number \
                       without it), `timeout` (\"30s\"). `limits.fetches` counts requests. \
                       Addresses of the link (169.254.0.0/16, fe80::/10) and those at which \
                       clouds tell machines their secrets are refused.",
                example: "local res, why = http.fetch(\"https://a.test/\", { timeout = \"2s\" })",
            },
            make: |lua, tools| {
                let tools = Rc::downgrade(tools);
                let client = Rc::new(options::client(None)?);
                waiting::function(lua, move |lua, (url, options): Arguments| {
                    let call = tools.upgrade().map(|tools| {
                        tools.gate.may_wait(&lua)?;
                        send::Call::new(&tools, &client, &url, options.as_ref())
                    });
                    answered(call)
                })
                .map(Value::Function)
            },
        },
        Function {
            doc: Doc {
                name: "all",
                signature: "http.all(requests: {table}) -> {table}",
                text: "Sends several requests at once and waits for all of them. Each is a table \
                       with a `url` and the options of `http.fetch`, but that `body` is text. \
                       Returns a table for each, in their order, with `res`, or with `error` and \
                       `kind`, as `http.fetch` returns them.",
                example: "local both = http.all({ { url = a }, { url = b, timeout = \"1s\" } })",
            },
            make: |lua, tools| {
                let tools = Rc::downgrade(tools);
                let client = Rc::new(options::client(None)?);
                waiting::function(lua, move |lua, list: Table| {
                    let calls = tools.upgrade().map(|tools| {
                        tools.gate.may_wait(&lua)?;
                        calls(&lua, &tools, &client, &list)
                    });
                    async move {
                        let calls = calls.ok_or_else(|| mlua::Error::runtime(ENDED))?;
                        let sent = calls?.into_iter().map(send::Call::answer);
                        futures_util::future::try_join_all(sent).await.map(All)
                    }
                })
                .map(Value::Function)
            },
        },
        Function {
            doc: Doc {
                name: "client",
                signature: "http.client(options: table?) -> client",
                text: "Makes a client with settings of its own, best in `setup`. Options: `tls`, \
                       an option of the type `tlsClient`; `link_local` (false), whether addresses \
                       are asked that `http.fetch` refuses: for addresses that the configuration \
                       names, never for those that a request names.",
                example: "local client = http.client({ tls = options.tls })",
            },
            make: |lua, tools| {
                let tools = Rc::clone(tools);
                lua.create_function(move |_, options: Option<Table>| {
                    let client = Rc::new(options::client(options.as_ref())?);
                    Ok(Client { client, tools: Rc::clone(&tools) })
                })
                .map(Value::Function)
            },
        },
    ],
};

/// What a function says whose VM is no more.
const ENDED: &str = "the VM has ended";

/// A URL and options.
type Arguments = (LuaString, Option<Table>);

/// What `http.client` makes.
pub(super) struct Client {
    client: Rc<HttpClient>,
    tools: Rc<Tools>,
}

pub(super) const CLIENT: Object<Client> = Object {
    name: "client",
    text: "A client that `http.client` has made.",
    members: &[Member {
        doc: Doc {
            name: "fetch",
            signature: "client:fetch(url: string, options: table?) -> res?, string?, string?",
            text: "Sends a request, as `http.fetch` does.",
            example: "local res, why = client:fetch(options.address)",
        },
        add: |members| {
            members.async_method("fetch", |lua, client, (url, options): Arguments| {
                let call = client.tools.gate.may_wait(&lua).and_then(|()| {
                    send::Call::new(&client.tools, &client.client, &url, options.as_ref())
                });
                answered(Some(call))
            });
        },
    }],
};

impl UserData for Client {
    fn register(registry: &mut UserDataRegistry<Self>) {
        CLIENT.register(registry, &Others::NONE);
    }
}

/// The calls of a list.
///
/// # Errors
/// For wrong options and URLs, and beyond the limit.
fn calls(
    lua: &Lua,
    tools: &Rc<Tools>,
    client: &Rc<HttpClient>,
    list: &Table,
) -> mlua::Result<Vec<send::Call>> {
    let call = |request: mlua::Result<Table>| {
        let request = request?;
        let options = lua.create_table()?;
        for pair in request.pairs::<Value, Value>() {
            let (name, value) = pair?;
            options.raw_set(name, value)?;
        }
        let url: LuaString = options.raw_get("url")?;
        options.raw_set("url", Value::Nil)?;
        let call = send::Call::new(tools, client, &url, Some(&options))?;
        // Only one can take it.
        if call.takes_body() {
            return Err(mlua::Error::runtime("http.all: body must be a string"));
        }
        Ok(call)
    };
    list.sequence_values::<Table>().map(call).collect()
}

/// What several calls have come to.
struct All(Vec<send::Returned>);

impl IntoLua for All {
    fn into_lua(self, lua: &Lua) -> mlua::Result<Value> {
        let list = lua.create_table()?;
        for (res, error, kind) in self.0 {
            let one = lua.create_table()?;
            one.raw_set("res", res)?;
            one.raw_set("error", error)?;
            one.raw_set("kind", kind)?;
            list.raw_push(one)?;
        }
        Ok(Value::Table(list))
    }
}

/// What a call comes to, as a script gets it.
async fn answered(call: Option<mlua::Result<send::Call>>) -> mlua::Result<send::Returned> {
    match call {
        Some(call) => call?.answer().await,
        None => Err(mlua::Error::runtime(ENDED)),
    }
}

/// Walks over a table of options and refuses those that do not exist.
///
/// # Errors
/// What `take` says, and for an option that it does not know.
pub(super) fn each_option(
    of: &str,
    options: &Table,
    known: &str,
    mut take: impl FnMut(&str, Value) -> mlua::Result<bool>,
) -> mlua::Result<()> {
    for pair in options.pairs::<LuaString, Value>() {
        let (name, value) = pair?;
        let name = name.to_string_lossy();
        if !take(&name, value)? {
            let text = format!("{of}: unknown option {name:?}; known are {known}");
            return Err(mlua::Error::runtime(text));
        }
    }
    Ok(())
}
