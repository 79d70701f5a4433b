//! Parsers against mutated seeds, without a fuzzer: the same cases on every run. `FUZZ_CASES`
//! says how many each gets (default 10,000), `FUZZ_TARGET` picks one; the targets in `fuzz/` hold
//! the same properties.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot set its scene has failed"
)]
#![allow(missing_docs)]

#[path = "fuzz/bodies.rs"]
mod bodies;

use std::collections::BTreeSet;
use std::path::Path;

use bodies::{TARGETS, Target};

/// What inputs are made of; a mutation inserts such pieces more often than random bytes.
const PIECES: &[&[u8]] = &[
    b"Host(`a`)",
    b"PathPrefix(`/`)",
    b"Query(`a`, `b`)",
    b"&&",
    b"||",
    b"!",
    b"(",
    b")",
    b"`",
    b"\"",
    b"\\",
    b"\\x41",
    b"\\u00e9",
    b"\\777",
    b"\\r",
    b"\n",
    b"\r",
    b"\r\n",
    b"\r\n\r\n",
    b" ",
    b",",
    b"'",
    b"\xc3\xa9",
    b"\0",
    b"Header",
    b"{x:[0-9]+}",
    b"{",
    b"}",
    b"_",
    b"9",
    b";q=0.5",
    b"Content-Length: 1\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"%2F",
    b"%",
    b"?",
    b"#",
    b"/../",
    b"&",
    b"=",
    b"; ",
    b": ",
    b"0\r\n",
    b"ffffffff",
    b"1h",
    b"ms",
    b"-",
    b".",
    b"[",
    b"]",
    b"*",
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

    fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).unwrap_or_default()
    }
}

fn mutate(random: &mut Random, seeds: &[&[u8]], seed: &[u8]) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..random.below(5) {
        let at = random.below(bytes.len() + 1);
        match random.below(7) {
            0 => bytes.truncate(at),
            1 if at < bytes.len() => {
                bytes.remove(at);
            }
            2 if at < bytes.len() => {
                let with = random.below(bytes.len());
                bytes.swap(at, with);
            }
            3 => {
                let other = seeds[random.below(seeds.len())];
                let part = other.iter().copied().skip(random.below(other.len()));
                bytes.splice(at..at, part.take(20));
            }
            4 if at < bytes.len() => bytes[at] = random.byte(),
            5 => {
                let byte = random.byte();
                bytes.insert(at, byte);
            }
            _ => {
                bytes.splice(at..at, PIECES[random.below(PIECES.len())].iter().copied());
            }
        }
    }
    bytes
}

fn survives(target: &Target) {
    let cases = std::env::var("FUZZ_CASES").ok().and_then(|cases| cases.parse().ok());
    let cases: usize = cases.unwrap_or(10_000) / target.cost;
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let mut hits = 0;
    for case in 0..cases {
        let seed = target.seeds[case % target.seeds.len()];
        hits += usize::from((target.body)(&mutate(&mut random, target.seeds, seed)));
    }
    // Mutations that only ever break what is read would show nothing.
    assert!(hits > cases / 20, "{}: {hits} of {cases} were what it reads", target.name);
}

#[test]
fn parsers_survive_mutation() {
    // What a failing script says stands beside the test that fails.
    tracing_subscriber::fmt().with_ansi(false).with_test_writer().init();
    let wanted = std::env::var("FUZZ_TARGET").ok();
    let chosen = TARGETS.iter().filter(|t| wanted.as_ref().is_none_or(|name| name == t.name));
    // Side by side: each target is as good as alone.
    std::thread::scope(|scope| {
        let runs: Vec<_> = chosen.map(|t| (t, scope.spawn(|| survives(t)))).collect();
        for (target, run) in runs {
            assert!(run.join().is_ok(), "{} does not survive", target.name);
        }
    });
}

#[test]
fn every_body_is_a_target_of_the_fuzzer() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let cargo = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    let files = std::fs::read_dir(folder.join("fuzz_targets")).unwrap();
    let stems = files.filter_map(|file| Some(file.ok()?.path().file_stem()?.to_str()?.to_owned()));
    let stems: BTreeSet<String> = stems.collect();
    let names: BTreeSet<String> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    assert_eq!(stems, names);
    for name in names {
        assert!(cargo.contains(&format!("name = \"{name}\"")), "{name} is not in fuzz/Cargo.toml");
    }
}
