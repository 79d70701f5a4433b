//! Pages of the reference are what the catalogues print; `UPDATE_GOLDEN=1` rewrites them.

#![allow(missing_docs, clippy::unwrap_used)]

use std::path::Path;

fn check(page: &str, printed: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference").join(page);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, printed).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == printed, "{page} is not what is printed; UPDATE_GOLDEN=1 rewrites it");
}

/// A page for each middleware: what it does, its options, and the example that a test runs.
#[test]
fn middlewares() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/middlewares");
    let mut sources: Vec<_> = moongate::lua::builtins().collect();
    sources.sort_by(|a, b| a.kind().cmp(b.kind()));
    let mut index = String::from(
        "# Middlewares\n\nEach is a script in [`scripts`](../../../scripts).\n\n\
         | Middleware | What it does |\n| --- | --- |\n",
    );
    for source in sources {
        let (kind, info) = (source.kind(), moongate::lua::inspect(&source).unwrap());
        let options = match &info.alias_of {
            Some(other) => format!("The older name of [{other}]({other}.md).\n"),
            None => moongate::schema::print::markdown(&info.schema),
        };
        let first = options.lines().next().unwrap_or_default();
        index.push_str(&format!("| [{kind}]({kind}.md) | {first} |\n"));
        let example = std::fs::read_to_string(examples.join(format!("{kind}.yaml"))).unwrap();
        let (example, _) = example.split_once("\n---\n").unwrap();
        let page = format!("# {kind}\n\n{options}\n```yaml\n{}\n```\n", indented(example));
        check(&format!("middlewares/{kind}.md"), &page);
    }
    check("middlewares/README.md", &index);
}

/// An example as it stands in a file of the dynamic configuration.
fn indented(example: &str) -> String {
    let lines = example
        .lines()
        .map(|line| if line.is_empty() { String::new() } else { format!("  {line}") });
    format!("http:\n{}", lines.collect::<Vec<_>>().join("\n"))
}

/// DNS providers with their variables.
#[test]
fn dns_providers() {
    let mut page = String::from(
        "# DNS providers\n\nCodes for `dnsChallenge.provider`, and the variables of the \
         environment that say how a provider is asked. A variable `NAME` can also be `NAME_FILE`: \
         the path of a file with its text. Durations are seconds, or as in `1m30s`. [More about \
         them](../dns-providers.md), and how to add one.\n",
    );
    for (source, info) in moongate::dns::provider_scripts() {
        let title = info.title.as_deref().unwrap_or_else(|| source.kind());
        page.push_str(&format!("\n## {title}\n\nCode: `{}`. ", source.kind()));
        match &info.alias_of {
            Some(other) => page.push_str(&format!("The same as `{other}`.\n")),
            None => page.push_str(&moongate::schema::print::variables(&info.schema)),
        }
    }
    check("dns-providers.md", &page);
}

#[test]
fn types_of_options() {
    let page = format!("# Types of options\n\n{}", moongate::schema::print::types());
    check("option-types.md", &page);
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
fn templates() {
    check("templates.md", &moongate::template::reference());
}

#[test]
fn annotations_of_nginx() {
    check("nginx-annotations.md", &moongate::provider::nginx_annotations());
}

#[test]
fn scripting_api() {
    check("scripting-api.md", &moongate::lua::api::reference());
}

#[test]
fn paths_of_the_api() {
    check("api.md", &moongate::api::reference());
    let description = moongate::api::openapi("").unwrap();
    check("openapi.json", &format!("{}\n", serde_json::to_string_pretty(&description).unwrap()));
}
