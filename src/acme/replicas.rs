//! Several replicas with one place: one leads and orders, all serve what it keeps, and any proves
//! names for it.
//!
//! Must not know how the place does that.

use std::rc::Rc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::spawn_local;

use super::proofs::Question;
use super::resolver::{Lead, Resolver, Wish};
use super::store::{Shared, Store, StoreError};

/// How often a leader gives a sign of life, and others look for one and for what is new.
const EVERY: Duration = Duration::from_secs(2);

/// Takes part in the choice of who orders, and follows who does, until nobody says any more what is
/// wanted.
pub(super) async fn take_part(resolver: Rc<Resolver>, mut wishes: watch::Receiver<Wish>) {
    let (store, name) = (Rc::clone(resolver.parts.book.store()), &resolver.parts.name);
    let Some(shared) = store.shared() else { return resolver.lead(Lead::Ours) };
    let mut part = Part { resolver: &resolver, seen: None, is_ours: false };
    let mut is_told = false;
    loop {
        match part.turn(shared).await {
            Ok(()) => is_told = false,
            Err(error) => {
                // Whether the lead is still ours cannot be known, so nothing new is begun.
                part.leave();
                if !std::mem::replace(&mut is_told, true) {
                    let what = "replicas cannot settle who orders; what is served stays";
                    tracing::error!(resolver = name, %error, "{what}");
                }
            }
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = ended(&mut wishes) => break,
        }
    }
    if part.is_ours {
        shared.resign(name).await;
    }
}

/// The part of this replica.
struct Part<'a> {
    resolver: &'a Resolver,
    /// What was served last of what others keep.
    seen: Option<u64>,
    is_ours: bool,
}

impl Part<'_> {
    /// Takes the lead or keeps it, else serves what whoever leads keeps.
    async fn turn(&mut self, shared: &dyn Shared) -> Result<(), StoreError> {
        let name = &self.resolver.parts.name;
        if shared.lead(name).await? {
            if !self.is_ours {
                // What the leader before has kept comes first.
                self.resolver.follow().await?;
                self.is_ours = true;
                tracing::info!(resolver = name, "this replica orders certificates");
                self.resolver.lead(Lead::Ours);
            }
            return Ok(());
        }
        self.leave();
        let version = shared.version(name).await?;
        if self.seen != Some(version) {
            self.resolver.follow().await?;
            self.seen = Some(version);
        }
        Ok(())
    }

    fn leave(&mut self) {
        if std::mem::replace(&mut self.is_ours, false) {
            self.seen = None;
        }
        self.resolver.lead(Lead::Others);
    }
}

/// Resolves when nobody is left to say what is wanted.
async fn ended(wishes: &mut watch::Receiver<Wish>) {
    while wishes.changed().await.is_ok() {}
}

/// Answers workers whose authority asks for what another replica is to prove.
pub(super) async fn answer(stores: Vec<Rc<dyn Store>>, mut questions: mpsc::Receiver<Question>) {
    while let Some(Question { proof, answer }) = questions.recv().await {
        let stores = stores.clone();
        spawn_local(async move {
            let name = proof.to_string();
            let mut found = None;
            for shared in stores.iter().filter_map(|store| store.shared()) {
                if found.is_none() {
                    // Whoever cannot be asked has no answer.
                    found = shared.proof(&name).await.ok().flatten();
                }
            }
            // The authority may not wait any longer.
            let _ = answer.send(found);
        });
    }
}
