//! Middlewares that work on heads: security headers, CORS, paths, certificates.

use std::rc::Rc;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};

use super::builtin::written;
use super::support::*;
use crate::lua::{Flow, Vm};
use crate::message::{Client, Exchange, Request, Response, TlsFacts};

/// The answer to a request through `headers`, the server's with these headers if it gets there.
fn answer(options: &Value, request: Request, server: &[(&str, &str)]) -> Response {
    let vm = Vm::new().unwrap();
    let instance = load(&vm, written("headers", options)).unwrap();
    let cx = context();
    block_on(async {
        let mut response = match instance.request(&cx, 0, request).await {
            Flow::Done(response) => response,
            Flow::Next(_) => Response::new(StatusCode::OK),
        };
        if response.status == StatusCode::OK {
            for (name, value) in server {
                let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
                response.headers.append(name, HeaderValue::from_str(value).unwrap());
            }
        }
        instance.response(&cx, response).await
    })
}

fn check(headers: &HeaderMap, expect: &[(&str, Option<&str>)], about: &str) {
    for (name, value) in expect {
        assert_eq!(header(headers, name), *value, "{name}: {about}");
    }
}

#[test]
fn preflights_are_answered() {
    let options = json!({
        "accessControlAllowOriginList": ["https://a.test"],
        "accessControlAllowOriginListRegex": ["^https://[a-z]+\\.b\\.test$"],
        "accessControlAllowMethods": ["GET", "PUT"], "accessControlAllowHeaders": ["X-One"],
        "accessControlMaxAge": 5, "addVaryHeader": true,
    });
    for (origin, expect) in [
        ("https://a.test", Some("https://a.test")),
        ("https://c.b.test", Some("https://c.b.test")),
        ("https://evil.test", None),
    ] {
        let sent = [("Origin", origin), ("Access-Control-Request-Method", "PUT")];
        let got = answer(&options, request("OPTIONS h/", &sent), &[]);
        assert_eq!(got.status, StatusCode::OK);
        let expect = [
            ("access-control-allow-origin", expect),
            ("access-control-allow-methods", Some("GET,PUT")),
            ("access-control-allow-headers", Some("X-One")),
            ("access-control-max-age", Some("5")),
            ("vary", None),
        ];
        check(&got.headers, &expect, origin);
        let got = answer(&options, request("GET h/", &[("Origin", origin)]), &[("Vary", "Accept")]);
        let expect = [expect[0], ("access-control-max-age", None), ("vary", Some("Accept,Origin"))];
        check(&got.headers, &expect, origin);
    }
    for sent in [&[("Origin", "https://a.test")][..], &[("Access-Control-Request-Method", "PUT")]] {
        passed(flow(written("headers", &options), request("OPTIONS h/", sent)));
    }
}

#[test]
fn all_sites_may_ask() {
    let options = json!({"accessControlAllowOriginList": ["*"]});
    for sent in [&[][..], &[("Origin", "https://any.test")]] {
        let got = answer(&options, request("GET h/", sent), &[]);
        check(&got.headers, &[("access-control-allow-origin", Some("*"))], "any");
    }
}

#[test]
fn hosts_are_checked() {
    let options = json!({"allowedHosts": ["a.test"], "hostsProxyHeaders": ["X-H"]});
    for (line, sent, is_good) in [
        ("GET a.test/", &[][..], true),
        ("GET A.TEST/", &[], true),
        ("GET b.test/", &[], false),
        ("GET a.test:80/", &[], false),
        ("GET b.test/", &[("X-H", "a.test")], true),
        ("GET a.test/", &[("X-H", "b.test")], false),
    ] {
        let got = answer(&options, request(line, sent), &[]);
        assert_eq!(got.status.as_u16(), if is_good { 200 } else { 500 }, "{line} {sent:?}");
    }
    let options = json!({"allowedHosts": ["a.test"], "isDevelopment": true, "frameDeny": true});
    let got = answer(&options, request("GET b.test/", &[]), &[("X-Frame-Options", "x")]);
    check(&got.headers, &[("x-frame-options", Some("DENY"))], "development");
}

#[test]
fn some_headers_are_for_tls_alone() {
    let options = |force: bool, development: bool| {
        json!({
            "stsSeconds": 9, "stsPreload": true, "publicKey": "pk", "forceSTSHeader": force,
            "isDevelopment": development, "sslProxyHeaders": {"X-Forwarded-Proto": "https"},
        })
    };
    let sts = Some("max-age=9; preload");
    let over = [("X-Forwarded-Proto", "https")];
    for (options, sent, expect, key) in [
        (options(false, false), &[][..], None, None),
        (options(false, false), &over, sts, Some("pk")),
        (options(true, false), &[], sts, None),
        (options(true, true), &over, None, None),
    ] {
        let got = answer(&options, request("GET h/", sent), &[]);
        let expect = [("strict-transport-security", expect), ("public-key-pins", key)];
        check(&got.headers, &expect, &options.to_string());
    }
}

#[test]
fn own_headers_win() {
    let options = json!({
        "frameDeny": true, "referrerPolicy": "same-origin", "contentTypeNosniff": true,
        "customResponseHeaders": {"X-Frame-Options": "own", "Referrer-Policy": ""},
    });
    let got = answer(&options, request("GET h/", &[]), &[]);
    let expect = [
        ("x-frame-options", Some("own")),
        ("referrer-policy", None),
        ("x-content-type-options", Some("nosniff")),
    ];
    check(&got.headers, &expect, "own");
}

