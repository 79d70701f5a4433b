//! The Kubernetes API that tests run against does what they rely on.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its scene has failed")]

mod support;

use support::Cluster;
use support::ports::free_port;

const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: kept}\ndata: {a: '1'}\n";

#[test]
fn objects_outlive_a_restart_and_requests_are_recorded() {
    let port = free_port().to_string();
    let mut cluster = Cluster::with(&["--keep", "--port", &port]);
    cluster.apply(MAP);
    let endpoint = cluster.endpoint();
    let token = std::fs::read(cluster.token()).unwrap();
    cluster.stop();
    let refused = cluster.try_kubectl(&["get", "configmap", "kept"], "");
    assert!(!refused.status.success(), "the API has not stopped");
    cluster.run();
    assert_eq!(cluster.endpoint(), endpoint);
    assert_eq!(std::fs::read(cluster.token()).unwrap(), token);
    assert_eq!(cluster.get("default", "configmap/kept")["data"]["a"], "1");
    assert_eq!(cluster.requests(), [], "kubectl's requests are left out");
    cluster.delete(MAP);
    let gone = cluster.try_kubectl(&["get", "configmap", "kept"], "");
    assert!(String::from_utf8_lossy(&gone.stderr).contains("NotFound"), "{gone:?}");
}

#[test]
fn a_paused_api_answers_nothing_until_it_goes_on() {
    let cluster = Cluster::start();
    cluster.pause();
    let silent = cluster.try_kubectl(&["get", "--request-timeout=1s", "namespaces"], "");
    assert!(!silent.status.success(), "{silent:?}");
    cluster.resume();
    let names = cluster.kubectl(&["get", "namespaces", "-o", "name"], "");
    assert_eq!(names, "namespace/default\nnamespace/kube-system\n");
    assert!(cluster.refuses("kind: Nothing\n").contains("apiVersion"));
}
