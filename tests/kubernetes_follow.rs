//! How a cluster is followed: its API may be away, forget, refuse, or have thousands of objects.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its scene has failed")]

mod support;

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use support::ports::free_port;
use support::{Backend, Cluster, Moongate, poll, until};

/// How long a new list may take after the API was away.
const RETURN_LIMIT: Duration = Duration::from_secs(30);

fn follow(endpoint: &str, token: &str, authority: &str, flags: &[&str]) -> Moongate {
    assert!(std::env::var_os("KUBECONFIG").is_none(), "KUBECONFIG would be followed instead");
    let mut all = vec![
        "--providers.kubernetesCRD=true".to_owned(),
        format!("--providers.kubernetesCRD.endpoint={endpoint}"),
        format!("--providers.kubernetesCRD.token={token}"),
        format!("--providers.kubernetesCRD.certAuthFilePath={authority}"),
    ];
    all.extend(flags.iter().map(|flag| (*flag).to_owned()));
    Moongate::with("{}", &all.iter().map(String::as_str).collect::<Vec<_>>())
}

fn followed(cluster: &Cluster) -> Moongate {
    let (token, authority) = (cluster.token(), cluster.authority());
    follow(&cluster.endpoint(), token.to_str().unwrap(), authority.to_str().unwrap(), &[])
}

fn route(name: &str, service: &str) -> String {
    let services = json!([{"name": service, "port": 80}]);
    let routes = json!([{"match": format!("Host(`{name}.test`)"), "services": services}]);
    let route = json!({"apiVersion": "traefik.io/v1alpha1", "kind": "IngressRoute",
        "metadata": {"name": name}, "spec": {"routes": routes}});
    format!("---\n{route}\n---\n")
}

fn service(name: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\nspec:\n  ports: [{{name: web, \
         port: 80}}]\n---\n"
    )
}

fn serve(cluster: &Cluster, name: &str) -> Backend {
    let backend = Backend::echo(name);
    cluster.apply(&service(name));
    cluster.endpoints(name, "web", &[backend.address()]);
    backend
}

/// How often routes were listed, in both groups.
fn lists(cluster: &Cluster) -> usize {
    let requests = cluster.requests();
    requests.iter().filter(|r| r.verb == "list" && r.resource == "ingressroutes").count()
}

fn answers(moongate: &Moongate, host: &str, limit: Duration) {
    poll::until(&format!("200 for {host}"), limit, || {
        (moongate.get(host, "/").status == 200).then_some(())
    });
}

#[test]
fn the_last_configuration_stays_while_the_api_is_away() {
    let port = free_port().to_string();
    let mut cluster = Cluster::with(&["--keep", "--port", &port]);
    cluster.define();
    let _a = serve(&cluster, "a");
    cluster.apply(&route("first", "a"));
    let moongate = followed(&cluster);
    answers(&moongate, "first.test", RETURN_LIMIT);
    cluster.stop();
    until("the error in the API", || {
        let raw = moongate.api("/api/overview");
        (raw != json!({}) && moongate.get("first.test", "/").status == 200).then_some(())
    });
    cluster.run();
    cluster.apply(&route("second", "a"));
    answers(&moongate, "second.test", RETURN_LIMIT);
    assert_eq!(moongate.get("first.test", "/").status, 200);
}

#[test]
fn the_api_is_waited_for_at_the_start() {
    let port = free_port().to_string();
    let mut cluster = Cluster::with(&["--keep", "--port", &port]);
    cluster.define();
    let _a = serve(&cluster, "a");
    cluster.apply(&route("late", "a"));
    let (endpoint, token) = (cluster.endpoint(), cluster.token());
    let authority = cluster.authority();
    cluster.stop();
    let (token, authority) = (token.to_str().unwrap(), authority.to_str().unwrap());
    let moongate = follow(&endpoint, token, authority, &[]);
    assert_eq!(moongate.get("late.test", "/").status, 404);
    cluster.run();
    answers(&moongate, "late.test", RETURN_LIMIT);
}

