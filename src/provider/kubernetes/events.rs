//! Tells what is wrong with objects where their owners look: as Events of the objects.
//!
//! An Event is written once as long as its finding stays, by the replica that writes. Findings of
//! the whole way come here: what a provider could not use, and what did not compile.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Event, EventSource, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use kube::api::{Api, DynamicObject, PostParams};
use tokio::sync::watch;

use super::kinds::{self, Kind};
use super::lease::until_leader;
use super::names::{Group, Id, hash};
use super::serve::told;
use super::watch::chain;
use crate::model::{Diagnostic, Severity};

/// Findings about the whole configuration.
pub type Findings = watch::Receiver<Arc<Vec<Diagnostic>>>;

/// Writes Events.
pub(super) struct Events {
    pub(super) client: Client,
    pub(super) findings: Findings,
    pub(super) is_leader: watch::Receiver<bool>,
}

/// Events that are written for one change of the configuration; the log has all.
const EVENTS_MAX: usize = 50;
/// The least time between two rounds, since findings come and go while objects are applied.
const EVERY: Duration = Duration::from_secs(1);
/// The longest time until what could not be written is tried again.
const AGAIN_MAX: Duration = Duration::from_mins(5);
/// Bytes of an Event's message, which the API limits.
const MESSAGE_BYTES_MAX: usize = 1000;

/// The objects and the messages that they have as Events.
type Told = BTreeSet<(String, String)>;

/// What came of one round.
struct Round {
    told: Told,
    /// Whether the API took every Event.
    is_whole: bool,
}

impl Events {
    /// Writes until told to stop.
    pub(super) async fn run(mut self, stop: watch::Receiver<bool>) {
        tokio::select! {
            () = self.follow() => {}
            () = told(stop) => {}
        }
    }

    async fn follow(&mut self) {
        let mut told = Told::new();
        let mut pause = EVERY;
        while until_leader(&mut self.is_leader).await {
            let findings = Arc::clone(&self.findings.borrow_and_update());
            let round = self.write(&findings, &told).await;
            told = round.told;
            if round.is_whole {
                pause = EVERY;
                if self.findings.changed().await.is_err() {
                    return;
                }
            } else {
                // What could not be written is tried again, less and less often.
                pause = (pause * 2).min(AGAIN_MAX);
                if let Ok(Err(_)) = tokio::time::timeout(pause, self.findings.changed()).await {
                    return;
                }
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    /// Writes the Events of findings that were not told before.
    async fn write(&self, findings: &[Diagnostic], before: &Told) -> Round {
        let mut round = Round { told: Told::new(), is_whole: true };
        let mut written = 0;
        for finding in findings {
            let Some((kind, id)) = finding.source.as_deref().and_then(object) else { continue };
            let message = format!("{}: {}", finding.path, finding.reason);
            let key = (format!("{} {id}", kind.name), message);
            if !before.contains(&key) && !round.told.contains(&key) {
                if written == EVENTS_MAX {
                    continue;
                }
                written += 1;
                if let Err(error) = self.post(kind, &id, finding.severity, &key.1).await {
                    tracing::debug!(provider = "kubernetes", "an Event: {}", chain(&error));
                    round.is_whole = false;
                    continue;
                }
            }
            round.told.insert(key);
        }
        round
    }

    async fn post(
        &self,
        kind: &'static Kind,
        id: &Id,
        severity: Severity,
        message: &str,
    ) -> Result<(), kube::Error> {
        let Some((object, api_version)) = self.find(kind, id).await? else { return Ok(()) };
        let end = message.floor_char_boundary(MESSAGE_BYTES_MAX);
        let message = message.get(..end).unwrap_or_default();
        let now = Time(Timestamp::now());
        let uid = object.metadata.uid.clone();
        let told = format!("{}{message}", uid.as_deref().unwrap_or_default());
        let event = Event {
            metadata: ObjectMeta {
                // The same finding is the same Event, whoever writes it.
                name: Some(format!("{}.{}", id.name, hash(&told, 8))),
                namespace: Some(id.namespace.clone()),
                ..ObjectMeta::default()
            },
            involved_object: ObjectReference {
                api_version: Some(api_version),
                kind: Some(kind.name.to_owned()),
                name: Some(id.name.clone()),
                namespace: Some(id.namespace.clone()),
                uid,
                ..ObjectReference::default()
            },
            reason: Some(match severity {
                Severity::Error => "Rejected".to_owned(),
                Severity::Warning => "Accepted".to_owned(),
            }),
            message: Some(message.to_owned()),
            type_: Some("Warning".to_owned()),
            source: Some(EventSource { component: Some("moongate".to_owned()), host: None }),
            first_timestamp: Some(now.clone()),
            last_timestamp: Some(now),
            count: Some(1),
            ..Event::default()
        };
        let api = Api::<Event>::namespaced(self.client.clone(), &id.namespace);
        match api.create(&PostParams::default(), &event).await {
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
            outcome => outcome.map(|_| ()),
        }
    }

    /// The object as it is now, in the group that has it.
    async fn find(
        &self,
        kind: &Kind,
        id: &Id,
    ) -> Result<Option<(DynamicObject, String)>, kube::Error> {
        for group in [Group::Present, Group::Old] {
            let resource = kind.resource(group);
            let client = self.client.clone();
            let api = Api::<DynamicObject>::namespaced_with(client, &id.namespace, &resource);
            match api.get_opt(&id.name).await {
                Ok(Some(object)) => return Ok(Some((object, resource.api_version))),
                Ok(None) => {}
                // The other group may be there.
                Err(_) if group == Group::Present && kind.is_custom() => {}
                Err(error) => return Err(error),
            }
            if !kind.is_custom() {
                break;
            }
        }
        Ok(None)
    }
}

/// The object of a finding's source, such as `IngressRoute default/shop`.
fn object(source: &str) -> Option<(&'static Kind, Id)> {
    let (kind, name) = source.split_once(' ')?;
    let (namespace, name) = name.split_once('/')?;
    let kind = kinds::WITH_FINDINGS.iter().find(|known| known.name == kind)?;
    Some((kind, Id::new(namespace, name)))
}
