//! `req`: the request as a script sees and changes it.

use std::rc::Rc;

use http::header::HeaderName;
use http::{Method, Version};
use mlua::{FromLua, IntoLua, Lua, LuaString, Value};

use super::bodies::Bodies;
use super::headers::set_host;
use super::members::{Handled, Members, QuickOthers};
use super::url;
use super::{Doc, Member, Object};
use crate::lua::handle::{Handle, Kind};
use crate::lua::raw;
use crate::lua::run::{REQUEST_OVER, RequestSlot};
use crate::lua::tools::Tools;
use crate::message::Request;

/// The scheme that a trusted sender has seen.
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// `req` of one run.
pub(in crate::lua) struct RequestObject(pub(in crate::lua) Rc<RequestSlot>);

pub(super) const OBJECT: Object<RequestObject> = Object {
    name: "req",
    text: "The request. It can be used until its hook ends or has called `ctx.next()`, unless \
           `req:keep()` was called before.",
    members: &[
        Member {
            doc: Doc {
                name: "method",
                signature: "req.method: string",
                text: "The method; assigning changes it.",
                example: "if req.method == \"GET\" then return end",
            },
            add: |members| {
                members.read("method", |req, out| {
                    req.0.with(|request| {
                        out.text(request.method.as_str().as_bytes());
                        Ok(())
                    })
                });
                members.write("method", |req, method| {
                    let method = Method::from_bytes(&method.text()?)
                        .map_err(|_| mlua::Error::runtime("this cannot be a method"))?;
                    req.0.with_mut(|request| {
                        request.method = method;
                        Ok(())
                    })
                });
            },
        },
        Member {
            doc: Doc {
                name: "scheme",
                signature: "req.scheme: string",
                text: "`http` or `https` as the client saw it: what `X-Forwarded-Proto` says \
                       (it is dropped from untrusted clients), else whether the connection is \
                       encrypted.",
                example: "if req.scheme == \"http\" then return respond(426) end",
            },
            add: |members| {
                members.read("scheme", |req, out| {
                    req.0.with(|request| {
                        out.text(scheme(request).as_bytes());
                        Ok(())
                    })
                });
            },
        },
        Member {
            doc: Doc {
                name: "host",
                signature: "req.host: string",
                text: "Host and port as the client named them; assigning changes what the server \
                       gets as `Host`.",
                example: "req.host = \"internal.example\"",
            },
            add: |members| {
                members.read("host", |req, out| {
                    req.0.with(|request| {
                        out.text(&request.host);
                        Ok(())
                    })
                });
                members.write("host", |req, host| {
                    let host = host.text()?;
                    req.0.with_mut(|request| set_host(request, &host))
                });
            },
        },
        Member {
            doc: Doc {
                name: "hostname",
                signature: "req.hostname: string",
                text: "The host without its port; an IPv6 address keeps its brackets.",
                example: "return redirect(\"https://\" .. req.hostname .. req.uri)",
            },
            add: |members| {
                members.read("hostname", |req, out| {
                    req.0.with(|request| {
                        out.text(url::split_host(&request.host).0);
                        Ok(())
                    })
                });
            },
        },
        Member {
            doc: Doc {
                name: "port",
                signature: "req.port: number?",
                text: "The port that the client named with the host, nil when it named none.",
                example: "if req.port == 8080 then return respond(404) end",
            },
            add: |members| {
                members.read("port", |req, out| {
                    req.0.with(|request| {
                        let port = url::split_host(&request.host).1;
                        let port = port.and_then(|port| std::str::from_utf8(port).ok());
                        match port.and_then(|port| port.parse::<u16>().ok()) {
                            Some(port) => out.number(f64::from(port)),
                            None => out.nil(),
                        }
                        Ok(())
                    })
                });
            },
        },
        Member {
            doc: Doc {
                name: "path",
                signature: "req.path: string",
                text: "The path with its escapes decoded. Assigning changes the path and escapes \
                       what must be escaped; the query stays.",
                example: "req.path = \"/v2\" .. req.path",
            },
            add: |members| {
                members.read("path", |req, out| {
                    req.0.with(|request| {
                        match url::decode_path(request.target.path()) {
                            Some(decoded) => out.text(&decoded),
                            None => out.text(request.target.path().as_bytes()),
                        }
                        Ok(())
                    })
                });
                members.write("path", |req, path| {
                    let path = path.text()?;
                    req.0.with_mut(|request| set_path(request, &path, None))
                });
            },
        },
        Member {
            doc: Doc {
                name: "raw_path",
                signature: "req.raw_path: string",
                text: "The path with its escapes, as it goes to the server. What is assigned must \
                       be decodable; bytes that cannot stand in a path are escaped.",
                example: "log.debug(req.raw_path)",
            },
            add: |members| {
                members.read("raw_path", |req, out| {
                    req.0.with(|request| {
                        out.text(request.target.path().as_bytes());
                        Ok(())
                    })
                });
                members.write("raw_path", |req, raw| {
                    let raw = raw.text()?;
                    let raw = std::str::from_utf8(&raw).map_err(mlua::Error::external)?;
                    let path = url::decode(raw.as_bytes(), url::Plus::Kept)
                        .ok_or_else(|| mlua::Error::runtime("the path has a broken escape"))?;
                    req.0.with_mut(|request| set_path(request, &path, Some(raw)))
                });
            },
        },
        Member {
            doc: Doc {
                name: "set_path",
                signature: "req:set_path(path: string, raw_path: string?)",
                text: "Changes the path. `raw_path` is kept as its spelling on the wire when it \
                       is a valid spelling of `path`; else `path` is escaped.",
                example: "req:set_path(\"/a/b\", \"/a%2Fb\")",
            },
            add: |members| {
                members.call("set_path", |req, args, _| {
                    let (path, raw) = (args.at(0).text()?, args.at(1).optional()?);
                    let raw = raw.as_deref().map(String::from_utf8_lossy);
                    req.0.with_mut(|request| set_path(request, &path, raw.as_deref()))
                });
            },
        },
        Member {
            doc: Doc {
                name: "query",
                signature: "req.query: string?",
                text: "The query without its question mark, as sent; nil when there is none. \
                       Assigning changes it, nil removes it. `url.parse_query` reads it.",
                example: "req.query = nil",
            },
            add: |members| {
                members.read("query", |req, out| {
                    req.0.with(|request| {
                        match request.target.query() {
                            Some(query) => out.text(query.as_bytes()),
                            None => out.nil(),
                        }
                        Ok(())
                    })
                });
                members.write("query", |req, query| {
                    let query = query.optional()?.map(|query| url::escape_location(&query));
                    let query = query.map(|query| String::from_utf8_lossy(&query).into_owned());
                    req.0.with_mut(|request| {
                        let set = request.target.set_query(query.as_deref());
                        set.map_err(|error| mlua::Error::runtime(error.to_string()))
                    })
                });
            },
        },
        Member {
            doc: Doc {
                name: "uri",
                signature: "req.uri: string",
                text: "Path and query as they go to the server.",
                example: "log.info(req.method .. \" \" .. req.uri)",
            },
            add: |members| {
                members.read("uri", |req, out| {
                    req.0.with(|request| {
                        out.text(request.target.bytes());
                        Ok(())
                    })
                });
            },
        },
        Member {
            doc: Doc {
                name: "url",
                signature: "req.url: string",
                text: "The whole URL as the client saw it: `req.scheme`, the host without a port \
                       that is the scheme's own, `req.uri`.",
                example: "if target == req.url then return end",
            },
            add: |members| {
                members.read("url", |req, out| {
                    req.0.with(|request| {
                        out.build(|url| full_url(request, url));
                        Ok(())
                    })
                });
            },
        },
        Member {
            doc: Doc {
                name: "version",
                signature: "req.version: string",
                text: "The client's HTTP version: `1.0`, `1.1`, `2` or `3`.",
                example: "if req.version == \"1.0\" then return respond(505) end",
            },
            add: |members| {
                members.read("version", |req, out| {
                    req.0.with(|request| {
                        out.text(match request.version {
                            Version::HTTP_10 => b"1.0",
                            Version::HTTP_2 => b"2",
                            Version::HTTP_3 => b"3",
                            _ => b"1.1",
                        });
                        Ok(())
                    })
                });
            },
        },
        Member {
            doc: Doc {
                name: "remote_ip",
                signature: "req.remote_ip: string",
                text: "The address of the connection's other end, or of the PROXY header from a \
                       trusted sender.",
                example: "log.info(req.remote_ip)",
            },
            add: |members| {
                members.read("remote_ip", |req, out| {
                    req.0.with(|request| {
                        out.text(request.exchange.client.ip.as_bytes());
                        Ok(())
                    })
                });
            },
        },
        Member {
            doc: Doc {
                name: "user",
                signature: "req.user: string?",
                text: "The user that the access log names, nil when none is known. Assigning \
                       names one, and nil takes the name back.",
                example: "req.user = claims.sub",
            },
            add: |members| {
                members.getter("user", |_, req: &RequestObject| {
                    req.0.with(|request| Ok(request.exchange.record.borrow().user.clone()))
                });
                members.setter("user", |_, req: &RequestObject, user: Option<LuaString>| {
                    let user = user.map(|user| user.to_string_lossy());
                    req.0.with(|request| {
                        request.exchange.record.borrow_mut().user = user;
                        Ok(())
                    })
                });
            },
        },
        Member {
            doc: Doc {
                name: "tls",
                signature: "req.tls: { sni: string?, version: string, cipher: string, alpn: \
                            string?, certificates: {string} }?",
                text: "Facts of the client's TLS connection, nil without one. `certificates` are \
                       the client's, DER, its own first.",
                example: "if req.tls and not req.tls.sni then return respond(421) end",
            },
            add: |members| {
                members.getter("tls", |lua, req| req.0.with(|request| tls(lua, request)));
            },
        },
        Member {
            doc: Doc {
                name: "headers",
                signature: "req.headers: headers",
                text: "The headers.",
                example: "req.headers[\"X-User\"] = \"anna\"",
            },
            add: |members| {
                members.read("headers", |req, out| {
                    out.handle(req.0.handle(Kind::RequestHeaders)?);
                    Ok(())
                });
            },
        },
        Member {
            doc: Doc {
                name: "cookies",
                signature: "req.cookies: req.cookies",
                text: "The cookies that the client sent.",
                example: "local session = req.cookies[\"session\"]",
            },
            add: |members| {
                members.read("cookies", |req, out| {
                    out.handle(req.0.handle(Kind::RequestCookies)?);
                    Ok(())
                });
            },
        },
        Member {
            doc: Doc {
                name: "retry_attempts",
                signature: "req.retry_attempts = number",
                text: "Tells the access log how often the request was sent again.",
                example: "req.retry_attempts = tries - 1",
            },
            add: |members| {
                members.setter("retry_attempts", |_, req, count: u32| {
                    req.0.with(|request| {
                        request.exchange.record.borrow_mut().retry_attempts = count;
                        Ok(())
                    })
                });
            },
        },
        Member {
            doc: Doc {
                name: "keep",
                signature: "req:keep()",
                text: "Lets the request stay here when `ctx.next()` or `ctx.service()` sends it, \
                       so that it can be looked at, changed and sent again. Its body can be sent \
                       again when `req:buffer()` has read it, or when nothing of it went out.",
                example: "req:keep(); local res = ctx.next(); \
                          if res.error then res = ctx.next() end",
            },
            add: |members| {
                members.method("keep", |_, req, ()| {
                    req.0.with(|_| Ok(()))?;
                    req.0.stays.set(true);
                    Ok(())
                });
            },
        },
    ],
};