#[test]
fn a_forgotten_place_is_a_new_list() {
    // This API forgets within seconds, so that watches that begin anew are answered with 410.
    let port = free_port().to_string();
    let mut cluster =
        Cluster::with(&["--watch-cache=false", "--compact-interval=1s", "--keep", "--port", &port]);
    cluster.define();
    let _a = serve(&cluster, "a");
    cluster.apply(&route("first", "a"));
    let moongate = followed(&cluster);
    answers(&moongate, "first.test", RETURN_LIMIT);
    let before = lists(&cluster);
    let end = Instant::now() + Duration::from_secs(4);
    poll::until("time to forget", Duration::from_secs(30), || {
        let name = format!("n{}", end.saturating_duration_since(Instant::now()).as_millis());
        cluster.apply(&service(&name));
        (Instant::now() > end).then_some(())
    });
    cluster.stop();
    cluster.run();
    cluster.apply(&route("later", "a"));
    answers(&moongate, "later.test", RETURN_LIMIT);
    assert_eq!(moongate.get("first.test", "/").status, 200);
    assert!(lists(&cluster) > before, "the watch went on from where it was");
}

#[test]
fn a_cluster_without_definitions_is_followed_until_it_has_them() {
    let cluster = Cluster::start();
    let _a = serve(&cluster, "a");
    let moongate = followed(&cluster);
    assert_eq!(moongate.get("first.test", "/").status, 404);
    cluster.define();
    cluster.apply(&route("first", "a"));
    answers(&moongate, "first.test", Duration::from_mins(1));
}

#[test]
fn a_token_that_changes_is_read_again() {
    let cluster = Cluster::with_definitions();
    let _a = serve(&cluster, "a");
    cluster.apply(&route("first", "a"));
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "not yet").unwrap();
    let authority = cluster.authority();
    let (path, authority) = (token.to_str().unwrap(), authority.to_str().unwrap());
    let moongate = follow(&cluster.endpoint(), path, authority, &[]);
    assert_eq!(moongate.get("first.test", "/").status, 404);
    std::fs::copy(cluster.token(), &token).unwrap();
    // The client reads the file once a minute.
    answers(&moongate, "first.test", Duration::from_secs(90));
}

#[test]
fn thousands_of_objects_are_listed_in_pages() {
    const COUNT: usize = 1500;
    let cluster = Cluster::with_definitions();
    let _a = serve(&cluster, "a");
    let mut routes = String::new();
    for number in 0..COUNT {
        let _ = write!(routes, "{}", route(&format!("r{number}"), "a"));
    }
    cluster.kubectl(&["create", "-f", "-"], &routes);
    let moongate = followed(&cluster);
    answers(&moongate, &format!("r{}.test", COUNT - 1), RETURN_LIMIT);
    answers(&moongate, "r0.test", RETURN_LIMIT);
    let lists = cluster
        .requests()
        .into_iter()
        .filter(|request| request.verb == "list" && request.resource == "ingressroutes");
    let lists = lists.filter(|request| request.group == "traefik.io").count();
    assert!(lists >= COUNT / 500, "{lists} lists");
}

/// A server that takes an upgrade, and then says again what it is told.
fn tunnel() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = Vec::new();
        let mut bytes = [0; 1024];
        while !head.ends_with(b"\r\n\r\n") {
            let count = stream.read(&mut bytes).unwrap();
            head.extend_from_slice(&bytes[..count]);
        }
        stream
            .write_all(
                b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: \
                  websocket\r\n\r\n",
            )
            .unwrap();
        while let Ok(count) = stream.read(&mut bytes)
            && count > 0
        {
            stream.write_all(&bytes[..count]).unwrap();
        }
    });
    address
}

/// Clients that ask for a host until they are told to stop; each answer must be 200.
struct Load {
    done: Arc<AtomicBool>,
    served: Arc<AtomicUsize>,
    clients: Vec<thread::JoinHandle<()>>,
}

impl Load {
    fn on(moongate: &Moongate, host: &'static str) -> Self {
        let (done, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let clients = (0..4).map(|_| {
            let (done, served) = (Arc::clone(&done), Arc::clone(&served));
            let mut client = moongate.client();
            thread::spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    let reply = client.send("GET", host, "/", &[], b"");
                    assert_eq!(reply.status, 200, "{}", reply.text());
                    served.fetch_add(1, Ordering::Relaxed);
                }
            })
        });
        let clients = clients.collect();
        Self { done, served, clients }
    }

    /// Ends the clients, and says how many answers they got.
    fn end(self) -> usize {
        self.done.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.join().unwrap();
        }
        self.served.load(Ordering::Relaxed)
    }
}