#[test]
fn strip_prefix_regex() {
    let options = json!({"regex": ["^/v[0-9]+", "/é", "b$"]});
    for (path, expect, prefix) in [
        ("/v12/x?y", Some("/x?y"), Some("/v12")),
        ("/v12", Some("/"), Some("/v12")),
        ("/v1/a%2Fb", Some("/a%2Fb"), Some("/v1")),
        ("/%C3%A9/%C3%A9", Some("/%C3%A9"), Some("/é")),
        ("/x/v1", Some("/x/v1"), None),
        ("/ab", Some("/ab"), None),
        ("/v1../x", None, None),
    ] {
        let got =
            flow(written("stripPrefixRegex", &options), request(&format!("GET h{path}"), &[]));
        let Some(expect) = expect else {
            assert_eq!(answered(got).status.as_u16(), 400, "{path}");
            continue;
        };
        let got = passed(got);
        let told = got.headers.get("x-forwarded-prefix").map(HeaderValue::as_bytes);
        assert_eq!((got.target.as_str(), told), (expect, prefix.map(str::as_bytes)), "{path}");
    }
}

#[test]
fn replace_path_regex() {
    for (regex, replacement, path, expect) in [
        ("^/foo/(.*)", "/bar/$1", "/foo/a%2Fb?x", "/bar/a%2Fb?x"),
        ("^/foo/(.*)", " /bar/${1} ", "/foo/x", "/bar/x"),
        ("^/foo", "/bar", "/other", "/other"),
        ("^/foo", "/%41", "/foo/x", "/A/x"),
    ] {
        let options = json!({"regex": regex, "replacement": replacement});
        let request = request(&format!("GET h{path}"), &[]);
        let got = passed(flow(written("replacePathRegex", &options), request));
        assert_eq!(got.target.as_str(), expect, "{regex} {path}");
        let told = (path != expect).then(|| path.split('?').next().unwrap());
        assert_eq!(header(&got.headers, "x-replaced-path"), told, "{path}");
    }
    let options = json!({"regex": "^/foo", "replacement": "/%zz"});
    let got = flow(written("replacePathRegex", &options), request("GET h/foo", &[]));
    assert_eq!(answered(got).status.as_u16(), 500);
}

#[test]
fn encoded_characters() {
    let options = json!({"allowEncodedSlash": true, "allowEncodedHash": false});
    for (path, is_good) in [
        ("/a%2Fb", true),
        ("/a%20b", true),
        ("/a?%00", true),
        ("/a%00", false),
        ("/a%23", false),
        ("/a%5c", false),
        ("/a%252F", false),
    ] {
        let request = request(&format!("GET h{path}"), &[]);
        let got = flow(written("encodedCharacters", &options), request);
        assert_eq!(matches!(got, Flow::Next(_)), is_good, "{path}");
    }
}

/// A certificate as clients show it.
fn certificate() -> Vec<u8> {
    let mut params = rcgen::CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CountryName, "DE");
    params.distinguished_name.push(rcgen::DnType::OrganizationName, "An Org");
    params.distinguished_name.push(rcgen::DnType::CommonName, "one");
    params.serial_number = Some(4711.into());
    params.not_before = rcgen::date_time_ymd(2021, 1, 1);
    params.not_after = rcgen::date_time_ymd(2048, 1, 1);
    let name = rcgen::SanType::DnsName("cli.test".try_into().unwrap());
    let address = rcgen::SanType::IpAddress("10.0.0.1".parse().unwrap());
    params.subject_alt_names = vec![name, address];
    params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().der().to_vec()
}

fn with_chain(chain: &[Vec<u8>]) -> Request {
    let mut request = request("GET h/", &[]);
    let facts = TlsFacts { client_chain: chain.into(), ..TlsFacts::default() };
    let client = Client {
        peer: "127.0.0.1:1000".parse().unwrap(),
        local: "127.0.0.1:443".parse().unwrap(),
        ip: HeaderValue::from_static("127.0.0.1"),
        entrypoint: "web".into(),
        adds_address: false,
        tls: Some(facts),
        guard: Rc::new(()),
    };
    request.exchange = Rc::new(Exchange::new(Rc::new(client)));
    request
}

#[test]
fn certificates_are_told_of() {
    use base64::Engine as _;
    let der = certificate();
    let told = base64::engine::general_purpose::STANDARD.encode(&der);
    let name = json!({"country": true, "organization": true, "commonName": true});
    let options = json!({"pem": true, "info": {
        "notAfter": true, "notBefore": true, "sans": true, "serialNumber": true,
        "subject": name, "issuer": {"commonName": true},
    }});
    let facts = "Subject%3D%22C%3DDE%2CO%3DAn+Org%2CCN%3Done%22%3BIssuer%3D%22CN%3Done%22%3B\
                 SerialNumber%3D%224711%22%3BNB%3D%221609459200%22%3BNA%3D%222461449600%22%3B\
                 SAN%3D%22cli.test%2C10.0.0.1%22";
    let got = passed(flow(
        written("passTLSClientCert", &options),
        with_chain(std::slice::from_ref(&der)),
    ));
    let (pem, info) = ("x-forwarded-tls-client-cert", "x-forwarded-tls-client-cert-info");
    check(&got.headers, &[(pem, Some(&*told)), (info, Some(facts))], "one");
    let got = passed(flow(written("passTLSClientCert", &options), with_chain(&[der.clone(), der])));
    let (two, twice) = (format!("{told},{told}"), format!("{facts}%2C{facts}"));
    check(&got.headers, &[(pem, Some(&two)), (info, Some(&twice))], "two");
    for request in [with_chain(&[]), request("GET h/", &[])] {
        let got = passed(flow(written("passTLSClientCert", &options), request));
        check(&got.headers, &[(pem, None), (info, None)], "none");
    }
    let got = passed(flow(written("passTLSClientCert", &options), with_chain(&[b"x".to_vec()])));
    check(&got.headers, &[(pem, Some("eA==")), (info, Some(""))], "no certificate");
}