impl Handled for RequestObject {
    fn find(tools: &Tools, handle: Handle) -> mlua::Result<Self> {
        let slot = match handle.kind() {
            Kind::Request => tools.requests.get(handle),
            _ => return Err(mlua::Error::runtime("this is no request")),
        };
        slot.map(Self).ok_or_else(|| mlua::Error::runtime(REQUEST_OVER))
    }
}

impl RequestObject {
    /// The request that a value of a script stands for.
    ///
    /// # Errors
    /// When it is none, or is over.
    pub(super) fn of(tools: &Tools, value: &Value) -> mlua::Result<Self> {
        let handle = Handle::of(value).ok_or_else(|| mlua::Error::runtime("this is no request"));
        Self::find(tools, handle?)
    }
}

impl IntoLua for RequestObject {
    fn into_lua(self, _: &Lua) -> mlua::Result<Value> {
        Ok(self.0.handle(Kind::Request)?.value())
    }
}

impl FromLua for RequestObject {
    fn from_lua(value: Value, lua: &Lua) -> mlua::Result<Self> {
        Self::of(&*raw::tools(lua)?, &value)
    }
}

/// Puts `req` into a VM.
///
/// # Errors
/// When there is no memory for it.
pub(super) fn install(lua: &Lua) -> mlua::Result<()> {
    let mut members = Members::handled();
    OBJECT.collect(&mut members);
    Bodies::OBJECT.collect(&mut members);
    members.install_handled(lua, Kind::Request, &QuickOthers::NONE)
}

