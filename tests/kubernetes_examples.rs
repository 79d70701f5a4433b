//! The manifests of `examples/kubernetes`: a cluster takes them, and the rights they give are those
//! that are used, no more and no less.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot set its scene has failed"
)]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use support::{Cluster, Process, Request, until};

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/kubernetes")
}

/// The objects of a file.
fn objects(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    let documents = serde_yaml::Deserializer::from_str(&text);
    documents.map(|document| serde::Deserialize::deserialize(document).unwrap()).collect()
}

#[test]
fn a_cluster_takes_them() {
    let cluster = Cluster::with_definitions();
    for folder in ["base", "webhook"] {
        cluster.kubectl(&["apply", "-k", examples().join(folder).to_str().unwrap()], "");
    }
    for file in ["daemonset.yaml", "deployment-nonroot.yaml", "tutorial"] {
        let path = examples().join(file);
        cluster.kubectl(&["apply", "-f", path.to_str().unwrap()], "");
    }
    let class = cluster.kubectl(&["get", "ingressclass", "traefik", "-o", "yaml"], "");
    assert!(class.contains("controller: traefik.io/ingress-controller"), "{class}");
}

#[test]
fn the_variants_have_the_flags_of_the_deployment() {
    let container = |file: &str| {
        let all = objects(&examples().join(file));
        all[0]["spec"]["template"]["spec"]["containers"][0].clone()
    };
    let base = container("base/deployment.yaml");
    assert_eq!(base["image"], format!("moongate:{}", env!("CARGO_PKG_VERSION")));
    assert_eq!(container("daemonset.yaml"), base);
    let nonroot = container("deployment-nonroot.yaml");
    let flags = |container: &Value| {
        let flags = container["args"].as_array().unwrap().iter();
        let name = |flag: &Value| flag.as_str().unwrap().split('=').next().unwrap().to_owned();
        flags.map(name).collect::<Vec<_>>()
    };
    assert_eq!(flags(&nonroot), flags(&base));
    assert_eq!(nonroot["image"], format!("moongate:{}-nonroot", env!("CARGO_PKG_VERSION")));
}

/// A right: verb, group, resource with subresource.
type Right = (String, String, String);

/// The rights that the files of `base/rbac` give.
fn given() -> BTreeSet<Right> {
    let mut rights = BTreeSet::new();
    for entry in fs::read_dir(examples().join("base/rbac")).unwrap() {
        for object in objects(&entry.unwrap().path()) {
            for rule in object["rules"].as_array().into_iter().flatten() {
                let texts = |name: &str| {
                    let all = rule[name].as_array().unwrap().iter();
                    all.map(|text| text.as_str().unwrap().to_owned()).collect::<Vec<_>>()
                };
                for group in texts("apiGroups") {
                    for resource in texts("resources") {
                        for verb in texts("verbs") {
                            rights.insert((verb, group.clone(), resource.clone()));
                        }
                    }
                }
            }
        }
    }
    rights
}

fn right(request: Request) -> Right {
    let Request { verb, group, resource, subresource, .. } = request;
    let resource = match subresource.as_str() {
        "" => resource,
        subresource => format!("{resource}/{subresource}"),
    };
    (verb, group, resource)
}

/// One object of every kind of the old group with something wrong, so that it is told of, and an
/// Ingress with a status to write and a middleware that is not there.
const OBJECTS: &str = "
apiVersion: traefik.containo.us/v1alpha1
kind: IngressRoute
metadata: {name: bad}
spec: {routes: [{match: Hots(`a`), services: [{name: gone, port: 80}]}]}
---
apiVersion: traefik.containo.us/v1alpha1
kind: IngressRouteTCP
metadata: {name: bad}
spec: {routes: [{match: HostSNI(`*`), services: [{name: gone, port: 80}]}]}
---
apiVersion: traefik.containo.us/v1alpha1
kind: IngressRouteUDP
metadata: {name: bad}
spec: {routes: [{services: [{name: gone, port: 80}]}]}
---
apiVersion: traefik.containo.us/v1alpha1
kind: Middleware
metadata: {name: bad}
spec: {ipAllowList: {sourceRange: [nowhere]}}
---
apiVersion: traefik.containo.us/v1alpha1
kind: MiddlewareTCP
metadata: {name: bad}
spec: {ipAllowList: {sourceRange: [nowhere]}}
---
apiVersion: traefik.containo.us/v1alpha1
kind: TraefikService
metadata: {name: bad}
spec: {weighted: {services: [{name: gone, port: 80}]}}
---
apiVersion: traefik.containo.us/v1alpha1
kind: TLSOption
metadata: {name: bad}
spec: {clientAuth: {secretNames: [gone]}}
---
apiVersion: traefik.containo.us/v1alpha1
kind: TLSStore
metadata: {name: other}
spec: {}
---
apiVersion: traefik.containo.us/v1alpha1
kind: ServersTransport
metadata: {name: bad}
spec: {rootCAs: [{secret: gone}]}
---
apiVersion: traefik.containo.us/v1alpha1
kind: ServersTransportTCP
metadata: {name: bad}
spec: {tls: {rootCAs: [{secret: gone}]}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: bad
  annotations: {traefik.ingress.kubernetes.io/router.middlewares: default-gone@kubernetescrd}
spec:
  rules:
  - http:
      paths:
      - {path: /, pathType: Prefix, backend: {service: {name: gone, port: {number: 80}}}}
";

#[test]
fn rights_are_those_that_are_used() {
    let cluster = Cluster::with_definitions();
    cluster.apply(OBJECTS);
    let flags = [
        "--ping",
        "--providers.kubernetescrd",
        "--providers.kubernetesingress",
        "--providers.kubernetesingress.ingressendpoint.ip=192.0.2.1",
    ];
    let flags = flags.map(str::to_owned);
    let router = Process::start(&cluster, &["web", "traefik"], &flags);
    let given = given();
    let all = until("all rights are used", || {
        let used: BTreeSet<Right> = cluster
            .requests()
            .into_iter()
            .filter(|request| request.path.is_empty())
            .map(right)
            .collect();
        // The Lease is renewed some seconds after it was taken.
        given.is_subset(&used).then_some(used)
    });
    let more: Vec<_> = all.difference(&given).collect();
    assert!(more.is_empty(), "not given: {more:?}\n{}", router.words());
}
