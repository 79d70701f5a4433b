//! One question to one server.

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{LOCATION, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version};

use super::{Mode, Plan, Redirects, Target, grpc};
use crate::message::{Body, Client, Exchange, Failure, Parts, Request, Response, Target as Path};
use crate::service::TcpProbeError;
use crate::upstream::{Endpoint, Forwarding, Hop, HostHeader, PathPrefix, Pools, send};

/// Redirections that are followed at most, as in Go.
const REDIRECTS_MAX: usize = 10;
/// An answer's body is read this far, so that its connection can be used again.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Why a server is not well.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProbeError {
    /// No answer.
    #[error(transparent)]
    Failed(#[from] Failure),
    /// No connection, or not the answer that a connection should bring.
    #[error(transparent)]
    Connection(#[from] TcpProbeError),
    /// No answer in time.
    #[error("no answer within {0} ms")]
    Timeout(u128),
    /// Another status than wanted.
    #[error("it answered with the status {0}")]
    Status(u16),
    /// Redirections without end, or to nowhere.
    #[error("a redirection to {0:?} cannot be followed")]
    Redirect(String),
    /// It says so itself, over gRPC.
    #[error("it does not say that it serves")]
    NotServing,
}

/// Asks a server; no error means that it is well.
pub(super) async fn probe(
    pools: &Rc<Pools>,
    client: &Rc<Client>,
    plan: &Plan,
    target: &Target,
) -> Result<(), ProbeError> {
    let mut ask = Ask { pools: Rc::clone(pools), client, plan, method: plan.method.clone() };
    if plan.mode == Mode::Grpc {
        let path = Path::parse(grpc::PATH).map_err(|_| ProbeError::NotServing)?;
        let mut response = ask.send(&target.endpoint, path, grpc::QUESTION.into()).await?;
        let answer = std::mem::take(&mut response.body).collect(ANSWER_BYTES_MAX).await;
        let is_serving = answer.is_ok_and(|answer| grpc::is_serving(&answer));
        return if is_serving { Ok(()) } else { Err(ProbeError::NotServing) };
    }
    let (mut endpoint, mut path) = (Arc::clone(&target.endpoint), target.path.clone());
    for _ in 0..=REDIRECTS_MAX {
        let mut response = ask.send(&endpoint, path.clone(), Body::Empty).await?;
        let _ = std::mem::take(&mut response.body).collect(ANSWER_BYTES_MAX).await;
        let Some(location) =
            redirection(&response).filter(|_| plan.redirects == Redirects::Followed)
        else {
            return judge(plan, response.status);
        };
        let refused = || ProbeError::Redirect(location.clone());
        let (origin, next) = resolve(endpoint.url(), &path, &location).ok_or_else(refused)?;
        if *origin != **endpoint.url() {
            let transport = Arc::clone(endpoint.transport());
            endpoint = Arc::new(Endpoint::parse(&origin, transport).map_err(|_| refused())?);
            // Connections to elsewhere are not kept.
            ask.pools = Pools::new();
        }
        path = next;
        if !matches!(ask.method, Method::GET | Method::HEAD) {
            ask.method = Method::GET;
        }
    }
    Err(ProbeError::Redirect(path.as_str().to_owned()))
}

fn judge(plan: &Plan, status: StatusCode) -> Result<(), ProbeError> {
    let is_well = match plan.status {
        Some(wanted) => status.as_u16() == wanted,
        None => (200..400).contains(&status.as_u16()),
    };
    if is_well { Ok(()) } else { Err(ProbeError::Status(status.as_u16())) }
}

struct Ask<'a> {
    pools: Rc<Pools>,
    client: &'a Rc<Client>,
    plan: &'a Plan,
    method: Method,
}

impl Ask<'_> {
    async fn send(
        &self,
        endpoint: &Arc<Endpoint>,
        target: Path,
        body: Body,
    ) -> Result<Response, Failure> {
        let mut headers = HeaderMap::new();
        headers.insert(USER_AGENT, HeaderValue::from_static("moongate"));
        headers.extend(self.plan.headers.clone());
        let mut method = self.method.clone();
        if self.plan.mode == Mode::Grpc {
            grpc::prepare(&mut headers);
            method = Method::POST;
        }
        let host = self.plan.host.clone();
        let source = if host.is_some() { HostHeader::Client } else { HostHeader::Server };
        let request = Request::from(Parts {
            method,
            target,
            version: Version::HTTP_11,
            host: host.unwrap_or_default(),
            headers: headers.into(),
            body,
            upgrade: None,
            exchange: Rc::new(Exchange::new(Rc::clone(self.client))),
        });
        let forwarding = Forwarding { host: source, path: PathPrefix::Ignored, hop: Hop::Untold };
        let response = send(&self.pools, endpoint, forwarding, request).await;
        match response.failure {
            Some(failure) => Err(failure),
            None => Ok(response),
        }
    }
}

/// Where an answer redirects to.
fn redirection(response: &Response) -> Option<String> {
    let is_redirection = matches!(response.status.as_u16(), 301 | 302 | 303 | 307 | 308);
    let location = response.headers.get(LOCATION).filter(|_| is_redirection)?;
    location.to_str().ok().map(str::to_owned)
}

/// The origin and path that a location means, seen from where it was found.
fn resolve(origin: &str, path: &Path, location: &str) -> Option<(String, Path)> {
    let location = location.split('#').next().unwrap_or_default();
    let (origin, rest) = if let Some((scheme, rest)) = location.split_once("://") {
        let (host, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        (format!("{scheme}://{host}"), path.to_owned())
    } else if let Some(rest) = location.strip_prefix("//") {
        let scheme = origin.split("://").next()?;
        let (host, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        (format!("{scheme}://{host}"), path.to_owned())
    } else if location.starts_with('/') {
        (origin.to_owned(), location.to_owned())
    } else if location.starts_with('?') {
        (origin.to_owned(), format!("{}{location}", path.path()))
    } else {
        let folder = path.path().rsplit_once('/').map_or("", |(folder, _)| folder);
        (origin.to_owned(), format!("{folder}/{location}"))
    };
    let rest = if rest.starts_with('/') { rest } else { format!("/{rest}") };
    Some((origin, Path::parse(Bytes::from(rest)).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(location: &str, origin: &str, path: &str) {
        let here = Path::parse(Bytes::from_static(b"/a/b?x")).unwrap();
        let (got, target) = resolve("http://s:1", &here, location).unwrap();
        assert_eq!((got.as_str(), target.as_str()), (origin, path), "{location}");
    }

    #[test]
    fn resolves_locations() {
        check("/c?y#z", "http://s:1", "/c?y");
        check("c", "http://s:1", "/a/c");
        check("?y", "http://s:1", "/a/b?y");
        check("//t/c", "http://t", "/c");
        check("https://t:2", "https://t:2", "/");
        check("http://t?q", "http://t", "/?q");
    }
}
