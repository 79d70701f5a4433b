//! Traefik's custom resources, against a real Kubernetes API: every kind becomes what it says, and
//! changes as its objects change.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its scene has failed")]

mod support;

use serde_json::{Value, json};
use support::{Backend, Cluster, Moongate, Reply, until};

/// A cluster with definitions, and a Moongate that follows it with the options for that, not with
/// the file of `KUBECONFIG`.
struct Followed {
    cluster: Cluster,
    moongate: Moongate,
}

impl Followed {
    fn start(flags: &[&str]) -> Self {
        let cluster = Cluster::with_definitions();
        let moongate = follow(&cluster, flags);
        Self { cluster, moongate }
    }

    /// A Service of that name with a server behind it.
    fn serve(&self, name: &str) -> Backend {
        let backend = Backend::echo(name);
        self.cluster.apply(&service(name));
        self.cluster.endpoints(name, "web", &[backend.address()]);
        backend
    }

    /// The first answer of that status.
    fn get(&self, host: &str, path: &str, status: u16) -> Reply {
        until(&format!("{status} for {host}{path}"), || {
            let reply = self.moongate.get(host, path);
            (reply.status == status).then_some(reply)
        })
    }

    /// An element as the API shows it, once it is as it should be.
    fn element(&self, path: &str, is_right: impl Fn(&Value) -> bool) -> Value {
        until(path, || Some(self.moongate.api(path)).filter(|element| is_right(element)))
    }
}

fn follow(cluster: &Cluster, flags: &[&str]) -> Moongate {
    assert!(std::env::var_os("KUBECONFIG").is_none(), "KUBECONFIG would be followed instead");
    let mut all = vec![
        "--providers.kubernetesCRD=true".to_owned(),
        format!("--providers.kubernetesCRD.endpoint={}", cluster.endpoint()),
        format!("--providers.kubernetesCRD.token={}", cluster.token().display()),
        format!("--providers.kubernetesCRD.certAuthFilePath={}", cluster.authority().display()),
    ];
    all.extend(flags.iter().map(|flag| (*flag).to_owned()));
    Moongate::with("{}", &all.iter().map(String::as_str).collect::<Vec<_>>())
}

fn service(name: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\nspec:\n  ports: [{{name: web, \
         port: 80}}]\n"
    )
}

fn object(kind: &str, name: &str, spec: &Value) -> String {
    let of = |group: &str| format!("{group}/v1alpha1");
    json!({"apiVersion": of("traefik.io"), "kind": kind, "metadata": {"name": name}, "spec": spec})
        .to_string()
}

fn route(name: &str, host: &str, rest: &Value) -> String {
    let mut route = rest.clone();
    route["match"] = format!("Host(`{host}`)").into();
    object("IngressRoute", name, &json!({"routes": [route]}))
}

fn to(service: &str) -> Value {
    json!({"services": [{"name": service, "port": 80}]})
}

#[test]
fn routes_follow_their_objects() {
    let all = Followed::start(&[]);
    let _a = all.serve("a");
    all.cluster.apply(&route("shop", "shop.test", &to("a")));
    assert_eq!(all.get("shop.test", "/", 200).header("X-Backend"), Some("a"));

    let _b = all.serve("b");
    all.cluster.apply(&route("shop", "shop.test", &to("b")));
    until("the other server", || {
        (all.moongate.get("shop.test", "/").header("X-Backend") == Some("b")).then_some(())
    });

    all.cluster.delete(&service("b"));
    all.get("shop.test", "/", 404);
    all.cluster.apply(&service("b"));
    all.get("shop.test", "/", 200);
    all.cluster.delete(&route("shop", "shop.test", &to("b")));
    all.get("shop.test", "/", 404);
}

#[test]
fn both_groups_are_followed_at_once() {
    let all = Followed::start(&[]);
    let _a = all.serve("a");
    all.cluster.apply(&route("new", "new.test", &to("a")));
    let mut old = to("a");
    old["match"] = "Host(`old.test`, `older.test`) && Headers(`X-Who`, `me`)".into();
    let spec = json!({"routes": [old]});
    let old = object("IngressRoute", "old", &spec).replace("traefik.io", "traefik.containo.us");
    all.cluster.apply(&old);
    all.get("new.test", "/", 200);
    // Two hosts and this matcher are of the older syntax.
    until("the old group's rule", || {
        let headers = [("X-Who", "me")];
        let reply = all.moongate.client().send("GET", "older.test", "/", &headers, b"");
        (reply.status == 200).then_some(())
    });
    // An object that both groups have is that of the present one.
    let twin = route("new", "twin.test", &to("a")).replace("traefik.io", "traefik.containo.us");
    all.cluster.apply(&twin);
    all.element("/api/rawdata", |raw| {
        let routers = raw["routers"].as_object().unwrap();
        routers.len() == 4 || routers.keys().any(|name| name.contains("new"))
    });
    all.get("twin.test", "/", 404);
    all.cluster.delete(&route("new", "new.test", &to("a")));
    all.get("twin.test", "/", 200);
}

