//! The protocol that certificates are asked for by (ACME, RFC 8555), as its client.
//!
//! Written here: accounts that are taken over have RSA keys, which the crates for it cannot sign
//! with, and what an authority says of other chains and of waiting is needed. Must not know
//! where certificates are kept and how names are proved.

mod jws;
mod web;
mod wire;

use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http::header::LOCATION;
use http::{HeaderName, Method};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use jws::Signer;
use web::Answer;
use wire::{Directory, RenewalInfo};

pub(super) use jws::{AccountKey, decode, encode};
pub(super) use web::Web;
pub(super) use wire::{Authorization, Challenge, Order, Problem, Status};

/// Why an authority gives no answer, or not the one that is hoped for.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    /// A URL cannot be used.
    #[error("{url:?} is no URL of an authority")]
    Url {
        /// As the configuration or the authority has it.
        url: String,
    },
    /// It cannot be reached.
    #[error("{url}: {reason}")]
    Unreachable {
        /// What was asked for.
        url: String,
        /// Why.
        reason: String,
    },
    /// It takes too long.
    #[error("{url}: no answer within {} s", limit.as_secs())]
    Late {
        /// What was asked for.
        url: String,
        /// How long it had.
        limit: Duration,
    },
    /// It answers with an error and no reason.
    #[error("{url}: the answer has the status {status}")]
    Failed {
        /// What was asked for.
        url: String,
        /// The status.
        status: u16,
    },
    /// It says no.
    #[error("{0}")]
    Refused(Problem),
    /// It answers something else than it should.
    #[error("{url}: {what}")]
    Malformed {
        /// What was asked for.
        url: String,
        /// What is wrong.
        what: &'static str,
    },
    /// It wants accounts to be tied to others.
    #[error("the authority wants accounts tied to others: give eab.kid and eab.hmacEncoded")]
    NeedsBinding,
    /// It does not have a profile.
    #[error("the authority has no profile {given:?}; it has {known}")]
    Profile {
        /// As configured.
        given: String,
        /// Those that it has.
        known: String,
    },
    /// The account's key does not sign.
    #[error("the account's key does not sign")]
    Key,
}

impl ClientError {
    /// Whether the authority, or the way to it, does not work at the time.
    pub(super) fn is_outage(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Late { .. } | Self::Malformed { .. } => true,
            Self::Failed { status, .. } => *status >= 500,
            Self::Refused(problem) => problem.code() == "serverInternal",
            _ => false,
        }
    }
}

/// What is asked of an authority for one certificate.
#[derive(Debug, Clone, Copy)]
pub(super) struct NewOrder<'a> {
    /// Names and addresses.
    pub(super) names: &'a [String],
    /// A profile, unless it is empty.
    pub(super) profile: &'a str,
    /// The certificate that it takes the place of, as renewals name it.
    pub(super) replaces: Option<&'a str>,
}

/// Ties an account to one that the authority knows otherwise.
pub(super) struct Binding {
    pub(super) kid: String,
    pub(super) key: Vec<u8>,
}

/// Times in seconds from 1970 within which a certificate should be renewed, and how long this is
/// not asked again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Renewal {
    pub(super) start: i64,
    pub(super) end: i64,
    pub(super) again: Duration,
}

/// An authority, with the key of an account.
#[derive(Debug)]
pub(super) struct Client {
    web: Rc<Web>,
    directory: Directory,
    key: Rc<AccountKey>,
    /// The account's URL; empty before it is known.
    account: RefCell<String>,
    nonces: RefCell<Vec<String>>,
}

const REPLAY_NONCE: HeaderName = HeaderName::from_static("replay-nonce");
/// How often a message is sent again since its nonce was not taken.
const NONCE_RETRIES_MAX: usize = 20;
/// Nonces that are kept for later.
const NONCES_MAX: usize = 16;
/// For the next look where an authority does not say when.
const RENEWAL_AGAIN: Duration = Duration::from_hours(6);

impl Client {
    /// Reads the authority's directory.
    pub(super) async fn open(
        web: Rc<Web>,
        directory: &str,
        key: Rc<AccountKey>,
    ) -> Result<Self, ClientError> {
        let answer = checked(directory, web.ask(Method::GET, directory, None).await?)?;
        let directory = read(directory, &answer)?;
        let (account, nonces) = (RefCell::default(), RefCell::default());
        Ok(Self { web, directory, key, account, nonces })
    }

