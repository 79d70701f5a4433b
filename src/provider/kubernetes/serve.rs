//! Says what a provider makes of the cluster, whenever that has changed.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};

use super::cluster::{Cluster, Stores};
use super::ingress;
use super::output::Output;
use crate::model::{Diagnostic, Dynamic};
use crate::provider::share::share;
use crate::provider::{Message, Sender, Update};

/// One of the providers.
pub(super) struct Provider {
    /// Its name in element names.
    pub(super) name: &'static str,
    /// The least time between two looks at what has changed.
    pub(super) throttle: Duration,
    /// Which Ingress objects are its, for the provider of these.
    pub(super) ingress: Option<ingress::Settings>,
    /// Follows the kinds that it alone needs.
    pub(super) follow: Box<dyn Fn(&Cluster) + Send + Sync>,
    /// Makes a configuration of what is known.
    pub(super) build: Box<dyn Fn(&Stores) -> Output + Send + Sync>,
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provider").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What a provider has said last.
#[derive(Default)]
struct Said {
    dynamic: Option<Arc<Dynamic>>,
    diagnostics: Vec<Diagnostic>,
    /// Why the API is away.
    away: Option<String>,
}

impl Provider {
    /// Follows the kinds that it alone needs.
    pub(super) fn follow(&self, cluster: &Cluster) {
        (self.follow)(cluster);
    }

    /// Whether it is the provider of Ingress objects.
    pub(super) fn is_ingress(&self) -> bool {
        self.ingress.is_some()
    }

    /// Says that the cluster cannot be followed now. What it said last stays in force.
    pub(super) fn refuse(&self, sender: &Sender, reason: &str) {
        let reason = format!("the cluster's API cannot be followed: {reason}");
        let diagnostics = vec![Diagnostic::error(format!("providers.{}", self.name), reason)];
        sender.send(Message::Rejected { provider: self.name.into(), diagnostics });
    }

    /// Follows changes until told to stop.
    pub(super) async fn run(
        self,
        cluster: Arc<Cluster>,
        changed: Arc<Notify>,
        sender: Sender,
        stop: watch::Receiver<bool>,
    ) {
        let mut said = Said::default();
        loop {
            tokio::select! {
                () = changed.notified() => {}
                () = told(stop.clone()) => return,
            }
            let away = cluster.changes.away();
            if let Some(reason) = &away
                && said.away != away
            {
                self.refuse(&sender, reason);
            }
            if cluster.changes.is_complete() {
                self.say(&cluster.stores, &mut said, away.is_none(), &sender);
            }
            said.away = away;
            tokio::select! {
                () = tokio::time::sleep(self.throttle) => {}
                () = told(stop.clone()) => return,
            }
        }
    }

    /// Says the whole configuration, if it is not what was said before.
    fn say(&self, stores: &Stores, said: &mut Said, is_there: bool, sender: &Sender) {
        let Output { mut dynamic, diagnostics, origins, .. } = (self.build)(stores);
        let before = said.dynamic.clone().unwrap_or_default();
        let is_same = share(&mut dynamic, &before) && said.dynamic.is_some();
        let has_returned = is_there && said.away.is_some();
        if is_same && !has_returned && diagnostics == said.diagnostics {
            return;
        }
        let dynamic = if is_same { before } else { Arc::new(dynamic) };
        said.dynamic = Some(Arc::clone(&dynamic));
        said.diagnostics.clone_from(&diagnostics);
        let update = Update::new(self.name, dynamic);
        let origins = Arc::new(origins);
        sender.send(Message::Update(Update { diagnostics, origins, ..update }));
    }
}

/// Resolves at the word to stop.
pub(super) async fn told(mut stop: watch::Receiver<bool>) {
    // An error means that nobody is left to say it.
    let _ = stop.wait_for(|stop| *stop).await;
}
