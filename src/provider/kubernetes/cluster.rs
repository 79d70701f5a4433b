//! What is known of one cluster: a store for each kind, and who fills it.
//!
//! Two providers of one connection share a cluster. Must not know what providers make of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use super::client::Connection;
use super::kinds::Kind;
use super::names::Group;
use super::objects::{ConfigMap, EndpointSlice, IngressClass, Node, Secret, Service, Watched};
use super::store::{Scope, Store};
use super::watch::{Follow, Trouble};
use super::{crd, ingress, kinds};

/// All stores of a cluster; those of kinds that nobody needs stay empty.
#[derive(Debug, Default)]
pub(super) struct Stores {
    pub(super) services: Arc<Store<Service>>,
    pub(super) slices: Arc<Store<EndpointSlice>>,
    pub(super) secrets: Arc<Store<Secret>>,
    pub(super) config_maps: Arc<Store<ConfigMap>>,
    pub(super) nodes: Arc<Store<Node>>,
    pub(super) classes: Arc<Store<IngressClass>>,
    pub(super) ingresses: Arc<Store<ingress::Ingress>>,
    pub(super) custom: crd::Stores,
}

/// A cluster that is followed.
pub(super) struct Cluster {
    pub(super) client: Client,
    pub(super) stores: Stores,
    pub(super) changes: Changes,
    connection: Connection,
    stop: watch::Receiver<bool>,
}

/// Tells of changes, and knows what is known so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Changes {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// What became of each kind in each scope; nothing where it is waited for.
    states: Mutex<BTreeMap<String, Option<State>>>,
    notify: Mutex<Vec<Arc<Notify>>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// All of it is known, and followed.
    Known,
    /// It was known, and is followed no longer.
    Stale(Trouble),
    /// It has never been known.
    Unknown(Trouble),
}

impl Changes {
    fn await_kind(&self, resource: &ApiResource, scope: &Scope) {
        self.shared.states.lock().insert(key(resource, scope), None);
    }

    /// A way to be told of changes from now on.
    pub(super) fn subscribe(&self) -> Arc<Notify> {
        let notify = Arc::new(Notify::new());
        self.shared.notify.lock().push(Arc::clone(&notify));
        notify
    }

    fn tell(&self) {
        for notify in &*self.shared.notify.lock() {
            notify.notify_one();
        }
    }

    /// An object was seen.
    pub(super) fn seen(&self, is_changed: bool) {
        if is_changed {
            self.tell();
        }
    }

    /// A list is complete.
    pub(super) fn synced(&self, resource: &ApiResource, scope: &Scope, is_changed: bool) {
        let before = self.set(resource, scope, State::Known);
        if is_changed || before != Some(State::Known) {
            self.tell();
        }
    }

    /// A kind cannot be followed now. Said once as long as it stays the same.
    pub(super) fn trouble(&self, resource: &ApiResource, scope: &Scope, trouble: Trouble) {
        let kind = format!("{}.{}", resource.plural, resource.group);
        let kind = kind.trim_end_matches('.');
        let next = match self.shared.states.lock().get(&key(resource, scope)) {
            Some(Some(State::Known | State::Stale(_))) => State::Stale(trouble.clone()),
            _ => State::Unknown(trouble.clone()),
        };
        if self.set(resource, scope, next.clone()) == Some(next) {
            return;
        }
        match &trouble {
            Trouble::Missing => {
                tracing::info!(provider = "kubernetes", "the cluster has no {kind}");
            }
            Trouble::Forbidden(reason) => {
                tracing::warn!(provider = "kubernetes", "{kind} are not looked at: {reason}");
            }
            Trouble::Away(reason) => {
                tracing::error!(provider = "kubernetes", "{kind} cannot be followed: {reason}");
            }
        }
        self.tell();
    }

    fn set(&self, resource: &ApiResource, scope: &Scope, state: State) -> Option<State> {
        self.shared.states.lock().insert(key(resource, scope), Some(state)).flatten()
    }

    /// Whether all kinds are known that can be.
    pub(super) fn is_complete(&self) -> bool {
        let states = self.shared.states.lock();
        states.values().all(|state| match state {
            Some(State::Known | State::Stale(_)) => true,
            Some(State::Unknown(trouble)) => trouble.is_absence(),
            None => false,
        })
    }

    /// Why something is not followed now, if it is the API that keeps it back.
    pub(super) fn away(&self) -> Option<String> {
        let states = self.shared.states.lock();
        states.values().find_map(|state| match state {
            Some(State::Stale(Trouble::Away(reason)) | State::Unknown(Trouble::Away(reason))) => {
                Some(reason.clone())
            }
            _ => None,
        })
    }
}

