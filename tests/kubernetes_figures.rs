//! What thousands of objects cost, printed: `cargo test --release --test kubernetes_figures --
//! --nocapture`. Memory has a limit; times are for those who read them.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its scene has failed")]

mod support;

use std::thread;
use std::time::{Duration, Instant};

use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::{Value, json};
use support::{Backend, Cluster, Process, poll};

const COUNT: usize = 5000;
/// The limit of the tutorial's Deployment.
const RESIDENT_KIB_MAX: usize = 100 * 1024;
/// Both groups are there, and the short name may mean either.
const KIND: &str = "ingressroutes.traefik.io";
/// How long all of it may take to be served.
const SERVED: Duration = Duration::from_mins(2);

/// A Service, its slice and a route to it, as they are posted: collection and object.
fn objects(number: usize, port: u16) -> [(&'static str, Value); 3] {
    let name = format!("app-{number}");
    let metadata = json!({"name": name});
    let ports = json!([{"name": "web", "port": 80}]);
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata,
        "spec": {"ports": ports}});
    let labels = json!({"kubernetes.io/service-name": name});
    let slice = json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {"name": format!("{name}-x"), "labels": labels}, "addressType": "IPv4",
        "ports": [{"name": "web", "port": port}],
        "endpoints": [{"addresses": ["127.0.0.1"], "conditions": {"ready": true}}]});
    let rule = format!("Host(`{name}.test`) && PathPrefix(`/api`)");
    let services = json!([{"name": name, "port": 80}]);
    let route = json!({"apiVersion": "traefik.io/v1alpha1", "kind": "IngressRoute",
        "metadata": metadata, "spec": {"entryPoints": ["web"],
            "routes": [{"kind": "Rule", "match": rule, "services": services}]}});
    [
        ("/api/v1/namespaces/default/services", service),
        ("/apis/discovery.k8s.io/v1/namespaces/default/endpointslices", slice),
        ("/apis/traefik.io/v1alpha1/namespaces/default/ingressroutes", route),
    ]
}

/// Posts all objects, by several clients at once.
fn fill(cluster: &Cluster, port: u16) {
    const CLIENTS: usize = 8;
    let path = cluster.kubeconfig();
    let clients = (0..CLIENTS).map(|part| {
        let path = path.clone();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let given = Kubeconfig::read_from(path).unwrap();
                let options = KubeConfigOptions::default();
                let config = kube::Config::from_custom_kubeconfig(given, &options).await.unwrap();
                let client = kube::Client::try_from(config).unwrap();
                for number in (part..COUNT).step_by(CLIENTS) {
                    for (path, object) in objects(number, port) {
                        let request = http::Request::post(path)
                            .header("Content-Type", "application/json")
                            .body(serde_json::to_vec(&object).unwrap())
                            .unwrap();
                        let _: Value = client.request(request).await.unwrap();
                    }
                }
            });
        })
    });
    let clients: Vec<_> = clients.collect();
    for client in clients {
        client.join().unwrap();
    }
}

/// Resident memory in KiB: now, and at its most.
fn resident(process: &Process) -> [usize; 2] {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    ["VmRSS:", "VmHWM:"].map(|name| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    })
}

#[test]
fn five_thousand_routes_fit_into_the_tutorials_limit() {
    let cluster = Cluster::with_definitions();
    let backend = Backend::echo("a");
    fill(&cluster, backend.address().port());
    let flags = ["--providers.kubernetesCRD", "--providers.providersThrottleDuration=0s", "--ping"];
    let process = Process::start(&cluster, &["web", "traefik"], &flags.map(str::to_owned));
    let served = |host: &str| {
        poll::until("a route is served", SERVED, || {
            (process.get("web", host, "/api").status == 200).then_some(())
        });
    };
    for number in [0, COUNT / 2, COUNT - 1] {
        served(&format!("app-{number}.test"));
    }
    let [started, _] = resident(&process);
    let mut took = Vec::new();
    for number in 0..10 {
        let rule = format!("Host(`new-{number}.test`) && PathPrefix(`/api`)");
        let patch = json!([{"op": "replace", "path": "/spec/routes/0/match", "value": rule}]);
        let (name, patch) = (format!("app-{number}"), patch.to_string());
        cluster.kubectl(&["patch", KIND, &name, "--type=json", "-p", &patch], "");
        let applied = Instant::now();
        served(&format!("new-{number}.test"));
        took.push(applied.elapsed());
    }
    took.sort_unstable();
    let [resident, most] = resident(&process);
    let after = took[took.len() / 2];
    println!("{COUNT} routes: {started} KiB, after changes {resident} KiB, at most {most} KiB");
    println!("a change is answered {after:?} after kubectl's end, in the middle of 10");
    // Programs that are not optimised are larger.
    if !cfg!(debug_assertions) {
        assert!(most < RESIDENT_KIB_MAX, "{most} KiB");
    }
}
