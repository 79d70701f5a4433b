//! Objects as they are written become elements: input and output as data, without a cluster.

use std::sync::Arc;

use kube::api::DynamicObject;
use serde::Deserialize as _;
use serde_json::{Value, json};

use super::cluster::Stores;
use super::names::{Group, Id};
use super::objects::Watched;
use super::output::Output;
use super::schemas::Schemas;
use super::store::Store;
use super::view::{Rules, View};
use super::{crd, ingress};
use crate::schema::Schema;

/// What every case has: a Service of two pods, one that ends, one that is not there, and nodes.
const BACKENDS: &str = "
{kind: Service, metadata: {name: app, namespace: default}, spec: {clusterIP: 10.0.0.1,
  type: NodePort, ports: [{name: web, port: 80, targetPort: 8080, nodePort: 30080},
    {name: https, port: 8443}]}}
---
{kind: EndpointSlice, addressType: IPv4, metadata: {name: app-1, namespace: default,
  labels: {kubernetes.io/service-name: app}},
  ports: [{name: web, port: 8080}, {name: https, port: 8443}],
  endpoints: [
    {addresses: [10.1.0.1], conditions: {ready: true, serving: true}},
    {addresses: [10.1.0.2], conditions: {ready: false, serving: true, terminating: true}},
    {addresses: [10.1.0.3], conditions: {ready: false, serving: false}},
    {addresses: ['fd00::1']}]}
---
{kind: Service, metadata: {name: empty, namespace: default}, spec: {ports: [{port: 80}]}}
---
{kind: Service, metadata: {name: ext, namespace: default},
  spec: {type: ExternalName, externalName: api.test}}
---
{kind: Service, metadata: {name: far, namespace: other},
  spec: {clusterIP: None, ports: [{port: 80}]}}
---
{kind: Node, metadata: {name: n}, status: {addresses: [{type: InternalIP, address: 10.2.0.1}]}}
---
{kind: Secret, metadata: {name: pair, namespace: default}, data: {tls.crt: Yw==, tls.key: aw==}}
---
{kind: Secret, metadata: {name: ca, namespace: default}, data: {ca.crt: cm9vdA==}}
";

fn put<T: Watched>(store: &Arc<Store<T>>, object: DynamicObject, group: Group) {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let (namespace, name) = (text(&object.metadata.namespace), text(&object.metadata.name));
    store.put(Id { namespace, name, group }, T::read(object).unwrap());
}

fn stores(objects: &str) -> Stores {
    let stores = Stores::default();
    let all = format!("{BACKENDS}\n---\n{objects}");
    for document in serde_yaml::Deserializer::from_str(&all) {
        let value = Value::deserialize(document).unwrap();
        let Value::Object(fields) = &value else { continue };
        let kind = fields["kind"].as_str().unwrap().to_owned();
        let is_old = fields.get("apiVersion").is_some_and(|v| v == "traefik.containo.us/v1alpha1");
        let group = if is_old { Group::Old } else { Group::Present };
        let object: DynamicObject = serde_json::from_value(value).unwrap();
        let custom = &stores.custom;
        match kind.as_str() {
            "Service" => put(&stores.services, object, group),
            "EndpointSlice" => put(&stores.slices, object, group),
            "Node" => put(&stores.nodes, object, group),
            "Secret" => put(&stores.secrets, object, group),
            "Ingress" => put(&stores.ingresses, object, group),
            "IngressClass" => put(&stores.classes, object, group),
            "IngressRoute" => put(&custom.routes, object, group),
            "IngressRouteTCP" => put(&custom.tcp_routes, object, group),
            "IngressRouteUDP" => put(&custom.udp_routes, object, group),
            "Middleware" => put(&custom.middlewares, object, group),
            "TraefikService" => put(&custom.services, object, group),
            "TLSOption" => put(&custom.tls_options, object, group),
            "TLSStore" => put(&custom.tls_stores, object, group),
            "ServersTransport" => put(&custom.transports, object, group),
            "ServersTransportTCP" => put(&custom.tcp_transports, object, group),
            other => panic!("{other}"),
        }
    }
    stores
}

fn schemas() -> Schemas {
    let schema = |declared: Value| Arc::new(Schema::parse(&declared).unwrap());
    let auth = json!({
        "users": {"type": "list", "of": "secret",
            "crd": {"name": "secret", "type": "secret", "keys": ["users"]}},
        "wait": {"type": "duration", "default": "90s"},
        "ask": {"type": "service"},
    });
    Schemas::new([("auth".to_owned(), schema(auth))].into(), [].into())
}