/// The scheme as Traefik's redirections take it: WebSocket schemes count as HTTP, others are
/// ignored.
fn scheme(request: &Request) -> &'static str {
    match request.headers.value(&FORWARDED_PROTO) {
        Some(said) if said.eq_ignore_ascii_case(b"https") || said.eq_ignore_ascii_case(b"wss") => {
            "https"
        }
        Some(said) if said.eq_ignore_ascii_case(b"http") || said.eq_ignore_ascii_case(b"ws") => {
            "http"
        }
        _ => request.exchange.client.scheme(),
    }
}

fn full_url(request: &Request, url: &mut Vec<u8>) {
    let scheme = scheme(request);
    let (hostname, port) = url::split_host(&request.host);
    let default: &[u8] = if scheme == "https" { b"443" } else { b"80" };
    let host = if port.is_none_or(|port| port == default) { hostname } else { &request.host };
    url.extend_from_slice(scheme.as_bytes());
    url.extend_from_slice(b"://");
    url.extend_from_slice(host);
    url.extend_from_slice(request.target.bytes());
}

fn set_path(request: &mut Request, path: &[u8], raw: Option<&str>) -> mlua::Result<()> {
    let spelled = match raw {
        Some(raw) if url::spells(raw, path) => raw.to_owned(),
        _ => url::encode_path(path),
    };
    // An empty path goes out as a slash, as Go writes it.
    let spelled = if spelled.is_empty() { "/" } else { &spelled };
    let set = request.target.set_path(spelled);
    set.map_err(|error| mlua::Error::runtime(format!("the path {spelled:?}: {error}")))
}

fn tls(lua: &Lua, request: &Request) -> mlua::Result<Value> {
    let Some(facts) = &request.exchange.client.tls else { return Ok(Value::Nil) };
    let table = lua.create_table()?;
    table.raw_set("sni", facts.sni.as_deref())?;
    table.raw_set("version", facts.version)?;
    table.raw_set("cipher", facts.cipher)?;
    table.raw_set("alpn", facts.alpn)?;
    let certificates = facts.client_chain.iter().map(|der| lua.create_string(der));
    let certificates = certificates.collect::<mlua::Result<Vec<_>>>()?;
    table.raw_set("certificates", lua.create_sequence_from(certificates)?)?;
    Ok(Value::Table(table))
}
