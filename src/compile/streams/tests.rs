//! What is in force, what is refused, and what is kept from one generation to the next.

use hashbrown::HashMap;
use serde_json::{Value, json};
use std::collections::BTreeMap;

use super::*;
use crate::compile::{RouterRules, Scripts};
use crate::message::Observed;
use crate::model::{ElementStatus, TcpServersTransport};
use crate::value::decode;

fn catalog() -> Catalog {
    let entrypoint = |name: &str, transport| EntrypointFacts {
        name: name.into(),
        transport,
        default: if transport == Transport::Tcp { IsDefault::Yes } else { IsDefault::No },
        middlewares: Vec::new(),
        tls: None,
        observed: Observed::default(),
        is_model: false,
        timeouts: crate::message::Timeouts::default(),
        answers: crate::config::Answers::default(),
    };
    Catalog {
        scripts: Scripts::default(),
        tcp_scripts: Scripts::default(),
        internals: HashMap::new(),
        entrypoints: vec![entrypoint("tc", Transport::Tcp), entrypoint("u", Transport::Udp)],
        transport: Arc::default(),
        tcp_transport: TcpServersTransport::default(),
        rules: RouterRules::default(),
        resolvers: HashMap::new(),
        observed_internals: Observed::default(),
    }
}

fn compile(given: &Value, memory: &mut Memory) -> Streams {
    let dynamic: Dynamic = decode(given).unwrap();
    let (tls, _) = OptionSets::build(&dynamic.tls, &Arc::default(), None, &BTreeMap::new());
    Streams::compile(&dynamic, &catalog(), &tls, &[], memory)
}

fn servers(addresses: &[&str]) -> Value {
    let servers: Vec<_> = addresses.iter().map(|address| json!({"address": address})).collect();
    json!({"loadBalancer": {"servers": servers}})
}

use ElementStatus::{Disabled, Enabled, Warning};

#[test]
fn routers_are_judged_one_by_one() {
    let check = |router: Value, expect: ElementStatus, priority: i64, part: &str| {
        let given = json!({"tcp": {
            "routers": {"r@file": router},
            "services": {"s@file": servers(&["a:1"]), "bad@file": servers(&["nonsense"])},
        }});
        let streams = compile(&given, &mut Memory::default());
        let verdict = &streams.tcp.routers["r@file"];
        let (status, errors) = (verdict.verdict.status, &verdict.verdict.errors);
        assert_eq!((status, verdict.priority), (expect, Some(priority)), "{router} {errors:?}");
        assert!(errors.join("; ").contains(part), "{errors:?}");
        assert_eq!(streams.tables[0].is_some(), expect != ElementStatus::Disabled);
    };
    check(json!({"rule": "HostSNI(`*`)", "service": "s"}), Enabled, -1, "");
    check(json!({"rule": "HostSNI(`*`)", "service": "s", "priority": 7}), Enabled, 7, "");
    check(json!({"rule": "HostSNI(`a`)", "service": "s", "tls": {}}), Enabled, 12, "");
    check(json!({"rule": "HostSNI(`a`)", "service": "s"}), Disabled, 12, "needs tls");
    check(json!({"rule": "ClientIP(`::1`)", "service": "s"}), Enabled, 15, "");
    check(json!({"rule": "HostSNI(`a`", "service": "s"}), Disabled, 11, "rule error");
    check(json!({"rule": "Host(`a`)", "service": "s", "tls": {}}), Disabled, 9, "unknown matcher");
    check(json!({"service": "s"}), Disabled, 0, "rule is empty");
    check(json!({"rule": "HostSNI(`*`)"}), Disabled, -1, "service is missing");
    check(json!({"rule": "HostSNI(`*`)", "service": "none"}), Disabled, -1, "does not exist");
    check(json!({"rule": "HostSNI(`*`)", "service": "bad"}), Disabled, -1, "no address");
    check(
        json!({"rule": "HostSNI(`*`)", "service": "s", "entryPoints": ["tc", "u"]}),
        Warning,
        -1,
        "entryPoint \"u\" doesn't exist",
    );
    check(
        json!({"rule": "HostSNI(`*`)", "service": "s", "priority": i64::MAX}),
        Disabled,
        i64::MAX,
        "exceeds",
    );
}

