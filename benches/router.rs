//! What a look-up costs, by shape of the rules and by their number: `cargo bench --bench router`.
//!
//! Prints nanoseconds per look-up, milliseconds to read the rules, to build the table, and to build
//! it after a table before, and the table's bytes per rule. Knows rules and the index alone.

#![allow(missing_docs, clippy::print_stdout, clippy::unwrap_used, clippy::expect_used)]
#![allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)]

use std::fmt::Write as _;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderName, HeaderValue, Method};
use moongate::headers::Headers;
use moongate::router::{Entry, Table};
use moongate::rule::{self, Facts, Matcher, NoScripts, Syntax};

/// One request as the index sees it.
struct Ask {
    method: Method,
    host: String,
    path: String,
    headers: Headers,
}

/// A kind of configuration: the rules of a size, and a request that the rule at a place answers.
struct Shape {
    name: &'static str,
    rule: fn(usize) -> String,
    ask: fn(usize) -> Ask,
}

const SIZES: [usize; 3] = [10, 1_000, 10_000];
const ASKS: usize = 512;
const MEASURING: Duration = Duration::from_millis(150);
/// Tables that are held at once to weigh one.
const COPIES: usize = 20;

const SHAPES: &[Shape] = &[
    Shape { name: "hosts", rule: |i| host(i), ask: |i| ask(i, "/") },
    Shape {
        name: "host && prefix",
        rule: |i| format!("{} && PathPrefix(`/api/v{}`)", host(i), i % 9),
        ask: |i| ask(i, &format!("/api/v{}/users/7", i % 9)),
    },
    Shape {
        name: "paths of one host",
        rule: |i| format!("Host(`one.example`) && Path(`/shop/{}/item/{i}`)", i % 97),
        ask: |i| one(&format!("/shop/{}/item/{i}", i % 97)),
    },
    Shape {
        name: "prefixes of one host",
        rule: |i| format!("Host(`one.example`) && PathPrefix(`/shop/{}/item/{i}/`)", i % 97),
        ask: |i| one(&format!("/shop/{}/item/{i}/picture.png", i % 97)),
    },
    Shape {
        name: "200 prefix lengths",
        rule: |i| format!("Host(`one.example`) && PathPrefix(`{}`)", long(i)),
        ask: |i| one(&format!("{}/picture.png", long(i))),
    },
    Shape {
        name: "paths without host",
        rule: |i| format!("PathPrefix(`/service-{i}/`)"),
        ask: |i| one(&format!("/service-{i}/health")),
    },
    Shape {
        name: "host || host",
        rule: |i| format!("Host(`www.site{i}.example`) || {}", host(i)),
        ask: |i| ask(i, "/"),
    },
    Shape {
        name: "100 hosts by ||",
        rule: |i| {
            let first = i * 100;
            (first..first + 100).map(host).collect::<Vec<_>>().join(" || ")
        },
        ask: |i| ask(i * 100 + 57, "/"),
    },
    Shape {
        name: "wildcards",
        rule: |i| format!("Host(`*.site{i}.example`)"),
        ask: |i| Ask { host: format!("shop.site{i}.example"), ..ask(i, "/") },
    },
    Shape {
        name: "mix, 100 regexps",
        rule: mixed,
        ask: |i| Ask { host: format!("a.site{i}.example"), ..ask(i, &format!("/p{i}/x")) },
    },
    Shape {
        name: "regexp && path",
        rule: |i| format!("HostRegexp(`^[a-z]+\\.site{}\\.example$`) && Path(`/{i}`)", i % 100),
        ask: |i| Ask { host: format!("shop.site{}.example", i % 100), ..ask(i, &format!("/{i}")) },
    },
    Shape {
        name: "1,000 regexps",
        rule: |i| format!("HostRegexp(`^[a-z]+\\.site{}\\.example$`)", i % 1000),
        ask: |i| Ask { host: format!("shop.site{}.example", i % 1000), ..ask(i, "/") },
    },
    Shape {
        name: "method",
        rule: |i| format!("Method(`{}`) && {}", ["GET", "POST", "PUT"][i % 3], host(i)),
        ask: |i| Ask {
            method: [Method::GET, Method::POST, Method::PUT][i % 3].clone(),
            ..ask(i, "/")
        },
    },
    Shape {
        name: "method alone",
        rule: |i| format!("Method(`M{i}`)"),
        ask: |i| Ask { method: format!("M{i}").parse().unwrap(), ..ask(i, "/") },
    },
    Shape { name: "header alone", rule: |i| format!("Header(`X-Tenant`, `t{i}`)"), ask: tenant },
    Shape {
        name: "header of one host",
        rule: |i| format!("Host(`one.example`) && Header(`X-Tenant`, `t{i}`)"),
        ask: |i| Ask { host: "one.example".to_owned(), ..tenant(i) },
    },
    Shape { name: "nothing matches", rule: |i| host(i), ask: |i| one(&format!("/{i}")) },
];

