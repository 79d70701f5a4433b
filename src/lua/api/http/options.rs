//! What a script says of a request of its own, and of a client.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, EXPECT, HOST, HeaderMap, TE, TRAILER, TRANSFER_ENCODING};
use http::{HeaderValue, Method};
use mlua::{AnyUserData, Table, Value};

use super::super::answer::fill_headers;
use super::super::headers::Headers;
use super::super::time::duration;
use super::super::{RequestObject, json};
use super::each_option;
use crate::lua::run::RequestSlot;
use crate::lua::tools::Tools;
use crate::lua::{HttpClient, Reach};
use crate::model::{Certificate, ServersTransport};

/// How long a request may take, as Traefik's of the same kind may.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A request's body.
pub(super) enum Given {
    /// These bytes.
    Bytes(Bytes),
    /// What the client sent, which the server gets as well.
    OfRequest(Rc<RequestSlot>),
}

/// What a script says of a request.
pub(super) struct Options {
    pub(super) method: Method,
    pub(super) headers: HeaderMap,
    /// What the headers say of the host.
    pub(super) host: Option<HeaderValue>,
    pub(super) body: Given,
    /// Bytes of the client's body; none means the limit of the middleware.
    pub(super) request_max: Option<usize>,
    /// Bytes of the answer's body; none means any number.
    pub(super) response_max: Option<usize>,
    pub(super) timeout: Duration,
}

const KNOWN: &str = "method, headers, body, request_max, response_max, timeout";

impl Options {
    pub(super) fn read(table: Option<&Table>, tools: &Tools) -> mlua::Result<Self> {
        let mut options = Self {
            method: Method::GET,
            headers: HeaderMap::new(),
            host: None,
            body: Given::Bytes(Bytes::new()),
            request_max: None,
            response_max: None,
            timeout: TIMEOUT,
        };
        let Some(table) = table else { return Ok(options) };
        each_option("http.fetch", table, KNOWN, |name, value| {
            match name {
                "method" => {
                    let method = value.to_string()?;
                    options.method = Method::from_bytes(method.as_bytes())
                        .map_err(|_| mlua::Error::runtime("this cannot be a method"))?;
                }
                "headers" => options.headers = headers(&value, tools)?,
                "body" => options.body = body(&value)?,
                "request_max" => options.request_max = Some(bytes(&value)?),
                "response_max" => options.response_max = Some(bytes(&value)?),
                "timeout" => options.timeout = duration(&value, "timeout")?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        options.host = options.headers.remove(HOST);
        // They speak of the message they came with.
        for name in [CONTENT_LENGTH, TRANSFER_ENCODING, TE, TRAILER, EXPECT] {
            options.headers.remove(name);
        }
        Ok(options)
    }
}

fn headers(value: &Value, tools: &Tools) -> mlua::Result<HeaderMap> {
    match value {
        Value::Table(table) => {
            let mut map = HeaderMap::new();
            fill_headers(&mut map, table, tools)?;
            Ok(map)
        }
        Value::UserData(object) => object.borrow::<Headers>()?.map(),
        _ => Err(mlua::Error::runtime("http.fetch: headers must be a table or headers")),
    }
}

fn body(value: &Value) -> mlua::Result<Given> {
    let of_request = |object: &AnyUserData| -> mlua::Result<Given> {
        Ok(Given::OfRequest(Rc::clone(&object.borrow::<RequestObject>()?.0)))
    };
    match value {
        Value::String(text) => Ok(Given::Bytes(Bytes::copy_from_slice(&text.as_bytes()))),
        Value::UserData(object) => of_request(object),
        _ => Err(mlua::Error::runtime("http.fetch: body must be a string or req")),
    }
}

/// A number of bytes; `math.huge` is any number.
fn bytes(value: &Value) -> mlua::Result<usize> {
    let bytes = match value {
        Value::Integer(bytes) => usize::try_from(*bytes).ok(),
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
        Value::Number(bytes) if *bytes >= 0.0 => Some(*bytes as usize),
        _ => None,
    };
    bytes.ok_or_else(|| mlua::Error::runtime("http.fetch: this is no number of bytes"))
}

/// A client as a script describes it.
///
/// # Errors
/// For options that do not exist, and paths where PEM text must be.
pub(super) fn client(options: Option<&Table>) -> mlua::Result<HttpClient> {
    let mut transport = ServersTransport::default();
    let mut reach = Reach::BeyondTheLink;
    if let Some(options) = options {
        each_option("http.client", options, "tls, link_local", |name, value| {
            match (name, value) {
                ("tls", Value::Table(tls)) => tls_client(&tls, &mut transport)?,
                ("link_local", Value::Boolean(true)) => reach = Reach::Everywhere,
                ("link_local", Value::Boolean(false)) => {}
                ("tls" | "link_local", _) => {
                    let text = format!("http.client: {name} has a wrong type");
                    return Err(mlua::Error::runtime(text));
                }
                _ => return Ok(false),
            }
            Ok(true)
        })?;
    }
    let told = serde_json::to_string(&transport).map_err(mlua::Error::external)?;
    let identity = format!("{reach:?} {told}");
    let digest = ring::digest::digest(&ring::digest::SHA256, identity.as_bytes());
    let id = digest.as_ref().try_into().unwrap_or_default();
    Ok(HttpClient { id, transport, reach })
}

const TLS_KNOWN: &str = "ca, cert, key, insecureSkipVerify";

/// Puts an option of the type `tlsClient` into a transport.
///
/// # Errors
/// For options that do not exist, and paths where PEM text must be.
pub(in crate::lua::api) fn tls_client(
    tls: &Table,
    transport: &mut ServersTransport,
) -> mlua::Result<()> {
    let (mut cert, mut key) = (String::new(), String::new());
    each_option("http.client: tls", tls, TLS_KNOWN, |name, value| {
        match name {
            "ca" => transport.root_cas.push(pem(name, &value)?),
            "cert" => cert = pem(name, &value)?,
            "key" => key = pem(name, &value)?,
            "insecureSkipVerify" => {
                transport.insecure_skip_verify = value.as_boolean() == Some(true);
            }
            // Deprecated, without effect, and warned of when options are decoded.
            "caOptional" => {}
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    match (cert.is_empty(), key.is_empty()) {
        (true, true) => {}
        (false, false) => {
            let pair = Certificate { cert_file: cert, key_file: key, ..Certificate::default() };
            transport.certificates.push(pair);
        }
        _ => return Err(mlua::Error::runtime("http.client: tls: cert and key belong together")),
    }
    Ok(())
}

/// PEM text; a path would be a way to files, which scripts do not have.
fn pem(name: &str, value: &Value) -> mlua::Result<String> {
    let text = match value {
        Value::String(text) => text.to_string_lossy(),
        other => json::from_lua(other)?.to_string(),
    };
    if text.contains("-----BEGIN") {
        return Ok(text);
    }
    Err(mlua::Error::runtime(format!("http.client: tls.{name}: this is no PEM text")))
}
