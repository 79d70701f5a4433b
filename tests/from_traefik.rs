//! `moongate check --from=traefik`: all of a configuration that is not supported or behaves
//! differently, with the reasons.

#![allow(clippy::unwrap_used, reason = "tests may fail")]

use std::fs;
use std::process::Command;

const STATIC: &str = "
global: {sendAnonymousUsage: true}
entryPoints:
  web: {address: ':80'}
providers:
  swarm: {}
  nomad: {prefix: x}
  file: {filename: dynamic.yaml}
";

const DYNAMIC: &str = "
http:
  routers:
    first: {rule: 'Host(`a.test`)', service: s, middlewares: [breaker]}
    second: {rule: 'Host(`a.test`)', service: s, middlewares: [rate, shared]}
    plain: {rule: 'Host(`b.test`)', service: s, middlewares: [prefix]}
  middlewares:
    breaker: {circuitBreaker: {expression: 'NetworkErrorRatio() > 0.5'}}
    prefix: {addPrefix: {prefix: /x}}
    rate: {rateLimit: {average: 5}}
    shared: {rateLimit: {average: 5, redis: {endpoints: ['127.0.0.1:6379']}}}
  services:
    s: {loadBalancer: {servers: [{url: 'http://127.0.0.1:1'}]}}
";

fn check(arguments: &[&str]) -> (Option<i32>, String) {
    check_of(STATIC, DYNAMIC, arguments)
}

fn check_of(fixed: &str, dynamic: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("traefik.yml"), fixed).unwrap();
    fs::write(folder.path().join("dynamic.yaml"), dynamic).unwrap();
    let run = Command::new(env!("CARGO_BIN_EXE_moongate"))
        .arg("check")
        .args(arguments)
        .current_dir(folder.path())
        .output()
        .unwrap();
    let said = [run.stdout, run.stderr].concat();
    let said = String::from_utf8(said).unwrap();
    let folder = folder.path().display().to_string() + "/";
    (run.status.code(), said.replace(&folder, ""))
}

#[test]
fn everything_is_listed_at_once() {
    let (code, said) = check(&["--from=traefik", "--configFile=traefik.yml"]);
    assert_eq!(code, Some(1), "{said}");
    for line in [
        "error: traefik.yml: providers.swarm: not supported: the start would be refused",
        "error: traefik.yml: providers.nomad: not supported: the start would be refused",
        "warning: global.sendAnonymousUsage: differs from Traefik: nothing is sent to anybody",
        "http.middlewares.breaker@file: differs from Traefik: it measures the time to the head of \
         an answer, not to its end",
        "http.middlewares.shared@file: differs from Traefik: buckets in Redis have a key",
        "http.routers.second@file: differs from Traefik: its rule and its priority are those of \
         first@file, which answers here after every start; there either may",
    ] {
        assert!(said.contains(line), "{line:?} is not in:\n{said}");
    }
    for name in ["middlewares.rate@file", "prefix@file", "plain@file", "routers.first@file"] {
        assert!(!said.contains(&format!(".{name}: ")), "{name} is in:\n{said}");
    }
}

#[test]
fn without_it_the_first_source_of_errors_stops() {
    let (code, said) = check(&["--configFile=traefik.yml"]);
    assert_eq!(code, Some(1));
    assert!(said.contains("providers.swarm, providers.nomad"), "{said}");
    assert!(!said.contains("differs"), "{said}");
    let (code, said) = check(&["--from=nginx", "--configFile=traefik.yml"]);
    assert_eq!(code, Some(2));
    assert!(said.contains("--from=traefik is all there is"), "{said}");
}

/// What many have beside their routers: a resolver, metrics, ping and API, all in files.
const WHOLE: &str = "
global: {checkNewVersion: false}
log: {level: INFO}
accessLog: {}
entryPoints:
  web:
    address: ':80'
    http: {redirections: {entrypoint: {to: websecure, scheme: https}}}
  websecure:
    address: ':443'
    http: {tls: {certResolver: le, domains: [{main: a.test, sans: ['*.a.test']}]}}
  metrics: {address: ':8082'}
certificatesResolvers:
  le:
    acme:
      email: me@a.test
      storage: acme.json
      dnsChallenge: {provider: cloudflare, resolvers: ['1.1.1.1:53']}
metrics: {prometheus: {entryPoint: metrics}}
ping: {}
api: {dashboard: true}
providers: {file: {filename: dynamic.yaml, watch: true}}
";

const OF_WHOLE: &str = "
http:
  routers:
    dash: {rule: 'Host(`a.test`)', service: api@internal, tls: {certResolver: le}}
    scrape: {rule: 'Path(`/m`)', service: prometheus@internal, entryPoints: [metrics]}
";

#[test]
fn a_whole_configuration_has_no_errors() {
    let (code, said) = check_of(WHOLE, OF_WHOLE, &["--configFile=traefik.yml"]);
    assert_eq!((code, said.trim()), (Some(0), "0 errors, 0 warnings"));
    // A resolver that is not there is told.
    let dynamic = OF_WHOLE.replace("certResolver: le", "certResolver: less");
    let (code, said) = check_of(WHOLE, &dynamic, &["--configFile=traefik.yml"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("there is no certificate resolver \"less\""), "{said}");
}
