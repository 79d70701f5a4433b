//! Follows all objects of one kind into their store.
//!
//! A lost connection, and a watch whose place the API has forgotten (410), end in a new list: what
//! was known stays in force until that is complete.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use kube::api::{Api, ApiResource, DynamicObject};
use kube::runtime::watcher::{self, Event, watcher};
use tokio::sync::watch;

use super::cluster::Changes;
use super::names::Id;
use super::objects::Watched;
use super::store::{Scope, Store};

/// One kind to follow, in one group, and in one namespace or in all.
pub(super) struct Follow<T> {
    pub(super) api: Api<DynamicObject>,
    pub(super) resource: ApiResource,
    pub(super) labels: Option<String>,
    pub(super) scope: Scope,
    pub(super) store: Arc<Store<T>>,
    pub(super) changes: Changes,
}

/// How long one watch lasts; then it goes on where it was. Shorter than the API's own end of it,
/// and than the silence after which networks forget connections.
const WATCH_SECONDS: u32 = 240;
/// The longest time between two attempts while the API is away.
const WAIT_MAX: Duration = Duration::from_secs(10);
/// The shortest one.
const WAIT_MIN: Duration = Duration::from_millis(200);
/// The same for a kind that the API does not have, or does not show: it may come later.
const MISSING_WAIT_MAX: Duration = Duration::from_secs(30);

/// What keeps a watch from going on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The API does not know the kind.
    Missing,
    /// The account may not see the kind.
    Forbidden(String),
    /// The API cannot be reached, or answers with an error.
    Away(String),
}

impl<T: Watched> Follow<T> {
    /// Follows until told to stop.
    pub(super) async fn run(self, mut stop: watch::Receiver<bool>) {
        tokio::select! {
            () = self.follow() => {}
            // An error means that nobody is left to say it.
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }

    async fn follow(self) {
        let mut config = watcher::Config::default().timeout(WATCH_SECONDS);
        if let Some(labels) = &self.labels {
            config = config.labels(labels);
        }
        let mut events = pin!(watcher(self.api.clone(), config));
        let mut listed = BTreeMap::new();
        let mut attempts = 0;
        while let Some(event) = events.next().await {
            match event {
                Ok(event) => {
                    if !matches!(event, Event::Init) {
                        attempts = 0;
                    }
                    self.take(event, &mut listed);
                }
                Err(error) => {
                    let trouble = trouble(&error);
                    let Some(trouble) = trouble else { continue };
                    let wait = wait(&trouble, attempts);
                    attempts += 1;
                    self.meet(trouble);
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }

    fn take(&self, event: Event<DynamicObject>, listed: &mut BTreeMap<Id, T>) {
        match event {
            Event::Init => listed.clear(),
            Event::InitApply(object) => {
                let id = self.id(&object);
                if let Some(object) = self.read(&id, object) {
                    listed.insert(id, object);
                }
            }
            Event::InitDone => {
                let is_changed = self.store.replace(&self.scope, std::mem::take(listed));
                self.changes.synced(&self.resource, &self.scope, is_changed);
            }
            Event::Apply(object) => {
                let id = self.id(&object);
                let is_changed = match self.read(&id, object) {
                    Some(object) => self.store.put(id, object),
                    None => self.store.remove(&id),
                };
                self.changes.seen(is_changed);
            }
            Event::Delete(object) => {
                self.changes.seen(self.store.remove(&self.id(&object)));
            }
        }
    }

    fn id(&self, object: &DynamicObject) -> Id {
        let text = |text: &Option<String>| text.as_deref().unwrap_or_default().to_owned();
        let (namespace, name) = (text(&object.metadata.namespace), text(&object.metadata.name));
        Id { namespace, name, group: self.scope.group }
    }

    /// What is kept of an object; nothing of one that is not of its kind's shape.
    fn read(&self, id: &Id, object: DynamicObject) -> Option<T> {
        T::read(object)
            .map_err(|error| {
                let kind = &self.resource.kind;
                tracing::error!(provider = "kubernetes", "{kind} {id} is left out: {error}");
            })
            .ok()
    }

    fn meet(&self, trouble: Trouble) {
        // What may no longer be seen stays as it was; what is gone goes.
        if trouble == Trouble::Missing {
            let is_changed = self.store.replace(&self.scope, BTreeMap::new());
            self.changes.seen(is_changed);
        }
        self.changes.trouble(&self.resource, &self.scope, trouble);
    }
}

impl Trouble {
    /// Whether there is nothing to be seen, in contrast to nothing being seen now.
    pub(super) fn is_absence(&self) -> bool {
        matches!(self, Self::Missing | Self::Forbidden(_))
    }
}

fn wait(trouble: &Trouble, attempts: u32) -> Duration {
    let most = if trouble.is_absence() { MISSING_WAIT_MAX } else { WAIT_MAX };
    WAIT_MIN.saturating_mul(2_u32.saturating_pow(attempts)).min(most)
}

/// What an error means; nothing for those after which the watcher simply lists anew.
fn trouble(error: &watcher::Error) -> Option<Trouble> {
    let status = |status: &kube::core::Status| match status.code {
        404 => Some(Trouble::Missing),
        403 => Some(Trouble::Forbidden(status.message.clone())),
        410 => None,
        _ => Some(Trouble::Away(status.message.clone())),
    };
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(error))
        | watcher::Error::WatchStartFailed(kube::Error::Api(error))
        | watcher::Error::WatchFailed(kube::Error::Api(error))
        | watcher::Error::WatchError(error) => status(error),
        other => Some(Trouble::Away(chain(other))),
    }
}

/// An error's words with those of its causes.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let words = error.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        source = error.source();
    }
    text
}
