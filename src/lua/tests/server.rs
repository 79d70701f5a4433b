//! A server that scripts ask: it answers with what it was asked.

use bytes::Bytes;
use http::header::SET_COOKIE;
use http::{HeaderName, HeaderValue, StatusCode};

use crate::lua::{FetchError, HttpClient};
use crate::message::{Body, Failure, LocalFuture, Parts, Request, Response, rescue};

/// The header that holds what was asked, `METHOD host uri; name=value; name=value; body`.
pub(super) const ASKED: &str = "x-asked";

/// `http://down.test` cannot be reached and `http://slow.test` never answers. On all others,
/// `/NUMBER` in the path is the status, and each `name=value` of the query is a header.
pub(super) fn answer(
    _: &HttpClient,
    origin: &str,
    request: Request,
) -> Result<LocalFuture<'static, Response>, FetchError> {
    if origin.starts_with("ftp") {
        return Err(FetchError::Url { reason: "nobody speaks that".to_owned() });
    }
    let origin = origin.to_owned();
    Ok(Box::pin(async move {
        match origin.as_str() {
            "http://down.test" => rescue(Failure::NoServer),
            "http://slow.test" => std::future::pending().await,
            _ => echo(request).await,
        }
    }))
}

async fn echo(request: Request) -> Response {
    let last = request.target.path().rsplit('/').next().unwrap_or_default();
    let status = last.parse().ok().and_then(|status| StatusCode::from_u16(status).ok());
    let mut response = Response::new(status.unwrap_or(StatusCode::OK));
    for (name, value) in request.target.query().unwrap_or_default().split('&').filter_map(pair) {
        response.headers.append(name, value);
    }
    let host = String::from_utf8_lossy(&request.host);
    let mut asked = format!("{} {host} {}", request.method, request.target.as_str());
    let mut lines: Vec<_> = request.headers.iter().collect();
    lines.sort_by_key(|(name, _)| name.as_str());
    for (name, value) in lines {
        asked.push_str(&format!("; {name}={}", value.to_str().unwrap()));
    }
    let body = Parts::from(request).body.collect(1 << 20).await.unwrap();
    asked.push_str(&format!("; {}", String::from_utf8_lossy(&body)));
    response.headers.insert(ASKED, HeaderValue::from_str(&asked).unwrap());
    response.body = Body::Full(Bytes::from(vec![b'x'; 10]));
    response
}

fn pair(text: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = text.split_once('=')?;
    let name = if name == "cookie" { SET_COOKIE } else { name.parse().ok()? };
    Some((name, HeaderValue::from_str(value).ok()?))
}