fn custom(objects: &str, rules: Rules) -> Output {
    let stores = stores(objects);
    let view = View::of(&stores, Rules { provider: crd::NAME, nodes: true, ..rules });
    let settings = crd::Settings { class: String::new(), old_syntax: true };
    crd::build(&stores.custom, &view, &settings, &schemas())
}

/// A part of what objects come to, by its place.
fn check(objects: &str, rules: Rules, place: &str, expect: &Value) {
    let output = custom(objects, rules);
    let dynamic = serde_json::to_value(&output.dynamic).unwrap();
    let found = dynamic.pointer(place).unwrap_or(&Value::Null);
    assert_eq!(found, expect, "{objects}\n{:?}", output.diagnostics);
}

fn route(services: &str) -> String {
    format!(
        "{{kind: IngressRoute, metadata: {{name: r, namespace: default}}, \
         spec: {{routes: [{{match: 'Host(`a.test`)', services: {services}}}]}}}}"
    )
}

/// The element of [`route`].
const R: &str = "default-r-adb61728c085b5eef2e5";

#[test]
fn services_are_found_by_port_and_kind() {
    let external = Rules { external_names: true, ..Rules::default() };
    let empty = Rules { empty_services: true, ..Rules::default() };
    let (pods, none) =
        (["http://10.1.0.1:8080", "http://10.1.0.2:8080", "http://[fd00::1]:8080"], []);
    for (service, rules, expect) in [
        ("name: app, port: 80", Rules::default(), Some(&pods[..])),
        ("name: app, port: web", Rules::default(), Some(&pods)),
        ("name: app, port: 8080", Rules::default(), Some(&pods)),
        ("name: app, port: '80'", Rules::default(), None),
        ("name: app, port: 81", Rules::default(), None),
        ("name: app", Rules::default(), None),
        ("name: app, port: 80, nativeLB: true", Rules::default(), Some(&["http://10.0.0.1:80"])),
        (
            "name: app, port: 80, nodePortLB: true",
            Rules::default(),
            Some(&["http://10.2.0.1:30080"]),
        ),
        ("name: app, port: 80, scheme: ftp", Rules::default(), None),
        ("name: app, port: 80, healthCheck: {path: /}", Rules::default(), None),
        ("name: app, port: 80, kind: Other", Rules::default(), None),
        ("name: empty, port: 80", Rules::default(), None),
        ("name: empty, port: 80", empty, Some(&none)),
        ("name: ext, port: 443", Rules::default(), None),
        ("name: ext, port: 443", external.clone(), Some(&["https://api.test:443"])),
        ("name: ext, port: 80, healthCheck: {path: /}", external, Some(&["http://api.test:80"])),
        ("name: far, namespace: other, port: 80, nativeLB: true", Rules::default(), None),
    ] {
        let output = custom(&route(&format!("[{{{service}}}]")), rules);
        let found = output.dynamic.http.services.get(R).map(|service| {
            let balancer = service.load_balancer.as_ref().unwrap();
            balancer.servers.iter().map(|server| server.url.as_str()).collect::<Vec<_>>()
        });
        assert_eq!(found.as_deref(), expect, "{service}: {:?}", output.diagnostics);
        assert_eq!(output.dynamic.http.routers.contains_key(R), expect.is_some(), "{service}");
        assert_eq!(output.diagnostics.is_empty(), expect.is_some(), "{service}");
    }
}

#[test]
fn errors_name_the_object_and_the_place() {
    for (objects, source, path, reason) in [
        (
            route("[{name: gone, port: 80}]"),
            "IngressRoute default/r",
            "spec.routes[0]",
            "Service default/gone does not exist",
        ),
        (
            route("[{name: app, prot: 80}]"),
            "IngressRoute default/r",
            "spec.routes[0].services[0].prot",
            "unknown option, did you mean \"port\"?",
        ),
        (
            "{kind: Middleware, metadata: {name: m, namespace: default},
              spec: {auth: {secret: no}}}"
                .to_owned(),
            "Middleware default/m",
            "spec.auth",
            "Secret default/no does not exist",
        ),
        (
            "{kind: Middleware, metadata: {name: m, namespace: default},
              spec: {auth: {wait: soon}}}"
                .to_owned(),
            "Middleware default/m",
            "spec.auth.wait",
            "soon",
        ),
        (
            "{kind: TraefikService, metadata: {name: s, namespace: default}, spec: {}}".to_owned(),
            "TraefikService default/s",
            "spec",
            "give exactly one of weighted",
        ),
    ] {
        let output = custom(&objects, Rules::default());
        let [finding] = &output.diagnostics[..] else { panic!("{:?}", output.diagnostics) };
        assert_eq!(finding.source.as_deref(), Some(source));
        assert_eq!(finding.path, path);
        assert!(finding.reason.contains(reason), "{}", finding.reason);
    }
}

