//! Option schemas: decoding in files and Kubernetes objects, and what is printed of them.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use moongate::schema::{Held, Problem, Reference, ReferenceKind, Schema, Source, print};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

const SCHEMAS: [&str; 7] =
    ["basicAuth", "errors", "chain", "forwardAuth", "rateLimit", "compress", "everything"];

fn schema(name: &str) -> Schema {
    let path = in_tests(&format!("schema/{name}.json"));
    let declared: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    Schema::parse(&declared).unwrap()
}

fn in_tests(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(path)
}

/// Options, and all of them once decoded.
fn check(name: &str, source: Source, options: &Value, expect: &Value) {
    let decoded = schema(name).decode(options, source);
    let decoded = decoded.unwrap_or_else(|problems| panic!("{name}: {options}: {problems:?}"));
    assert_eq!(decoded.options, *expect, "{name}: {options}");
    assert_eq!(decoded.warnings, [], "{name}: {options}");
}

/// Options, and some of them once decoded.
fn check_part(name: &str, source: Source, options: &Value, expect: &Value) {
    let decoded = schema(name).decode(options, source);
    let decoded = decoded.unwrap_or_else(|problems| panic!("{name}: {options}: {problems:?}"));
    for (option, expect) in expect.as_object().unwrap() {
        let got = decoded.options.get(option).unwrap_or(&Value::Null);
        assert_eq!(got, expect, "{name}: {options}: {option}");
    }
}

/// Options, and all that is wrong with them.
fn refuse(name: &str, source: Source, options: &Value, expect: &[&str]) {
    let problems = schema(name).decode(options, source).unwrap_err();
    let mut got: Vec<String> = problems.iter().map(line).collect();
    got.sort();
    let mut expect = expect.to_vec();
    expect.sort_unstable();
    assert_eq!(got, expect, "{name}: {options}");
}

fn line(problem: &Problem) -> String {
    format!("{}: {}", problem.path, problem.reason)
}

#[test]
fn options_of_files() {
    let file = Source::File;
    check(
        "basicAuth",
        file,
        &json!({"USERS": "a:b, c:d", "removeheader": "true", "realm": 7}),
        &json!({"realm": "7", "removeHeader": true, "users": ["a:b", "c:d"]}),
    );
    check(
        "basicAuth",
        file,
        &json!({"users": {"[1]": {"env": "B"}, "[0]": {"File": "/a"}}, "usersFile": null}),
        &json!({
            "realm": "traefik", "removeHeader": false, "users": [{"file": "/a"}, {"env": "B"}],
        }),
    );
    check(
        "errors",
        file,
        &json!({"status": 500, "service": "pages@file", "statusRewrites": {"404": "410"}}),
        &json!({"service": "pages@file", "status": ["500"], "statusRewrites": {"404": 410}}),
    );
    check("chain", file, &json!({"middlewares": "a,b"}), &json!({"middlewares": ["a", "b"]}));
    check_part(
        "forwardAuth",
        file,
        &json!({"address": "http://auth/", "tls": {"ca": "ca.pem"}, "maxBodySize": "1MiB"}),
        &json!({
            "tls": {"ca": "ca.pem", "insecureSkipVerify": false},
            "maxBodySize": 1_048_576,
            "maxResponseBodySize": -1,
            "headerField": null,
        }),
    );
    check_part(
        "rateLimit",
        file,
        &json!({
            "average": "100", "period": "1m30s",
            "sourceCriterion": {"ipStrategy": true}, "redis": {},
        }),
        &json!({
            "average": 100, "burst": 1, "period": 90,
            "sourceCriterion": {"ipStrategy": {"depth": 0}, "requestHost": false},
            "redis": {
                "db": 0, "dialTimeout": 5, "endpoints": ["127.0.0.1:6379"], "maxActiveConns": 0,
                "minIdleConns": 0, "poolSize": 0, "readTimeout": 3, "writeTimeout": 3,
            },
        }),
    );
    check_part("rateLimit", file, &json!({"period": 0.25}), &json!({"period": 0.25}));
    check_part("rateLimit", file, &json!({"period": "300ms"}), &json!({"period": 0.3}));
    let defaults = json!({"encodings": ["gzip", "br", "zstd"], "minResponseBodyBytes": 1024});
    for on in [json!({}), json!(null), json!(true), json!("true"), json!("")] {
        check("compress", file, &on, &defaults);
    }
}

