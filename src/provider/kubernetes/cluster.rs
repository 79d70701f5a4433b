//! What is known of one cluster: a store for each kind, and who fills it.
//!
//! Two providers of one connection share a cluster. Must not know what providers make of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject};
use parking_lot::Mutex;
use tokio::runtime::Handle;
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
    pub(super) custom: crd::Resources,
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
    pub(super) fn trouble(&self, resource: &ApiResource, scope: &Scope, trouble: &Trouble) {
        let kind = format!("{}.{}", resource.plural, resource.group);
        let kind = kind.trim_end_matches('.');
        let next = match self.shared.states.lock().get(&key(resource, scope)) {
            Some(Some(State::Known | State::Stale(_))) => State::Stale(trouble.clone()),
            _ => State::Unknown(trouble.clone()),
        };
        if self.set(resource, scope, next.clone()) == Some(next) {
            return;
        }
        match trouble {
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
        self.follow_endpoints();
        self.follow(&kinds::SECRET, Group::Present, Some(NOT_HELM), &stores.secrets);
        if self.connection.is_cluster_wide {
            self.follow_all(&kinds::NODE, None, &stores.nodes);
        }
    }

    /// Follows slices; where the account may not see them, as with the roles of Traefik 2, the
    /// older kind.
    fn follow_endpoints(&self) {
        let slices = &self.stores.slices;
        let kind = &kinds::ENDPOINT_SLICE;
        for mut follow in self.follows(kind, Group::Present, None, slices) {
            let (stop, changes) = (self.stop.clone(), self.changes.clone());
            // Told apart by its group, so that one kind's list does not replace the other's.
            let scope = Scope { group: Group::Old, ..follow.scope.clone() };
            let resource = kinds::ENDPOINTS.resource(Group::Present);
            let client = self.client.clone();
            let api = match &scope.namespace {
                Some(namespace) => Api::namespaced_with(client, namespace, &resource),
                None => Api::all_with(client, &resource),
            };
            let (labels, store, fallback) = (None, Arc::clone(slices), None);
            let older = Follow { api, resource, labels, scope, store, changes, fallback };
            follow.fallback = Some(Box::new(move || {
                older.changes.await_kind(&older.resource, &older.scope);
                Handle::current().spawn(older.run(stop));
            }));
            self.start(follow);
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
        for follow in self.follows(kind, group, labels, store) {
            self.start(follow);
        }
    }

    fn follows<T: Watched>(
        &self,
        kind: &Kind,
        group: Group,
        labels: Option<&str>,
        store: &Arc<Store<T>>,
    ) -> Vec<Follow<T>> {
        let resource = kind.resource(group);
        let all = &self.connection.namespaces;
        let mut namespaces: Vec<_> = all.iter().map(|name| Some(name.as_str())).collect();
        if namespaces.is_empty() {
            namespaces.push(None);
        }
        let follow = |namespace: Option<&str>| {
            let client = self.client.clone();
            let api = match namespace {
                Some(namespace) => Api::namespaced_with(client, namespace, &resource),
                None => Api::all_with(client, &resource),
            };
            let scope = Scope { group, namespace: namespace.map(str::to_owned) };
            self.follow_of(api, resource.clone(), labels, scope, store)
        };
        namespaces.into_iter().map(follow).collect()
    }

    /// Follows a kind that belongs to no namespace.
    fn follow_all<T: Watched>(&self, kind: &Kind, labels: Option<&str>, store: &Arc<Store<T>>) {
        let resource = kind.resource(Group::Present);
        let api = Api::all_with(self.client.clone(), &resource);
        let scope = Scope { group: Group::Present, namespace: None };
        self.start(self.follow_of(api, resource, labels, scope, store));
    }

    fn follow_of<T: Watched>(
        &self,
        api: Api<DynamicObject>,
        resource: ApiResource,
        labels: Option<&str>,
        scope: Scope,
        store: &Arc<Store<T>>,
    ) -> Follow<T> {
        Follow {
            api,
            resource,
            labels: labels.map(str::to_owned),
            scope,
            store: Arc::clone(store),
            changes: self.changes.clone(),
            fallback: None,
        }
    }

    fn start<T: Watched>(&self, follow: Follow<T>) {
        self.changes.await_kind(&follow.resource, &follow.scope);
        Handle::current().spawn(follow.run(self.stop.clone()));
    }
}

/// Leaves out what Helm keeps of its releases, which are large and many.
const NOT_HELM: &str = "owner!=helm";