#[test]
fn options_hold_what_they_refer_to() {
    let middleware = "
{kind: Secret, metadata: {name: users, namespace: default}, data: {any: YTpi}}
---
{kind: Secret, metadata: {name: one, namespace: default}, type: kubernetes.io/basic-auth,
  data: {username: Y2Fyb2w=, password: czNjcmV0}}
---
{kind: Middleware, metadata: {name: m, namespace: default},
  spec: {auth: {secret: users, ask: {name: app, port: 80}}}}
---
{kind: Middleware, metadata: {name: n, namespace: default}, spec: {auth: {secret: one, wait: 3600}}}
";
    let ask = "default-m-errorpage-service";
    let auth = json!({"ask": ask, "users": "a:b", "wait": "1m30s"});
    check(middleware, Rules::default(), "/http/middlewares/default-m/auth", &auth);
    let auth = json!({"users": "carol:{SHA}/vNB+F2HQ559kaLUZbmHHvZrXpg=", "wait": "1h0m0s"});
    check(middleware, Rules::default(), "/http/middlewares/default-n/auth", &auth);
    let made = format!("/http/services/{ask}/loadBalancer/servers/0/url");
    check(middleware, Rules::default(), &made, &json!("http://10.1.0.1:8080"));
}

#[test]
fn default_options_of_two_namespaces_cancel_each_other() {
    let options = "{kind: TLSOption, metadata: {name: default, namespace: a},
  spec: {minVersion: VersionTLS13}}";
    let found = json!("VersionTLS13");
    check(options, Rules::default(), "/tls/options/default/minVersion", &found);
    let two = format!("{options}\n---\n{}", options.replace("namespace: a", "namespace: b"));
    check(&two, Rules::default(), "/tls/options", &Value::Null);
    let told = custom(&two, Rules::default()).diagnostics;
    assert!(told.iter().all(|finding| finding.reason.contains("a/default, b/default")), "{told:?}");
    assert_eq!(told.len(), 2);
}

#[test]
fn secrets_become_material() {
    let objects = "
{kind: TLSOption, metadata: {name: mutual, namespace: default},
  spec: {clientAuth: {secretNames: [ca]}}}
---
{kind: TLSOption, metadata: {name: broken, namespace: default},
  spec: {clientAuth: {secretNames: [no]}}}
---
{kind: TLSStore, metadata: {name: default, namespace: default},
  spec: {defaultCertificate: {secretName: pair}}}
---
{kind: ServersTransport, metadata: {name: t, namespace: default},
  spec: {serverName: a, rootCAs: [{secret: ca}], certificatesSecrets: [pair],
    forwardingTimeouts: {dialTimeout: 5}}}
---
{kind: ServersTransportTCP, metadata: {name: t, namespace: default},
  spec: {dialTimeout: 2s, tls: {rootCAsSecrets: [ca]}}}
";
    for (place, expect) in [
        ("/tls/options/default-mutual/clientAuth/caFiles", json!(["root"])),
        // Without its authorities it would let everybody in.
        ("/tls/options/default-broken", Value::Null),
        ("/tls/stores/default/defaultCertificate", json!({"certFile": "c", "keyFile": "k"})),
        ("/http/serversTransports/default-t/rootCAs", json!(["root"])),
        ("/http/serversTransports/default-t/certificates/0/certFile", json!("c")),
        ("/http/serversTransports/default-t/forwardingTimeouts/dialTimeout", json!("5s")),
        ("/tcp/serversTransports/default-t/tls/rootCAs", json!(["root"])),
    ] {
        check(objects, Rules::default(), place, &expect);
    }
}

