//! `headers` of a request or a response.

use std::cell::RefCell;
use std::rc::Rc;

use http::header::{COOKIE, HOST, HeaderName, SET_COOKIE};
use http::{HeaderMap, HeaderValue};
use mlua::{BString, Lua, LuaString, UserData, UserDataRegistry, Value};

use super::members::{Handled, Members, Others, QuickOthers};
use super::{Doc, Member, Object};
use crate::headers::Headers as Fields;
use crate::lua::handle::{Handle, Kind};
use crate::lua::raw::Arg;
use crate::lua::run::{REQUEST_OVER, RESPONSE_OVER, RequestSlot, ResponseSlot};
use crate::lua::tools::Tools;
use crate::message::Request;

/// The headers of a message.
pub(super) enum Headers {
    /// Those of a request, `Host` among them.
    Request(Rc<RequestSlot>),
    /// Those of a response.
    Response(Rc<ResponseSlot>),
    /// Those of no message yet.
    Own(RefCell<Fields>, Rc<Tools>),
}

pub(super) const OBJECT: Object<Headers> = Object {
    name: "headers",
    text: "The headers of a request or a response. `h[\"Name\"]` reads all values of a header, \
           joined with a comma (`Cookie` with a semicolon, `Set-Cookie` the first only), and is \
           nil without one. Assigning sets it, and nil removes it. `pairs(h)` walks over names in \
           lower case and single values. Case does not matter in names. `Host` of a request is \
           one of its headers.",
    members: &[
        Member {
            doc: Doc {
                name: "get",
                signature: "h:get(name: string) -> string?",
                text: "The first value of a header.",
                example: "local first = req.headers:get(\"X-Forwarded-For\")",
            },
            add: |members| {
                members.either(
                    "get",
                    |lua, headers, name: LuaString| {
                        let name = headers.name(&name)?;
                        headers
                            .first(&name, |value| value.map(|v| lua.create_string(v)).transpose())
                    },
                    |headers, args, out| {
                        let name = args.at(0).header(headers.tools())?;
                        headers.first(&name, |value| {
                            out.maybe(value);
                            Ok(())
                        })
                    },
                );
            },
        },
        Member {
            doc: Doc {
                name: "all",
                signature: "h:all(name: string) -> {string}",
                text: "All values of a header, one per line it was sent in.",
                example: "for _, cookie in ipairs(res.headers:all(\"Set-Cookie\")) do end",
            },
            add: |members| {
                members.method("all", |_, headers, name: LuaString| {
                    let name = headers.name(&name)?;
                    headers.read(|fields, host| Ok(values(fields, host, &name)))
                });
            },
        },
        Member {
            doc: Doc {
                name: "add",
                signature: "h:add(name: string, value: string)",
                text: "Adds a line and keeps those that are there.",
                example: "res.headers:add(\"Vary\", \"Origin\")",
            },
            add: |members| {
                members.either(
                    "add",
                    |_, headers, (name, value): (LuaString, Value)| {
                        headers.add(headers.name(&name)?, value_of(&value)?)
                    },
                    |headers, args, _| {
                        let name = args.at(0).header(headers.tools())?;
                        headers.add(name, args.at(1).header_value()?)
                    },
                );
            },
        },
        Member {
            doc: Doc {
                name: "set",
                signature: "h:set(name: string, value: string)",
                text: "Sets a header, as assigning does.",
                example: "req.headers:set(\"X-User\", \"anna\")",
            },
            add: |members| {
                members.either(
                    "set",
                    |_, headers, (name, value): (LuaString, Value)| {
                        headers.assign_value(&name, &value)
                    },
                    |headers, args, _| {
                        let name = args.at(0).header(headers.tools())?;
                        headers.assign(name, assigned(args.at(1))?)
                    },
                );
            },
        },
        Member {
            doc: Doc {
                name: "del",
                signature: "h:del(name: string)",
                text: "Removes all lines of a header.",
                example: "res.headers:del(\"Server\")",
            },
            add: |members| {
                members.either(
                    "del",
                    |_, headers, name: LuaString| headers.assign(headers.name(&name)?, None),
                    |headers, args, _| headers.assign(args.at(0).header(headers.tools())?, None),
                );
            },
        },
        Member {
            doc: Doc {
                name: "copy",
                signature: "h:copy() -> headers",
                text: "A copy that belongs to no message, for a request of the script's own. \
                       `Host` of a request is not copied.",
                example: "local mine = req.headers:copy()",
            },
            add: |members| {
                members.method("copy", |lua, headers, ()| {
                    let fields = RefCell::new(headers.fields()?);
                    lua.create_userdata(Headers::Own(fields, Rc::clone(headers.tools())))
                });
            },
        },
        Member {
            doc: Doc {
                name: "pairs",
                signature: "h:pairs() -> iterator",
                text: "What `pairs(h)` walks with: a copy, so headers can be changed on the way.",
                example: "for name, value in pairs(req.headers) do log.debug(name) end",
            },
            add: |members| {
                members.method("pairs", |lua, headers, ()| {
                    let mut lines = headers.lines()?.into_iter();
                    lua.create_function_mut(move |_, _: mlua::MultiValue| {
                        Ok(lines.next().map_or((None, None), |(n, v)| (Some(n), Some(v))))
                    })
                });
            },
        },
    ],
};

