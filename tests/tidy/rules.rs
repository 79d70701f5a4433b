//! The catalogue of rules: each looks at one file and names what is wrong, and what to do instead.
//!
//! Knows files; must not know which files there are. A rule whose patterns would find themselves
//! writes them so that they do not.

use std::sync::LazyLock;

use regex::Regex;

use crate::ranks::{self, Ranks};
use crate::source::Source;

/// What rules look things up in.
pub(crate) struct House {
    /// Ranks of the top modules.
    pub(crate) ranks: Ranks,
    /// All files, to which pages may link.
    pub(crate) files: Vec<String>,
    /// File stems of the built-in scripts, which are middlewares' names.
    pub(crate) scripts: Vec<String>,
}

/// One rule.
pub(crate) struct Rule {
    pub(crate) name: &'static str,
    /// Findings by line.
    pub(crate) check: fn(&House, &Source) -> Vec<(usize, String)>,
}

/// All rules.
pub(crate) const RULES: &[Rule] = &[
    Rule { name: "layers", check: |house, source| ranks::imports(&house.ranks, source) },
    Rule { name: "map", check: map },
    Rule { name: "opening", check: opening },
    Rule { name: "size", check: size },
    Rule { name: "columns", check: columns },
    Rule { name: "names", check: names },
    Rule { name: "bans", check: bans },
    Rule { name: "marks", check: marks },
    Rule { name: "dead code", check: dead_code },
    Rule { name: "pure core", check: pure_core },
    Rule { name: "one server", check: one_server },
    Rule { name: "middlewares", check: middlewares },
    Rule { name: "words", check: words },
    Rule { name: "links", check: links },
];

/// Lines of a file in front of its inline tests.
pub(crate) const FILE_LINES_MAX: usize = 500;
/// Lines of a function.
pub(crate) const FUNCTION_LINES_MAX: usize = 70;
/// Lines of `src/main.rs`.
const MAIN_LINES_MAX: usize = 40;
/// Columns of a line.
const COLUMNS_MAX: usize = 100;

type Findings = Vec<(usize, String)>;

fn map(house: &House, source: &Source) -> Findings {
    if source.path == "src/lib.rs" { ranks::map(&house.ranks, source) } else { Findings::new() }
}

fn opening(_: &House, source: &Source) -> Findings {
    let mark = match source.ending() {
        "rs" => "//! ",
        "lua" => "--",
        _ => return Findings::new(),
    };
    let opened = source.text.starts_with(mark);
    let what = format!("opens without `{}`: say what it is and must not know", mark.trim());
    if opened { Findings::new() } else { vec![(1, what)] }
}

fn size(_: &House, source: &Source) -> Findings {
    if !source.is_rust() {
        return Findings::new();
    }
    let mut found = Findings::new();
    let lines = source.production_lines();
    let most = if source.path == "src/main.rs" { MAIN_LINES_MAX } else { FILE_LINES_MAX };
    if lines > most {
        found.push((1, format!("has {lines} lines, more than {most}: it holds two things")));
    }
    for function in source.functions().iter().filter(|f| f.lines > FUNCTION_LINES_MAX) {
        let (name, lines) = (&function.name, function.lines);
        let what = format!("`{name}` has {lines} lines, more than {FUNCTION_LINES_MAX}");
        found.push((function.line, what));
    }
    found
}

fn columns(_: &House, source: &Source) -> Findings {
    // Recorded text, and what is written as Go's tools write.
    let others = ["tests/golden/", "tests/kube-apiserver/"];
    let others = others.iter().any(|folder| source.path.starts_with(folder));
    if others || !matches!(source.ending(), "rs" | "lua" | "pest" | "sh") {
        return Findings::new();
    }
    let long = source.text.lines().map(|line| line.chars().count()).enumerate();
    let long = long.filter(|(_, columns)| *columns > COLUMNS_MAX);
    long.map(|(i, columns)| (i + 1, format!("{columns} columns, more than {COLUMNS_MAX}")))
        .collect()
}

/// Words that say nothing, with what to say instead.
const EMPTY_WORDS: &[(&str, &str)] = &[
    ("util", "the noun it is about"),
    ("utils", "the noun it is about"),
    ("common", "the noun it is about"),
    ("misc", "the noun it is about"),
    ("helper", "what it does"),
    ("helpers", "what it does"),
    ("manager", "what it holds or decides"),
    ("main", "the noun; there is one `main`"),
];

/// Where such a word is a thing's real name: a path's beginning and the word.
const REAL_NAMES: &[(&str, &str)] = &[
    // Traefik calls a log format so.
    ("src/observe/", "common"),
    ("src/main.rs", "main"),
    // Cargo and the compiler call the entry of a binary so.
    ("fuzz/", "main"),
];