#[test]
fn streams_use_what_is_ready() {
    let objects = "
{kind: IngressRouteTCP, metadata: {name: t, namespace: default}, spec: {entryPoints: [tcp],
  routes: [{match: HostSNI(`*`),
    services: [{name: app, port: web, weight: 2}, {name: gone, port: 1}]}]}}
---
{kind: IngressRouteUDP, metadata: {name: u, namespace: default}, spec: {routes: [
  {services: [{name: app, port: 80}]}]}}
";
    let name = "default-t-673acf455cb2dab0b43a";
    let child = format!("{name}-app-web");
    for (place, expect) in [
        (format!("/tcp/routers/{name}/service"), json!(name)),
        (format!("/tcp/services/{name}/weighted/services"), json!([{"name": child, "weight": 2}])),
        (
            format!("/tcp/services/{child}/loadBalancer/servers"),
            json!([{"address": "10.1.0.1:8080"}]),
        ),
        (
            "/udp/services/default-u-0/loadBalancer/servers".to_owned(),
            json!([{"address": "10.1.0.1:8080"}]),
        ),
    ] {
        check(objects, Rules::default(), &place, &expect);
    }
}

#[test]
fn references_stay_in_their_namespace_unless_allowed() {
    let reference = |name: &str| {
        let rest = format!("middlewares: [{{name: {name}, namespace: other}}], services");
        route("[{name: app, port: 80}]").replace("services", &rest)
    };
    let place = format!("/http/routers/{R}/middlewares");
    let crossing = Rules { cross_namespace: true, ..Rules::default() };
    check(&reference("m"), Rules::default(), &place, &Value::Null);
    check(&reference("m"), crossing.clone(), &place, &json!(["other-m"]));
    check(&reference("m@file"), Rules::default(), &place, &json!(["m@file"]));
    check(&reference("other-m@kubernetescrd"), Rules::default(), &place, &Value::Null);
    check(&reference("other-m@kubernetescrd"), crossing, &place, &json!(["other-m@kubernetescrd"]));
    let closed = Rules { cross_provider: Some(vec!["other".to_owned()]), ..Rules::default() };
    check(&reference("m@file"), closed, &place, &Value::Null);
}

#[test]
fn rules_of_the_old_group_may_be_of_the_older_syntax() {
    let new = route("[{name: app, port: 80}]").replace("`a.test`", "`a.test`, `b.test`");
    let old = new.replace("{kind", "{apiVersion: traefik.containo.us/v1alpha1, kind");
    for (objects, expect) in [(new, Value::Null), (old, json!("v2"))] {
        let output = custom(&objects, Rules::default());
        let router = output.dynamic.http.routers.values().next().unwrap();
        let router = serde_json::to_value(&**router).unwrap();
        assert_eq!(router.get("ruleSyntax").unwrap_or(&Value::Null), &expect);
    }
}

#[test]
fn paths_of_an_ingress_stand_alone() {
    let objects = "
{kind: Ingress, metadata: {name: i, namespace: default},
  spec: {rules: [{host: a.test, http: {paths: [
  {path: /, pathType: Prefix, backend: {service: {name: app, port: {number: 80}}}},
  {path: /gone, pathType: Prefix, backend: {service: {name: gone, port: {number: 80}}}},
  {path: /x, pathType: Exact, backend: {service: {name: app, port: {name: https}}}}]}}]}}
---
{kind: IngressClass, metadata: {name: theirs}, spec: {controller: example.test/other}}
---
{kind: Ingress, metadata: {name: theirs, namespace: default}, spec: {ingressClassName: theirs,
  defaultBackend: {service: {name: app, port: {number: 80}}}}}
";
    let stores = stores(objects);
    let view = View::of(&stores, Rules { provider: ingress::NAME, ..Rules::default() });
    let (ingresses, classes) = (stores.ingresses.all(), stores.classes.all());
    let output = ingress::build(&ingresses, &classes, &view, &ingress::Settings::default());
    let routers = output.dynamic.http.routers.iter();
    let routers: Vec<_> = routers.map(|(n, r)| (n.as_str(), r.rule.as_str())).collect();
    let expect = [
        ("default-i-a-test", r#"Host("a.test") && PathPrefix("/")"#),
        ("default-i-a-test-x", r#"Host("a.test") && Path("/x")"#),
    ];
    assert_eq!(routers, expect);
    let servers = &output.dynamic.http.services["default-app-https"].load_balancer;
    assert_eq!(servers.as_ref().unwrap().servers[0].url, "https://10.1.0.1:8443");
    let [finding] = &output.diagnostics[..] else { panic!("{:?}", output.diagnostics) };
    assert_eq!(finding.path, "spec.rules[0].http.paths[1].backend");
}
