//! Dynamic configuration from a Kubernetes cluster: Traefik's custom resources, and Ingress.
//!
//! Watchers fill stores, stores become a whole configuration; what is equal stays the same
//! allocation, so that one changed object is one changed element. What was known last stays in
//! force while the API is away. Must not know what is served, nor any middleware.

mod client;
mod cluster;
mod crd;
mod endpoints;
mod error;
mod events;
mod ingress;
mod kinds;
mod lease;
mod manifests;
mod names;
mod objects;
mod output;
mod port;
mod schemas;
mod scheme;
mod secrets;
mod serve;
mod status;
mod store;
mod view;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch as signal;

use super::Sender;
use crate::config::{IngressEndpoint, KubernetesCrd, KubernetesIngress};
use cluster::Cluster;
use events::Events;
use serve::Provider;
use status::Statuses;
use view::Rules;

pub use client::Connection;
pub use error::ConnectError;
pub use events::Findings;
pub use lease::{Candidate, identity};
pub use manifests::{Manifest, Written, nginx_annotations};
pub use schemas::{Kinds, Schemas};

/// The providers of one process that follow a cluster.
#[derive(Debug, Clone, Default)]
pub struct Kubernetes {
    /// The options of the provider of custom resources, when it is on.
    pub crd: Option<KubernetesCrd>,
    /// The options of the provider of Ingress objects, when it is on.
    pub ingress: Option<KubernetesIngress>,
    /// Whether rules of custom resources of the old group may be read in the older syntax.
    pub old_syntax: bool,
    /// The option schemas of middlewares.
    pub schemas: Arc<Schemas>,
}

impl Kubernetes {
    /// Follows the cluster until told to stop. Returns at once; must be called within a runtime.
    ///
    /// What is found of the configuration is told to the objects it is about.
    pub fn start(self, sender: &Sender, findings: &Findings, stop: &signal::Receiver<bool>) {
        self.follow(sender, Some(findings), stop);
    }

    /// Follows the cluster until told to stop, and writes nothing into it. Returns at once; must be
    /// called within a runtime.
    pub fn look(self, sender: &Sender, stop: &signal::Receiver<bool>) {
        self.follow(sender, None, stop);
    }

    /// The names of the providers that are on.
    #[must_use]
    pub fn names(&self) -> Vec<&'static str> {
        let crd = self.crd.as_ref().map(|_| crd::NAME);
        crd.into_iter().chain(self.ingress.as_ref().map(|_| ingress::NAME)).collect()
    }

    fn follow(self, sender: &Sender, findings: Option<&Findings>, stop: &signal::Receiver<bool>) {
        let endpoint = self.ingress.as_ref().map(|options| options.ingress_endpoint.clone());
        let crd = self.crd.as_ref().map(crd_connection);
        let ingress = self.ingress.as_ref().map(ingress_connection);
        let schemas = &self.schemas;
        let custom = self.crd.map(|options| custom(options, self.old_syntax, Arc::clone(schemas)));
        let plain = self.ingress.map(plain);
        let mut all: Vec<(Connection, Vec<Provider>)> = Vec::new();
        let found = crd.into_iter().zip(custom).chain(ingress.into_iter().zip(plain));
        for (connection, provider) in found {
            match all.iter_mut().find(|(known, _)| *known == connection) {
                Some((_, providers)) => providers.push(provider),
                None => all.push((connection, vec![provider])),
            }
        }
        for (connection, providers) in all {
            let writing = findings.map(|findings| Writing {
                findings: findings.clone(),
                endpoint: endpoint.clone().filter(|_| providers.iter().any(Provider::is_ingress)),
            });
            Handle::current().spawn(follow(
                connection,
                providers,
                writing,
                sender.clone(),
                stop.clone(),
            ));
        }
    }
}

/// What is written into a cluster.
struct Writing {
    findings: Findings,
    /// Into the status of Ingress objects.
    endpoint: Option<IngressEndpoint>,
}

/// Connects, and serves all providers of a connection from what is known of one cluster.
async fn follow(
    connection: Connection,
    providers: Vec<Provider>,
    writing: Option<Writing>,
    sender: Sender,
    stop: signal::Receiver<bool>,
) {
    let client = loop {
        match connection.client().await {
            Ok(client) => break client,
            Err(error) => {
                for provider in &providers {
                    provider.refuse(&sender, &watch::chain(&error));
                }
            }
        }
        // What it lacks may come: a file, the account of the pod.
        tokio::select! {
            () = tokio::time::sleep(CONNECT_EVERY) => {}
            () = serve::told(stop.clone()) => return,
        }
    };
    let cluster = Arc::new(Cluster::new(client, connection, stop.clone()));
    let subscribed: Vec<_> = providers.iter().map(|_| cluster.changes.subscribe()).collect();
    cluster.follow_backends();
    if let Some(writing) = writing {
        write(&cluster, &providers, writing, &stop);
    }
    for (provider, notify) in providers.into_iter().zip(subscribed) {
        provider.follow(&cluster);
        Handle::current().spawn(provider.run(
            Arc::clone(&cluster),
            notify,
            sender.clone(),
            stop.clone(),
        ));
    }
}