fn names(_: &House, source: &Source) -> Findings {
    if !source.is_rust() && source.ending() != "lua" {
        return Findings::new();
    }
    let mut declared = vec![(1, source.stem().to_owned())];
    for found in DECLARED.captures_iter(&source.code) {
        declared
            .push((source.line_at(found.get(0).map_or(0, |all| all.start())), found[1].to_owned()));
    }
    let real = |word: &str| {
        REAL_NAMES.iter().any(|(path, name)| source.path.starts_with(path) && *name == word)
    };
    let mut found = Findings::new();
    for (line, name) in declared {
        let word = last_word(&name);
        let whole = name.eq_ignore_ascii_case(&word);
        let empty = EMPTY_WORDS.iter().find(|(empty, _)| *empty == word && !real(empty));
        // `serve_main` stutters, while `main` alone is the entry of a program in a test's text.
        let Some((_, instead)) = empty.filter(|_| word != "main" || !whole) else { continue };
        found.push((line, format!("`{name}` says nothing: name {instead}")));
    }
    found
}

/// The last word of a name in snake or camel case, in lower case.
fn last_word(name: &str) -> String {
    let tail = name.rsplit('_').next().unwrap_or_default();
    let capital = tail.rfind(char::is_uppercase).unwrap_or_default();
    let shouted = tail.chars().all(|c| !c.is_lowercase());
    tail[if shouted { 0 } else { capital }..].to_lowercase()
}

/// Where a pattern is banned.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Everywhere.
    All,
    /// In the product, its tests left out.
    Product,
    /// In the product below the commands.
    BelowCli,
    /// In tests, but for the one loop that polls.
    Tests,
}

/// Patterns of code that are banned, and what to do instead.
const BANS: &[(&str, Place, &str)] = &[
    (r"\bstatic\s+mut\b", Place::All, "an atomic, or the snapshot"),
    (r"\blazy_static\b", Place::All, "a value that is handed down; `LazyLock` for a constant"),
    (r"\bonce_cell\b", Place::All, "a value that is handed down; `LazyLock` for a constant"),
    (
        r"\bstatic\s+\w+\s*:[^=;]*\b(Mutex|RwLock|ArcSwap\w*|OnceLock|HashMap|RefCell)\b",
        Place::Product,
        "a value that is handed down: nothing but the snapshot is globally mutable",
    ),
    (r"#\[ignore\b", Place::All, "a test that runs, or none"),
    (r"\bshould_panic\b", Place::All, "a check of the error"),
    (r"\bthread::sleep\b", Place::Tests, "polling with a limit, `support` has it"),
    (r"\btime::sleep\b", Place::Tests, "polling with a limit, `support` has it"),
    (
        r"\b(Other|Generic|Misc|Unknown|Custom|Any)\s*\(\s*(String|Box<|Cow<|&'static str|anyhow)",
        Place::Product,
        "a variant that says who erred and how",
    ),
    (r"\banyhow\b", Place::BelowCli, "the module's own error"),
];

fn bans(_: &House, source: &Source) -> Findings {
    let mut found = Findings::new();
    for (pattern, (_, place, instead)) in BAN_PATTERNS.iter().zip(BANS) {
        for hit in pattern.find_iter(&source.code) {
            let line = source.line_at(hit.start());
            let test = source.is_test(line);
            let banned = match place {
                Place::All => true,
                Place::Product => !test,
                Place::BelowCli => !test && source.module() != Some("cli"),
                Place::Tests => {
                    test && !(source.path.starts_with("tests/support/")
                        || source.stem() == "support")
                }
            };
            if banned {
                let code = hit.as_str().split_whitespace().collect::<Vec<_>>().join(" ");
                found.push((line, format!("`{code}` is banned: use {instead}")));
            }
        }
    }
    found
}

fn marks(_: &House, source: &Source) -> Findings {
    let marked = source.comments.iter().filter(|comment| MARK.is_match(&comment.text));
    marked.map(|comment| (comment.line, "a mark instead of the work or an issue".into())).collect()
}

fn dead_code(_: &House, source: &Source) -> Findings {
    if !source.is_rust() {
        return Findings::new();
    }
    let dead = source.comments.iter().filter(|comment| DEAD.is_match(&comment.text));
    dead.map(|comment| (comment.line, "commented-out code: history keeps it".into())).collect()
}

/// Modules that are data and decisions alone.
const PURE: &[&str] = &["value", "numbers", "schema", "rule", "model", "router"];

fn pure_core(_: &House, source: &Source) -> Findings {
    if !source.module().is_some_and(|module| PURE.contains(&module)) {
        return Findings::new();
    }
    let hits = RUNTIME.find_iter(&source.code);
    hits.map(|hit| (source.line_at(hit.start()), "the pure core does no I/O".into())).collect()
}

/// Modules that may know hyper: all others see our own messages.
const KNOWS_HYPER: &[&str] = &["entrypoint"];
/// Servers speak HTTP/2 as well as clients do.
const SPEAKS_HYPER: &str = "src/upstream/http2/";

fn one_server(_: &House, source: &Source) -> Findings {
    let speaks = source.path.starts_with(SPEAKS_HYPER);
    if speaks || source.module().is_none_or(|module| KNOWS_HYPER.contains(&module)) {
        return Findings::new();
    }
    let what = format!("only {KNOWS_HYPER:?} knows hyper: use `message`");
    HYPER.find_iter(&source.code).map(|hit| (source.line_at(hit.start()), what.clone())).collect()
}

