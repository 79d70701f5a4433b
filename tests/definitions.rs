//! `crds/` is what is printed (`UPDATE_GOLDEN=1` rewrites it), and a cluster takes it.

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;

use moongate::app::definitions;
use moongate::provider::definitions::GROUPS;
use support::Cluster;

#[test]
fn crds_are_what_is_printed() {
    for group in GROUPS {
        let printed = definitions(group, "").unwrap();
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("crds/{group}.yaml"));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&path, &printed).unwrap();
        }
        let kept = fs::read_to_string(&path).unwrap_or_default();
        let told = format!("{} is not what is printed", path.display());
        assert!(kept == printed, "{told}; UPDATE_GOLDEN=1 rewrites it");
    }
}

#[test]
fn the_command_prints_them_with_the_scripts_of_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let script = "return { schema = { depth = { type = 'integer' } }, \
                  request = function() end }";
    fs::write(folder.path().join("ownKind.lua"), script).unwrap();
    let flag = format!("--scripts.directory={}", folder.path().display());
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_moongate")).args(arguments).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        (output.status.code(), text, String::from_utf8(output.stderr).unwrap())
    };
    let (code, text, _) = run(&["crds"]);
    assert_eq!(code, Some(0));
    assert_eq!(text.matches("\nkind: CustomResourceDefinition\n").count(), 20);
    let (code, text, words) = run(&["crds", "traefik.io", &flag]);
    assert_eq!(code, Some(0), "{words}");
    assert_eq!(text.matches("\nkind: CustomResourceDefinition\n").count(), 10);
    assert!(text.contains("              ownKind:\n"), "{text}");
    let (code, _, words) = run(&["crds", "traefik.com"]);
    assert_eq!(code, Some(2));
    assert!(words.contains("traefik.io"), "{words}");
}

/// Objects that must be taken, with what stands for the group.
const GOOD: &str = "
apiVersion: GROUP/v1alpha1
kind: IngressRoute
metadata: {name: shop}
spec:
  entryPoints: [web]
  routes:
  - match: Host(`shop.test`)
    kind: Rule
    priority: 7
    services:
    - {name: app, port: 80, weight: 3, sticky: {cookie: {name: s, sameSite: lax}}}
    - {name: app, port: web, healthCheck: {interval: 5s, timeout: 1}}
  tls: {secretName: shop, domains: [{main: shop.test}]}
---
apiVersion: GROUP/v1alpha1
kind: IngressRouteTCP
metadata: {name: shop}
spec:
  routes: [{match: HostSNI(`*`), services: [{name: app, port: 80}]}]
  tls: {passthrough: true}
---
apiVersion: GROUP/v1alpha1
kind: IngressRouteUDP
metadata: {name: shop}
spec: {routes: [{services: [{name: app, port: 53}]}]}
---
apiVersion: GROUP/v1alpha1
kind: Middleware
metadata: {name: shop}
spec:
  lua:
    code: return { request = function() end }
    options: {depth: 3, any: {thing: [1]}}
  limits: {cpu: 5ms, memory: 1MiB}
---
apiVersion: GROUP/v1alpha1
kind: Middleware
metadata: {name: compressed}
spec: {compress: {}}
---
apiVersion: GROUP/v1alpha1
kind: Middleware
metadata: {name: plugged}
spec: {plugin: {own: {a: {b: 1}}}}
---
apiVersion: GROUP/v1alpha1
kind: MiddlewareTCP
metadata: {name: shop}
spec: {ipAllowList: {sourceRange: [10.0.0.0/8]}}
---
apiVersion: GROUP/v1alpha1
kind: TraefikService
metadata: {name: shop}
spec:
  mirroring: {name: v1, port: 80, mirrors: [{name: v2, percent: 50, port: 80}]}
---
apiVersion: GROUP/v1alpha1
kind: TLSOption
metadata: {name: shop}
spec: {minVersion: VersionTLS12, clientAuth: {secretNames: [ca]}}
---
apiVersion: GROUP/v1alpha1
kind: TLSStore
metadata: {name: default}
spec: {defaultCertificate: {secretName: shop}}
---
apiVersion: GROUP/v1alpha1
kind: ServersTransport
metadata: {name: shop}
spec: {forwardingTimeouts: {dialTimeout: 1h2m, pingTimeout: 5}, rootCAs: [{secret: ca}]}
---
apiVersion: GROUP/v1alpha1
kind: ServersTransportTCP
metadata: {name: shop}
spec: {terminationDelay: -1, tls: {serverName: a}}
";

/// Kind, spec, and a part of the words with which it is refused.
const BAD: &[(&str, &str, &str)] = &[
    ("IngressRoute", "{}", "routes"),
    ("IngressRoute", "{routes: [{kind: Rule}]}", "match"),
    ("IngressRoute", "{routes: [{match: a, kind: Other}]}", "Unsupported value"),
    ("IngressRoute", "{routes: [{match: a, services: [{port: 80}]}]}", "name"),
    ("IngressRoute", "{routes: [{match: a, service: []}]}", "service"),
    ("IngressRoute", "{routes: [{match: a, services: [{name: a, weight: -1}]}]}", "weight"),
    ("IngressRoute", "{routes: [{match: a, services: [{name: a, strategy: r}]}]}", "strategy"),
    ("IngressRouteTCP", "{routes: [{match: a, services: [{name: a}]}]}", "port"),
    ("Middleware", "{stripPrefix: {prefixes: /a}}", "prefixes"),
    ("Middleware", "{lua: {configMap: {name: a}}}", "key"),
    ("TLSStore", "{certificates: [{}]}", "secretName"),
    ("TLSOption", "{clientAuth: {clientAuthType: Sometimes}}", "clientAuthType"),
    ("ServersTransport", "{forwardingTimeouts: {dialTimeout: soon}}", "dialTimeout"),
    ("TraefikService", "{failover: {service: {name: a}}}", "fallback"),
];

#[test]
fn a_cluster_serves_both_groups() {
    let cluster = Cluster::with_definitions();
    // Once more changes nothing: what the API keeps is what is written.
    let crds = concat!(env!("CARGO_MANIFEST_DIR"), "/crds");
    let definitions = || cluster.kubectl(&["get", "crd", "-o", "jsonpath={..generation}"], "");
    let before = definitions();
    cluster.kubectl(&["apply", "--server-side", "-f", crds], "");
    assert_eq!(definitions(), before);

    for group in GROUPS {
        cluster.apply(&GOOD.replace("GROUP", group));
        for (kind, spec, words) in BAD {
            let object = format!(
                "apiVersion: {group}/v1alpha1\nkind: {kind}\nmetadata: {{name: bad}}\nspec: {spec}\n"
            );
            let refusal = cluster.refuses(&object);
            assert!(refusal.contains(words), "{kind} {spec}: {refusal}");
        }
    }
    let table = cluster.kubectl(&["get", "ingressroute"], "");
    let words: Vec<&str> = table.split_whitespace().take(3).collect();
    assert_eq!(words, ["NAME", "AGE", "shop"]);
    let wide = cluster.kubectl(&["get", "ingressroute", "-o", "wide"], "");
    assert!(wide.contains("Host(`shop.test`)"), "{wide}");
    let doc = cluster.kubectl(&["explain", "ingressroute.spec.routes.priority"], "");
    assert!(doc.contains("greater one come first"), "{doc}");
    let all = cluster.kubectl(&["get", "traefik", "-o", "name"], "");
    for group in GROUPS {
        assert!(all.contains(&format!("traefikservice.{group}/shop")), "{all}");
    }
}