#[test]
fn options_of_kubernetes_objects() {
    let crd = Source::Crd;
    check(
        "basicAuth",
        crd,
        &json!({"secret": "authsecret"}),
        &json!({
            "realm": "traefik", "removeHeader": false,
            "users": {"secret": "authsecret", "keys": ["users"]},
        }),
    );
    check(
        "errors",
        crd,
        &json!({"service": {"name": "pages", "port": "8081", "sticky": {"cookie": {}}}}),
        &json!({"service": {"name": "pages", "port": "8081", "sticky": {"cookie": {}}}}),
    );
    check(
        "chain",
        crd,
        &json!({"middlewares": [{"name": "a", "namespace": "n"}, {"name": "b"}]}),
        &json!({"middlewares": [{"name": "a", "namespace": "n"}, {"name": "b"}]}),
    );
    check_part(
        "forwardAuth",
        crd,
        &json!({"address": "https://auth", "tls": {"caSecret": "ca", "certSecret": "pair"}}),
        &json!({"tls": {
            "ca": {"secret": "ca", "keys": ["tls.ca", "ca.crt"]},
            "cert": {"secret": "pair", "keys": ["tls.crt"]},
            "insecureSkipVerify": false,
            "key": {"secret": "pair", "keys": ["tls.key"]},
        }}),
    );
    let decoded = schema("rateLimit").decode(&json!({"redis": {"secret": "r"}}), crd).unwrap();
    let redis = &decoded.options["redis"];
    assert_eq!(redis["username"], json!({"secret": "r", "keys": ["username"]}));
    assert_eq!(redis["password"], json!({"secret": "r", "keys": ["password"]}));
    for (token, expect) in [
        (json!("inline"), json!("inline")),
        (json!("urn:k8s:secret:s:k"), json!({"secret": "s", "keys": ["k"]})),
        (json!({"secret": "s", "key": "k"}), json!({"secret": "s", "keys": ["k"]})),
    ] {
        check_part("everything", crd, &json!({"token": token}), &json!({"token": expect}));
    }
    // An empty section is Traefik's defaults in objects, but an error in files.
    check("basicAuth", crd, &json!({}), &json!({"realm": "traefik", "removeHeader": false}));
}

