//! Pages of the reference are what the catalogues print; `UPDATE_GOLDEN=1` rewrites them.

#![allow(missing_docs, clippy::unwrap_used)]

use std::path::Path;

fn check(page: &str, printed: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference").join(page);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, printed).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == printed, "{page} is not what is printed; UPDATE_GOLDEN=1 rewrites it");
}

#[test]
fn matchers() {
    check("matchers.md", &moongate::rule::reference());
}

#[test]
fn matchers_of_tcp_routers() {
    check("tcp-matchers.md", &moongate::rule::tcp::reference());
}

#[test]
fn scripting_api() {
    check("scripting-api.md", &moongate::lua::api::reference());
}