#[test]
fn services_are_judged_one_by_one() {
    let check = |service: Value, part: &str| {
        let given = json!({"tcp": {"services": {
            "s@file": service, "ok@file": servers(&["a:1"]), "loop@file": {"weighted": {
                "services": [{"name": "loop"}]}},
        }}});
        let streams = compile(&given, &mut Memory::default());
        let errors = streams.tcp.services["s@file"].verdict.errors.join("; ");
        assert!(errors.contains(part) && errors.is_empty() == part.is_empty(), "{errors}");
        assert_eq!(streams.tcp.services["ok@file"].verdict.status, ElementStatus::Enabled);
    };
    let weighted = |name: &str| json!({"weighted": {"services": [{"name": name}]}});
    check(servers(&["a:1", "[::1]:2"]), "");
    check(servers(&["a"]), "no address");
    check(weighted("ok"), "");
    check(weighted("none"), "does not exist");
    check(weighted("loop"), "is disabled");
    check(json!({}), "no kind");
    check(json!({"loadBalancer": {}, "weighted": {}}), "several");
    check(json!({"loadBalancer": {"serversTransport": "x"}}), "\"x@file\" does not exist");
    check(json!({"loadBalancer": {"proxyProtocol": {"version": 3}}}), "neither 1 nor 2");
    check(json!({"loadBalancer": {"healthCheck": {"interval": 0}}}), "healthCheck.interval");
    check(
        json!({"weighted": {"services": [{"name": "ok"}], "healthCheck": {}}}),
        "no healthCheck of its own",
    );
}

#[test]
fn what_did_not_change_is_the_same() {
    let given = |address: &str, rule: &str| {
        json!({"tcp": {
            "routers": {
                "a@file": {"rule": rule, "service": "a"},
                "w@file": {"rule": "HostSNI(`w`)", "service": "w", "tls": {}},
            },
            "services": {
                "a@file": servers(&["a:1"]),
                "b@file": servers(&[address]),
                "w@file": {"weighted": {"services": [{"name": "a"}, {"name": "b"}]}},
            },
        }})
    };
    let mut memory = Memory::default();
    let mut services = |address: &str, rule: &str| {
        let streams = compile(&given(address, rule), &mut memory);
        let tables = streams.tables[0].clone().unwrap();
        let find = |sni: &str| {
            let client_ip = "::1".parse().unwrap();
            let facts = crate::rule::tcp::Facts { sni, protocols: &[], client_ip };
            let table = if sni.is_empty() { &tables.plain } else { &tables.encrypted };
            Arc::clone(&table.find(&facts).unwrap().target.service)
        };
        (find(""), find("w"))
    };
    let (a, w) = services("b:1", "HostSNI(`*`)");
    let (same_a, same_w) = services("b:1", "ClientIP(`::1`)");
    assert!(Arc::ptr_eq(&a, &same_a) && Arc::ptr_eq(&w, &same_w));
    let (same_a, other_w) = services("b:2", "ClientIP(`::1`)");
    assert!(Arc::ptr_eq(&a, &same_a) && !Arc::ptr_eq(&w, &other_w));
}

#[test]
fn the_last_udp_router_has_the_entrypoint() {
    let given = json!({"udp": {
        "routers": {
            "a@file": {"service": "a"},
            "b@file": {"service": "b", "entryPoints": ["u"]},
            "c@file": {"service": "none"},
            "d@file": {"service": "b", "entryPoints": ["tc"]},
        },
        "services": {
            "a@file": servers(&["a:1"]),
            "b@file": {"weighted": {"services": [{"name": "a"}]}},
            "bad@file": servers(&["x"]),
        },
    }});
    let streams = compile(&given, &mut Memory::default());
    assert_eq!(streams.datagrams[1].as_ref().map(|s| &*s.name), Some("b@file"));
    assert!(streams.datagrams[0].is_none());
    let status = |name: &str| streams.udp.routers[name].verdict.status;
    assert_eq!(status("a@file"), ElementStatus::Warning);
    assert_eq!(status("b@file"), ElementStatus::Enabled);
    assert_eq!(status("c@file"), ElementStatus::Disabled);
    assert_eq!(status("d@file"), ElementStatus::Disabled);
    assert_eq!(streams.udp.services["bad@file"].verdict.status, ElementStatus::Disabled);
}