#[test]
fn bad_options_of_files() {
    let file = Source::File;
    let alone = ": cannot stand alone, at least one option must be set";
    refuse("basicAuth", file, &json!({}), &[alone]);
    refuse("basicAuth", file, &json!({"realm": null}), &[alone]);
    refuse("basicAuth", file, &json!(false), &[": expected a section of options"]);
    refuse("basicAuth", file, &json!([]), &[": expected a section, got a list"]);
    refuse(
        "basicAuth",
        file,
        &json!({"user": [], "realm": [], "Realm": "x", "users": [["hunter2"]]}),
        &[
            "user: unknown option, did you mean \"users\"?",
            "realm: expected text, got a list",
            "Realm: given twice",
            "users[0]: expected text, got a list",
        ],
    );
    refuse("errors", file, &json!({}), &["service: is required"]);
    refuse(
        "errors",
        file,
        &json!({"service": {"name": "x"}, "status": "5xx", "statusRewrites": {"404": 1000}}),
        &[
            "service: expected the name of a service, got a section",
            "status[0]: \"5xx\" does not match ^[0-9]{3}(-[0-9]{3})?$",
            "statusRewrites.404: 1000 is more than 999",
        ],
    );
    refuse("chain", file, &json!({"middlewares": ""}), &["middlewares: must not be empty"]);
    refuse("chain", file, &json!({}), &["middlewares: is required"]);
    refuse(
        "forwardAuth",
        file,
        &json!({
            "address": "/verify", "authResponseHeadersRegex": "(", "maxBodySize": "-2",
            "tls": {"caSecret": "x"}, "forwardBody": "maybe",
        }),
        &[
            "address: expected a URL such as http://host:80/path, got \"/verify\"",
            "authResponseHeadersRegex: \"(\" is no regular expression: unclosed group",
            "maxBodySize: -2 is less than -1",
            "tls.caSecret: unknown option",
            "forwardBody: expected true or false, got \"maybe\"",
        ],
    );
    refuse(
        "rateLimit",
        file,
        &json!({
            "average": 1.5, "period": "soon", "sourceCriterion": {},
            "redis": {"tls": {}, "db": -1},
        }),
        &[
            "average: expected a whole number, got 1.5",
            "period: \"soon\" is no duration: write it as 300ms, 1m30s or a number of seconds",
            "sourceCriterion: cannot stand alone, at least one option must be set",
            "redis.tls: cannot stand alone, at least one option must be set",
            "redis.db: -1 is less than 0",
        ],
    );
    refuse(
        "rateLimit",
        file,
        &json!({"sourceCriterion": {"ipStrategy": {"excludedIPs": "10.0.0.0/8, here"}}}),
        &["sourceCriterion.ipStrategy.excludedIPs[1]: expected an address or a network such as \
           10.0.0.0/8, got \"here\""],
    );
    refuse(
        "compress",
        file,
        &json!({"encodings": ["deflate"], "minResponseBodyBytes": -1}),
        &[
            "encodings[0]: expected one of gzip, br, zstd, got \"deflate\"",
            "minResponseBodyBytes: -1 is less than 0",
        ],
    );
}

#[test]
fn bad_options_of_kubernetes_objects() {
    let crd = Source::Crd;
    refuse(
        "basicAuth",
        crd,
        &json!({"users": ["a:b"], "usersFile": "/x", "secrt": "s", "secret": {"env": "HOME"}}),
        &[
            "users: is called \"secret\" in Kubernetes objects",
            "usersFile: cannot be set in Kubernetes objects",
            "secrt: unknown option, did you mean \"secret\"?",
            "secret: expected a Secret's name, got a section",
        ],
    );
    refuse(
        "errors",
        crd,
        &json!({"service": {"namespace": "n", "prot": 80}}),
        &["service.name: is required", "service.prot: unknown option, did you mean \"port\"?"],
    );
    refuse(
        "chain",
        crd,
        &json!({"middlewares": [{"name": ""}, 1.5, []]}),
        &[
            "middlewares[0].name: must not be empty",
            "middlewares[2]: expected the name of a middleware, got a list",
        ],
    );
    let token = &["token: expected {secret: NAME, key: KEY} or urn:k8s:secret:NAME:KEY"];
    for way in [json!({"env": "HOME"}), json!({"file": "/etc/passwd"}), json!("urn:k8s:secret:s:")]
    {
        refuse("everything", crd, &json!({"token": way}), token);
    }
}

#[test]
fn unions_keep_what_fits() {
    for (port, expect) in [
        (json!(8081), json!(8081)),
        (json!("8081"), json!("8081")),
        (json!(true), json!("true")),
        (json!(null), json!(80)),
    ] {
        check_part("everything", Source::File, &json!({"port": port}), &json!({"port": expect}));
    }
    refuse(
        "everything",
        Source::File,
        &json!({"port": ["hunter2"]}),
        &["port: expected integer or string, got a list"],
    );
}

#[test]
fn old_names_are_warned_of() {
    let decoded = schema("everything").decode(&json!({"Words": "x", "mode": "FAST"}), Source::File);
    let decoded = decoded.unwrap();
    assert_eq!(decoded.options["text"], "x");
    assert_eq!(decoded.options["mode"], "Fast");
    let mut warnings: Vec<String> = decoded.warnings.iter().map(line).collect();
    warnings.sort();
    let expect = ["Words: is now called \"text\"", "mode: is deprecated: use `share`"];
    assert_eq!(warnings, expect);
    let twice = &["words: given twice"];
    refuse("everything", Source::File, &json!({"text": "x", "words": "y"}), twice);
}

