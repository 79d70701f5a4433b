//! Texts that break one rule each, and texts that look as if they did: the rules' own test.
//!
//! Knows rules by name alone.

/// A table of ranks as `src/lib.rs` has it.
pub(crate) const TABLE: &str = "\
//! | rank | module | what it is |
//! | ---: | --- | --- |
//! | 0 | [`value`] | values |
//! | 1 | [`model`] | the model |
//! | 1 | [`rule`] | rules |
//! | 2 | [`lua`] | scripts |
//! | 3 | [`cli`] | commands |
";

/// The rule, the path and the text.
pub(crate) const BAD: &[(&str, &str, &str)] = &[
    ("layers", "src/model/mod.rs", "use crate::lua::Vm;"),
    ("layers", "src/model/mod.rs", "use crate::rule::Tree;"),
    ("layers", "src/model/mod.rs", "use crate::{value::Size, lua::Vm};"),
    ("layers", "src/model/mod.rs", "use crate::{\n    value::{A, B},\n    lua,\n};"),
    ("layers", "src/model/mod.rs", "fn f() { crate::lua::run() }"),
    ("layers", "src/model/mod.rs", "#[serde(with = \"crate::lua::text\")]\nstruct A;"),
    ("layers", "src/model/mod.rs", "#[cfg(test)]\nmod tests {\n    use crate::lua::Vm;\n}"),
    ("layers", "src/model/mod.rs", "use crate::*;"),
    ("layers", "src/model/mod.rs", "use crate::nowhere::X;"),
    ("layers", "src/model/mod.rs", "use super::lua::Vm;"),
    ("layers", "src/model/http.rs", "use super::super::lua::Vm;"),
    ("layers", "src/model.rs", "#[cfg(test)]\nmod tests {\n    use super::super::lua::Vm;\n}"),
    ("layers", "src/other.rs", "struct A;"),
    ("map", "src/lib.rs", "pub mod value;\npub mod model;\npub mod rule;\npub mod lua;"),
    ("map", "src/lib.rs", "pub mod value;\npub mod other;"),
    ("map", "src/lib.rs", "fn f() {}"),
    ("opening", "src/value/mod.rs", "use std::fmt;"),
    ("opening", "src/value/mod.rs", "// A plain comment.\nuse std::fmt;"),
    ("opening", "scripts/x.lua", "return {}"),
    ("names", "src/utils.rs", ""),
    ("names", "src/value/common.rs", ""),
    ("names", "src/value/mod.rs", "struct PoolManager;"),
    ("names", "src/value/mod.rs", "mod helpers;"),
    ("names", "src/value/mod.rs", "fn serve_main() {}"),
    ("bans", "src/value/mod.rs", "static mut COUNT: u32 = 0;"),
    ("bans", "src/value/mod.rs", "lazy_static! { }"),
    ("bans", "src/value/mod.rs", "use once_cell::sync::Lazy;"),
    ("bans", "src/value/mod.rs", "static ALL: LazyLock<Mutex<Vec<u8>>> = x();"),
    ("bans", "tests/a.rs", "#[test]\n#[ignore]\nfn f() {}"),
    ("bans", "tests/a.rs", "#[test]\n#[ignore = \"slow\"]\nfn f() {}"),
    ("bans", "tests/a.rs", "#[test]\n#[should_panic]\nfn f() {}"),
    ("bans", "tests/a.rs", "fn f() { std::thread::sleep(SECOND) }"),
    (
        "bans",
        "src/lua.rs",
        "#[cfg(test)]\nmod tests {\n    async fn f() { tokio::time::sleep(S) }\n}",
    ),
    ("bans", "src/value/mod.rs", "enum E {\n    Other(String),\n}"),
    ("bans", "src/value/mod.rs", "enum E {\n    Generic(Box<dyn Error>),\n}"),
    ("bans", "src/value/mod.rs", "use anyhow::Context;"),
    ("marks", "src/value/mod.rs", "// TODO: later."),
    ("marks", "src/value/mod.rs", "/* FIXME */"),
    ("marks", "src/value/mod.rs", "/// XXX is odd."),
    ("marks", "docs/a.md", "TODO"),
    ("dead code", "src/value/mod.rs", "// let x = 1;"),
    ("dead code", "src/value/mod.rs", "    // self.run(now);"),
    ("dead code", "src/value/mod.rs", "// if ready {\n// }"),
    ("dead code", "src/value/mod.rs", "// #[derive(Debug)]"),
    ("pure core", "src/model/mod.rs", "use tokio::sync::mpsc;"),
    ("pure core", "src/rule/mod.rs", "fn f(r: hyper::Request<()>) {}"),
    ("one server", "src/lua/mod.rs", "use hyper::body::Incoming;"),
    ("one server", "src/lua/mod.rs", "use hyper_util::rt::TokioIo;"),
    ("middlewares", "src/lua/mod.rs", "const A: &str = \"addPrefix\";"),
    ("middlewares", "src/lua/mod.rs", "const A: &str = r#\"addPrefix\"#;"),
    ("links", "README.md", "See [b](docs/c.md)."),
    ("links", "docs/a.md", "See [b](../b.md#part)."),
    ("words", "README.md", concat!("Written by an assis", "tant.")),
    ("words", "src/value/mod.rs", concat!("// See iss", "ue 3.")),
    ("words", "docs/a.md", concat!("Read `/wo", "rk/notes.md`.")),
    ("words", "docs/a.md", concat!("cp a /ro", "ot/b")),
    ("words", "Cargo.toml", concat!("index = \"https://static.crates", ".io\"")),
];