    /// Acts for the account at that URL from now on.
    pub(super) fn act_for(&self, account: &str) {
        account.clone_into(&mut self.account.borrow_mut());
    }

    /// What proves a name, together with a token.
    pub(super) fn proof(&self, token: &str) -> String {
        self.key.authorization(token)
    }

    /// Makes an account, or finds the one of this key; its URL and what the authority says of it.
    pub(super) async fn register(
        &self,
        email: &str,
        binding: Option<&Binding>,
    ) -> Result<(String, Value), ClientError> {
        let url = &self.directory.new_account;
        let mut wish = json!({"termsOfServiceAgreed": true});
        if !email.is_empty() {
            wish["contact"] = json!([format!("mailto:{email}")]);
        }
        match binding {
            Some(binding) => {
                wish["externalAccountBinding"] = self.key.bind(&binding.kid, &binding.key, url);
            }
            None if self.directory.meta.external_account_required => {
                return Err(ClientError::NeedsBinding);
            }
            None => {}
        }
        let answer = self.post(url, Signer::Key, Some(&wish)).await?;
        let account = location(url, &answer)?;
        self.act_for(&account);
        Ok((account, read(url, &answer)?))
    }

    /// Orders a certificate; the order's URL with it.
    pub(super) async fn order(&self, new: NewOrder<'_>) -> Result<(String, Order), ClientError> {
        let url = &self.directory.new_order;
        let identifier = |name: &String| {
            let kind = if name.parse::<IpAddr>().is_ok() { "ip" } else { "dns" };
            json!({"type": kind, "value": name})
        };
        let identifiers: Vec<Value> = new.names.iter().map(identifier).collect();
        let mut wish = json!({"identifiers": identifiers});
        if !new.profile.is_empty() {
            self.check_profile(new.profile)?;
            wish["profile"] = new.profile.into();
        }
        if let (Some(replaces), Some(_)) = (new.replaces, &self.directory.renewal_info) {
            wish["replaces"] = replaces.into();
        }
        let answer = self.ask(url, Some(&wish)).await;
        let answer = match answer {
            // An authority may not know any more what is to be replaced.
            Err(ClientError::Refused(problem))
                if problem.code() == "alreadyReplaced" || is_about_replaces(&wish, &problem) =>
            {
                if let Some(wish) = wish.as_object_mut() {
                    wish.remove("replaces");
                }
                self.ask(url, Some(&wish)).await?
            }
            answer => answer?,
        };
        Ok((location(url, &answer)?, read(url, &answer)?))
    }

    fn check_profile(&self, given: &str) -> Result<(), ClientError> {
        let profiles = self.directory.meta.profiles.as_ref();
        if profiles.is_some_and(|profiles| profiles.contains_key(given)) {
            return Ok(());
        }
        let known: Vec<&str> = profiles.into_iter().flatten().map(|(k, _)| k.as_str()).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        Err(ClientError::Profile { given: given.to_owned(), known })
    }

    /// Reads an order, an authorization or a challenge, with how long to wait before the next look.
    pub(super) async fn look<T: DeserializeOwned>(
        &self,
        url: &str,
    ) -> Result<(T, Option<Duration>), ClientError> {
        let answer = self.ask(url, None).await?;
        Ok((read(url, &answer)?, answer.retry_after()))
    }

    /// Tells the authority to try a challenge.
    pub(super) async fn try_challenge(&self, url: &str) -> Result<(), ClientError> {
        self.ask(url, Some(&json!({}))).await.map(drop)
    }

    /// Lets the authority forget what it was to find out.
    pub(super) async fn deactivate(&self, url: &str) -> Result<(), ClientError> {
        self.ask(url, Some(&json!({"status": "deactivated"}))).await.map(drop)
    }

    /// Hands in the request for the certificate of an order.
    pub(super) async fn finalize(&self, url: &str, request: &[u8]) -> Result<Order, ClientError> {
        let answer = self.ask(url, Some(&json!({"csr": encode(request)}))).await?;
        read(url, &answer)
    }

    /// The chain of a certificate as PEM, and the URLs of other chains of it.
    pub(super) async fn chain(&self, url: &str) -> Result<(String, Vec<String>), ClientError> {
        let answer = self.ask(url, None).await?;
        let what = "the certificate is not written as PEM";
        let chain = String::from_utf8(answer.body.to_vec());
        let chain = chain.map_err(|_| ClientError::Malformed { url: url.to_owned(), what })?;
        Ok((chain, answer.links("alternate")))
    }