#[test]
fn problems_are_limited() {
    let options: Map<String, Value> = (0..150).map(|n| (format!("zz{n}"), json!(1))).collect();
    let problems = schema("compress").decode(&Value::Object(options), Source::File).unwrap_err();
    assert_eq!(problems.len(), 101);
    assert_eq!(problems.last().unwrap().reason, "50 more problems are not listed");
}

#[test]
fn no_schema_takes_everything_and_an_empty_one_nothing() {
    let options = json!({"anything": [1]});
    let free = Schema::parse(&Value::Null).unwrap();
    assert_eq!(free.decode(&options, Source::File).unwrap().options, options);
    assert!(free.decode(&json!(5), Source::File).is_err());
    for declared in [json!({}), json!([])] {
        let empty = Schema::parse(&declared).unwrap();
        assert!(empty.decode(&options, Source::File).is_err());
        assert_eq!(empty.decode(&json!(null), Source::File).unwrap().options, json!({}));
    }
}

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
fn schemas_that_are_wrong() {
    for (declared, expect) in [
        (json!({"a": {"type": "strin"}}), "a: there is no type `strin`, did you mean `string`?"),
        (json!({"a": {}}), "a: `type` is missing"),
        (json!({"a": "string"}), "a: expected a table with a `type`"),
        (json!({"a": 5}), "a: expected the name of a type, or a table with a `type`"),
        (json!([1]), ": expected a table of options by name"),
        (json!({"standalone": "no"}), "standalone: expected a table with a `type`"),
        (
            json!({"a": {"type": "string", "requird": true}}),
            "a: `requird` means nothing here, did you mean `required`?",
        ),
        (json!({"a": {"type": "boolean", "min": 1}}), "a: `min` means nothing here"),
        (json!({"a": {"type": "string", "required": 1}}), "a: `required` must be true or false"),
        (
            json!({"a": {"type": "integer", "default": "x"}}),
            "a: the default does not fit: expected a whole number, got \"x\"",
        ),
        (
            json!({"a": {"type": "integer", "default": 1, "required": true}}),
            "a: a required option has no default",
        ),
        (json!({"a": {"type": "secret", "default": "x"}}), "a: a secret has no default"),
        (json!({"a": {"type": "list"}}), "a: `of` is missing"),
        (
            json!({"a": {"type": "list", "of": {"type": "list", "of": "strng"}}}),
            "a.of.of: there is no type `strng`, did you mean `string`?",
        ),
        (json!({"a": {"type": "union", "of": ["string"]}}), "a: `of` must be a list of types"),
        (json!({"a": {"type": "enum"}}), "a: `values` must name at least one word"),
        (
            json!({"a": {"type": "string", "pattern": "^[%w-]+$"}}),
            "a: `pattern` is a regular expression: write \\w, not %w",
        ),
        (json!({"a": {"type": "number", "min": 2, "max": 1}}), "a: `min` is more than `max`"),
        (json!({"a": {"type": "duration", "min": "x"}}), "a: `min` is no value of the type"),
        (
            json!({"ab": {"type": "any"}, "x": {"type": "any", "aliases": ["AB"]}}),
            ": two options are called `AB`",
        ),
    ] {
        assert_eq!(Schema::parse(&declared).unwrap_err().to_string(), expect, "{declared}");
    }
    let nest = |inner| json!({"type": "object", "fields": {"a": inner}});
    let deep = (0..40).fold(json!({"type": "any"}), |inner, _| nest(inner));
    let error = Schema::parse(&json!({"a": deep})).unwrap_err();
    assert_eq!(error.reason, "options are nested deeper than 16");
}

#[test]
fn prints_are_the_golden_ones() {
    for name in SCHEMAS {
        let schema = schema(name);
        let crd = serde_json::to_string_pretty(&print::crd(&schema)).unwrap();
        golden(&format!("{name}.md"), &print::markdown(&schema));
        golden(&format!("{name}.crd.json"), &format!("{crd}\n"));
        golden(&format!("{name}.lua"), &print::editor_types(&schema, &format!("{name}.options")));
    }
    golden("types.md", &print::types());
}

