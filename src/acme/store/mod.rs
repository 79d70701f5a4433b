//! Where accounts and certificates are kept.
//!
//! A file belongs to one process. Other places may be shared by replicas: one of them leads and
//! orders, the others serve what it keeps. Must not know authorities.

mod file;
mod kept;
mod kubernetes;
mod redis;

use std::time::Duration;

use crate::message::LocalFuture;

pub(super) use file::{FileError, FileStore};
pub(super) use kept::{Account, Domain, Issued, Kept, Pending, Registration};
pub(super) use kubernetes::{KubernetesStore, KubernetesStoreError};
pub(super) use redis::{RedisStore, RedisStoreError};

/// Why something is not kept, or cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum StoreError {
    /// The file.
    #[error(transparent)]
    File(#[from] FileError),
    /// Redis.
    #[error("sharedStorage.redis: {0}")]
    Redis(#[from] RedisStoreError),
    /// The Kubernetes API.
    #[error("sharedStorage.kubernetes: {0}")]
    Kubernetes(#[from] KubernetesStoreError),
}

/// A place to keep things in.
pub(super) trait Store: std::fmt::Debug {
    /// What is kept of a resolver.
    fn load<'a>(&'a self, resolver: &'a str) -> LocalFuture<'a, Result<Kept, StoreError>>;

    /// Keeps this of a resolver from now on. With a shared place only the leader's is kept.
    fn save<'a>(&'a self, resolver: &'a str, kept: Kept)
    -> LocalFuture<'a, Result<(), StoreError>>;

    /// The place as one that replicas share, if it is one.
    fn shared(&self) -> Option<&dyn Shared> {
        None
    }
}

/// What replicas need of a place beside keeping things.
pub(super) trait Shared {
    /// Takes or keeps the lead over a resolver for a while; whether it is ours.
    fn lead<'a>(&'a self, resolver: &'a str) -> LocalFuture<'a, Result<bool, StoreError>>;

    /// Gives up the lead, so that another replica has it at once.
    fn resign<'a>(&'a self, resolver: &'a str) -> LocalFuture<'a, ()>;

    /// Counts what has been kept of a resolver.
    fn version<'a>(&'a self, resolver: &'a str) -> LocalFuture<'a, Result<u64, StoreError>>;

    /// Lets all replicas prove something for a while.
    fn share_proof<'a>(
        &'a self,
        name: &'a str,
        text: &'a str,
        lifetime: Duration,
    ) -> LocalFuture<'a, Result<(), StoreError>>;

    /// What another replica is to prove.
    fn proof<'a>(&'a self, name: &'a str) -> LocalFuture<'a, Result<Option<String>, StoreError>>;

    /// Ends a proof.
    fn end_proof<'a>(&'a self, name: &'a str) -> LocalFuture<'a, Result<(), StoreError>>;
}
