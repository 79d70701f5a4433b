//! A configuration as Kubernetes objects: Traefik's custom resources, and services for servers.
//!
//! Must not know files. What has no object is named, and not left out in silence.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde_json::{Value, json};

/// Objects, and what has none.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) objects: Vec<Value>,
    pub(super) left_out: Vec<String>,
}

const API: &str = "traefik.io/v1alpha1";

/// The objects of a configuration.
pub(super) fn write(document: &Value, namespace: &str) -> Result<Written, String> {
    let http = &document["http"];
    let mut writer = Writer { namespace, services: &http["services"], written: Written::default() };
    for (section, kinds) in super::import::SECTIONS {
        for kind in kinds.iter().filter(|kind| *section != "http" || **kind == "serversTransports")
        {
            for name in fields(&document[*section][*kind]).map(|(name, _)| name) {
                writer.written.left_out.push(format!("{section}.{kind}.{name}"));
            }
        }
    }
    for (name, middleware) in fields(&http["middlewares"]) {
        writer.object(API, "Middleware", name, &json!({ "spec": middleware }))?;
    }
    for (name, service) in fields(&http["services"]) {
        writer.service(name, service)?;
    }
    for (name, router) in fields(&http["routers"]) {
        writer.router(name, router)?;
    }
    Ok(writer.written)
}

fn fields(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

struct Writer<'a> {
    namespace: &'a str,
    services: &'a Value,
    written: Written,
}

impl Writer<'_> {
    fn object(&mut self, api: &str, kind: &str, name: &str, rest: &Value) -> Result<(), String> {
        let is_named = name.len() <= 253
            && name
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c))
            && name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && name.ends_with(|c: char| c.is_ascii_alphanumeric());
        if !is_named {
            return Err(format!(
                "{name:?} cannot be an object's name: lower-case letters, digits, '-' and '.'"
            ));
        }
        let mut object = json!({
            "apiVersion": api,
            "kind": kind,
            "metadata": { "name": name, "namespace": self.namespace },
        });
        for (key, value) in fields(rest) {
            object[key] = value.clone();
        }
        self.written.objects.push(object);
        Ok(())
    }

    fn router(&mut self, name: &str, router: &Value) -> Result<(), String> {
        let mut route = json!({ "kind": "Rule" });
        let mut spec = json!({});
        for (key, value) in fields(router) {
            match key.as_str() {
                "rule" => route["match"] = value.clone(),
                "priority" => route["priority"] = value.clone(),
                "ruleSyntax" => route["syntax"] = value.clone(),
                "observability" => route["observability"] = value.clone(),
                "service" => {
                    route["services"] =
                        json!([self.reference(value.as_str().unwrap_or_default())?]);
                }
                "middlewares" => {
                    let names = value.as_array().into_iter().flatten();
                    route["middlewares"] = names.map(|name| json!({ "name": name })).collect();
                }
                "entryPoints" => spec["entryPoints"] = value.clone(),
                "tls" => spec["tls"] = value.clone(),
                other => self.written.left_out.push(format!("http.routers.{name}.{other}")),
            }
        }
        spec["routes"] = json!([route]);
        self.object(API, "IngressRoute", name, &json!({ "spec": spec }))
    }

    /// How a route or a service names another service.
    fn reference(&self, name: &str) -> Result<Value, String> {
        if name.ends_with("@internal") {
            return Ok(json!({ "name": name, "kind": "TraefikService" }));
        }
        let Some(service) = self.services.get(name) else {
            return Err(format!("there is no service {name:?}"));
        };
        let Some(balancer) = service.get("loadBalancer") else {
            return Ok(json!({ "name": name, "kind": "TraefikService" }));
        };
        let scheme = servers(name, balancer)?.first().map(|server| server.scheme.clone());
        let mut reference = json!({ "name": name, "port": "web" });
        if scheme.as_deref() == Some("https") {
            reference["scheme"] = json!("https");
        }
        for option in
            ["passHostHeader", "sticky", "strategy", "serversTransport", "responseForwarding"]
        {
            if let Some(value) = balancer.get(option) {
                reference[option] = value.clone();
            }
        }
        Ok(reference)
    }

    fn service(&mut self, name: &str, service: &Value) -> Result<(), String> {
        if let Some(balancer) = service.get("loadBalancer") {
            return self.servers(name, balancer);
        }
        if let Some(weighted) = service.get("weighted") {
            let mut children = Vec::new();
            for child in weighted["services"].as_array().into_iter().flatten() {
                let mut one = self.reference(child["name"].as_str().unwrap_or_default())?;
                one["weight"] = child.get("weight").cloned().unwrap_or(json!(1));
                children.push(one);
            }
            let mut spec = json!({ "weighted": { "services": children } });
            if let Some(sticky) = weighted.get("sticky") {
                spec["weighted"]["sticky"] = sticky.clone();
            }
            return self.object(API, "TraefikService", name, &json!({ "spec": spec }));
        }
        if let Some(mirroring) = service.get("mirroring") {
            let mut spec = self.reference(mirroring["service"].as_str().unwrap_or_default())?;
            let mut mirrors = Vec::new();
            for mirror in mirroring["mirrors"].as_array().into_iter().flatten() {
                let mut one = self.reference(mirror["name"].as_str().unwrap_or_default())?;
                one["percent"] = mirror.get("percent").cloned().unwrap_or(json!(0));
                mirrors.push(one);
            }
            spec["mirrors"] = json!(mirrors);
            let spec = json!({ "spec": { "mirroring": spec } });
            return self.object(API, "TraefikService", name, &spec);
        }
        let kinds: Vec<&str> = fields(service).map(|(kind, _)| kind.as_str()).collect();
        Err(format!("the service {name:?} cannot be an object: {}", kinds.join(", ")))
    }

    /// A `Service` without a selector, and the addresses it stands for.
    fn servers(&mut self, name: &str, balancer: &Value) -> Result<(), String> {
        let servers = servers(name, balancer)?;
        let names: BTreeSet<_> = servers.iter().filter(|s| s.address.is_none()).collect();
        if let Some(server) = names.first() {
            if servers.len() > 1 {
                return Err(format!(
                    "the service {name:?} has servers by name, and more than one: an object of the \
                     type ExternalName has one"
                ));
            }
            let spec = json!({
                "type": "ExternalName",
                "externalName": server.host,
                "ports": [{ "name": "web", "port": server.port }],
            });
            return self.object("v1", "Service", name, &json!({ "spec": spec }));
        }
        let port = servers.first().map_or(80, |server| server.port);
        let spec = json!({ "ports": [{ "name": "web", "port": port }] });
        self.object("v1", "Service", name, &json!({ "spec": spec }))?;
        let mut slices: BTreeMap<(bool, u16), Vec<&Server>> = BTreeMap::new();
        for server in &servers {
            let is_v6 = server.address.is_some_and(|address| address.is_ipv6());
            slices.entry((is_v6, server.port)).or_default().push(server);
        }
        for (place, ((is_v6, port), servers)) in slices.into_iter().enumerate() {
            let endpoints = servers.iter().map(
                |server| json!({ "addresses": [server.host], "conditions": { "ready": true } }),
            );
            let slice = json!({
                "addressType": if is_v6 { "IPv6" } else { "IPv4" },
                "ports": [{ "name": "web", "port": port }],
                "endpoints": endpoints.collect::<Vec<_>>(),
            });
            let slice_name = format!("{name}-{place}");
            self.object("discovery.k8s.io/v1", "EndpointSlice", &slice_name, &slice)?;
            if let Some(object) = self.written.objects.last_mut() {
                object["metadata"]["labels"] = json!({ "kubernetes.io/service-name": name });
            }
        }
        Ok(())
    }
}

