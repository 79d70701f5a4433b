//! The scripts that are part of the binary: one file per middleware in `scripts/`, listed by the
//! build script. No middleware is named here.

use super::ScriptSource;

include!(concat!(env!("OUT_DIR"), "/builtin_scripts.rs"));

/// The scripts of the middlewares that come with Moongate; a script's kind is its file's stem.
pub fn builtins() -> impl Iterator<Item = ScriptSource> {
    BUILTIN_SCRIPTS.iter().map(source)
}

/// The same of the middlewares of TCP routers, in `scripts/tcp/`.
pub fn tcp_builtins() -> impl Iterator<Item = ScriptSource> {
    BUILTIN_TCP_SCRIPTS.iter().map(source)
}

/// Scripts that set DNS records, in `scripts/dns/`; a script's kind is the code of its provider.
pub fn dns_builtins() -> impl Iterator<Item = ScriptSource> {
    BUILTIN_DNS_SCRIPTS.iter().map(source)
}

fn source((name, text): &(&str, &str)) -> ScriptSource {
    ScriptSource { name: (*name).into(), text: (*text).into() }
}
