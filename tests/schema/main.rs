//! Option schemas: decoding in files and Kubernetes objects, and what is printed of them.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod decoding;
mod held;
mod parsing;
mod printing;
mod properties;

use std::path::{Path, PathBuf};

use moongate::schema::Schema;
use serde_json::Value;

/// Schemas of middlewares, and one with every type; each a Lua table as JSON.
const SCHEMAS: [&str; 7] =
    ["basicAuth", "errors", "chain", "forwardAuth", "rateLimit", "compress", "everything"];

fn schema(name: &str) -> Schema {
    Schema::parse(&declared(name)).unwrap()
}

fn declared(name: &str) -> Value {
    let path = in_tests(&format!("schema/declared/{name}.json"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn in_tests(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(path)
}
