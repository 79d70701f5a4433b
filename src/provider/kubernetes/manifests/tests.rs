//! Manifests without a cluster.

use serde_json::json;

use super::*;
use crate::value::Format;

fn written(text: &str) -> Written {
    let objects = text.split("---\n").map(|text| Format::Yaml.parse(text).unwrap());
    let manifests = objects.map(|object| Manifest { source: "a.yaml".to_owned(), object });
    Kubernetes::default().written(&manifests.collect::<Vec<_>>())
}

/// All findings with the severity's first letter.
fn check(text: &str, expect: &[&str]) {
    let written = written(text);
    let findings = written.updates.iter().flat_map(|update| &update.diagnostics);
    let mut found: Vec<String> = Vec::new();
    for finding in written.findings.iter().chain(findings) {
        let mut finding = finding.clone();
        written.locate(&mut finding);
        let letter = if finding.severity == Severity::Error { 'E' } else { 'W' };
        found.push(format!("{letter} {finding}"));
    }
    assert_eq!(found, expect, "{text}");
}

const ROUTE: &str = "apiVersion: traefik.io/v1alpha1\nkind: IngressRoute\nmetadata: {name: shop}\n\
                     spec:\n  routes:\n  - match: Host(`a`)\n    services:\n";

#[test]
fn what_is_not_there_is_taken_to_be_there() {
    check(&format!("{ROUTE}    - {{name: app, port: 80}}\n"), &[]);
    check(&format!("{ROUTE}    - {{name: app, port: web}}\n"), &[]);
    check(&format!("{ROUTE}    - {{name: app, kind: TraefikService}}\n"), &[]);
    let text = format!("{ROUTE}    - {{name: app, port: 80}}\n  tls: {{secretName: s}}\n");
    let expect = "W a.yaml: IngressRoute default/shop: spec.tls.secretName: Secret default/s does \
                  not exist";
    check(&text, &[expect]);
}

#[test]
fn what_is_there_is_looked_at() {
    let service = "apiVersion: v1\nkind: Service\nmetadata: {name: app}\n\
                   spec: {ports: [{port: 81}]}\n";
    check(
        &format!("{service}---\n{ROUTE}    - {{name: app, port: 80}}\n"),
        &["E a.yaml: IngressRoute default/shop: spec.routes[0]: Service default/app has no port \
           80; it has 81"],
    );
    check(&format!("{service}---\n{ROUTE}    - {{name: app, port: 81}}\n"), &[]);
    check(
        &format!("{ROUTE}    - {{name: app, prt: 80}}\n"),
        &["E a.yaml: IngressRoute default/shop: spec.routes[0].services[0].prt: unknown option, \
           did you mean \"port\"?"],
    );
}

#[test]
fn other_kinds_are_passed_over() {
    check("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\n", &[]);
    check(
        "apiVersion: traefik.io/v1alpha1\nkind: IngressRoot\nmetadata: {name: a}\n",
        &["E a.yaml: kind: traefik.io/v1alpha1 has no kind IngressRoot"],
    );
    check("metadata: {name: a}\n", &["E a.yaml: kind: an object needs apiVersion and kind"]);
}

#[test]
fn elements_are_told_as_parts_of_objects() {
    let written = written(&format!("{ROUTE}    - {{name: app, port: 80}}\n"));
    let router = written.updates[0].dynamic.http.routers.keys().next().unwrap();
    let path = format!("http.routers.{router}@kubernetescrd");
    let mut finding = Diagnostic::error(path, "bad");
    finding.source = written.updates[0].origins.get(&format!("http.routers.{router}")).cloned();
    written.locate(&mut finding);
    assert_eq!(finding.to_string(), "a.yaml: IngressRoute default/shop: spec.routes[0]: bad");
    assert_eq!(written.count, 1);
    assert_eq!(json!(written.updates.len()), 2);
}

#[test]
fn what_is_meant_for_nginx_is_told() {
    let ingress = |more: &str| {
        format!(
            "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: shop\n  \
             annotations: {{{more}}}\nspec:\n  ingressClassName: CLASS\n"
        )
    };
    let annotation = "nginx.ingress.kubernetes.io/rewrite-target";
    let said = format!(
        "W a.yaml: Ingress default/shop: metadata.annotations.{annotation}: is ingress-nginx's and \
         not read; what stands for it: `stripPrefix` or `replacePathRegex`"
    );
    let text = ingress(&format!("{annotation}: /"));
    check(&text.replace("CLASS", "traefik"), &[&said]);
    let class = "W a.yaml: Ingress default/shop: class \"nginx\": is of another controller, so \
                 that the Ingress is not served";
    check(&text.replace("CLASS", "nginx"), &[&said, class]);
    let old = "kubernetes.io/ingress.class: nginx";
    check(&ingress(old).replace("  ingressClassName: CLASS\n", "  rules: []\n"), &[class]);
}

#[test]
fn clusters_are_not_told_of_other_controllers() {
    let text = "{apiVersion: networking.k8s.io/v1, kind: Ingress, spec: {ingressClassName: nginx}, \
                metadata: {name: a, annotations: {nginx.ingress.kubernetes.io/use-regex: 'true'}}}";
    let object = Format::Yaml.parse(text).unwrap();
    let manifest = Manifest { source: String::new(), object };
    let written = Kubernetes::default().written(&[manifest]);
    assert!(written.findings.is_empty(), "{:?}", written.findings);
}

#[test]
fn scripts_of_objects_stay_in_their_folder() {
    let route = |rule: &str| ROUTE.replace("Host(`a`)", rule) + "    - {name: app, port: 80}\n";
    let said =
        |part: &str| format!("{part}: a path in Kubernetes objects stays in the folder of scripts");
    let of_route = "E a.yaml: IngressRoute default/shop: spec.routes[0]: ";
    check(&route("Lua(`/etc/x.lua`)"), &[&(of_route.to_owned() + &said("match"))]);
    check(&route("Lua(`canary`)"), &[]);
    let hashed = route("Host(`a`)").replace("port: 80", "port: 80, hashBy: {lua: ../x.lua}");
    check(&hashed, &[&(of_route.to_owned() + &said("hashBy.lua"))]);
    let options = |lua: &str| {
        format!(
            "apiVersion: traefik.io/v1alpha1\nkind: TLSOption\nmetadata: {{name: t}}\n\
             spec: {{lua: {lua}}}\n"
        )
    };
    check(
        &options("/x.lua"),
        &[&("E a.yaml: TLSOption default/t: spec.lua: ".to_owned() + &said("lua"))],
    );
    check(&options("known"), &[]);
}