#[test]
fn middlewares_take_scripts_secrets_and_references() {
    let all = Followed::start(&[]);
    let _a = all.serve("a");
    let code = "return { schema = { name = { type = 'string' }, key = { type = 'secret' } },\n\
                request = function(req, ctx)\n\
                req.headers:set('X-Script', ctx.options.name .. ctx.options.key) end }";
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "scripts"},
        "data": {"tag.lua": code}});
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"},
        "stringData": {"key": "2"}});
    all.cluster.apply(&map.to_string());
    all.cluster.apply(&secret.to_string());
    let options = json!({"name": "1", "key": "urn:k8s:secret:keys:key"});
    let from_map = json!({"configMap": {"name": "scripts", "key": "tag.lua"}, "options": options});
    all.cluster.apply(&object("Middleware", "mapped", &json!({"lua": from_map})));
    let inline = json!({"code": code, "options": {"name": "3", "key": "4"}});
    all.cluster.apply(&object("Middleware", "inline", &json!({"plugin": {"lua": inline}})));
    let chain = json!({"chain": {"middlewares": [{"name": "mapped"}]}});
    all.cluster.apply(&object("Middleware", "chained", &chain));
    for (name, middleware) in [("mapped", "chained"), ("inline", "inline")] {
        let mut rest = to("a");
        rest["middlewares"] = json!([{"name": middleware}]);
        all.cluster.apply(&route(name, &format!("{name}.test"), &rest));
    }
    let says = |host: &str, expect: &str| {
        until(&format!("{expect} for {host}"), || {
            let reply = all.moongate.get(host, "/");
            reply.text().contains(&format!("x-script: {expect}")).then_some(())
        });
    };
    says("mapped.test", "12");
    says("inline.test", "34");
    // A changed Secret changes the options of the script.
    all.cluster.apply(&secret.to_string().replace("\"2\"", "\"5\""));
    says("mapped.test", "15");
}

#[test]
fn what_is_wrong_is_told_where_it_is_wrong() {
    let all = Followed::start(&[]);
    let _a = all.serve("a");
    all.cluster.apply(&route("good", "good.test", &to("a")));
    all.cluster.apply(&route("bad", "bad.test", &json!({"services": [{"name": "a", "port": 81}]})));
    all.cluster.apply(&object(
        "IngressRoute",
        "typo",
        &json!({"routes": [{"match": "Hots(`x`)", "services": [{"name": "a", "port": 80}]}]}),
    ));
    all.get("good.test", "/", 200);
    // In the API.
    let name = "Hots(`x`)";
    all.element("/api/http/routers", |routers| {
        let mut routers = routers.as_array().into_iter().flatten();
        routers.any(|router| router["rule"] == name && router["status"] == "disabled")
    });
    // As Events of the objects.
    let told = |object: &str, expect: &str| {
        until(&format!("an Event of {object}"), || {
            let events = all.cluster.get("default", "events");
            let mut events = events["items"].as_array().unwrap().iter();
            events.find(|event| {
                event["involvedObject"]["name"] == object
                    && event["involvedObject"]["uid"].is_string()
                    && event["message"].as_str().unwrap().contains(expect)
            })?;
            Some(())
        });
    };
    told("bad", "spec.routes[0]: Service default/a has no port 81; it has 80 (web)");
    told("typo", "Hots");
}

#[test]
fn namespaces_are_kept_apart() {
    let all = Followed::start(&["--providers.kubernetesCRD.namespaces=default,other"]);
    let _a = all.serve("a");
    for namespace in ["other", "third"] {
        all.cluster.kubectl(&["create", "namespace", namespace], "");
        let route = route(
            "r",
            &format!("{namespace}.test"),
            &json!({"services": [
                {"name": "api@internal", "kind": "TraefikService"},
            ]}),
        );
        all.cluster.kubectl(&["apply", "-n", namespace, "-f", "-"], &route);
    }
    let crossing = json!({"services": [{"name": "a", "namespace": "default", "port": 80}]});
    let crossing = route("crossing", "crossing.test", &crossing);
    all.cluster.kubectl(&["apply", "-n", "other", "-f", "-"], &crossing);
    all.cluster.apply(&route("own", "own.test", &to("a")));
    all.get("own.test", "/", 200);
    all.get("other.test", "/api/version", 200);
    assert_eq!(all.moongate.get("third.test", "/api/version").status, 404);
    assert_eq!(all.moongate.get("crossing.test", "/").status, 404);
    let errors = until("the refusal", || {
        let events = all.cluster.get("other", "events");
        Some(events.to_string()).filter(|events| events.contains("allowCrossNamespace"))
    });
    assert!(errors.contains("default/a is in another namespace"), "{errors}");
}
