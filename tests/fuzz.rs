//! Parsers against mutated seeds, without a fuzzer: the same cases on every run. `FUZZ_CASES`
//! says how many (default 20,000); the targets in `fuzz/` hold the same properties.

#![allow(missing_docs)]

use moongate::message::proxy::{ProxyHeader, ProxyVersion};
use moongate::rule::{Syntax, parse};
use moongate::tls::opening;

/// What the grammar is made of; a mutation inserts such pieces more often than random bytes.
const PIECES: &[&str] = &[
    "Host(`a`)",
    "PathPrefix(`/`)",
    "Query(`a`, `b`)",
    "&&",
    "||",
    "!",
    "(",
    ")",
    "`",
    "\"",
    "\\",
    "\\x41",
    "\\u00e9",
    "\\777",
    "\\r",
    "\n",
    "\r",
    " ",
    ",",
    "'",
    "\u{e9}",
    "\0",
    "Header",
    "{x:[0-9]+}",
    "{",
    "}",
    "_",
    "9",
];

const SEEDS: &[&str] = &[
    "",
    "Host(`example.com`)",
    "Host(`a.test`) || Host(`b.test`) && Path(`/x`)",
    "!(Host(`c.test`) || Host(`d.test`)) && !Path(`/y`) && Method(`DELETE`)",
    "  Host( `a.test` )   &&\n    Path(`/x`)\n",
    "Host(\"b.test\") && Path(\"/y\\x41\\u00e9\\n\\\"\")",
    "HostRegexp(`^[a-z]+\\.example\\.com$`) && PathRegexp(`(?i)\\.(png|jpe?g)$`)",
    "Header(`X-A`, `1`) && HeaderRegexp(`X-B`, `^\\d+$`) && ClientIP(`10.0.0.0/8`)",
    "Query(`a`) || Query(`a`, `b`,) || QueryRegexp(`c`, `^$`)",
    "((((!!!!Host(`a`)))))",
    "Host(`a.test`, `b.test`) || HostRegexp(`a.test`, `{sub:[a-z]+}.a.test`)",
    "Path(`/x/{id:[0-9]{2}}`, `/y`) && PathPrefix(`/{a}/{b:.*}`) && Method(`GET`, `PUT`)",
    "Headers(`X-A`, `1`) && HeadersRegexp(`X-B`, `^\\d+$`) && Query(`a=b`, `c={d}`)",
    "Cookie(`a`) || CookieRegexp(`b`, `^c$`)",
];

/// Small, and the same everywhere (xorshift64*).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let value = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(value).unwrap_or_default() % limit.max(1)
    }
}

fn mutate(random: &mut Random, seed: &str) -> String {
    let mut text: Vec<char> = seed.chars().collect();
    for _ in 0..=random.below(6) {
        let at = random.below(text.len() + 1);
        match random.below(6) {
            0 => text.truncate(at),
            1 if at < text.len() => {
                text.remove(at);
            }
            2 if at < text.len() => {
                let with = random.below(text.len());
                text.swap(at, with);
            }
            3 => {
                let other = SEEDS[random.below(SEEDS.len())];
                let part = other.chars().skip(random.below(other.len()));
                text.splice(at..at, part.take(20));
            }
            4 => {
                let code = u32::try_from(random.below(0x250)).unwrap_or_default();
                let c = char::from_u32(code);
                text.splice(at..at, c);
            }
            _ => {
                text.splice(at..at, PIECES[random.below(PIECES.len())].chars());
            }
        }
    }
    text.into_iter().collect()
}

/// Reading never panics; what is printed reads as the same rule.
fn check(text: &str) -> bool {
    let Ok(tree) = parse(text) else { return false };
    let printed = tree.to_string();
    assert_eq!(parse(&printed).as_ref(), Ok(&tree), "{text:?} is printed as {printed:?}");
    for syntax in Syntax::ALL {
        let _ = syntax.compile(&tree);
    }
    true
}

#[test]
fn rules_survive_mutation() {
    let cases = std::env::var("FUZZ_CASES").ok().and_then(|cases| cases.parse().ok());
    let cases: usize = cases.unwrap_or(20_000);
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let mut rules = 0;
    for case in 0..cases {
        rules += usize::from(check(&mutate(&mut random, SEEDS[case % SEEDS.len()])));
    }
    // Mutations that only ever break a rule would show nothing.
    assert!(rules > cases / 20, "{rules} of {cases} were rules");
}

/// What the first bytes of a connection are made of.
const OPENINGS: &[&[u8]] = &[
    b"\x16\x03\x01\x00\x33\x01\x00\x00\x2f\x03\x03",
    b"\x00\x00\x00\x0a\x00\x08\x00\x00\x05hello\x00\x10\x00\x05\x00\x03\x02h2",
    b"\x16\x03\x01\x00\x01\x01\x16\x03\x01\x00\x01\x00",
    b"PROXY TCP4 10.1.2.3 10.0.0.1 5555 80\r\nGET / HTTP/1.1",
    b"PROXY TCP6 2001:db8::1 ::2 5555 80\r\n",
    b"PROXY UNKNOWN\r\n",
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\x7f\0\0\x01\x7f\0\0\x02\0\x50\0\x51",
    b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00",
    b"",
];

/// Reading never panics; a header that is there has no more bytes than there are, and no beginning
/// of it is anything but a beginning.
fn check_opening(bytes: &[u8]) -> bool {
    let _ = opening(bytes);
    let ProxyHeader::Present { length, ends } = ProxyHeader::read(bytes) else { return false };
    assert!(length <= bytes.len(), "{}", bytes.escape_ascii());
    for end in 0..length {
        let part = ProxyHeader::read(&bytes[..end]);
        assert_eq!(part, ProxyHeader::Partial, "{}", bytes.escape_ascii());
    }
    if let Some(ends) = ends {
        let again = ProxyHeader::read(&ends.header(ProxyVersion::V2));
        assert!(matches!(again, ProxyHeader::Present { ends: Some(_), .. }), "{ends:?}");
    }
    true
}

#[test]
fn openings_survive_mutation() {
    let cases = std::env::var("FUZZ_CASES").ok().and_then(|cases| cases.parse().ok());
    let cases: usize = cases.unwrap_or(20_000);
    let mut random = Random(0x2545_F491_4F6C_DD1D);
    let mut headers = 0;
    for case in 0..cases {
        let mut bytes = OPENINGS[case % OPENINGS.len()].to_vec();
        for _ in 0..random.below(4) {
            let at = random.below(bytes.len() + 1);
            match random.below(4) {
                0 => bytes.truncate(at),
                1 if at < bytes.len() => bytes[at] = u8::try_from(random.below(256)).unwrap_or(0),
                2 if at < bytes.len() => {
                    bytes.remove(at);
                }
                _ => {
                    let other = OPENINGS[random.below(OPENINGS.len())];
                    bytes.splice(at..at, other.iter().copied());
                }
            }
        }
        headers += usize::from(check_opening(&bytes));
    }
    assert!(headers > cases / 20, "{headers} of {cases} were headers");
}
