//! One request and its answer over HTTP/3.

use std::rc::Rc;
use std::time::SystemTime;

use ::http::header::{self, HOST, HeaderMap, HeaderValue};
use ::http::{Method, Request, StatusCode};
use bytes::Bytes;
use h3::error::Code;
use h3::server::RequestStream;
use http_body::Body as _;

use super::super::admit::{Head, Rest};
use super::super::finish::Finish;
use super::super::handle::{Connection, handle};
use super::super::owed::Owed;
use super::body::FromClient;
use crate::message::{Body, Response};

type Stream = RequestStream<h3_quinn::BidiStream<Bytes>, Bytes>;
type ToClient = RequestStream<h3_quinn::SendStream<Bytes>, Bytes>;

/// Answers one request.
pub(super) async fn exchange(connection: &Rc<Connection>, request: Request<()>, stream: Stream) {
    let (mut to_client, from_client) = stream.split();
    let (parts, ()) = request.into_parts();
    let is_head = parts.method == Method::HEAD;
    let length = parts.headers.get(header::CONTENT_LENGTH).map(length);
    let Some(length) = length.map_or(Some(None), |length| length.map(Some)) else {
        return to_client.stop_stream(Code::H3_MESSAGE_ERROR);
    };
    let mut incoming = FromClient::new(from_client, length);
    // Servers need not be told of a body that most of these requests have not.
    let is_bodiless = matches!(
        parts.method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::DELETE | Method::TRACE
    );
    let is_empty = match length {
        Some(length) => length == 0,
        None => is_bodiless && incoming.is_absent().await,
    };
    let limit = connection.entrypoint.limits.read;
    let body = if is_empty { Body::Empty } else { Body::stream(Owed::new(incoming, limit)) };
    let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
    let target = match target {
        "" => Bytes::from_static(b"/"),
        text if text.starts_with('?') => Bytes::from(format!("/{text}")),
        text => Bytes::copy_from_slice(text.as_bytes()),
    };
    let authority = parts.uri.authority();
    let mut headers = parts.headers;
    let host = headers.remove(HOST).map(|host| Bytes::copy_from_slice(host.as_bytes()));
    let head = Head {
        method: parts.method,
        version: ::http::Version::HTTP_3,
        target,
        authority: authority.map(|name| Bytes::copy_from_slice(name.as_str().as_bytes())),
        host,
        headers: headers.into(),
    };
    let rest = Rest { body, upgrade: None, interim: None };
    let (response, finish) = handle(connection, head, rest).await;
    if send(&mut to_client, response, finish, is_head).await.is_none() {
        to_client.stop_stream(Code::H3_INTERNAL_ERROR);
    }
}

fn length(value: &HeaderValue) -> Option<u64> {
    let text = value.to_str().ok()?;
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}

/// Sends an answer; nothing when the client is gone or the body was cut short.
async fn send(
    to_client: &mut ToClient,
    response: Response,
    mut finish: Finish,
    is_head: bool,
) -> Option<()> {
    let Response { status, mut headers, mut body, .. } = response;
    let is_bodiless = is_head
        || status.is_informational()
        || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    complete(&mut headers, &body, is_bodiless);
    let mut answer = ::http::Response::new(());
    *answer.status_mut() = status;
    *answer.headers_mut() = headers.into();
    to_client.send_response(answer).await.ok()?;
    while !is_bodiless && let Some(frame) = body.frame().await {
        let frame = match frame {
            Ok(frame) => frame,
            Err(error) => {
                finish.cut(error);
                return None;
            }
        };
        match frame.into_data() {
            Ok(data) => {
                finish.sent(data.len());
                to_client.send_data(data).await.ok()?;
            }
            Err(frame) => {
                if let Ok(trailers) = frame.into_trailers() {
                    finish.trailers(&trailers);
                    to_client.send_trailers(trailers).await.ok()?;
                }
                break;
            }
        }
    }
    to_client.finish().await.ok()
}

/// Headers of one connection are not sent (RFC 9114, section 4.2); date and length are.
fn complete(headers: &mut HeaderMap, body: &Body, is_bodiless: bool) {
    for name in [header::CONNECTION, header::TRANSFER_ENCODING, header::UPGRADE] {
        headers.remove(name);
    }
    headers.remove("keep-alive");
    headers.remove("proxy-connection");
    if !headers.contains_key(header::DATE) {
        let date = httpdate::fmt_http_date(SystemTime::now());
        headers.extend(HeaderValue::try_from(date).ok().map(|date| (header::DATE, date)));
    }
    if let Some(length) = body.size_hint().exact().filter(|_| !is_bodiless) {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
}
