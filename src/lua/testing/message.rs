//! Messages of tests: tables as the harness writes and reads them.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};
use mlua::{Lua, LuaString, Table, Value};

use crate::lua::Offer;
use crate::message::{
    Body, Client, Exchange, Failure, Parts, Request, Response, Target, TlsFacts, rescue,
};
use crate::value::GoDuration;

/// Bytes of a body that a test looks at.
const BODY_BYTES_MAX: usize = 64 << 20;

fn wrong(what: &str, why: impl std::fmt::Display) -> mlua::Error {
    mlua::Error::runtime(format!("{what}: {why}"))
}

/// A request from the harness' table.
///
/// # Errors
/// When a part of it is none of HTTP.
pub(super) fn request(raw: &Table) -> mlua::Result<Request> {
    let method: LuaString = raw.raw_get("method")?;
    let target: LuaString = raw.raw_get("target")?;
    let host: LuaString = raw.raw_get("host")?;
    let target = Target::parse(Bytes::copy_from_slice(&target.as_bytes()));
    Ok(Request::from(Parts {
        method: Method::from_bytes(&method.as_bytes()).map_err(|e| wrong("method", e))?,
        target: target.map_err(|e| wrong("path", e))?,
        version: Version::HTTP_11,
        host: Bytes::copy_from_slice(&host.as_bytes()),
        headers: headers(&raw.raw_get("headers")?)?.into(),
        body: body(raw)?,
        upgrade: None,
        exchange: exchange(raw)?,
    }))
}

/// The exchange of a request or a connection.
///
/// # Errors
/// When the peer is no address.
pub(super) fn exchange(raw: &Table) -> mlua::Result<Rc<Exchange>> {
    let peer: String = raw.raw_get("peer")?;
    let peer = match peer.contains(':') && peer.parse::<std::net::IpAddr>().is_err() {
        true => peer.parse(),
        false => format!("{peer}:1000").parse().or_else(|_| format!("[{peer}]:1000").parse()),
    };
    let peer: std::net::SocketAddr = peer.map_err(|e| wrong("peer", e))?;
    let ip = HeaderValue::from_str(&peer.ip().to_string()).map_err(|e| wrong("peer", e))?;
    let entrypoint: String = raw.raw_get("entrypoint")?;
    let tls: Option<Table> = raw.raw_get("tls")?;
    let client = Client {
        peer,
        local: ([192, 0, 2, 80], if tls.is_some() { 443 } else { 80 }).into(),
        ip,
        entrypoint: entrypoint.as_str().into(),
        adds_address: false,
        tls: tls.map(|facts| tls_facts(&facts)).transpose()?,
        guard: Rc::new(()),
    };
    Ok(Rc::new(Exchange::new(Rc::new(client))))
}

/// What a client offers in its handshake; there are certificates for exactly the names given.
///
/// # Errors
/// When a part of it is of another type.
pub(super) fn offer(raw: &Table) -> mlua::Result<Offer> {
    let protocols: Vec<LuaString> = raw.raw_get("alpn")?;
    let names: Vec<String> = raw.raw_get("certificates")?;
    Ok(Offer {
        ja4: raw.raw_get("ja4")?,
        protocols: protocols.iter().map(|name| name.as_bytes().to_vec()).collect(),
        holds: Rc::new(move |name| names.iter().any(|has| has == name)),
    })
}

fn tls_facts(raw: &Table) -> mlua::Result<TlsFacts> {
    let sni: Option<String> = raw.raw_get("sni")?;
    let chain: Option<Vec<LuaString>> = raw.raw_get("certificates")?;
    let chain = chain.unwrap_or_default().iter().map(|der| der.as_bytes().to_vec()).collect();
    Ok(TlsFacts {
        sni: sni.map(|name| Arc::from(name.as_str())),
        version: "1.3",
        cipher: "TLS_AES_128_GCM_SHA256",
        client_chain: chain,
        ..TlsFacts::default()
    })
}

