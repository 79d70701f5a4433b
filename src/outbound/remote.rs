//! The API of another Moongate that runs, asked by commands.
//!
//! Must not know what its answers mean.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, Version};

use crate::message::{Body, Client, Exchange, Parts, Request, Target};
use crate::model::ServersTransport;
use crate::upstream::{
    Endpoint, Forwarding, Hop, HostHeader, PathPrefix, Pools, SystemRoots, Transport, send,
};

/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(30);
/// What 10,000 routers fill in `rawdata`, several times.
const ANSWER_BYTES_MAX: usize = 256 << 20;

/// The API of a running process, behind HTTP or HTTPS.
///
/// Its certificate must be one that the system trusts; `SSL_CERT_FILE` names other roots.
#[derive(Debug)]
pub struct Remote {
    endpoint: Arc<Endpoint>,
    /// The path before `/api`, without a slash at its end.
    base: String,
    credentials: Option<HeaderValue>,
}

/// Why an API was not asked, or did not answer.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// What was given is no URL of an API.
    #[error("give http://HOST:PORT or https://HOST")]
    Url,
    /// The system's roots cannot be read.
    #[error("{reason}")]
    Roots {
        /// Why.
        reason: String,
    },
    /// It cannot be reached.
    #[error("{reason}")]
    Unreachable {
        /// Why.
        reason: String,
    },
    /// Its answer is cut, or too long.
    #[error("its answer is cut short or too long")]
    Answer,
    /// It has not answered in time.
    #[error("it has not answered within {LIMIT:?}")]
    Late,
}

impl Remote {
    /// Reads `http[s]://[USER:PASSWORD@]HOST[:PORT][/BASE]`.
    ///
    /// # Errors
    /// When it is none, or the roots of the system cannot be read.
    pub fn new(url: &str) -> Result<Self, RemoteError> {
        let uri: Uri = url.parse().map_err(|_| RemoteError::Url)?;
        let (Some(scheme @ ("http" | "https")), Some(authority)) =
            (uri.scheme_str(), uri.authority())
        else {
            return Err(RemoteError::Url);
        };
        let (user, host) = match authority.as_str().rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority.as_str()),
        };
        let options = ServersTransport::default();
        let transport = Transport::build_trusting(&options, SystemRoots::Trusted)
            .map_err(|error| RemoteError::Roots { reason: error.to_string() })?;
        let endpoint = Endpoint::parse(&format!("{scheme}://{host}"), Arc::new(transport));
        let credentials = user.map(|user| format!("Basic {}", STANDARD.encode(user)));
        Ok(Self {
            endpoint: Arc::new(endpoint.map_err(|_| RemoteError::Url)?),
            base: uri.path().trim_end_matches('/').to_owned(),
            credentials: credentials.and_then(|text| HeaderValue::try_from(text).ok()),
        })
    }

    /// Gets a path of the API, such as `/api/rawdata`: status and body.
    ///
    /// # Errors
    /// When there is no answer, or not all of it. An answer of another status is none.
    pub async fn get(&self, path: &str) -> Result<(StatusCode, Bytes), RemoteError> {
        let asked = tokio::time::timeout(LIMIT, self.exchange(path));
        asked.await.map_err(|_| RemoteError::Late)?
    }

    async fn exchange(&self, path: &str) -> Result<(StatusCode, Bytes), RemoteError> {
        let target = Target::parse(Bytes::from(format!("{}{path}", self.base)));
        let mut headers = HeaderMap::new();
        headers.extend(self.credentials.clone().map(|value| (AUTHORIZATION, value)));
        let request = Request::from(Parts {
            method: Method::GET,
            target: target.map_err(|_| RemoteError::Url)?,
            version: Version::HTTP_11,
            host: Bytes::new(),
            headers: headers.into(),
            body: Body::default(),
            upgrade: None,
            exchange: Rc::new(Exchange::new(Rc::new(Client::nobody()))),
        });
        let forwarding =
            Forwarding { host: HostHeader::Server, path: PathPrefix::Ignored, hop: Hop::Untold };
        let mut response = send(&Pools::new(), &self.endpoint, forwarding, request).await;
        if let Some(failure) = &response.failure {
            return Err(RemoteError::Unreachable { reason: failure.to_string() });
        }
        let body = std::mem::take(&mut response.body).collect(ANSWER_BYTES_MAX).await;
        Ok((response.status, body.map_err(|_| RemoteError::Answer)?))
    }
}
