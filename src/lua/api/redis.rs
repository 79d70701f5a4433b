//! The module `redis`.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use mlua::{Lua, LuaString, Table, UserData, UserDataRegistry, Value, Variadic};
use tokio::sync::Semaphore;

use super::http::{each_option, tls_client};
use super::members::{Others, This};
use super::store::refused;
use super::time::duration;
use super::{Doc, Function, Member, Module, Object};
use crate::lua::redis::{Redis, RedisError, Reply, Settings, Timeouts};
use crate::lua::run::{REQUEST_OVER, Run};
use crate::lua::tools::Tools;
use crate::lua::{Destination, Host};
use crate::model::{ServersTransport, TcpTransportTls};

/// What a client's connections are counted as in the shared state.
const CLIENT_BYTES: usize = 1024;
/// Commands under way per core, unless said otherwise.
const PER_CORE: usize = 10;
/// Servers that a client can be told of.
const ENDPOINTS_MAX: usize = 64;
/// Commands that may be under way at once.
const POOL_MAX: usize = 10_000;

pub(super) const MODULE: Module = Module {
    name: "redis",
    text: "Redis, or what speaks like it, alone or as a cluster.",
    functions: &[Function {
        doc: Doc {
            name: "client",
            signature: "redis.client(options: table?) -> redis",
            text: "Makes a client, in `setup`; connections are opened when they are needed, each \
                   worker has its own, and they are used again. Options: `endpoints` \
                   ({\"localhost:6379\"}; of a cluster some of its servers), `username`, \
                   `password`, `db` (0), `tls` (an option of the type `tlsClient`, without one \
                   connections are not encrypted), `dial_timeout` (\"5s\"), `read_timeout` \
                   (\"3s\"), `write_timeout` (\"3s\"), `pool_size` (commands under way at once \
                   over all workers, 10 per core unless set), `min_idle` (0: connections of each \
                   worker that stay open however long they idle).",
            example: "local db = redis.client({ endpoints = { \"redis:6379\" }, db = 1 })",
        },
        make: |lua, tools| {
            let tools = Rc::clone(tools);
            lua.create_function(move |_, options: Option<Table>| {
                let (settings, pool) = settings(options.as_ref())?;
                // Clients of one middleware share their places by what they are told.
                let name = format!("{} {}", settings.database, addresses(&settings));
                let open = || Semaphore::new(pool);
                let permits = tools.scope()?.open(&name, CLIENT_BYTES, open).map_err(refused)?;
                let redis = Rc::new(Redis::new(settings, permits));
                Ok(Client { redis, tools: Rc::clone(&tools) })
            })
            .map(Value::Function)
        },
    }],
};

/// What `redis.client` makes.
pub(super) struct Client {
    redis: Rc<Redis>,
    tools: Rc<Tools>,
}

pub(super) const CLIENT: Object<Client> = Object {
    name: "redis",
    text: "A client that `redis.client` has made. What Redis answers becomes text, a number, a \
           list, or nil for nothing. When there is no answer, nil is returned with what happened \
           and its kind: `refused` when Redis refuses the command, else `unavailable`. After a \
           failure to reach Redis the client tries again after a second, and until then says \
           `unavailable` at once.",
    members: &[
        Member {
            doc: Doc {
                name: "command",
                signature: "redis:command(name: string, ...: string | number) -> any, string?, \
                            string?",
                text: "Sends a command and waits for the answer. In a cluster the first argument \
                       says which server is asked.",
                example: "local user, why = db:command(\"GET\", \"session:\" .. token)",
            },
            add: |members| {
                members.async_method(
                    "command",
                    |lua, client, (name, arguments): (LuaString, Variadic<LuaString>)| {
                        let key = arguments.first().map(bytes);
                        let rest = arguments.iter().map(bytes);
                        let command = std::iter::once(bytes(&name)).chain(rest).collect();
                        asked(lua, &client, vec![command], key)
                    },
                );
            },
        },
        Member {
            doc: Doc {
                name: "eval",
                signature: "redis:eval(script: string, keys: {string}, ...: string | number) -> \
                            any, string?, string?",
                text: "Runs a script inside of Redis, which keeps it: only its digest is sent \
                       after the first time.",
                example: "local n = db:eval(\"return redis.call('INCR', KEYS[1])\", { \"hits\" })",
            },
            add: |members| members.async_method("eval", eval),
        },
    ],
};

impl UserData for Client {
    fn register(registry: &mut UserDataRegistry<Self>) {
        CLIENT.register(registry, &Others::NONE);
    }
}

/// An answer; or nothing, what happened, and its kind.
type Returned = (Value, Option<String>, Option<&'static str>);

#[expect(clippy::needless_pass_by_value, reason = "what mlua hands over is ours")]
fn eval(
    lua: Lua,
    client: This<Client>,
    (script, keys, arguments): (LuaString, Vec<LuaString>, Variadic<LuaString>),
) -> impl Future<Output = mlua::Result<Returned>> + use<> {
    let digest = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, &script.as_bytes());
    let digest = super::encoding::encode(digest.as_ref(), Some("hex"));
    let digest = digest.map(|text| Bytes::copy_from_slice(&text)).unwrap_or_default();
    let command = |name: &'static str, what: Bytes| {
        let count = Bytes::from(keys.len().to_string());
        let mut command = vec![Bytes::from_static(name.as_bytes()), what, count];
        command.extend(keys.iter().chain(arguments.iter()).map(bytes));
        command
    };
    let commands = vec![command("EVALSHA", digest), command("EVAL", bytes(&script))];
    asked(lua, &client, commands, keys.first().map(bytes))
}

