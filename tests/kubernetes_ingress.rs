//! Ingress objects, against a real Kubernetes API: what they route, and what is written back.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its scene has failed")]

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use support::{Backend, Cluster, Moongate, poll, until};

/// Another replica takes the Lease at once from one that has ended well, and this long after one
/// that has not.
const TAKEN_LIMIT: Duration = Duration::from_secs(30);

fn follow(cluster: &Cluster, flags: &[&str]) -> Moongate {
    assert!(std::env::var_os("KUBECONFIG").is_none(), "KUBECONFIG would be followed instead");
    let mut all = vec![
        "--providers.kubernetesIngress=true".to_owned(),
        format!("--providers.kubernetesIngress.endpoint={}", cluster.endpoint()),
        format!("--providers.kubernetesIngress.token={}", cluster.token().display()),
        format!("--providers.kubernetesIngress.certAuthFilePath={}", cluster.authority().display()),
    ];
    all.extend(flags.iter().map(|flag| (*flag).to_owned()));
    Moongate::with("{}", &all.iter().map(String::as_str).collect::<Vec<_>>())
}

fn serve(cluster: &Cluster, name: &str, annotations: &Value) -> Backend {
    let backend = Backend::echo(name);
    let service = json!({"apiVersion": "v1", "kind": "Service",
        "metadata": {"name": name, "annotations": annotations},
        "spec": {"ports": [{"name": "web", "port": 80}]}});
    cluster.apply(&service.to_string());
    cluster.endpoints(name, "web", &[backend.address()]);
    backend
}

fn ingress(name: &str, path: &str, path_type: &str) -> Value {
    let backend = json!({"service": {"name": "a", "port": {"number": 80}}});
    let paths = json!([{"path": path, "pathType": path_type, "backend": backend}]);
    json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": name},
        "spec": {"rules": [{"host": format!("{name}.test"), "http": {"paths": paths}}]}})
}

/// Waits for an answer of that status.
fn answers(moongate: &Moongate, host: &str, path: &str, status: u16) {
    until(&format!("{status} for {host}{path}"), || {
        (moongate.get(host, path).status == status).then_some(())
    });
}

#[test]
fn objects_route_and_change() {
    let cluster = Cluster::start();
    let _a = serve(&cluster, "a", &json!({}));
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("access.json");
    let log_flag = format!("--accessLog.filePath={}", log.display());
    let strict = "--providers.kubernetesIngress.strictPrefixMatching";
    let moongate = follow(&cluster, &[strict, "--accessLog.format=json", &log_flag]);
    cluster.apply(&ingress("exact", "/x", "Exact").to_string());
    cluster.apply(&ingress("prefix", "/x", "Prefix").to_string());
    answers(&moongate, "exact.test", "/x", 200);
    answers(&moongate, "prefix.test", "/x/y", 200);
    for (host, path) in [("exact.test", "/x/"), ("prefix.test", "/xy"), ("prefix.test", "/")] {
        assert_eq!(moongate.get(host, path).status, 404, "{host}{path}");
    }
    let mut other = ingress("prefix", "/", "Prefix");
    let matcher = "traefik.ingress.kubernetes.io/router.middlewares";
    other["metadata"]["annotations"] = json!({matcher: "none@file"});
    cluster.apply(&other.to_string());
    answers(&moongate, "prefix.test", "/x/y", 404);
    cluster.delete(&ingress("exact", "/x", "Exact").to_string());
    answers(&moongate, "exact.test", "/x", 404);
    let served = until("the access log has a line of an Ingress", || {
        let text = std::fs::read_to_string(&log).unwrap();
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines
            .into_iter()
            .find(|line| line["RequestHost"] == "prefix.test" && line["OriginStatus"] == 200)
    });
    for (field, expect) in [
        ("KubernetesIngressNamespace", "default"),
        ("KubernetesIngressName", "prefix"),
        ("KubernetesServiceName", "a"),
        ("KubernetesServicePort", "80"),
    ] {
        assert_eq!(served[field], expect, "{served}");
    }
}

#[test]
fn classes_and_annotations_of_services_count() {
    let cluster = Cluster::start();
    let host = "traefik.ingress.kubernetes.io/service.passhostheader";
    let a = serve(&cluster, "a", &json!({host: "false"}));
    let class = |name: &str, controller: &str| {
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass",
            "metadata": {"name": name}, "spec": {"controller": controller}})
    };
    cluster.apply(&class("ours", "traefik.io/ingress-controller").to_string());
    cluster.apply(&class("theirs", "example.test/other").to_string());
    let moongate = follow(&cluster, &[]);
    for name in ["ours", "theirs"] {
        let mut object = ingress(name, "/", "Prefix");
        object["spec"]["ingressClassName"] = name.into();
        cluster.apply(&object.to_string());
    }
    answers(&moongate, "ours.test", "/", 200);
    assert_eq!(moongate.get("theirs.test", "/").status, 404);
    assert_eq!(a.last().header("Host"), Some(a.address().to_string().as_str()));
}

/// The addresses in the status of an Ingress.
fn status(cluster: &Cluster, name: &str) -> Value {
    let found = cluster.get("default", &format!("ingress/{name}"));
    found.pointer("/status/loadBalancer/ingress").cloned().unwrap_or_default()
}

#[test]
fn one_of_several_replicas_writes_the_status() {
    let cluster = Cluster::start();
    let _a = serve(&cluster, "a", &json!({}));
    cluster.apply(&ingress("first", "/", "Prefix").to_string());
    let flags = |ip: &str| format!("--providers.kubernetesIngress.ingressEndpoint.ip={ip}");
    let first = follow(&cluster, &[&flags("192.0.2.1")]);
    let wrote = |name: &str, ip: &str| {
        poll::until(&format!("{ip} for {name}"), TAKEN_LIMIT, || {
            (status(&cluster, name) == json!([{"ip": ip}])).then_some(())
        });
    };
    wrote("first", "192.0.2.1");
    let second = follow(&cluster, &[&flags("192.0.2.2")]);
    answers(&second, "first.test", "/", 200);
    cluster.apply(&ingress("second", "/", "Prefix").to_string());
    answers(&second, "second.test", "/", 200);
    wrote("second", "192.0.2.1");
    // The one that goes lets the other one write.
    drop(first);
    wrote("second", "192.0.2.2");
    wrote("first", "192.0.2.2");
}

#[test]
fn the_status_of_the_published_service_is_copied() {
    let cluster = Cluster::start();
    let _a = serve(&cluster, "a", &json!({}));
    cluster.apply(&ingress("shop", "/", "Prefix").to_string());
    let flag = "--providers.kubernetesIngress.ingressEndpoint.publishedService=default/a";
    let _moongate = follow(&cluster, &[flag]);
    for hostname in ["one.test", "two.test"] {
        let mut service = cluster.get("default", "service/a");
        service["status"] = json!({"loadBalancer": {"ingress": [{"hostname": hostname}]}});
        let path = "/api/v1/namespaces/default/services/a/status";
        cluster.kubectl(&["replace", "--raw", path, "-f", "-"], &service.to_string());
        poll::until(hostname, TAKEN_LIMIT, || {
            let found = status(&cluster, "shop");
            (found[0]["hostname"] == hostname).then_some(())
        });
    }
}
