//! Parsers against mutated seeds, without a fuzzer: the same cases on every run. `FUZZ_CASES`
//! says how many (default 20,000); the targets in `fuzz/` hold the same properties.

#![allow(missing_docs)]

use moongate::rule::{Syntax, parse};

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