/// A server by its URL.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Server {
    scheme: String,
    host: String,
    port: u16,
    address: Option<IpAddr>,
}

fn servers(service: &str, balancer: &Value) -> Result<Vec<Server>, String> {
    let servers = balancer["servers"].as_array().into_iter().flatten();
    let read = |server: &Value| {
        let url = server["url"].as_str().unwrap_or_default();
        server_of(url).ok_or_else(|| format!("the service {service:?}: {url:?} is no server's URL"))
    };
    servers.map(read).collect()
}

fn server_of(url: &str) -> Option<Server> {
    let uri: http::Uri = url.parse().ok()?;
    let scheme = uri.scheme_str()?.to_owned();
    let port = uri.port_u16().unwrap_or(if scheme == "https" { 443 } else { 80 });
    let host = uri.host()?.trim_matches(['[', ']']).to_owned();
    let address = host.parse().ok();
    (uri.path().len() <= 1).then_some(Server { scheme, host, port, address })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_become_objects() {
        let document = json!({"http": {
            "routers": {"shop": {"rule": "Host(`a`)", "service": "canary", "middlewares": ["m"],
                "tls": {}, "parentRefs": ["x"]}},
            "middlewares": {"m": {"addPrefix": {"prefix": "/x"}}},
            "services": {
                "canary": {"weighted": {"services": [{"name": "a", "weight": 9}, {"name": "b"}]}},
                "a": {"loadBalancer": {"servers": [{"url": "http://10.0.0.1:8080"}]}},
                "b": {"loadBalancer": {"servers": [{"url": "https://b.example"}]}},
            },
        }, "tcp": {"routers": {"t": {}}}});
        let written = write(&document, "default").unwrap();
        assert_eq!(written.left_out, ["tcp.routers.t", "http.routers.shop.parentRefs"]);
        let named: Vec<String> = written
            .objects
            .iter()
            .map(|o| format!("{} {}", o["kind"].as_str().unwrap(), o["metadata"]["name"]))
            .collect();
        assert_eq!(
            named,
            [
                "Middleware \"m\"",
                "TraefikService \"canary\"",
                "Service \"a\"",
                "EndpointSlice \"a-0\"",
                "Service \"b\"",
                "IngressRoute \"shop\"",
            ]
        );
        let canary = &written.objects[1]["spec"]["weighted"]["services"];
        assert_eq!(canary[0], json!({"name": "a", "port": "web", "weight": 9}));
        assert_eq!(canary[1], json!({"name": "b", "port": "web", "scheme": "https", "weight": 1}));
    }

    #[test]
    fn what_cannot_be_an_object_is_named() {
        for (service, expect) in [
            (json!({"failover": {}}), "the service \"s\" cannot be an object: failover"),
            (json!({"loadBalancer": {"servers": [{"url": "http://a/p"}]}}), "is no server's URL"),
            (json!({"weighted": {"services": [{"name": "x"}]}}), "there is no service \"x\""),
        ] {
            let error = write(&json!({"http": {"services": {"s": service}}}), "d").unwrap_err();
            assert!(error.contains(expect), "{error}");
        }
        let document = json!({"http": {"middlewares": {"A_b": {}}}});
        assert!(write(&document, "d").unwrap_err().starts_with("\"A_b\" cannot be"));
    }
}