impl UserData for Headers {
    fn register(registry: &mut UserDataRegistry<Self>) {
        let others = Others {
            get: |lua, headers: &Self, name| {
                let name = headers.name(name)?;
                let mut all = Vec::new();
                match headers.joined(&name, &mut all)? {
                    true => lua.create_string(all).map(Value::String),
                    false => Ok(Value::Nil),
                }
            },
            set: |_, headers, name, value| headers.assign_value(name, value),
        };
        OBJECT.register(registry, &others);
    }
}

impl Handled for Headers {
    fn find(tools: &Tools, handle: Handle) -> mlua::Result<Self> {
        let over = |text| move || mlua::Error::runtime(text);
        match handle.kind() {
            Kind::RequestHeaders => {
                tools.requests.get(handle).map(Self::Request).ok_or_else(over(REQUEST_OVER))
            }
            Kind::ResponseHeaders => {
                tools.responses.get(handle).map(Self::Response).ok_or_else(over(RESPONSE_OVER))
            }
            _ => Err(mlua::Error::runtime("these are no headers")),
        }
    }
}

/// Puts the headers of requests and responses into a VM.
///
/// # Errors
/// When there is no memory for it.
pub(super) fn install(lua: &Lua) -> mlua::Result<()> {
    let others = QuickOthers {
        get: |headers: &Headers, name, out| {
            let name = name.header(headers.tools())?;
            let mut found = Ok(false);
            out.build(|all| found = headers.joined(&name, all));
            if !found? {
                out.nil();
            }
            Ok(())
        },
        set: |headers, name, value| {
            let name = name.header(headers.tools())?;
            headers.assign(name, assigned(value)?)
        },
    };
    for kind in [Kind::RequestHeaders, Kind::ResponseHeaders] {
        let mut members = Members::handled();
        OBJECT.collect(&mut members);
        members.install_handled(lua, kind, &others)?;
    }
    Ok(())
}

/// What a header is set to; none removes it.
fn assigned(value: Arg<'_>) -> mlua::Result<Option<HeaderValue>> {
    if value.is_nil() { Ok(None) } else { value.header_value().map(Some) }
}

impl Headers {
    /// The headers that a value of a script stands for.
    ///
    /// # Errors
    /// When it is none, or their message is over.
    pub(super) fn of(tools: &Tools, value: &Value) -> mlua::Result<Self> {
        let handle = Handle::of(value).ok_or_else(|| mlua::Error::runtime("these are no headers"));
        Self::find(tools, handle?)
    }

    fn tools(&self) -> &Rc<Tools> {
        match self {
            Self::Request(slot) => &slot.tools,
            Self::Response(slot) => &slot.tools,
            Self::Own(_, tools) => tools,
        }
    }

    fn name(&self, name: &LuaString) -> mlua::Result<HeaderName> {
        self.tools().header_name(&name.as_bytes())
    }

    /// Hands over the fields, and the host of a request.
    fn read<R>(
        &self,
        body: impl FnOnce(&Fields, Option<&[u8]>) -> mlua::Result<R>,
    ) -> mlua::Result<R> {
        match self {
            Self::Request(slot) => slot.with(|request| body(&request.headers, Some(&request.host))),
            Self::Response(slot) => slot.with(|response| body(&response.headers, None)),
            Self::Own(fields, _) => body(&fields.borrow(), None),
        }
    }

    /// Changes the fields.
    fn change(&self, body: impl FnOnce(&mut Fields)) -> mlua::Result<()> {
        match self {
            Self::Request(slot) => slot.with_mut(|request| {
                body(&mut request.headers);
                Ok(())
            }),
            Self::Response(slot) => slot.with_mut(|response| {
                body(&mut response.headers);
                Ok(())
            }),
            Self::Own(fields, _) => {
                body(&mut fields.borrow_mut());
                Ok(())
            }
        }
    }

