//! What is kept from one generation to the next, and what is refused.

use serde_json::{Value, json};

use super::*;
use crate::compile::{RouterRules, Scripts, middlewares};
use crate::message::Observed;
use crate::service::{Children, Order};
use crate::value::decode;

fn catalog() -> Catalog {
    Catalog {
        scripts: Scripts::default(),
        tcp_scripts: Scripts::default(),
        tcp_transport: model::TcpServersTransport::default(),
        internals: HashMap::new(),
        entrypoints: Vec::new(),
        transport: Arc::default(),
        rules: RouterRules::default(),
        resolvers: HashMap::new(),
        observed_internals: Observed::default(),
    }
}

fn compile(services: &Value, catalog: &Catalog, memory: &mut Memory) -> Services {
    let dynamic: Dynamic = decode(&json!({"http": {"services": services}})).unwrap();
    let mut scripts = middlewares::Memory::default();
    let middlewares = Middlewares::compile(&dynamic, catalog, &mut scripts);
    let parts = Parts { catalog, middlewares: &middlewares };
    Services::compile(&dynamic, parts, &mut Named::default(), memory)
}

fn children(service: &Service) -> &Children {
    match &service.kind {
        Kind::Children(children) => children,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_did_not_change_is_the_same() {
    let given = |urls: &[&str], other: u32| {
        let servers: Vec<_> = urls.iter().map(|url| json!({"url": url})).collect();
        json!({
            "a@file": {"loadBalancer": {"healthCheck": {"path": "/h"}, "servers": servers}},
            "o@file": {"loadBalancer": {"servers": [{"url": "http://o", "weight": other}]}},
            "w@file": {"weighted": {"services": [{"name": "a"}, {"name": "o"}],
                "sticky": {"cookie": {}}}},
            "m@file": {"mirroring": {"service": "a", "mirrors": [{"name": "o", "percent": 5}]}},
            "f@file": {"failover": {"service": "a", "fallback": "o"}},
        })
    };
    let (catalog, mut memory) = (catalog(), Memory::default());
    let mut compile = |services: &Value| compile(services, &catalog, &mut memory);
    let first = compile(&given(&["http://a"], 1));
    assert!(first.verdicts.is_empty(), "{:?}", first.verdicts);
    assert_eq!(first.health.keys().collect::<Vec<_>>(), ["a@file"]);
    let second = compile(&given(&["http://a"], 1));
    for (name, service) in &first.live {
        assert!(Arc::ptr_eq(service, &second.live[name]), "{name}");
    }
    // A child is another, so its parent is, and goes on where it was.
    let third = compile(&given(&["http://a"], 2));
    let is_same = |name: &str| Arc::ptr_eq(&second.live[name], &third.live[name]);
    assert!(is_same("a@file") && !is_same("o@file") && !is_same("w@file"));
    let (before, after) = (children(&second.live["w@file"]), children(&third.live["w@file"]));
    let (Order::Turns(before_turn), Order::Turns(after_turn)) = (&before.order, &after.order)
    else {
        panic!("{before:?}");
    };
    assert!(Arc::ptr_eq(before_turn, after_turn));
    assert_eq!(before.sticky.as_ref().unwrap().name(), after.sticky.as_ref().unwrap().name());
    // A server that is added leaves what is known of the others.
    let down = &servers_of(&third.live["a@file"]).unwrap().servers[0].member;
    down.set_up(false);
    let fourth = compile(&given(&["http://b", "http://a"], 2));
    let servers = &servers_of(&fourth.live["a@file"]).unwrap().servers;
    assert!(servers[0].member.is_up() && Arc::ptr_eq(&servers[1].member, down));
}

fn refuse(service: impl Into<Value>, expect: &str) {
    let services = json!({
        "s@file": service.into(),
        "plain@file": {"loadBalancer": {"servers": [{"url": "http://a"}]}},
        "checked@file": {"loadBalancer": {"healthCheck": {}, "servers": [{"url": "http://a"}]}},
    });
    let compiled = compile(&services, &catalog(), &mut Memory::default());
    let errors = compiled.verdicts.get("s@file").map(|verdict| verdict.errors.join("; "));
    let holds = errors.as_ref().is_some_and(|errors| errors.contains(expect));
    assert!(holds, "{expect}: {errors:?}");
}

#[test]
fn refuses_by_name() {
    let balancer = |options: Value| json!({"loadBalancer": options});
    let servers = json!([{"url": "http://a"}]);
    let checked = |options: Value| balancer(json!({"healthCheck": options, "servers": servers}));
    refuse(json!({}), "the service has no kind");
    refuse(json!({"loadBalancer": {}, "weighted": {}}), "one kind only");
    refuse(balancer(json!({"strategy": "nonsense"})), "strategy \"nonsense\"");
    refuse(balancer(json!({"hashBy": {"header": "x"}})), "only the strategy hrw");
    refuse(balancer(json!({"strategy": "hrw", "hashBy": {}})), "exactly one of");
    refuse(balancer(json!({"strategy": "hrw", "hashBy": {"header": "a b"}})), "hashBy.header");
    refuse(balancer(json!({"sticky": {"cookie": {"path": "/;x"}}})), "sticky.cookie");
    refuse(balancer(json!({"sticky": {"cookie": {"sameSite": "odd"}}})), "sameSite: \"odd\"");
    refuse(balancer(json!({"passiveHealthCheck": {"maxFailedAttempts": 1001}})), "1000 at most");
    refuse(checked(json!({"mode": "tcp"})), "healthCheck.mode");
    refuse(checked(json!({"method": "a b"})), "healthCheck.method");
    refuse(checked(json!({"scheme": "ftp"})), "\"ftp\"");
    refuse(checked(json!({"headers": {"a b": "c"}})), "healthCheck.headers.a b");
    refuse(checked(json!({"interval": "0s"})), "healthCheck.interval: not above zero");
    refuse(json!({"weighted": {"services": [{"name": "nope"}]}}), "does not exist");
    refuse(json!({"weighted": {"services": [{"name": "s"}]}}), "s@file -> s@file");
    let weighted = json!({"services": [{"name": "plain"}], "healthCheck": {}});
    refuse(json!({"weighted": weighted}), "\"plain@file\" has no healthCheck");
    refuse(json!({"failover": {"service": "plain", "fallback": "checked"}}), "no healthCheck");
    let failover = json!({"service": "checked", "fallback": "plain", "healthCheck": {}});
    refuse(json!({"failover": failover}), "no healthCheck");
    let errors = json!({"service": "plain", "fallback": "plain", "errors": {"status": ["x"]}});
    refuse(json!({"failover": errors}), "errors.status: \"x\"");
    let mirrors = json!([{"name": "plain", "percent": 101}]);
    refuse(json!({"mirroring": {"service": "plain", "mirrors": mirrors}}), "0 to 100");
    let behind = json!({"middlewares": ["nope"], "loadBalancer": {"servers": []}});
    refuse(behind, "middleware \"nope@file\" does not exist");
}
