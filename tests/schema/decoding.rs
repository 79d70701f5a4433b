//! Good and bad options in both sources.

use moongate::schema::{Problem, Source};
use serde_json::{Map, Value, json};

use super::schema;

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
            "tls": {"ca": {"file": "ca.pem"}, "insecureSkipVerify": false},
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
    let alone = ": cannot be a standalone element, at least one option must be set";
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
    refuse("errors", file, &json!({}), &[alone]);
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
}

#[test]
fn bad_options_of_inner_sections() {
    let file = Source::File;
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
            "sourceCriterion: cannot be a standalone element, at least one option must be set",
            "redis.tls: cannot be a standalone element, at least one option must be set",
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
        &json!({"middlewares": [{"name": ""}, "b", []]}),
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