/// Sends the first command, and the next one when Redis does not know the script of it.
fn asked(
    lua: Lua,
    client: &Client,
    commands: Vec<Vec<Bytes>>,
    key: Option<Bytes>,
) -> impl Future<Output = mlua::Result<Returned>> + use<> {
    let begun = begin(&lua, &client.tools);
    let redis = Rc::clone(&client.redis);
    async move {
        let (run, host) = begun?;
        // The run must be able to end while the script waits.
        drop(run);
        let answer = async move {
            let mut answer = Err(RedisError::Paused);
            for command in &commands {
                answer = redis.ask(&&*host, key.as_deref(), command).await;
                let unknown = |error: &RedisError| match error {
                    RedisError::Refused { message } => message.starts_with("NOSCRIPT"),
                    _ => false,
                };
                if !answer.as_ref().is_err_and(unknown) {
                    break;
                }
            }
            answer
        };
        match answer.await {
            Ok(reply) => Ok((to_lua(&lua, &reply)?, None, None)),
            Err(error) => {
                let kind = if error.is_answer() { "refused" } else { "unavailable" };
                Ok((Value::Nil, Some(error.to_string()), Some(kind)))
            }
        }
    }
}

fn begin(lua: &Lua, tools: &Tools) -> mlua::Result<(Rc<Run>, Rc<dyn Host>)> {
    tools.gate.may_wait(lua)?;
    let run = tools.current.borrow().clone();
    let run = run.ok_or_else(|| mlua::Error::runtime("no request runs"))?;
    let host = run.cx.borrow().as_ref().map(|cx| Rc::clone(&cx.host));
    let host = host.ok_or_else(|| mlua::Error::runtime(REQUEST_OVER))?;
    Ok((run, host))
}

fn bytes(text: &LuaString) -> Bytes {
    Bytes::copy_from_slice(&text.as_bytes())
}

fn to_lua(lua: &Lua, reply: &Reply) -> mlua::Result<Value> {
    Ok(match reply {
        Reply::Nil => Value::Nil,
        Reply::Text(text) => Value::String(lua.create_string(text)?),
        #[expect(clippy::cast_precision_loss, reason = "numbers of scripts are floats")]
        Reply::Number(number) => Value::Number(*number as f64),
        Reply::List(items) => {
            let table = lua.create_table_with_capacity(items.len(), 0)?;
            for (item, place) in items.iter().zip(1..) {
                table.raw_seti(place, to_lua(lua, item)?)?;
            }
            Value::Table(table)
        }
        Reply::Error(message) => return Err(mlua::Error::runtime(message)),
    })
}

const KNOWN: &str = "endpoints, username, password, db, tls, dial_timeout, read_timeout, \
                     write_timeout, pool_size, min_idle";

/// What a script says of a client, and how many commands may be under way.
fn settings(options: Option<&Table>) -> mlua::Result<(Settings, usize)> {
    let timeouts = Timeouts {
        dial: Duration::from_secs(5),
        read: Duration::from_secs(3),
        write: Duration::from_secs(3),
    };
    let mut settings = Settings {
        destinations: Vec::new(),
        username: String::new(),
        password: String::new(),
        database: 0,
        timeouts,
        idle_min: 0,
    };
    let (mut endpoints, mut tls, mut pool) = (vec!["localhost:6379".to_owned()], None, 0);
    if let Some(options) = options {
        each_option("redis.client", options, KNOWN, |name, value| {
            match name {
                "endpoints" => endpoints = texts(&value)?,
                "username" => settings.username = value.to_string()?,
                "password" => settings.password = value.to_string()?,
                "db" => settings.database = number(name, &value)?,
                "tls" => tls = Some(encryption(&value)?),
                "dial_timeout" => settings.timeouts.dial = duration(&value, name)?,
                "read_timeout" => settings.timeouts.read = duration(&value, name)?,
                "write_timeout" => settings.timeouts.write = duration(&value, name)?,
                "pool_size" => pool = number(name, &value)? as usize,
                "min_idle" => settings.idle_min = number(name, &value)? as usize,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
    }
    if endpoints.is_empty() || endpoints.len() > ENDPOINTS_MAX {
        let text = format!("redis.client: endpoints are 1 to {ENDPOINTS_MAX} servers");
        return Err(mlua::Error::runtime(text));
    }
    let to = |address| Destination { address, tls: tls.clone() };
    settings.destinations = endpoints.into_iter().map(to).collect();
    if pool == 0 {
        pool = PER_CORE * std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    }
    Ok((settings, pool.min(POOL_MAX)))
}

fn addresses(settings: &Settings) -> String {
    let all: Vec<_> = settings.destinations.iter().map(|to| to.address.as_str()).collect();
    all.join(",")
}

fn texts(value: &Value) -> mlua::Result<Vec<String>> {
    let wrong = || mlua::Error::runtime("redis.client: endpoints is a list of host:port");
    let list = value.as_table().ok_or_else(wrong)?;
    list.sequence_values::<String>().collect()
}

fn number(name: &str, value: &Value) -> mlua::Result<u32> {
    let wrong = || mlua::Error::runtime(format!("redis.client: {name} is a number from 0 on"));
    value.as_u32().ok_or_else(wrong)
}

/// TLS as an option of the type `tlsClient` says.
fn encryption(value: &Value) -> mlua::Result<TcpTransportTls> {
    let wrong = || mlua::Error::runtime("redis.client: tls is an option of the type tlsClient");
    let mut transport = ServersTransport::default();
    tls_client(value.as_table().ok_or_else(wrong)?, &mut transport)?;
    Ok(TcpTransportTls {
        insecure_skip_verify: transport.insecure_skip_verify,
        root_cas: transport.root_cas,
        certificates: transport.certificates,
        ..TcpTransportTls::default()
    })
}
