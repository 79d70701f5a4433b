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
use super::store::Store;

/// How often a leader gives a sign of life, and others look for one and for what is new.
const EVERY: Duration = Duration::from_secs(2);

/// Takes part in the choice of who orders, and follows who does, until nobody says any more what is
/// wanted.
pub(super) async fn take_part(resolver: Rc<Resolver>, mut wishes: watch::Receiver<Wish>) {
    let (store, name) = (Rc::clone(resolver.parts.book.store()), &resolver.parts.name);
    let Some(shared) = store.shared() else { return resolver.lead(Lead::Ours) };
    let (mut seen, mut is_ours) = (None, false);
    let mut trouble = Trouble::default();
    loop {
        match shared.lead(name).await {
            Ok(true) if is_ours => trouble.is_over(),
            Ok(true) => {
                trouble.is_over();
                // What the leader before has kept comes first.
                is_ours = resolver.follow().await;
                if is_ours {
                    tracing::info!(resolver = name, "this replica orders certificates");
                    resolver.lead(Lead::Ours);
                }
            }
            Ok(false) => {
                trouble.is_over();
                is_ours = false;
                resolver.lead(Lead::Others);
            }
            // Whether the lead is still ours cannot be known, so nothing new is begun.
            Err(error) => {
                is_ours = false;
                resolver.lead(Lead::Others);
                trouble.is_there(name, &error);
            }
        }
        if !is_ours && let Ok(version) = shared.version(name).await {
            if seen != Some(version) && resolver.follow().await {
                seen = Some(version);
            }
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = ended(&mut wishes) => break,
        }
    }
    if is_ours {
        shared.resign(name).await;
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

/// Whether it has been told that the place cannot be reached.
#[derive(Default)]
struct Trouble {
    is_told: bool,
}

impl Trouble {
    fn is_there(&mut self, resolver: &str, error: &dyn std::fmt::Display) {
        if !std::mem::replace(&mut self.is_told, true) {
            let what = "replicas cannot settle who orders; what is served stays";
            tracing::error!(resolver, %error, "{what}");
        }
    }

    fn is_over(&mut self) {
        self.is_told = false;
    }
}
