//! What authorities say of certificates (OCSP stapling, RFC 6066, section 8): asked for on a thread
//! of its own, and asked for again before it is too old.
//!
//! A certificate without an answer is shown without one. Must not know what certificates are for.

use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use hashbrown::HashMap;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version};
use tokio::sync::watch;
use tokio::task::{JoinHandle, LocalSet, spawn_local};

use crate::message::{Body, Client, Exchange, Parts, Request, Target};
use crate::tls::{Asked, OcspError, Staple, judge};
use crate::upstream::{Endpoint, Forwarding, Hop, HostHeader, PathPrefix, Pools, Transport, send};

/// Keeps answers of authorities fresh. The thread starts with the first certificate.
#[derive(Debug)]
pub struct Stapling {
    overrides: Arc<BTreeMap<String, String>>,
    wanted: Option<watch::Sender<Vec<Asked>>>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
enum AskError {
    /// The responder's URL cannot be used.
    #[error("{url:?} is no responder's URL")]
    Url {
        /// As the certificate or the configuration has it.
        url: String,
    },
    /// The responder could not be reached, or answered with an error.
    #[error("the responder answered with the status {0}")]
    Status(StatusCode),
    /// It did not answer in time, or for too long.
    #[error("the responder did not answer within {} bytes and {} s", BYTES_MAX, LIMIT.as_secs())]
    Limit,
    /// The answer must not be shown.
    #[error(transparent)]
    Answer(#[from] OcspError),
}

/// An answer has some 500 to 4,000 bytes.
const BYTES_MAX: usize = 64 * 1024;
/// For an answer.
const LIMIT: Duration = Duration::from_secs(30);
/// From one failure to the next question; doubled with each of them.
const AGAIN: Duration = Duration::from_secs(2);
const AGAIN_MAX: Duration = Duration::from_hours(1);
/// The shortest and the longest time between two answers.
const FRESH: (i64, i64) = (60, 12 * 3600);

impl Stapling {
    /// Asks nobody yet. Responders are replaced by `overrides`, by their URLs.
    #[must_use]
    pub fn new(overrides: BTreeMap<String, String>) -> Self {
        Self { overrides: Arc::new(overrides), wanted: None }
    }

    /// Keeps the answers of these certificates fresh from now on, and those of no others.
    ///
    /// # Errors
    /// When the system gives no thread or no event queue.
    pub fn follow(&mut self, certificates: impl Iterator<Item = Asked>) -> io::Result<()> {
        let certificates: Vec<Asked> = certificates.collect();
        match &self.wanted {
            Some(wanted) => {
                wanted.send_replace(certificates);
            }
            None if certificates.is_empty() => {}
            None => self.wanted = Some(start(certificates, Arc::clone(&self.overrides))?),
        }
        Ok(())
    }
}

fn start(
    certificates: Vec<Asked>,
    overrides: Arc<BTreeMap<String, String>>,
) -> io::Result<watch::Sender<Vec<Asked>>> {
    let (sender, mut wanted) = watch::channel(certificates);
    wanted.mark_changed();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new().name("ocsp".to_owned()).spawn(move || {
        LocalSet::new().block_on(&runtime, run(wanted, overrides));
        // What still waits, such as a name look-up, is not waited for.
        runtime.shutdown_background();
    })?;
    Ok(sender)
}

/// A certificate whose answers are kept fresh; stops when it is dropped.
struct Running {
    /// Keeps the allocation, so that its address stays its name.
    _certificate: Asked,
    task: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(mut wanted: watch::Receiver<Vec<Asked>>, overrides: Arc<BTreeMap<String, String>>) {
    let mut running: HashMap<usize, Running> = HashMap::new();
    while wanted.changed().await.is_ok() {
        let certificates = wanted.borrow_and_update().clone();
        let mut kept = HashMap::with_capacity(certificates.len());
        for certificate in certificates {
            let (key, overrides) = (certificate.id(), Arc::clone(&overrides));
            let run = running.remove(&key).unwrap_or_else(|| Running {
                _certificate: certificate.clone(),
                task: spawn_local(keep_fresh(certificate, overrides)),
            });
            kept.insert(key, run);
        }
        running = kept;
    }
}

/// Asks for one certificate again and again.
async fn keep_fresh(certificate: Asked, overrides: Arc<BTreeMap<String, String>>) {
    let named = &certificate.question.url;
    let url = overrides.get(named).unwrap_or(named);
    let (mut again, mut until) = (AGAIN, 0);
    loop {
        let asked = tokio::time::timeout(LIMIT, ask(&certificate, url)).await;
        let pause = match asked.unwrap_or(Err(AskError::Limit)) {
            Ok(staple) => {
                certificate.staple(Some(staple.answer));
                (again, until) = (AGAIN, staple.until);
                let half = (staple.until - now()) / 2;
                Duration::from_secs(half.clamp(FRESH.0, FRESH.1).unsigned_abs())
            }
            Err(error) => {
                tracing::warn!(name = certificate.name, url, %error, "no OCSP answer to staple");
                let is_revoked = matches!(error, AskError::Answer(OcspError::Revoked));
                if is_revoked || until <= now() {
                    certificate.staple(None);
                }
                let pause = again;
                again = (again * 2).min(AGAIN_MAX);
                pause
            }
        };
        tokio::time::sleep(pause).await;
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

async fn ask(certificate: &Asked, url: &str) -> Result<Staple, AskError> {
    let wrong = || AskError::Url { url: url.to_owned() };
    let (scheme, rest) = url.split_once("://").ok_or_else(wrong)?;
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let origin = format!("{scheme}://{host}");
    let endpoint = Endpoint::parse(&origin, Arc::new(Transport::default())).map_err(|_| wrong())?;
    let path = if path.is_empty() { "/" } else { path };
    let target = Target::parse(Bytes::copy_from_slice(path.as_bytes())).map_err(|_| wrong())?;
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/ocsp-request"));
    let request = Request::from(Parts {
        method: Method::POST,
        target,
        version: Version::HTTP_11,
        host: Bytes::new(),
        headers: headers.into(),
        body: Body::from(Bytes::from(certificate.question.body.clone())),
        upgrade: None,
        exchange: Rc::new(Exchange::new(Rc::new(Client::nobody()))),
    });
    let forwarding =
        Forwarding { host: HostHeader::Server, path: PathPrefix::Ignored, hop: Hop::Untold };
    // A question every few hours keeps no connection.
    let mut response = send(&Pools::new(), &Arc::new(endpoint), forwarding, request).await;
    if response.status != StatusCode::OK {
        return Err(AskError::Status(response.status));
    }
    let answer = std::mem::take(&mut response.body).collect(BYTES_MAX).await;
    let answer = answer.map_err(|_| AskError::Limit)?.to_vec();
    Ok(judge(&certificate.question, &certificate.issuer, answer, now())?)
}