/// A response from the harness' table. `failure` makes it one that no server has sent.
///
/// # Errors
/// When a part of it is none of HTTP.
pub(super) fn response(raw: &Table) -> mlua::Result<Response> {
    let failure: Option<String> = raw.raw_get("failure")?;
    if let Some(failure) = failure {
        let server = "test".to_owned();
        return Ok(rescue(match failure.as_str() {
            "timeout" => Failure::AnswerTimeout { server, after_ms: 0 },
            "no_server" => Failure::NoServer,
            cause => Failure::Connect { server, cause: cause.to_owned() },
        }));
    }
    let status: u16 = raw.raw_get("status")?;
    let mut response = Response::new(StatusCode::from_u16(status).map_err(|e| wrong("status", e))?);
    response.headers = headers(&raw.raw_get("headers")?)?.into();
    response.body = body(raw)?;
    Ok(response)
}

/// How long an answer takes.
///
/// # Errors
/// When it is no duration.
pub(super) fn delay(raw: &Table) -> mlua::Result<Duration> {
    match raw.raw_get::<Value>("delay")? {
        Value::Nil => Ok(Duration::ZERO),
        value => match value.as_number() {
            Some(seconds) => Duration::try_from_secs_f64(seconds).map_err(|e| wrong("delay", e)),
            None => {
                let text = value.to_string()?;
                GoDuration::parse(&text).map(GoDuration::get).map_err(|e| wrong("delay", e))
            }
        },
    }
}

fn body(raw: &Table) -> mlua::Result<Body> {
    let text: LuaString = raw.raw_get("body")?;
    Ok(Bytes::copy_from_slice(&text.as_bytes()).into())
}

fn headers(pairs: &Table) -> mlua::Result<HeaderMap> {
    let mut map = HeaderMap::new();
    for pair in pairs.sequence_values::<Table>() {
        let pair = pair?;
        let (name, value): (LuaString, LuaString) = (pair.raw_get(1)?, pair.raw_get(2)?);
        let name = HeaderName::from_bytes(&name.as_bytes()).map_err(|e| wrong("headers", e))?;
        let value = HeaderValue::from_bytes(&value.as_bytes()).map_err(|e| wrong("headers", e))?;
        map.append(name, value);
    }
    Ok(map)
}

/// The harness' table of a request that a server got.
///
/// # Errors
/// When its body failed, or there is no memory for it.
pub(super) async fn seen(lua: &Lua, scheme: &str, mut request: Request) -> mlua::Result<Table> {
    let raw = lua.create_table()?;
    let host = String::from_utf8_lossy(&request.host).into_owned();
    let path_and_query = request.target.as_str();
    raw.raw_set("method", request.method.as_str())?;
    raw.raw_set("url", format!("{scheme}://{host}{path_and_query}"))?;
    raw.raw_set("path", request.target.path())?;
    raw.raw_set("query", request.target.query())?;
    raw.raw_set("host", host)?;
    raw.raw_set("headers", pairs(lua, &request.headers)?)?;
    let body = std::mem::take(&mut request.body).collect(BODY_BYTES_MAX).await;
    raw.raw_set("body", lua.create_string(body.map_err(|e| wrong("body", e))?)?)?;
    Ok(raw)
}

/// The harness' table of a response.
///
/// # Errors
/// When there is no memory for it.
pub(super) async fn result(lua: &Lua, response: Response) -> mlua::Result<Table> {
    let raw = lua.create_table()?;
    raw.raw_set("status", response.status.as_u16())?;
    raw.raw_set("headers", pairs(lua, &response.headers)?)?;
    match response.body.collect(BODY_BYTES_MAX).await {
        Ok(body) => raw.raw_set("body", lua.create_string(body)?)?,
        // What a client sees as a connection that breaks off.
        Err(error) => raw.raw_set("broken", error.to_string())?,
    }
    Ok(raw)
}

fn pairs(lua: &Lua, headers: &HeaderMap) -> mlua::Result<Table> {
    let list = lua.create_table()?;
    for (name, value) in headers {
        let pair = [lua.create_string(name.as_str())?, lua.create_string(value.as_bytes())?];
        list.raw_push(lua.create_sequence_from(pair)?)?;
    }
    Ok(list)
}
