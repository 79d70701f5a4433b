//! Manifests in the place of a cluster: what their objects come to, whoever applies them.
//!
//! What they refer to and is not among them is taken to be there. Must not know where they are
//! from, nor any middleware.

mod nginx;
mod stand_in;

use std::collections::HashMap;
use std::sync::Arc;

use kube::api::DynamicObject;
use serde_json::Value;

use super::cluster::Stores;
use super::kinds::OLD_GROUP;
use super::names::{Group, Id, element, rule_element};
use super::objects::Watched;
use super::output::Output;
use super::serve::Provider;
use super::store::Store;
use super::{Kubernetes, custom, ingress, plain};
use crate::model::{Diagnostic, Severity};
use crate::provider::Update;

pub use nginx::nginx_annotations;

/// An object as it is written.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// Where it is written, such as a file's path; empty where nobody needs to be told.
    pub source: String,
    /// The object.
    pub object: Value,
}

/// What manifests come to.
#[derive(Debug, Clone, Default)]
pub struct Written {
    /// A configuration for each kind of provider.
    pub updates: Vec<Update>,
    /// Objects that are none of ours, or not of the shape of their kind.
    pub findings: Vec<Diagnostic>,
    /// How many objects are looked at.
    pub count: usize,
    /// Where objects are written, by the words that findings name them with.
    sources: HashMap<String, String>,
    /// The part of an object that an element stands for, by the element's path.
    places: HashMap<String, String>,
}

/// The namespace of objects that name none.
const DEFAULT_NAMESPACE: &str = "default";

impl Kubernetes {
    /// What objects come to by the options of the providers, of those that are off by their
    /// defaults.
    #[must_use]
    pub fn written(&self, manifests: &[Manifest]) -> Written {
        let mut written = Written::default();
        let stores = Stores::default();
        for manifest in manifests {
            written.take(manifest, &stores);
        }
        stand_in::behind(manifests, &stores);
        let crd = self.crd.clone().unwrap_or_default();
        let ingress = self.ingress.clone().unwrap_or_default();
        written.note_classes(&stores, &ingress.ingress_class);
        let schemas = Arc::clone(&self.schemas);
        for provider in [custom(crd, self.old_syntax, schemas), plain(ingress)] {
            let update = self.update(&provider, &stores);
            written.updates.push(update);
        }
        written
    }

    fn update(&self, provider: &Provider, stores: &Stores) -> Update {
        let Output { mut dynamic, mut diagnostics, origins, absences, .. } =
            (provider.build)(stores);
        for absence in absences {
            if let Some(finding) = diagnostics.get_mut(absence) {
                finding.severity = Severity::Warning;
            }
        }
        stand_in::complete(&mut dynamic, &self.schemas);
        let update = Update::new(provider.name, Arc::new(dynamic));
        Update { diagnostics, origins: Arc::new(origins), ..update }
    }
}

impl Written {
    /// Says of a finding about an element in which object, which part of it and in which file it
    /// is written.
    pub fn locate(&self, finding: &mut Diagnostic) {
        if let Some(place) = self.places.get(&finding.path) {
            finding.path.clone_from(place);
        }
        let source = finding.source.take();
        finding.source = source.map(|object| match self.sources.get(&object) {
            Some(source) if !source.is_empty() => format!("{source}: {object}"),
            _ => object,
        });
    }

    /// Says of each Ingress of another controller that it is not served.
    fn note_classes(&mut self, stores: &Stores, class: &str) {
        let settings = ingress::Settings { class: class.to_owned(), ..Default::default() };
        let classes = stores.classes.all();
        for (id, ingress) in &*stores.ingresses.all() {
            let object = format!("Ingress {id}");
            let is_written = self.sources.get(&object).is_some_and(|source| !source.is_empty());
            if is_written && !ingress::is_ours(ingress, &classes, &settings) {
                let reason = "is of another controller, so that the Ingress is not served";
                let path = format!("class {:?}", ingress.class());
                self.findings
                    .push(Diagnostic { source: Some(object), ..Diagnostic::warning(path, reason) });
            }
        }
    }