/// Starts what writes into the cluster.
fn write(
    cluster: &Arc<Cluster>,
    providers: &[Provider],
    writing: Writing,
    stop: &signal::Receiver<bool>,
) {
    let candidate = Candidate::new(&cluster.client, identity());
    let is_leader = candidate.is_leader();
    Handle::current().spawn(candidate.run(stop.clone()));
    let settings = providers.iter().find_map(|provider| provider.ingress.clone());
    if let (Some(settings), Some(endpoint)) = (settings, writing.endpoint)
        && Statuses::are_wanted(&endpoint)
    {
        let (cluster, changed) = (Arc::clone(cluster), cluster.changes.subscribe());
        let statuses = Statuses { cluster, settings, endpoint, is_leader: is_leader.clone() };
        Handle::current().spawn(statuses.run(changed, stop.clone()));
    }
    let (client, findings) = (cluster.client.clone(), writing.findings);
    Handle::current().spawn(Events { client, findings, is_leader }.run(stop.clone()));
}

/// How often a connection is tried that the surroundings do not allow.
const CONNECT_EVERY: Duration = Duration::from_secs(5);

fn crd_connection(options: &KubernetesCrd) -> Connection {
    Connection {
        endpoint: options.endpoint.clone(),
        token: options.token.clone(),
        authorities: options.cert_auth_file_path.clone(),
        namespaces: options.namespaces.clone(),
        is_cluster_wide: !options.disable_cluster_scope_resources,
    }
}

fn ingress_connection(options: &KubernetesIngress) -> Connection {
    Connection {
        endpoint: options.endpoint.clone(),
        token: options.token.clone(),
        authorities: options.cert_auth_file_path.clone(),
        namespaces: options.namespaces.clone(),
        is_cluster_wide: !options.disable_cluster_scope_resources,
    }
}

/// The provider of custom resources.
fn custom(options: KubernetesCrd, old_syntax: bool, schemas: Arc<Schemas>) -> Provider {
    let rules = Rules {
        provider: crd::NAME,
        cross_namespace: options.allow_cross_namespace,
        external_names: options.allow_external_name_services,
        empty_services: options.allow_empty_services,
        native_lb: options.native_lb_by_default,
        nodes: !options.disable_cluster_scope_resources,
        cross_provider: options.cross_provider_namespaces,
    };
    let settings = crd::Settings { class: options.ingress_class, old_syntax };
    let labels = options.label_selector;
    Provider {
        name: crd::NAME,
        throttle: options.throttle_duration.get(),
        ingress: None,
        follow: Box::new(move |cluster| {
            cluster.follow_custom(Some(labels.as_str()).filter(|labels| !labels.is_empty()));
        }),
        build: Box::new(move |stores| {
            let view = view::View::of(stores, rules.clone());
            crd::build(&stores.custom, &view, &settings, &schemas)
        }),
    }
}

/// The provider of Ingress objects.
fn plain(options: KubernetesIngress) -> Provider {
    let rules = Rules {
        provider: ingress::NAME,
        cross_namespace: true,
        external_names: options.allow_external_name_services,
        empty_services: options.allow_empty_services,
        native_lb: options.native_lb_by_default,
        nodes: !options.disable_cluster_scope_resources,
        cross_provider: options.cross_provider_namespaces,
    };
    let (class, strict_prefixes) = (options.ingress_class, options.strict_prefix_matching);
    let settings = ingress::Settings { class, strict_prefixes };
    let labels = options.label_selector;
    let classes = !options.disable_ingress_class_lookup;
    Provider {
        name: ingress::NAME,
        throttle: options.throttle_duration.get(),
        ingress: Some(settings.clone()),
        follow: Box::new(move |cluster| {
            let labels = Some(labels.as_str()).filter(|labels| !labels.is_empty());
            cluster.follow_ingresses(labels, classes);
        }),
        build: Box::new(move |stores| {
            let view = view::View::of(stores, rules.clone());
            let (ingresses, classes) = (stores.ingresses.all(), stores.classes.all());
            ingress::build(&ingresses, &classes, &view, &settings)
        }),
    }
}

#[cfg(test)]
mod tests;
