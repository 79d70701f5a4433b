//! Writes into Ingress objects where they are served.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kube::api::{Api, DynamicObject, PostParams};
use serde_json::{Map, Value, json};
use tokio::sync::{Notify, watch};

use super::cluster::Cluster;
use super::ingress::{Ingress, Settings, is_ours};
use super::kinds;
use super::lease::until_leader;
use super::names::{Group, Id};
use super::serve::told;
use super::watch::chain;
use crate::config::IngressEndpoint;

/// Keeps the statuses of Ingress objects.
pub(super) struct Statuses {
    pub(super) cluster: Arc<Cluster>,
    pub(super) settings: Settings,
    pub(super) endpoint: IngressEndpoint,
    pub(super) is_leader: watch::Receiver<bool>,
}

/// When what could not be written is tried again.
const AGAIN: Duration = Duration::from_secs(5);
/// When all are looked at although nothing has changed: never.
const NEVER: Duration = Duration::from_secs(365 * 24 * 3600);

impl Statuses {
    /// Whether the options say what is to be written.
    pub(super) fn are_wanted(endpoint: &IngressEndpoint) -> bool {
        *endpoint != IngressEndpoint::default()
    }

    /// Writes until told to stop.
    pub(super) async fn run(mut self, changed: Arc<Notify>, stop: watch::Receiver<bool>) {
        tokio::select! {
            () = self.follow(&changed) => {}
            () = told(stop) => {}
        }
    }

    async fn follow(&mut self, changed: &Notify) {
        // What has been told already is told again only when it changes.
        let mut last = String::new();
        while until_leader(&mut self.is_leader).await {
            let mut next = NEVER;
            if self.cluster.changes.is_complete()
                && let Err(error) = self.write().await
            {
                if last != error {
                    tracing::error!(provider = "kubernetes", "status of Ingresses: {error}");
                    last = error;
                }
                next = AGAIN;
            }
            tokio::select! {
                () = changed.notified() => {}
                () = tokio::time::sleep(next) => {}
                _ = self.is_leader.changed() => {}
            }
        }
    }

    /// Writes the statuses that are not as they should be.
    ///
    /// # Errors
    /// The first of what went wrong; the others are tried all the same.
    async fn write(&self) -> Result<(), String> {
        let Some(wanted) = self.wanted()? else { return Ok(()) };
        let stores = &self.cluster.stores;
        let (ingresses, classes) = (stores.ingresses.all(), stores.classes.all());
        let mut outcome = Ok(());
        for (id, ingress) in stale(&ingresses, &wanted) {
            if is_ours(ingress, &classes, &self.settings)
                && let Err(error) = self.set(id, &wanted).await
                && outcome.is_ok()
            {
                outcome = Err(format!("{id}: {}", chain(&error)));
            }
        }
        outcome
    }

    /// The addresses that are to be written; nothing while they are not known.
    fn wanted(&self) -> Result<Option<Vec<Value>>, String> {
        let IngressEndpoint { hostname, ip, published_service } = &self.endpoint;
        if published_service.is_empty() {
            let mut address = Map::new();
            for (key, value) in [("ip", ip), ("hostname", hostname)] {
                if !value.is_empty() {
                    address.insert(key.to_owned(), json!(value));
                }
            }
            return Ok(Some(vec![Value::Object(address)]));
        }
        let Some((namespace, name)) = published_service.split_once('/') else {
            return Err(format!("publishedService: {published_service:?} is not namespace/name"));
        };
        let services = self.cluster.stores.services.all();
        let service = services.get(&Id::new(namespace, name));
        let addresses = service.map(|service| service.addresses.clone()).unwrap_or_default();
        Ok(Some(addresses).filter(|addresses| !addresses.is_empty()))
    }

    /// Writes the status of one Ingress, whatever else has changed in it meanwhile.
    async fn set(&self, id: &Id, addresses: &[Value]) -> Result<(), kube::Error> {
        let resource = kinds::INGRESS.resource(Group::Present);
        let client = self.cluster.client.clone();
        let api = Api::<DynamicObject>::namespaced_with(client, &id.namespace, &resource);
        let Some(mut ingress) = api.get_opt(&id.name).await? else { return Ok(()) };
        ingress.data["status"] = json!({"loadBalancer": {"ingress": addresses}});
        api.replace_status(&id.name, &PostParams::default(), &ingress).await?;
        Ok(())
    }
}

fn stale<'a>(
    all: &'a BTreeMap<Id, Arc<Ingress>>,
    wanted: &'a [Value],
) -> impl Iterator<Item = (&'a Id, &'a Arc<Ingress>)> {
    all.iter().filter(move |(_, ingress)| ingress.addresses != wanted)
}