    fn take(&mut self, manifest: &Manifest, stores: &Stores) {
        let text = |name: &str| manifest.object.get(name).and_then(Value::as_str);
        let (Some(kind), Some(version)) = (text("kind"), text("apiVersion")) else {
            let finding = Diagnostic::error("kind", "an object needs apiVersion and kind");
            let source = Some(manifest.source.clone()).filter(|source| !source.is_empty());
            self.findings.push(Diagnostic { source, ..finding });
            return;
        };
        let group = version.rsplit_once('/').map_or("", |(group, _)| group);
        let Some(reader) = READERS.iter().find(|reader| reader.is_of(group, kind)) else {
            if is_ours(group) {
                let finding = Diagnostic::error("kind", format!("{version} has no kind {kind}"));
                let source = Some(manifest.source.clone()).filter(|source| !source.is_empty());
                self.findings.push(Diagnostic { source, ..finding });
            }
            return;
        };
        let own = if group == OLD_GROUP { Group::Old } else { Group::Present };
        let named = |name: &str| {
            let found = manifest.object.pointer(&format!("/metadata/{name}"));
            found.and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let mut id = Id { namespace: named("namespace"), name: named("name"), group: own };
        if id.namespace.is_empty() && reader.kind != "IngressClass" {
            DEFAULT_NAMESPACE.clone_into(&mut id.namespace);
        }
        let object = format!("{kind} {id}");
        self.count += 1;
        // A cluster that asks has Ingress objects of other controllers too.
        if kind == "Ingress" && !manifest.source.is_empty() {
            let said = nginx::remarks(&manifest.object).into_iter();
            let source = Some(object.clone());
            self.findings.extend(said.map(|said| Diagnostic { source: source.clone(), ..said }));
        }
        self.note_places(kind, &id, &manifest.object);
        if let Err(reason) = (reader.read)(stores, id, manifest.object.clone()) {
            let finding = Diagnostic::error("", reason);
            self.findings.push(Diagnostic { source: Some(object.clone()), ..finding });
        }
        self.sources.insert(object, manifest.source.clone());
    }

    /// Notes which parts of an object become which elements.
    fn note_places(&mut self, kind: &str, id: &Id, object: &Value) {
        let Id { namespace, name, .. } = id;
        let routes = object.pointer("/spec/routes").and_then(Value::as_array);
        let rules = routes.into_iter().flatten().enumerate();
        let rules = rules.map(|(i, route)| {
            let rule = route.get("match").and_then(Value::as_str).unwrap_or_default();
            (i, rule_element(namespace, name, rule))
        });
        let mut note = |section: &str, element: &str, place: String| {
            self.places.insert(format!("{section}.{element}@kubernetescrd"), place);
        };
        match kind {
            "IngressRoute" => {
                rules
                    .for_each(|(i, rule)| note("http.routers", &rule, format!("spec.routes[{i}]")));
            }
            "IngressRouteTCP" => {
                rules.for_each(|(i, rule)| note("tcp.routers", &rule, format!("spec.routes[{i}]")));
            }
            "Middleware" => note("http.middlewares", &element(namespace, name), "spec".to_owned()),
            "MiddlewareTCP" => {
                note("tcp.middlewares", &element(namespace, name), "spec".to_owned());
            }
            "TraefikService" => note("http.services", &element(namespace, name), "spec".to_owned()),
            "TLSOption" => note("tls.options", &element(namespace, name), "spec".to_owned()),
            _ => {}
        }
    }
}

/// Whether all kinds of a group are ours.
fn is_ours(group: &str) -> bool {
    matches!(group, "traefik.io" | OLD_GROUP)
}

/// A kind that is looked at.
struct Reader {
    /// Empty for those of both groups of Traefik.
    group: &'static str,
    kind: &'static str,
    read: fn(&Stores, Id, Value) -> Result<(), String>,
}

impl Reader {
    fn is_of(&self, group: &str, kind: &str) -> bool {
        let is_group = match self.group {
            OURS => is_ours(group),
            own => own == group,
        };
        is_group && self.kind == kind
    }
}

/// Both groups of Traefik.
const OURS: &str = "traefik.io";
const NETWORKING: &str = "networking.k8s.io";

const READERS: &[Reader] = &[
    Reader { group: OURS, kind: "IngressRoute", read: |s, i, o| put(&s.custom.routes, i, o) },
    Reader {
        group: OURS,
        kind: "IngressRouteTCP",
        read: |s, i, o| put(&s.custom.tcp_routes, i, o),
    },
    Reader {
        group: OURS,
        kind: "IngressRouteUDP",
        read: |s, i, o| put(&s.custom.udp_routes, i, o),
    },
    Reader { group: OURS, kind: "Middleware", read: |s, i, o| put(&s.custom.middlewares, i, o) },
    Reader {
        group: OURS,
        kind: "MiddlewareTCP",
        read: |s, i, o| put(&s.custom.tcp_middlewares, i, o),
    },
    Reader { group: OURS, kind: "TraefikService", read: |s, i, o| put(&s.custom.services, i, o) },
    Reader { group: OURS, kind: "TLSOption", read: |s, i, o| put(&s.custom.tls_options, i, o) },
    Reader { group: OURS, kind: "TLSStore", read: |s, i, o| put(&s.custom.tls_stores, i, o) },
    Reader {
        group: OURS,
        kind: "ServersTransport",
        read: |s, i, o| put(&s.custom.transports, i, o),
    },
    Reader {
        group: OURS,
        kind: "ServersTransportTCP",
        read: |s, i, o| put(&s.custom.tcp_transports, i, o),
    },
    Reader { group: NETWORKING, kind: "Ingress", read: |s, i, o| put(&s.ingresses, i, o) },
    Reader { group: NETWORKING, kind: "IngressClass", read: |s, i, o| put(&s.classes, i, o) },
    Reader { group: "", kind: "Service", read: |s, i, o| put(&s.services, i, o) },
    Reader { group: "", kind: "Secret", read: |s, i, o| put(&s.secrets, i, o) },
    Reader { group: "", kind: "ConfigMap", read: |s, i, o| put(&s.config_maps, i, o) },
    Reader {
        group: "discovery.k8s.io",
        kind: "EndpointSlice",
        read: |s, i, o| put(&s.slices, i, o),
    },
];

fn put<T: Watched>(store: &Store<T>, id: Id, object: Value) -> Result<(), String> {
    let object: DynamicObject =
        serde_json::from_value(object).map_err(|error| format!("metadata: {error}"))?;
    store.put(id, T::read(object)?);
    Ok(())
}

#[cfg(test)]
mod tests;