#[test]
fn nothing_is_lost_while_objects_change_and_pods_roll() {
    const OBJECTS: usize = 100;
    let cluster = Cluster::with_definitions();
    let mut pods = vec![serve(&cluster, "shop")];
    cluster.apply(&service("chat"));
    cluster.endpoints("chat", "web", &[tunnel()]);
    cluster.apply(&(route("shop", "shop") + &route("chat", "chat")));
    let (token, authority) = (cluster.token(), cluster.authority());
    let paths = (token.to_str().unwrap(), authority.to_str().unwrap());
    let flags = ["--providers.providersThrottleDuration=0s"];
    let moongate = follow(&cluster.endpoint(), paths.0, paths.1, &flags);
    answers(&moongate, "shop.test", RETURN_LIMIT);

    let mut chat = moongate.client();
    let upgrade = [("Connection", "Upgrade"), ("Upgrade", "websocket")];
    assert_eq!(chat.send("GET", "chat.test", "/", &upgrade, b"").status, 101);
    let load = Load::on(&moongate, "shop.test");
    for round in 0..5 {
        let names = (0..OBJECTS / 5).map(|number| format!("r{round}-{number}"));
        let routes: Vec<String> = names.map(|name| route(&name, "shop")).collect();
        cluster.apply(&routes.concat());
        answers(&moongate, &format!("r{round}-0.test"), RETURN_LIMIT);
        // The next pod is ready before the last one goes, which goes when it is asked no more.
        let name = format!("pod-{round}");
        pods.push(Backend::echo(&name));
        let addresses: Vec<SocketAddr> = pods.iter().map(Backend::address).collect();
        cluster.endpoints("shop", "web", &addresses);
        until("the next pod answers", || {
            (moongate.get("shop.test", "/").header("x-backend") == Some(&name)).then_some(())
        });
        pods.remove(0);
        cluster.endpoints("shop", "web", &addresses[1..]);
        cluster.kubectl(&["delete", "endpointslice", "shop-1"], "");
        cluster.delete(&routes[..OBJECTS / 10].concat());
        chat.write(b"still there?");
        assert_eq!(chat.take(12), b"still there?");
    }
    until("the last pod alone answers", || {
        let reply = moongate.get("shop.test", "/");
        (reply.header("x-backend") == Some("pod-4")).then_some(())
    });
    assert!(load.end() > OBJECTS);
    chat.write(b"bye");
    assert_eq!(chat.take(3), b"bye");
}

/// An API with the objects of one old cluster: it knows no slices, and lists what it is told.
fn old_api(backend: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let list = move |path: &str| {
        let items = if path.starts_with("/api/v1/services?") {
            json!([{"metadata": {"name": "a", "namespace": "default"},
                "spec": {"ports": [{"name": "web", "port": 80}]}}])
        } else if path.starts_with("/api/v1/endpoints?") {
            json!([{"metadata": {"name": "a", "namespace": "default"}, "subsets": [{
                "addresses": [{"ip": backend.ip().to_string()}],
                "ports": [{"name": "web", "port": backend.port()}]}]}])
        } else if path.starts_with("/apis/traefik.containo.us/v1alpha1/ingressroutes?") {
            json!([{"metadata": {"name": "r", "namespace": "default"}, "spec": {"routes": [{
                "match": "Host(`old.test`)", "kind": "Rule",
                "services": [{"name": "a", "port": 80}]}]}}])
        } else if path.starts_with("/api/v1/secrets?") {
            json!([])
        } else {
            return (
                403,
                json!({"kind": "Status", "apiVersion": "v1", "status": "Failure",
                "message": format!("forbidden: {path}"), "reason": "Forbidden", "code": 403}),
            );
        };
        let list = json!({"kind": "List", "apiVersion": "v1",
            "metadata": {"resourceVersion": "1"}, "items": items});
        (200, list)
    };
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") {
                    if stream.read(&mut byte).unwrap_or(0) == 0 {
                        return;
                    }
                    head.push(byte[0]);
                }
                let head = String::from_utf8_lossy(&head).into_owned();
                let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
                let (status, body) = list(&path);
                if status == 200 && path.contains("watch=true") {
                    // A watch that tells nothing: it ends with the test.
                    let answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
                    let _ = stream.write_all(answer.as_bytes());
                    let _ = stream.read(&mut byte);
                    return;
                }
                let body = body.to_string();
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nConnection: \
                     close\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len()
                );
            });
        }
    });
    address
}

#[test]
fn the_roles_of_traefik_2_are_enough() {
    let backend = Backend::echo("a");
    let api = old_api(backend.address());
    let moongate = follow(&format!("http://{api}"), "", "", &[]);
    answers(&moongate, "old.test", RETURN_LIMIT);
}