    /// The lines as a map, without the host of a request.
    pub(super) fn map(&self) -> mlua::Result<HeaderMap> {
        self.read(|fields, _| Ok((**fields).clone()))
    }

    /// The lines, without the host of a request.
    fn fields(&self) -> mlua::Result<Fields> {
        self.read(|fields, _| Ok(fields.clone()))
    }

    fn assign_value(&self, name: &LuaString, value: &Value) -> mlua::Result<()> {
        let value = if value.is_nil() { None } else { Some(value_of(value)?) };
        self.assign(self.name(name)?, value)
    }

    fn assign(&self, name: HeaderName, value: Option<HeaderValue>) -> mlua::Result<()> {
        if self.is_host(&name) {
            return self.assign_host(value.as_ref());
        }
        self.change(|fields| match value {
            Some(value) => fields.set(name, value),
            None => fields.delete(&name),
        })
    }

    fn add(&self, name: HeaderName, value: HeaderValue) -> mlua::Result<()> {
        if self.is_host(&name) {
            return self.assign_host(Some(&value));
        }
        self.change(|fields| fields.push(name, value))
    }

    /// Whether the name stands for the host of a request, which is kept apart.
    fn is_host(&self, name: &HeaderName) -> bool {
        matches!(self, Self::Request(_)) && *name == HOST
    }

    fn assign_host(&self, value: Option<&HeaderValue>) -> mlua::Result<()> {
        let host = value.map_or(&[][..], |value| value.as_bytes());
        match self {
            Self::Request(slot) => slot.with_mut(|request| set_host(request, host)),
            Self::Response(_) | Self::Own(..) => Ok(()),
        }
    }

    fn first<R>(
        &self,
        name: &HeaderName,
        body: impl FnOnce(Option<&[u8]>) -> mlua::Result<R>,
    ) -> mlua::Result<R> {
        self.read(|fields, host| {
            body(fields.value(name).or_else(|| host.filter(|_| *name == HOST)))
        })
    }

    /// Writes all values of a header; false without one.
    fn joined(&self, name: &HeaderName, all: &mut Vec<u8>) -> mlua::Result<bool> {
        self.read(|fields, host| {
            let values = fields.values(name);
            let Some((first, others)) = values.split_first() else {
                let host = host.filter(|_| *name == HOST);
                all.extend_from_slice(host.unwrap_or_default());
                return Ok(host.is_some());
            };
            all.extend_from_slice(first);
            if *name == SET_COOKIE {
                return Ok(true);
            }
            let separator: &[u8] = if *name == COOKIE { b"; " } else { b", " };
            for value in others {
                all.extend_from_slice(separator);
                all.extend_from_slice(value);
            }
            Ok(true)
        })
    }

    /// All lines, the host of a request first.
    fn lines(&self) -> mlua::Result<Vec<(String, BString)>> {
        self.read(|fields, host| {
            let mut lines = Vec::new();
            lines.extend(host.map(|host| ("host".to_owned(), BString::from(host))));
            fields.each(|name, value| {
                let name = String::from_utf8_lossy(name).to_ascii_lowercase();
                lines.push((name, BString::from(value)));
            });
            Ok(lines)
        })
    }
}

fn values(fields: &Fields, host: Option<&[u8]>, name: &HeaderName) -> Vec<BString> {
    if let Some(host) = host.filter(|_| *name == HOST) {
        return vec![BString::from(host)];
    }
    fields.values(name).into_iter().map(BString::from).collect()
}

/// A header's value from a script: text, a number or a boolean.
///
/// # Errors
/// When it is something else or holds a line break.
pub(super) fn value_of(value: &Value) -> mlua::Result<HeaderValue> {
    let wrong = || mlua::Error::runtime("a header's value cannot hold control characters");
    match value {
        Value::String(text) => HeaderValue::from_bytes(&text.as_bytes()).map_err(|_| wrong()),
        Value::Integer(_) | Value::Number(_) | Value::Boolean(_) => {
            HeaderValue::from_str(&value.to_string()?).map_err(|_| wrong())
        }
        other => {
            let got = other.type_name();
            Err(mlua::Error::runtime(format!("a header's value must be text, got {got}")))
        }
    }
}

/// Sets the host that goes to the server.
///
/// # Errors
/// When it holds bytes that cannot stand in a host.
pub(super) fn set_host(request: &mut Request, host: &[u8]) -> mlua::Result<()> {
    if !host.iter().all(|&b| b.is_ascii_graphic() && !b"/?#@\\".contains(&b)) {
        return Err(mlua::Error::runtime("the host holds a character that a host cannot hold"));
    }
    request.host = bytes::Bytes::copy_from_slice(host);
    Ok(())
}
