//! `req`: the request as a script sees and changes it.

use std::rc::Rc;

use http::{Method, Version};
use mlua::{Lua, LuaString, UserData, UserDataRegistry, Value};

use super::bodies::Bodies;
use super::cookies::RequestCookies;
use super::headers::{Headers, set_host};
use super::members::{Members, Others};
use super::url;
use super::{Doc, Member, Object};
use crate::lua::run::RequestSlot;
use crate::message::Request;

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
                members.getter("method", |lua, req| {
                    req.0.with(|request| lua.create_string(request.method.as_str()))
                });
                members.setter("method", |_, req, method: LuaString| {
                    let method = Method::from_bytes(&method.as_bytes())
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
                members.getter("scheme", |_, req| req.0.with(|r| Ok(scheme(r))));
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
                members.getter("host", |lua, req| {
                    req.0.with(|request| lua.create_string(&request.host))
                });
                members.setter("host", |_, req, host: LuaString| {
                    req.0.with_mut(|request| set_host(request, &host.as_bytes()))
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
                members.getter("hostname", |lua, req| {
                    req.0.with(|request| lua.create_string(url::split_host(&request.host).0))
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
                members.getter("port", |_, req| {
                    req.0.with(|request| {
                        let port = url::split_host(&request.host).1;
                        let port = port.and_then(|port| std::str::from_utf8(port).ok());
                        Ok(port.and_then(|port| port.parse::<u16>().ok()))
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
                members.getter("path", |lua, req| {
                    req.0.with(|request| match url::decode_path(request.target.path()) {
                        Some(decoded) => lua.create_string(decoded),
                        None => lua.create_string(request.target.path()),
                    })
                });
                members.setter("path", |_, req, path: LuaString| {
                    req.0.with_mut(|request| set_path(request, &path.as_bytes(), None))
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
                members.getter("raw_path", |lua, req| {
                    req.0.with(|request| lua.create_string(request.target.path()))
                });
                members.setter("raw_path", |_, req, raw: LuaString| {
                    let raw = raw.to_str()?;
                    let path = url::decode(raw.as_bytes(), url::Plus::Kept)
                        .ok_or_else(|| mlua::Error::runtime("the path has a broken escape"))?;
                    req.0.with_mut(|request| set_path(request, &path, Some(&raw)))
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
                members.method(
                    "set_path",
                    |_, req, (path, raw): (LuaString, Option<LuaString>)| {
                        let raw = raw.map(|raw| raw.to_string_lossy());
                        req.0
                            .with_mut(|request| set_path(request, &path.as_bytes(), raw.as_deref()))
                    },
                );
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
                members.getter("query", |lua, req| {
                    req.0.with(|request| {
                        request.target.query().map(|query| lua.create_string(query)).transpose()
                    })
                });
                members.setter("query", |_, req, query: Option<LuaString>| {
                    let query = query.map(|query| url::escape_location(&query.as_bytes()));
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
                members.getter("uri", |lua, req| {
                    req.0.with(|request| lua.create_string(request.target.bytes()))
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
                members.getter("url", |lua, req| {
                    req.0.with(|request| lua.create_string(full_url(request)))
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
                members.getter("version", |_, req| {
                    req.0.with(|request| {
                        Ok(match request.version {
                            Version::HTTP_10 => "1.0",
                            Version::HTTP_2 => "2",
                            Version::HTTP_3 => "3",
                            _ => "1.1",
                        })
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
                members.getter("remote_ip", |lua, req| {
                    req.0.with(|request| lua.create_string(request.exchange.client.ip.as_bytes()))
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
                members.getter("headers", |lua, req| {
                    let mut cached = req.0.headers.borrow_mut();
                    if let Some(headers) = &*cached {
                        return Ok(headers.clone());
                    }
                    let headers = lua.create_userdata(Headers::Request(Rc::clone(&req.0)))?;
                    Ok(cached.insert(headers).clone())
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
                members.getter("cookies", |lua, req| {
                    let mut cached = req.0.cookies.borrow_mut();
                    if let Some(cookies) = &*cached {
                        return Ok(cookies.clone());
                    }
                    let cookies = lua.create_userdata(RequestCookies(Rc::clone(&req.0)))?;
                    Ok(cached.insert(cookies).clone())
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

impl UserData for RequestObject {
    fn register(registry: &mut UserDataRegistry<Self>) {
        let mut members = Members::new();
        OBJECT.collect(&mut members);
        Bodies::OBJECT.collect(&mut members);
        members.install(registry, &Others::NONE);
    }
}

/// The scheme as Traefik's redirections take it: WebSocket schemes count as HTTP, others are
/// ignored.
fn scheme(request: &Request) -> &'static str {
    let said = request.headers.get("x-forwarded-proto").map(http::HeaderValue::as_bytes);
    match said {
        Some(said) if said.eq_ignore_ascii_case(b"https") || said.eq_ignore_ascii_case(b"wss") => {
            "https"
        }
        Some(said) if said.eq_ignore_ascii_case(b"http") || said.eq_ignore_ascii_case(b"ws") => {
            "http"
        }
        _ => request.exchange.client.scheme(),
    }
}

fn full_url(request: &Request) -> Vec<u8> {
    let scheme = scheme(request);
    let (hostname, port) = url::split_host(&request.host);
    let default: &[u8] = if scheme == "https" { b"443" } else { b"80" };
    let host = if port.is_none_or(|port| port == default) { hostname } else { &request.host };
    let mut url = Vec::with_capacity(8 + host.len() + request.target.bytes().len());
    url.extend_from_slice(scheme.as_bytes());
    url.extend_from_slice(b"://");
    url.extend_from_slice(host);
    url.extend_from_slice(request.target.bytes());
    url
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