fn key(resource: &ApiResource, scope: &Scope) -> String {
    let namespace = scope.namespace.as_deref().unwrap_or_default();
    format!("{}/{}/{namespace}", resource.api_version, resource.plural)
}

impl Cluster {
    /// A cluster that nothing is known of yet.
    pub(super) fn new(client: Client, connection: Connection, stop: watch::Receiver<bool>) -> Self {
        let (stores, changes) = (Stores::default(), Changes::default());
        Self { client, stores, changes, connection, stop }
    }

    /// Follows what every provider needs.
    pub(super) fn follow_backends(&self) {
        let stores = &self.stores;
        self.follow(&kinds::SERVICE, Group::Present, None, &stores.services);
        self.follow(&kinds::ENDPOINT_SLICE, Group::Present, None, &stores.slices);
        self.follow(&kinds::SECRET, Group::Present, Some(NOT_HELM), &stores.secrets);
        if self.connection.is_cluster_wide {
            self.follow_all(&kinds::NODE, None, &stores.nodes);
        }
    }

    /// Follows Ingress objects with these labels.
    pub(super) fn follow_ingresses(&self, labels: Option<&str>, classes: bool) {
        self.follow(&kinds::INGRESS, Group::Present, labels, &self.stores.ingresses);
        if classes && self.connection.is_cluster_wide {
            self.follow_all(&kinds::INGRESS_CLASS, None, &self.stores.classes);
        }
    }

    /// Follows Traefik's custom resources with these labels, and what they refer to.
    pub(super) fn follow_custom(&self, labels: Option<&str>) {
        self.follow(&kinds::CONFIG_MAP, Group::Present, None, &self.stores.config_maps);
        for group in [Group::Present, Group::Old] {
            let all = &self.stores.custom;
            self.follow(&kinds::INGRESS_ROUTE, group, labels, &all.routes);
            self.follow(&kinds::INGRESS_ROUTE_TCP, group, labels, &all.tcp_routes);
            self.follow(&kinds::INGRESS_ROUTE_UDP, group, labels, &all.udp_routes);
            self.follow(&kinds::MIDDLEWARE, group, labels, &all.middlewares);
            self.follow(&kinds::MIDDLEWARE_TCP, group, labels, &all.tcp_middlewares);
            self.follow(&kinds::TRAEFIK_SERVICE, group, labels, &all.services);
            self.follow(&kinds::TLS_OPTION, group, labels, &all.tls_options);
            self.follow(&kinds::TLS_STORE, group, labels, &all.tls_stores);
            self.follow(&kinds::SERVERS_TRANSPORT, group, labels, &all.transports);
            self.follow(&kinds::SERVERS_TRANSPORT_TCP, group, labels, &all.tcp_transports);
        }
    }

    /// Follows a kind in all namespaces that are looked at.
    fn follow<T: Watched>(
        &self,
        kind: &Kind,
        group: Group,
        labels: Option<&str>,
        store: &Arc<Store<T>>,
    ) {
        let resource = kind.resource(group);
        if self.connection.namespaces.is_empty() {
            let api = Api::all_with(self.client.clone(), &resource);
            self.start(api, resource, labels, Scope { group, namespace: None }, store);
            return;
        }
        for namespace in &self.connection.namespaces {
            let api = Api::namespaced_with(self.client.clone(), namespace, &resource);
            let scope = Scope { group, namespace: Some(namespace.clone()) };
            self.start(api, resource.clone(), labels, scope, store);
        }
    }

    /// Follows a kind that belongs to no namespace.
    fn follow_all<T: Watched>(&self, kind: &Kind, labels: Option<&str>, store: &Arc<Store<T>>) {
        let resource = kind.resource(Group::Present);
        let api = Api::all_with(self.client.clone(), &resource);
        self.start(api, resource, labels, Scope { group: Group::Present, namespace: None }, store);
    }

    fn start<T: Watched>(
        &self,
        api: Api<DynamicObject>,
        resource: ApiResource,
        labels: Option<&str>,
        scope: Scope,
        store: &Arc<Store<T>>,
    ) {
        self.changes.await_kind(&resource, &scope);
        let follow = Follow {
            api,
            resource,
            labels: labels.map(str::to_owned),
            scope,
            store: Arc::clone(store),
            changes: self.changes.clone(),
        };
        tokio::spawn(follow.run(self.stop.clone()));
    }
}

/// Leaves out what Helm keeps of its releases, which are large and many.
const NOT_HELM: &str = "owner!=helm";