    /// When a certificate should be renewed; nothing where the authority does not say.
    pub(super) async fn renewal(&self, certificate: &str) -> Result<Option<Renewal>, ClientError> {
        let Some(base) = &self.directory.renewal_info else { return Ok(None) };
        let url = format!("{}/{certificate}", base.trim_end_matches('/'));
        let answer = checked(&url, self.web.ask(Method::GET, &url, None).await?)?;
        let info: RenewalInfo = read(&url, &answer)?;
        let seconds = |text: &str| {
            let time = OffsetDateTime::parse(text, &Rfc3339);
            let what = "a time that is none";
            let malformed = |_| ClientError::Malformed { url: url.clone(), what };
            time.map(OffsetDateTime::unix_timestamp).map_err(malformed)
        };
        let (start, end) =
            (seconds(&info.suggested_window.start)?, seconds(&info.suggested_window.end)?);
        let again = answer.retry_after().unwrap_or(RENEWAL_AGAIN);
        Ok(Some(Renewal { start, end, again }))
    }

    async fn ask(&self, url: &str, payload: Option<&Value>) -> Result<Answer, ClientError> {
        let account = self.account.borrow().clone();
        self.post(url, Signer::Account(&account), payload).await
    }

    /// Sends a signed message, again where its nonce is not taken.
    async fn post(
        &self,
        url: &str,
        signer: Signer<'_>,
        payload: Option<&Value>,
    ) -> Result<Answer, ClientError> {
        let mut tries = 0;
        loop {
            let nonce = self.nonce().await?;
            let message = self.key.sign(signer, &nonce, url, payload);
            let message = message.map_err(|_| ClientError::Key)?;
            let body = Bytes::from(message.to_string());
            let answer = self.web.ask(Method::POST, url, Some(body)).await?;
            self.keep_nonce(&answer);
            match checked(url, answer) {
                Err(ClientError::Refused(problem))
                    if problem.code() == "badNonce" && tries < NONCE_RETRIES_MAX =>
                {
                    tries += 1;
                }
                answer => return answer,
            }
        }
    }

    fn keep_nonce(&self, answer: &Answer) {
        let mut nonces = self.nonces.borrow_mut();
        if nonces.len() < NONCES_MAX {
            nonces.extend(answer.header(&REPLAY_NONCE));
        }
    }

    async fn nonce(&self) -> Result<String, ClientError> {
        let kept = self.nonces.borrow_mut().pop();
        if let Some(nonce) = kept {
            return Ok(nonce);
        }
        let url = &self.directory.new_nonce;
        let answer = checked(url, self.web.ask(Method::HEAD, url, None).await?)?;
        let what = "there is no nonce in the answer";
        let missing = || ClientError::Malformed { url: url.clone(), what };
        answer.header(&REPLAY_NONCE).ok_or_else(missing)
    }
}

/// Whether an authority says no to an order since it names another certificate.
fn is_about_replaces(wish: &Value, problem: &Problem) -> bool {
    wish.get("replaces").is_some() && matches!(problem.code(), "malformed" | "unauthorized")
}

/// An answer of success, or what the authority says instead.
fn checked(url: &str, answer: Answer) -> Result<Answer, ClientError> {
    if answer.status.is_success() {
        return Ok(answer);
    }
    let problem = serde_json::from_slice::<Problem>(&answer.body);
    Err(match problem {
        Ok(problem) if !problem.kind.is_empty() => {
            let retry_after = answer.retry_after();
            ClientError::Refused(Problem { retry_after, ..problem })
        }
        _ => ClientError::Failed { url: url.to_owned(), status: answer.status.as_u16() },
    })
}

fn read<T: DeserializeOwned>(url: &str, answer: &Answer) -> Result<T, ClientError> {
    let what = "the answer is no object of the protocol";
    serde_json::from_slice(&answer.body)
        .map_err(|_| ClientError::Malformed { url: url.to_owned(), what })
}

fn location(url: &str, answer: &Answer) -> Result<String, ClientError> {
    let what = "the answer does not say where what was made is";
    let malformed = || ClientError::Malformed { url: url.to_owned(), what };
    answer.header(&LOCATION).ok_or_else(malformed)
}
