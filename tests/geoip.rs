//! `geoip` with a database that is written here.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "tests may fail")]

mod support;

use serde_json::json;
use support::mmdb::database;
use support::{Backend, Moongate, through, until};

fn start(backend: &Backend, folder: &std::path::Path, options: &str) -> Moongate {
    let path = folder.join("places.mmdb").display().to_string();
    let more = format!("database: '{path}', ipStrategy: {{depth: 1}}, {options}");
    let dynamic = through(&format!("geoip: {{{more}}}"), &backend.url());
    Moongate::with(&dynamic, &["--entryPoints.web.forwardedHeaders.insecure=true"])
}

fn status(moongate: &Moongate, address: &str) -> u16 {
    let headers = [("X-Forwarded-For", address), ("X-GeoIP-Country", "XX"), ("X-City", "none")];
    moongate.client().send("GET", "h", "/", &headers, b"").status
}

#[test]
fn places_of_clients() {
    let (backend, folder) = (Backend::echo("a"), tempfile::tempdir().unwrap());
    let bern = json!({
        "country": {"iso_code": "CH"}, "city": {"names": {"en": "Zürich"}},
        "subdivisions": [{"iso_code": "ZH"}], "location": {"latitude": 47.25},
    });
    let networks = [
        ("81.2.69.0/24", bern),
        ("10.0.0.0/8", json!({"registered_country": {"iso_code": "SE"}})),
        ("9.9.9.9/32", json!({"country": {"iso_code": "US"}})),
    ];
    std::fs::write(folder.path().join("places.mmdb"), database(&networks)).unwrap();
    let trust = "headers: {X-GeoIP-Country: country.iso_code, X-City: city.names.en, X-State: \
                 subdivisions.1.iso_code, X-Latitude: location.latitude}";
    let moongate = start(&backend, folder.path(), trust);
    assert_eq!(status(&moongate, "81.2.69.160"), 200);
    let seen = backend.last();
    for (name, expect) in [
        ("x-geoip-country", Some("CH")),
        ("x-city", Some("Z%C3%BCrich")),
        ("x-state", Some("ZH")),
        ("x-latitude", Some("47.25")),
    ] {
        assert_eq!(seen.header(name), expect, "{name}");
    }
    // What a client says of itself does not reach the server.
    for unknown in ["8.8.8.8", "2001:db8::1", "nonsense"] {
        assert_eq!(status(&moongate, unknown), 200);
        assert_eq!(backend.last().header("x-geoip-country"), None, "{unknown}");
        assert_eq!(backend.last().header("x-city"), None, "{unknown}");
    }

    let check = |options: &str, expect: [u16; 4]| {
        let moongate = start(&backend, folder.path(), options);
        let got = ["81.2.69.1", "10.1.2.3", "9.9.9.9", "8.8.8.8"].map(|at| status(&moongate, at));
        assert_eq!(got, expect, "{options}");
    };
    check("denyCountries: [us, SE]", [200, 403, 403, 200]);
    check("allowCountries: [CH]", [200, 403, 403, 200]);
}

#[test]
fn the_unknown_and_exceptions() {
    let (backend, folder) = (Backend::echo("a"), tempfile::tempdir().unwrap());
    let networks = [("9.9.9.9/32", json!({"country": {"iso_code": "US"}}))];
    std::fs::write(folder.path().join("places.mmdb"), database(&networks)).unwrap();
    let options = "allowCountries: [CH], allowUnknown: false, rejectStatusCode: 451, \
                   excludedSourceRange: [10.0.0.0/8]";
    let moongate = start(&backend, folder.path(), options);
    let got = ["9.9.9.9", "8.8.8.8", "10.1.2.3"].map(|at| status(&moongate, at));
    assert_eq!(got, [451, 451, 200]);
}

#[test]
fn a_broken_database_disables_its_middleware() {
    let (backend, folder) = (Backend::echo("a"), tempfile::tempdir().unwrap());
    std::fs::write(folder.path().join("places.mmdb"), "no database").unwrap();
    let moongate = start(&backend, folder.path(), "allowUnknown: true");
    assert_eq!(status(&moongate, "9.9.9.9"), 404);
    // Another configuration with a good one is taken.
    std::fs::write(folder.path().join("places.mmdb"), database(&[])).unwrap();
    let moongate = start(&backend, folder.path(), "allowUnknown: true");
    until("it is served", || (status(&moongate, "9.9.9.9") == 200).then_some(()));
}