/// The path and the text, in which no rule finds anything.
pub(crate) const GOOD: &[(&str, &str)] = &[
    ("src/lua/mod.rs", "//! Opens well.\n\nuse crate::model::Http;\nuse crate::value::Size;"),
    ("src/lua/mod.rs", "//! Opens well.\n\nuse crate::lua::vm::Vm;"),
    ("src/lua/vm.rs", "//! Opens well.\n\nuse super::Host;\npub(super) struct A;"),
    ("src/lua.rs", "//! Opens well.\n#[cfg(test)]\nmod tests {\n    use super::*;\n}"),
    ("src/value/mod.rs", "//! See [`crate::lua`], and static mut in words."),
    ("src/value/mod.rs", "//! Opens well.\nconst A: &str = \"static mut, use tokio::x;\";"),
    ("src/value/mod.rs", "//! Opens well.\nfn f<'a>(x: &'a str) -> char { '\"' }\n// A \" too."),
    ("src/value/mod.rs", "//! Opens well.\nconst A: &str = r#\"one \" two\"#;\n// Words."),
    ("src/value/mod.rs", "//! Opens well.\nstatic NEXT: AtomicU64 = AtomicU64::new(1);"),
    ("src/value/mod.rs", "//! Opens well.\nstruct Uncommon;\nfn maintain() {}"),
    ("src/value/mod.rs", "//! Opens well.\n// Sleeps if the clock is behind; see `wait`."),
    ("src/value/mod.rs", "//! Opens well.\nenum Kind {\n    Other,\n}"),
    ("src/lua/mod.rs", "//! Opens well.\nfn f() { tokio::time::sleep(S) }"),
    ("src/lua/mod.rs", "//! Opens well.\nconst A: &str = \"headers\";"),
    ("src/lua.rs", "//! A.\n#[cfg(test)]\nmod tests {\n    const A: &str = \"addPrefix\";\n}"),
    ("src/cli/mod.rs", "//! Opens well.\nuse anyhow::Context;"),
    ("tests/support/poll.rs", "//! Opens well.\nfn pause() { std::thread::sleep(STEP) }"),
    ("docs/a.md", "A sticky session; example/name#12; https://example.org/work/x; a/root/b."),
    ("README.md", "See [b](docs/b.md#part), [docs](docs), [x](https://x.example/y), [up](#up)."),
    ("docs/a.md", "See [b](b.md) and [b](../docs/b.md)."),
    ("scripts/x.lua", "-- Opens well.\nreturn {}"),
];
