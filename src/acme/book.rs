//! What is kept of one resolver, in memory and in its place at once.
//!
//! Must not know authorities.

use std::cell::RefCell;
use std::rc::Rc;

use tokio::sync::Mutex;

use super::dns::Record;
use super::store::{Account, Issued, Kept, Pending, Store, StoreError};

/// The book of a resolver.
#[derive(Debug)]
pub(super) struct Book {
    resolver: String,
    store: Rc<dyn Store>,
    kept: RefCell<Kept>,
    /// One writes at a time, so that what is newer is never overwritten by what is older.
    writing: Mutex<()>,
}

impl Book {
    /// Reads what is kept. A place that is shared may be away for a while: it is read when it is
    /// there, and nothing is written before.
    pub(super) async fn open(resolver: &str, store: Rc<dyn Store>) -> Result<Self, StoreError> {
        let kept = match store.load(resolver).await {
            Err(error) if store.shared().is_some() => {
                tracing::warn!(resolver, %error, "what is kept cannot be read yet");
                Kept::default()
            }
            kept => kept?,
        };
        let kept = RefCell::new(kept);
        Ok(Self { resolver: resolver.to_owned(), store, kept, writing: Mutex::new(()) })
    }

    /// Reads it again, since another replica may have written.
    pub(super) async fn reload(&self) -> Result<(), StoreError> {
        let _writing = self.writing.lock().await;
        let kept = self.store.load(&self.resolver).await?;
        *self.kept.borrow_mut() = kept;
        Ok(())
    }

    pub(super) fn store(&self) -> &Rc<dyn Store> {
        &self.store
    }

    pub(super) fn account(&self) -> Option<Account> {
        self.kept.borrow().account.clone()
    }

    pub(super) fn certificates(&self) -> Vec<Issued> {
        self.kept.borrow().certificates.clone()
    }

    pub(super) fn pending(&self) -> Vec<Pending> {
        self.kept.borrow().pending.clone()
    }

    pub(super) async fn set_account(&self, account: Account) -> Result<(), StoreError> {
        self.change(|kept| kept.account = Some(account)).await
    }

    /// Adds a certificate, in the place of one for the same names.
    pub(super) async fn add(&self, issued: Issued) -> Result<(), StoreError> {
        self.change(|kept| {
            let same = |other: &&mut Issued| other.domain == issued.domain;
            match kept.certificates.iter_mut().find(same) {
                Some(before) => *before = issued,
                None => kept.certificates.push(issued),
            }
        })
        .await
    }

    /// Notes a record that is about to be set.
    pub(super) async fn note(&self, record: &Record) -> Result<(), StoreError> {
        let pending = pending_of(record);
        self.change(|kept| kept.pending.push(pending)).await
    }

    /// Strikes out a record that has been taken away.
    pub(super) async fn strike(&self, pending: &Pending) -> Result<(), StoreError> {
        self.change(|kept| kept.pending.retain(|other| other != pending)).await
    }

    async fn change(&self, change: impl FnOnce(&mut Kept)) -> Result<(), StoreError> {
        change(&mut self.kept.borrow_mut());
        let _writing = self.writing.lock().await;
        let kept = self.kept.borrow().clone();
        self.store.save(&self.resolver, kept).await
    }
}

/// A record as it is kept.
pub(super) fn pending_of(record: &Record) -> Pending {
    Pending {
        domain: record.domain.clone(),
        fqdn: record.fqdn.clone(),
        value: record.value.clone(),
    }
}
