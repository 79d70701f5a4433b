//! References and secrets in decoded options.

use moongate::schema::{Held, Reference, ReferenceKind, Source};
use serde_json::json;

use super::schema;

#[test]
fn references_are_found_in_both_forms() {
    use ReferenceKind::{Middleware, ServersTransport, Service};
    let named = |kind, name: &str| Reference { kind, name: name.to_owned() };
    for (name, source, options, expect) in [
        ("errors", Source::File, json!({"service": "a"}), vec![named(Service, "a")]),
        ("errors", Source::Crd, json!({"service": {"name": "a"}}), vec![named(Service, "a")]),
        (
            "chain",
            Source::File,
            json!({"middlewares": ["a", "b", "a"]}),
            vec![named(Middleware, "a"), named(Middleware, "b")],
        ),
        (
            "everything",
            Source::File,
            json!({"rules": [{"match": "x", "to": ["a", "b"]}], "transport": "t"}),
            vec![named(Service, "a"), named(Service, "b"), named(ServersTransport, "t")],
        ),
        ("compress", Source::File, json!({}), vec![]),
    ] {
        let schema = schema(name);
        let decoded = schema.decode(&options, source).unwrap();
        assert_eq!(schema.references(&decoded.options), expect, "{name}: {options}");
        for kind in [Service, Middleware, ServersTransport] {
            let found = expect.iter().any(|reference| reference.kind == kind);
            assert_eq!(schema.has_references(kind), found, "{name}: {kind:?}");
        }
    }
}

#[test]
fn secrets_can_be_found_and_are_never_printed() {
    let basic = schema("basicAuth");
    let mut decoded = basic.decode(&json!({"users": ["a:hunter2"]}), Source::File).unwrap();
    assert!(!format!("{decoded:?}").contains("hunter2"));
    let mut found = 0;
    basic.visit(&mut decoded.options, Source::File, &mut |held, value| {
        assert_eq!(held, Held::Secret);
        *value = json!("***");
        found += 1;
    });
    assert_eq!((found, &decoded.options["users"]), (1, &json!(["***"])));
    for wrong in [json!({"hunter2": 1}), json!([["hunter2"]]), json!([{"env": ["hunter2"]}])] {
        let problems = basic.decode(&json!({"users": wrong}), Source::File).unwrap_err();
        assert!(!format!("{problems:?}").contains("hunter2"), "{problems:?}");
    }
}

#[test]
fn options_of_objects_become_those_of_files() {
    for (name, options, secret, expect) in [
        (
            "basicAuth",
            json!({"secret": "s"}),
            "a:b\nc:d\n",
            json!({"realm": "traefik", "removeHeader": false, "users": ["a:b", "c:d"]}),
        ),
        (
            "chain",
            json!({"middlewares": [{"name": "a", "namespace": "n"}, {"name": "b"}]}),
            "",
            json!({"middlewares": ["n-a@kubernetescrd", "own-b@kubernetescrd"]}),
        ),
    ] {
        let schema = schema(name);
        let mut options = schema.decode(&options, Source::Crd).unwrap().options;
        schema.visit(&mut options, Source::Crd, &mut |held, value| {
            *value = match held {
                Held::Duration | Held::Path => return,
                Held::Secret => json!(secret),
                Held::Reference(_) => {
                    let namespace = value["namespace"].as_str().unwrap_or("own");
                    let name = value["name"].as_str().unwrap_or_default();
                    json!(format!("{namespace}-{name}@kubernetescrd"))
                }
            };
        });
        let decoded = schema.decode(&options, Source::File).unwrap();
        assert_eq!(decoded.options, expect, "{name}");
    }
}