/// Compares a text with a file; `UPDATE_GOLDEN=1` writes the file.
fn golden(file: &str, text: &str) {
    let path = in_tests("golden/schema").join(file);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let expect = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, expect, "{file}: run with UPDATE_GOLDEN=1 if the change is meant");
}

/// Every object of a structural schema has a type or says that it has none.
fn assert_structural(schema: &Value, path: &str) {
    let untyped = ["x-kubernetes-preserve-unknown-fields", "x-kubernetes-int-or-string"];
    let typed = schema.get("type").is_some_and(Value::is_string);
    assert!(typed || untyped.iter().any(|mark| schema.get(*mark).is_some()), "{path}: {schema}");
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        assert_structural(inner, &format!("{path}.{name}"));
    }
    for inner in ["items", "additionalProperties"] {
        if let Some(schema) = schema.get(inner) {
            assert_structural(schema, &format!("{path}.{inner}"));
        }
    }
}

#[test]
fn crd_schemas_are_structural() {
    for name in SCHEMAS {
        assert_structural(&print::crd(&schema(name)), name);
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    let words = prop_oneof![
        Just("5m"),
        Just("0.3s"),
        Just("1MiB"),
        Just("true"),
        Just("false"),
        Just("a,b"),
        Just("http://a/"),
        Just("10.0.0.0/8"),
        Just("gzip, BR"),
        Just("500-599"),
        Just("7"),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (0u8..200).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (0.0..1e10).prop_map(Value::from),
        "[a-z0-9,:({.-]{0,6}".prop_map(Value::from),
        words.prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        let keys = prop::sample::select(vec![
            "users",
            "realm",
            "service",
            "status",
            "middlewares",
            "address",
            "tls",
            "ca",
            "key",
            "name",
            "average",
            "period",
            "sourceCriterion",
            "ipStrategy",
            "depth",
            "redis",
            "env",
            "file",
            "secret",
            "encodings",
            "text",
            "words",
            "share",
            "port",
            "mode",
            "wait",
            "limits",
            "rules",
            "match",
            "to",
            "token",
            "free",
            "size",
            "0",
            "[1]",
            "unknown",
        ]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::hash_map(keys.prop_map(String::from), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Options of which one is likely to decode.
fn any_options(name: &'static str) -> impl Strategy<Value = Value> {
    let declared: Value = serde_json::from_str(
        &std::fs::read_to_string(in_tests(&format!("schema/{name}.json"))).unwrap(),
    )
    .unwrap();
    let options = declared.as_object().unwrap().iter();
    let names: Vec<String> =
        options.filter(|(_, option)| option.is_object()).map(|(name, _)| name.clone()).collect();
    let option = (prop::sample::select(names), any_value());
    let options = prop::collection::vec(option, 0..3);
    let required = json!({"address": "http://a", "service": "s", "middlewares": "m"});
    options.prop_map(move |options| {
        let needed = required.as_object().unwrap().iter();
        let needed = needed.filter(|(name, _)| declared.get(name).is_some());
        let needed = needed.map(|(name, value)| (name.clone(), value.clone()));
        Value::Object(needed.chain(options).collect())
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn decoding_never_panics_and_is_stable(
        (name, options) in prop::sample::select(SCHEMAS.to_vec())
            .prop_flat_map(|name| (Just(name), prop_oneof![any_options(name), any_value()]))
    ) {
        let schema = schema(name);
        let _ = schema.decode(&options, Source::Crd);
        if let Ok(decoded) = schema.decode(&options, Source::File) {
            let again = schema.decode(&decoded.options, Source::File);
            prop_assert_eq!(again.map(|again| again.options), Ok(decoded.options));
        }
    }

    #[test]
    fn parsing_never_panics(declared in any_value()) {
        let _ = Schema::parse(&declared);
    }
}
