//! `rateLimit.redis` with a real Redis: counted over several Moongates, with a password, in TLS,
//! and when Redis is away.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "tests may fail")]

mod support;

use std::net::TcpListener;

use support::ports::free_port;
use support::redis::Redis;
use support::{Backend, Moongate, SOON, through, until};

/// A router with a limit of three requests in an hour.
fn limited(backend: &Backend, redis: &str) -> String {
    let rate = format!("average: 3, period: 1h, burst: 3, redis: {{{redis}}}");
    through(&format!("rateLimit: {{{rate}}}"), &backend.url())
}

fn statuses(moongates: &[&Moongate]) -> Vec<u16> {
    moongates.iter().map(|moongate| moongate.get("h", "/").status).collect()
}

#[test]
fn counted_over_several_moongates() {
    let backend = Backend::echo("a");
    let redis = Redis::start(&["--requirepass", "moon"]);
    let options = format!("endpoints: ['127.0.0.1:{}'], password: moon, db: 3", redis.port);
    let dynamic = limited(&backend, &options);
    let (one, two) = (Moongate::start(&dynamic), Moongate::start(&dynamic));
    assert_eq!(statuses(&[&one, &two, &one, &two, &one]), [200, 200, 200, 429, 429]);
    let refused = one.get("h", "/");
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1100..=1200).contains(&wait), "{wait}");
    assert_eq!(refused.text(), "Too Many Requests");
    assert_eq!(redis.cli(&["-n", "3", "DBSIZE"]).trim(), "1");
    let key = redis.cli(&["-n", "3", "KEYS", "rate:it@file*"]);
    assert!(key.contains("all@file"), "{key}");
    // Redis forgets its scripts, for example when it is started anew.
    redis.cli(&["SCRIPT", "FLUSH"]);
    redis.cli(&["FLUSHALL"]);
    assert_eq!(statuses(&[&two, &one]), [200, 200]);
}

#[test]
fn a_wrong_password_is_a_failure() {
    let backend = Backend::echo("a");
    let redis = Redis::start(&["--requirepass", "moon"]);
    let options = format!("endpoints: ['127.0.0.1:{}'], password: sun", redis.port);
    let moongate = Moongate::start(&limited(&backend, &options));
    let reply = moongate.get("h", "/");
    assert_eq!((reply.status, reply.text().as_str()), (500, "Could not insert/update bucket"));
}

#[test]
fn in_tls() {
    let backend = Backend::echo("a");
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).display().to_string();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(file("cert"), made.cert.pem()).unwrap();
    std::fs::write(file("key"), made.signing_key.serialize_pem()).unwrap();
    let encrypted = free_port().to_string();
    let flags = ["--tls-port", &encrypted, "--tls-cert-file", &file("cert"), "--tls-key-file"];
    let more = [&file("key"), "--tls-ca-cert-file", &file("cert"), "--tls-auth-clients", "no"];
    let _redis = Redis::start(&[&flags[..], &more[..]].concat());
    let options = |tls: &str| format!("endpoints: ['localhost:{encrypted}'], tls: {{{tls}}}");
    let trusting = options(&format!("ca: '{}'", file("cert")));
    let moongate = Moongate::start(&limited(&backend, &trusting));
    assert_eq!(statuses(&[&moongate, &moongate, &moongate, &moongate]), [200, 200, 200, 429]);
    let careless = Moongate::start(&limited(&backend, &options("insecureSkipVerify: true")));
    assert_eq!(statuses(&[&careless]), [429]);
    let doubting = options("ca: '', insecureSkipVerify: false");
    assert_eq!(statuses(&[&Moongate::start(&limited(&backend, &doubting))]), [500]);
}

#[test]
fn when_redis_is_away() {
    let backend = Backend::echo("a");
    let port = free_port();
    let with = |more: &str| {
        let options = format!("endpoints: ['127.0.0.1:{port}'], dialTimeout: 2s{more}");
        Moongate::start(&limited(&backend, &options))
    };
    let fails = with("");
    assert_eq!(statuses(&[&fails, &fails]), [500, 500]);
    let allows = with(", whenUnavailable: allow");
    assert_eq!(statuses(&[&allows; 5]), [200; 5]);
    let counts = with(", whenUnavailable: memory");
    assert_eq!(statuses(&[&counts; 5]), [200, 200, 200, 429, 429]);
    // All of them find it again when it is back.
    let redis = Redis::start_at(port, &[]);
    until("requests are counted", || (statuses(&[&fails]) == [200]).then_some(()));
    drop(redis);
    until("requests fail", || (statuses(&[&fails]) == [500]).then_some(()));
    let _redis = Redis::start_at(port, &[]);
    until("requests are counted again", || (statuses(&[&fails]) == [200]).then_some(()));
}

#[test]
fn a_cluster_says_where_keys_are() {
    let backend = Backend::echo("a");
    let nodes: Vec<_> = (0..3).map(|_| Redis::start(&["--cluster-enabled", "yes"])).collect();
    let addresses: Vec<_> = nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)).collect();
    let slots = [("0", "5460"), ("5461", "10922"), ("10923", "16383")];
    for (node, (first, last)) in nodes.iter().zip(slots) {
        node.cli(&["CLUSTER", "ADDSLOTSRANGE", first, last]);
        node.cli(&["CLUSTER", "MEET", "127.0.0.1", &nodes[0].port.to_string()]);
    }
    until("the cluster is ready", || {
        let ready = |node: &Redis| {
            let info = node.cli(&["CLUSTER", "INFO"]);
            info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3")
        };
        nodes.iter().all(ready).then_some(())
    });
    let options = format!("endpoints: ['{}', '{}']", addresses[0], addresses[1]);
    let dynamic = limited(&backend, &options)
        .replace("redis:", "sourceCriterion: {requestHeaderName: X-Who}, redis:");
    let moongate = Moongate::start(&dynamic);
    for who in 0..30 {
        let who = who.to_string();
        let mut client = moongate.client();
        let got: Vec<_> =
            (0..4).map(|_| client.send("GET", "h", "/", &[("X-Who", &who)], b"").status).collect();
        assert_eq!(got, [200, 200, 200, 429], "{who}");
    }
    let kept = |node: &Redis| node.cli(&["DBSIZE"]).trim().parse::<u32>().unwrap();
    let kept: Vec<_> = nodes.iter().map(kept).collect();
    assert_eq!(kept.iter().sum::<u32>(), 30, "{kept:?}");
    assert!(kept.iter().all(|count| *count > 0), "{kept:?}");
}

#[test]
fn a_redis_that_hangs_is_given_up() {
    let backend = Backend::echo("a");
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let options = format!("endpoints: ['{address}'], readTimeout: 50ms, whenUnavailable: allow");
    let moongate = Moongate::start(&limited(&backend, &options));
    let began = std::time::Instant::now();
    assert_eq!(statuses(&[&moongate; 20]), [200; 20]);
    // Only the first of them waits, or the first of each pause.
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
}
