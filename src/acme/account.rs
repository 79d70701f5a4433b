//! The account of a resolver: the one that is kept, else a new one.
//!
//! As in Traefik it has an RSA key and is kept before anything is ordered.

use std::rc::Rc;

use super::book::Book;
use super::client::{AccountKey, Binding, Client, ClientError, Web, decode};
use super::key::{self, KeyError, KeyType};
use super::store::{Account, Registration, StoreError};
use crate::config::AcmeOptions;

/// Why there is no account.
#[derive(Debug, thiserror::Error)]
pub(super) enum AccountError {
    /// The authority, or the way to it.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A new key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// It cannot be kept.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The key that is kept cannot be used.
    #[error("the account's key that is kept cannot be used: {reason}")]
    Kept {
        /// What is wrong with it.
        reason: ring::error::KeyRejected,
    },
    /// The key that ties it to another account is none.
    #[error("eab.hmacEncoded is no base64 for URLs")]
    Binding,
    /// The thread that makes keys has ended.
    #[error("no key was made")]
    NoKey,
}

/// Whether the authority is asked for the account though one is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    Trusted,
    Doubted,
}

/// The authority, with the account of a resolver.
pub(super) async fn open(
    web: &Rc<Web>,
    options: &AcmeOptions,
    book: &Book,
    kind: KeyType,
    kept: Kept,
) -> Result<Client, AccountError> {
    let is_ours = |account: &Account| !account.private_key.is_empty();
    let before = book.account().filter(is_ours).filter(|account| is_of(account, options));
    let der = match &before {
        Some(account) => account.private_key.clone(),
        None => {
            // Primes take seconds.
            let made = tokio::task::spawn_blocking(key::account_key).await;
            made.map_err(|_| AccountError::NoKey)??
        }
    };
    let key = AccountKey::read(&der).map_err(|reason| AccountError::Kept { reason })?;
    let client = Client::open(Rc::clone(web), &options.ca_server, Rc::new(key)).await?;
    let registered = before.as_ref().and_then(|account| account.registration.as_ref());
    let registered = registered.filter(|found| !found.uri.is_empty() && kept == Kept::Trusted);
    if let Some(Registration { uri, .. }) = registered {
        client.act_for(uri);
        return Ok(client);
    }
    let (uri, body) = client.register(&options.email, binding(options)?.as_ref()).await?;
    tracing::info!(account = uri, "an account of the authority is ours");
    let account = Account {
        email: options.email.clone(),
        registration: Some(Registration { body, uri }),
        private_key: der,
        key_type: before.map_or_else(|| kind.in_file().to_owned(), |account| account.key_type),
    };
    book.set_account(account).await?;
    Ok(client)
}

/// Whether an account is of the authority that is configured now, as far as its host tells.
fn is_of(account: &Account, options: &AcmeOptions) -> bool {
    let host = |url: &str| {
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        authority.split(':').next().unwrap_or_default().to_ascii_lowercase()
    };
    let known = account.registration.as_ref().filter(|found| !found.uri.is_empty());
    known.is_none_or(|found| host(&found.uri) == host(&options.ca_server))
}

fn binding(options: &AcmeOptions) -> Result<Option<Binding>, AccountError> {
    let Some(eab) = options.eab.as_ref().filter(|eab| !eab.kid.is_empty()) else {
        return Ok(None);
    };
    let key = decode(&eab.hmac_encoded).ok_or(AccountError::Binding)?;
    Ok(Some(Binding { kid: eab.kid.clone(), key }))
}
