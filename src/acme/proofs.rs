//! What authorities are told when they ask whether a name is ours: over HTTP by an internal
//! service, and in handshakes.
//!
//! Written by the thread that orders certificates, read by all workers. What another replica is to
//! prove is asked for on that thread. Must not know orders.

use std::sync::Arc;

use hashbrown::HashMap;
use http::StatusCode;
use parking_lot::RwLock;
use ring::digest::{SHA256, digest};
use rustls::ServerConfig;
use tokio::sync::{mpsc, oneshot};

use super::key;
use crate::message::{LocalFuture, Request, Response, plain};
use crate::service::Internal;
use crate::tls::Challenges;

/// Proofs of names that are being ordered.
#[derive(Debug, Default)]
pub struct Proofs {
    /// By name and token.
    http: RwLock<HashMap<(String, String), String>>,
    /// By name.
    tls: RwLock<HashMap<String, Arc<ServerConfig>>>,
    /// Where those of other replicas are asked for, if there may be any.
    others: RwLock<Option<mpsc::Sender<Question>>>,
}

/// A proof that this replica does not have.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) proof: Proof,
    pub(super) answer: oneshot::Sender<Option<String>>,
}

/// Which proof.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Proof {
    /// Over HTTP: name and token.
    Http(String, String),
    /// In a handshake: the name.
    Tls(String),
}

/// As replicas know it.
impl std::fmt::Display for Proof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Http(name, token) => write!(f, "http/{name}/{token}"),
            Self::Tls(name) => write!(f, "tls/{name}"),
        }
    }
}

/// What the paths of challenges begin with (RFC 8555, section 8.3).
const PATH: &str = "/.well-known/acme-challenge/";
/// A token has 22 characters at least and some 43 most often.
const TOKEN_BYTES_MAX: usize = 256;
/// Questions about other replicas' proofs that may wait; more are not asked.
pub(super) const QUESTIONS_MAX: usize = 64;

impl Proofs {
    /// Shows a proof; `text` is what the authority is to be told.
    pub(super) fn show(&self, proof: Proof, text: &str) -> Result<(), ProofError> {
        match proof {
            Proof::Http(name, token) => {
                self.http.write().insert((name, token), text.to_owned());
            }
            Proof::Tls(name) => {
                let config = handshake(&name, text)?;
                self.tls.write().insert(name, config);
            }
        }
        Ok(())
    }

    /// Shows a proof no more.
    pub(super) fn hide(&self, proof: &Proof) {
        match proof {
            Proof::Http(name, token) => {
                self.http.write().remove(&(name.clone(), token.clone()));
            }
            Proof::Tls(name) => {
                self.tls.write().remove(name);
            }
        }
    }

    /// Asks there for the proofs of other replicas from now on.
    pub(super) fn ask(&self, others: mpsc::Sender<Question>) {
        *self.others.write() = Some(others);
    }

    /// How many proofs are shown.
    #[must_use]
    pub fn count(&self) -> usize {
        self.http.read().len() + self.tls.read().len()
    }

    /// What another replica is to tell the authority.
    async fn of_others(&self, proof: Proof) -> Option<String> {
        let others = self.others.read().clone()?;
        let (answer, answered) = oneshot::channel();
        // Who asks for many at once is no authority.
        others.try_send(Question { proof, answer }).ok()?;
        answered.await.ok().flatten()
    }

    async fn over_http(&self, name: String, token: String) -> Option<String> {
        let key = (name, token);
        let own = self.http.read().get(&key).cloned();
        match own {
            Some(text) => Some(text),
            None => self.of_others(Proof::Http(key.0, key.1)).await,
        }
    }

    async fn in_handshake(&self, name: String) -> Option<Arc<ServerConfig>> {
        let own = self.tls.read().get(&name).cloned();
        if own.is_some() {
            return own;
        }
        let text = self.of_others(Proof::Tls(name.clone())).await?;
        handshake(&name, &text).ok()
    }
}

/// Why a name cannot be proved in a handshake.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProofError {
    /// There is no certificate.
    #[error(transparent)]
    Key(#[from] key::KeyError),
    /// It cannot be used.
    #[error("the certificate that proves a name: {0}")]
    Settings(#[from] rustls::Error),
}

fn handshake(name: &str, text: &str) -> Result<Arc<ServerConfig>, ProofError> {
    let digest = digest(&SHA256, text.as_bytes());
    Ok(key::challenge(name, digest.as_ref())?.config()?)
}

impl Challenges for Answers {
    fn proof(&self, server_name: &str) -> LocalFuture<'static, Option<Arc<ServerConfig>>> {
        let (proofs, name) = (Arc::clone(&self.0), server_name.to_ascii_lowercase());
        Box::pin(async move { proofs.in_handshake(name).await })
    }
}

/// `acme-http@internal`, and the proof of names in handshakes.
#[derive(Debug, Clone, Default)]
pub struct Answers(pub Arc<Proofs>);

impl Internal for Answers {
    fn serve(self: Arc<Self>, request: Request) -> LocalFuture<'static, Response> {
        let path = request.target.path();
        let token = path.strip_prefix(PATH).map(|token| token.strip_suffix('/').unwrap_or(token));
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let token = token.filter(|token| {
            !token.is_empty() && token.len() <= TOKEN_BYTES_MAX && token.bytes().all(allowed)
        });
        let (token, name) = (token.map(str::to_owned), name(&request.host));
        Box::pin(async move {
            let Some(token) = token else { return Response::new(StatusCode::NOT_FOUND) };
            match self.0.over_http(name, token).await {
                Some(text) => plain(StatusCode::OK, text),
                None => Response::new(StatusCode::NOT_FOUND),
            }
        })
    }
}

/// The host without its port, in lower case; an IPv6 address without its brackets.
fn name(host: &[u8]) -> String {
    let host = String::from_utf8_lossy(host).to_ascii_lowercase();
    if let Some((address, _)) = host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return address.to_owned();
    }
    let name = host.split_once(':').map_or(host.as_str(), |(name, _)| name);
    name.strip_suffix('.').unwrap_or(name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_names() {
        for (host, expect) in
            [("A.test", "a.test"), ("a.test.:80", "a.test"), ("[::1]:80", "::1"), ("", "")]
        {
            assert_eq!(name(host.as_bytes()), expect, "{host}");
        }
    }

    #[tokio::test]
    async fn proofs_are_shown_until_they_are_hidden() {
        let proofs = Proofs::default();
        let http = Proof::Http("a.test".into(), "token".into());
        let tls = Proof::Tls("a.test".into());
        for proof in [&http, &tls] {
            proofs.show(proof.clone(), "token.thumb").unwrap();
        }
        let told = proofs.over_http("a.test".into(), "token".into()).await;
        assert_eq!(told.as_deref(), Some("token.thumb"));
        assert_eq!(proofs.over_http("b.test".into(), "token".into()).await, None);
        let config = proofs.in_handshake("a.test".into()).await.unwrap();
        assert_eq!(config.alpn_protocols, [b"acme-tls/1".to_vec()]);
        for proof in [&http, &tls] {
            proofs.hide(proof);
        }
        assert_eq!(proofs.count(), 0);
        assert!(proofs.in_handshake("a.test".into()).await.is_none());
    }
}