/// Middlewares' names that are other things' names as well, so that the text alone proves nothing.
const ALSO_OTHERS: &[(&str, &str)] = &[
    ("headers", "a field of messages in the scripting API"),
    ("errors", "a field of elements in the API's answers"),
    ("hmac", "a function of the scripting API"),
    ("jwt", "a module of the scripting API"),
    ("split", "a function of templates"),
];

fn middlewares(house: &House, source: &Source) -> Findings {
    if !source.in_src() {
        return Findings::new();
    }
    let named = |text: &str| {
        house.scripts.iter().any(|script| script == text)
            && ALSO_OTHERS.iter().all(|(other, _)| *other != text)
    };
    let literals = source.literals.iter().filter(|literal| !source.is_test(literal.line));
    let hits = literals.filter(|literal| named(&literal.text));
    let what = |text: &str| format!("names the middleware `{text}`: policy belongs to its script");
    hits.map(|literal| (literal.line, what(&literal.text))).collect()
}

/// Words that are about the making of the repository or the machine it was made on.
const WORDS: &[(&str, &str)] = &[
    (r"(?i)\blanguage mode[l]s?\b", "the making is nobody's concern"),
    (r"(?i)\bassistan[t]s?\b", "the making is nobody's concern"),
    (r"(?i)\bco-authored-b[y]\b", "the making is nobody's concern"),
    (r"(?i)\bgenerated wit[h]\b", "the making is nobody's concern"),
    (r"(?i)\bsub-?agen[t]s?\b", "the making is nobody's concern"),
    (r"(?i)\bworktre[e]s?\b", "the making is nobody's concern"),
    (r"(^|[^\w#/])[Ii]ssue \d+\b", "name the project and the number: `owner/name#1`"),
    (r"(^|[^\w./-])/(work|root)/\w", "paths of one machine"),
    (r"\bstatic\.crates\.i[o]\b", "registries are the tools' concern"),
    (r"\bproxy\.golang\.or[g]\b", "registries are the tools' concern"),
    (r"\bregistry\.npmjs\.or[g]\b", "registries are the tools' concern"),
];

fn words(_: &House, source: &Source) -> Findings {
    let mut found = Findings::new();
    for (i, line) in source.text.lines().enumerate() {
        for (pattern, (_, why)) in WORD_PATTERNS.iter().zip(WORDS) {
            if let Some(hit) = pattern.find(line) {
                found.push((i + 1, format!("`{}`: {why}", hit.as_str().trim())));
            }
        }
    }
    found
}

fn links(house: &House, source: &Source) -> Findings {
    if source.ending() != "md" {
        return Findings::new();
    }
    let folder = source.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut found = Findings::new();
    for (i, line) in source.text.lines().enumerate() {
        for link in LINK.captures_iter(line) {
            let target = resolve(folder, &link[1]);
            let below = format!("{target}/");
            if !house.files.iter().any(|file| *file == target || file.starts_with(&below)) {
                found.push((i + 1, format!("leads to {target}, which is not there")));
            }
        }
    }
    found
}

/// A relative path as one from the root.
fn resolve(folder: &str, link: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in link.split('/') {
        match part {
            ".." => drop(parts.pop()),
            "." | "" => {}
            _ => parts.push(part),
        }
    }
    parts.join("/")
}

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a fixed pattern")
}

static BAN_PATTERNS: LazyLock<Vec<Regex>> =
    LazyLock::new(|| BANS.iter().map(|(text, ..)| pattern(text)).collect());
static WORD_PATTERNS: LazyLock<Vec<Regex>> =
    LazyLock::new(|| WORDS.iter().map(|(text, _)| pattern(text)).collect());
static DECLARED: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"\b(?:mod|fn|struct|enum|trait|type|const|static)\s+([A-Za-z_]\w*)"));
static MARK: LazyLock<Regex> = LazyLock::new(|| pattern(r"\b(FIXM[E]|TOD[O]|XX[X])\b"));
static DEAD: LazyLock<Regex> = LazyLock::new(|| {
    pattern(concat!(
        r"^//\s*(",
        r"(pub(\([^)]*\))? )?(let|use|fn|struct|enum|impl|mod|const|static)\b.*[;{]\s*$",
        r"|[\w.:!?]+\(.*\);\s*$|[\w.]+ = .*;\s*$|#\[\w+|return\b.*;\s*$|\}[;,)]*\s*$",
        r"|(if|for|while|match) .*\{\s*$",
        r")"
    ))
});
static RUNTIME: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"\b(tokio|tokio_rustls|mio|socket2|hyper|hyper_util)::"));
static LINK: LazyLock<Regex> = LazyLock::new(|| pattern(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)"));
static HYPER: LazyLock<Regex> = LazyLock::new(|| pattern(r"\b(hyper|hyper_util)::"));
