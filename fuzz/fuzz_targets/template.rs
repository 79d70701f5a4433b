//! The body `template` of `tests/fuzz/bodies.rs`, given what the fuzzer makes up.

#![no_main]
#![allow(dead_code, reason = "each target runs one body")]

#[path = "../../tests/fuzz/bodies.rs"]
mod bodies;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    bodies::run("template", bytes);
});