/// Shapes in the older syntax.
const OLDER: &[Shape] = &[
    Shape {
        name: "v2: hosts",
        rule: |i| format!("Host(`a.site{i}.example`, `b.site{i}.example`)"),
        ask: |i| Ask { host: format!("b.site{i}.example"), ..ask(i, "/") },
    },
    Shape {
        name: "v2: labels",
        rule: |i| format!("HostRegexp(`{{sub:[a-z]+}}.site{i}.example`)"),
        ask: |i| Ask { host: format!("shop.site{i}.example"), ..ask(i, "/") },
    },
    Shape {
        name: "v2: segments",
        rule: |i| format!("Host(`one.example`) && Path(`/shop/{i}/{{id:[0-9]+}}`)"),
        ask: |i| one(&format!("/shop/{i}/4711")),
    },
];

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    if let [name, rules] = &args[..] {
        let rules = rules.parse().expect("a number of rules");
        let named = |shapes: &'static [Shape]| shapes.iter().find(|shape| shape.name == name);
        return match named(OLDER) {
            Some(shape) => row(shape, Syntax::V2, rules),
            None => row(named(SHAPES).expect("a shape's name"), Syntax::V3, rules),
        };
    }
    println!("shape                    rules        ns   read ms  build ms     after     bytes");
    let wanted = |shape: &&Shape| args.iter().all(|part| shape.name.contains(part.as_str()));
    for shape in SHAPES.iter().chain(OLDER).filter(wanted) {
        for rules in SIZES {
            // A hundred alternatives each are enough of them.
            let rules = if shape.name.starts_with("100") { rules / 10 } else { rules };
            // Each row has a process of its own, so that its memory can be told.
            let mut row = Command::new(std::env::current_exe().unwrap());
            row.args([shape.name, &rules.to_string()]).status().unwrap();
        }
    }
}

fn row(shape: &Shape, syntax: Syntax, rules: usize) {
    let started = Instant::now();
    let matchers: Vec<(i64, Arc<Matcher>)> = (0..rules)
        .map(|i| {
            let text = (shape.rule)(i);
            let matcher = syntax.compile(&rule::parse(&text).unwrap()).unwrap();
            (i64::try_from(text.len()).unwrap(), Arc::new(matcher))
        })
        .collect();
    let read = started.elapsed();
    let entries = || -> Vec<Entry<u32>> {
        let entry = |(i, (priority, matcher)): (usize, &(i64, Arc<Matcher>))| Entry {
            priority: *priority,
            precedence: 0,
            name: format!("router-{i}@file").into(),
            matcher: Arc::clone(matcher),
            target: i as u32,
        };
        matchers.iter().enumerate().map(entry).collect()
    };
    let copies: Vec<_> = (0..COPIES).map(|_| entries()).collect();
    let before = resident_bytes();
    let (mut alone, mut after) = (Duration::MAX, Duration::MAX);
    let mut tables: Vec<Table<u32>> = Vec::with_capacity(COPIES);
    for (i, entries) in copies.into_iter().enumerate() {
        // The best of those built alone, and of those built after another table.
        let (before, best) = match tables.last() {
            Some(before) if i % 2 == 1 => (Some(before), &mut after),
            _ => (None, &mut alone),
        };
        let started = Instant::now();
        let table = Table::build_after(entries, before);
        *best = (*best).min(started.elapsed());
        tables.push(table);
    }
    let bytes = resident_bytes().saturating_sub(before) / COPIES / rules;
    let table = &tables[0];
    let mut line = format!("{:22} {rules:7} ", shape.name);
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    write!(line, "{:9.1} {:9.2}", lookup(table, shape, rules), ms(read)).unwrap();
    write!(line, " {:9.2} {:9.2}", ms(alone), ms(after)).unwrap();
    if rules >= 1_000 {
        write!(line, " {bytes:9}").unwrap();
    }
    println!("{line}");
}

/// Nanoseconds per look-up.
fn lookup(table: &Table<u32>, shape: &Shape, rules: usize) -> f64 {
    let mut state = 7u64;
    let mut random = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % rules
    };
    let asks: Vec<Ask> = (0..ASKS).map(|_| (shape.ask)(random())).collect();
    let run = || {
        for ask in &asks {
            let facts = Facts {
                method: &ask.method,
                host: &ask.host,
                path: &ask.path,
                query: None,
                headers: &ask.headers,
                client_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
                scripts: &NoScripts,
            };
            black_box(table.find(black_box(&facts)));
        }
    };
    // The best pass: on a busy machine most are interrupted, and a pass is too short to be always.
    let started = Instant::now();
    let mut best = Duration::MAX;
    while started.elapsed() < MEASURING {
        let started = Instant::now();
        run();
        best = best.min(started.elapsed());
    }
    best.as_nanos() as f64 / ASKS as f64
}

fn host(i: usize) -> String {
    format!("Host(`site{i}.example`)")
}

fn ask(i: usize, path: &str) -> Ask {
    let mut headers = Headers::new();
    for (name, value) in [
        ("accept", "*/*"),
        ("accept-encoding", "gzip, br"),
        ("user-agent", "Mozilla/5.0 (X11; Linux x86_64)"),
        ("x-forwarded-for", "192.0.2.1"),
        ("x-forwarded-proto", "https"),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    Ask { method: Method::GET, host: format!("site{i}.example"), path: path.to_owned(), headers }
}

fn one(path: &str) -> Ask {
    Ask { host: "one.example".to_owned(), ..ask(0, path) }
}

fn tenant(i: usize) -> Ask {
    let mut ask = ask(i, "/");
    ask.headers.insert("x-tenant", format!("t{i}").parse().unwrap());
    ask
}

/// Paths of 200 lengths, none the prefix of another.
fn long(i: usize) -> String {
    format!("/{i}/{}", "x".repeat(i % 200))
}

/// Hosts, wildcards, prefixes, and a regular expression in every hundredth, at most a hundred.
fn mixed(i: usize) -> String {
    match i % 4 {
        0 if i.is_multiple_of(100) => format!("HostRegexp(`^[a-z]+\\.site{i}\\.example$`)"),
        1 => format!("Host(`*.site{i}.example`)"),
        2 => format!("Host(`a.site{i}.example`) && PathPrefix(`/p{i}`)"),
        _ => format!("Host(`a.site{i}.example`) || Host(`b.site{i}.example`)"),
    }
}

/// Memory of the process, zero where it cannot be told.
fn resident_bytes() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = text.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok());
    pages.unwrap_or(0) * 4096
}
