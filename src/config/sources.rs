//! The one source of a static configuration: a file, else flags, else the environment.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::Root;
use super::unsupported::{Fate, fate};
use crate::model::Diagnostic;
use crate::value::{DecodeError, DocumentError, Format, decode, fields_of};

/// What loading looks at beside the arguments.
#[derive(Debug, Clone, Default)]
pub struct System {
    /// Environment variables.
    pub env: BTreeMap<String, String>,
    /// The working directory.
    pub directory: PathBuf,
    /// Folders of the system's configuration, `/etc` on a real one.
    pub etc: PathBuf,
}

/// Where a configuration came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A file.
    File(PathBuf),
    /// Flags.
    Flags,
    /// Variables.
    Environment,
    /// Nothing was given.
    Defaults,
}

/// A configuration with what is to be said about it.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The options.
    pub root: Root,
    /// Where they came from.
    pub source: Source,
    /// What was passed over.
    pub warnings: Vec<Diagnostic>,
    /// All options that were given, by path.
    pub given: Vec<String>,
}

/// What becomes of options that are not supported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unsupported {
    Stop,
    Listed,
}

/// Why there is no configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// An argument that is no flag.
    #[error("unexpected argument {0:?}: flags begin with --")]
    Argument(String),
    /// A flag that needs a value.
    #[error("--{0} needs a value")]
    Value(String),
    /// The file cannot be read.
    #[error("{path}: {cause}")]
    Read {
        /// The file.
        path: String,
        /// The system's words.
        cause: String,
    },
    /// The file's extension is not known.
    #[error("{0}: the extension is none of yml, yaml, toml")]
    Extension(String),
    /// The file is no document of its language.
    #[error("{path}: {error}")]
    Document {
        /// The file.
        path: String,
        /// The place and the reason.
        error: DocumentError,
    },
    /// An option is unknown or does not fit.
    #[error("{origin}: {error}")]
    Option {
        /// The file, `flags` or `environment`.
        origin: String,
        /// The option and the reason.
        error: DecodeError,
    },
    /// Options of Traefik that are not built yet.
    #[error("{origin}: not supported yet: {}", options.join(", "))]
    Unsupported {
        /// The file, `flags` or `environment`.
        origin: String,
        /// The options.
        options: Vec<String>,
    },
    /// A value that decodes but makes no sense.
    #[error("{option}: {reason}")]
    Invalid {
        /// The option.
        option: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// Loads the configuration from the first source that has one.
///
/// # Errors
/// When the source cannot be read, or an option is unknown, wrong or not supported.
pub fn load(args: &[String], system: &System) -> Result<Loaded, ConfigError> {
    read(args, system, Unsupported::Stop)
}

/// Loads the configuration as far as it is supported; what is not is among the findings, as errors.
///
/// # Errors
/// When the source cannot be read, or an option is unknown or wrong.
pub fn survey(args: &[String], system: &System) -> Result<Loaded, ConfigError> {
    read(args, system, Unsupported::Listed)
}

fn read(args: &[String], system: &System, unsupported: Unsupported) -> Result<Loaded, ConfigError> {
    let mut warnings = Vec::new();
    let flags = flags(args)?;
    if let Some(path) = file(&flags, system, &mut warnings) {
        let others = flags.iter().any(|(name, _)| !name.eq_ignore_ascii_case("configfile"));
        if others {
            let reason = "a configuration file is used, so other flags are ignored";
            warnings.push(Diagnostic::warning("flags", reason));
        }
        let tree = document(&path)?;
        let origin = path.display().to_string();
        return finish(tree, &origin, Source::File(path), warnings, unsupported);
    }
    let given: Vec<_> =
        flags.into_iter().filter(|(name, _)| !name.eq_ignore_ascii_case("configfile")).collect();
    if !given.is_empty() {
        let mut tree = Map::new();
        for (name, value) in given {
            let path: Vec<String> = segments(&name);
            insert(&mut tree, &path, Value::String(value));
        }
        return finish(Value::Object(tree), "flags", Source::Flags, warnings, unsupported);
    }
    let tree = environment(system);
    if tree.is_empty() {
        return finish(Value::Object(tree), "defaults", Source::Defaults, warnings, unsupported);
    }
    finish(Value::Object(tree), "environment", Source::Environment, warnings, unsupported)
}

/// Flags as names without dashes, and values; a bare flag is `true`.
fn flags(args: &[String]) -> Result<Vec<(String, String)>, ConfigError> {
    let mut flags = Vec::new();
    let mut args = args.iter().peekable();
    while let Some(arg) = args.next() {
        let name = arg.strip_prefix("--").or_else(|| arg.strip_prefix('-'));
        let name = name.filter(|name| !name.is_empty() && !name.starts_with(['-', '=']));
        let Some(name) = name else { return Err(ConfigError::Argument(arg.clone())) };
        if let Some((name, value)) = name.split_once('=') {
            flags.push((name.to_owned(), value.to_owned()));
            continue;
        }
        let value = args.next_if(|next| !next.starts_with('-'));
        let value = value.map_or_else(|| "true".to_owned(), String::clone);
        if name.eq_ignore_ascii_case("configfile") && value == "true" {
            return Err(ConfigError::Value(name.to_owned()));
        }
        flags.push((name.to_owned(), value));
    }
    Ok(flags)
}

/// The parts of `a.b[0].c`: `a`, `b`, `[0]`, `c`.
fn segments(name: &str) -> Vec<String> {
    let mut parts = Vec::new();
    for part in name.split('.') {
        let (name, index) = part.find('[').map_or((part, ""), |i| part.split_at(i));
        parts.push(name.to_owned());
        if !index.is_empty() {
            parts.push(index.to_owned());
        }
    }
    parts
}

/// Puts a value into the tree; names are the same whatever their case.
fn insert(tree: &mut Map<String, Value>, path: &[String], value: Value) {
    let Some((first, rest)) = path.split_first() else { return };
    let known = tree.keys().find(|key| key.eq_ignore_ascii_case(first)).cloned();
    let slot = tree.entry(known.unwrap_or_else(|| first.clone())).or_insert(Value::Null);
    if rest.is_empty() {
        // `--api --api.insecure` and the other way round: the section stays.
        let is_switch = value.as_str().is_some_and(|text| text.eq_ignore_ascii_case("true"));
        if !(slot.is_object() && is_switch) {
            *slot = value;
        }
        return;
    }
    if !slot.is_object() {
        *slot = Value::Object(Map::new());
    }
    if let Value::Object(inner) = slot {
        insert(inner, rest, value);
    }
}

/// The configuration file: the one named, else the first that is found.
fn file(
    flags: &[(String, String)],
    system: &System,
    warnings: &mut Vec<Diagnostic>,
) -> Option<PathBuf> {
    let named = flags.iter().rev().find(|(name, _)| name.eq_ignore_ascii_case("configfile"));
    if let Some((_, path)) = named {
        let path = system.directory.join(path);
        if path.is_file() {
            return Some(path);
        }
        let reason = format!("{} does not exist, so it is passed over", path.display());
        warnings.push(Diagnostic::warning("configFile", reason));
    }
    let mut folders = vec![system.etc.join("moongate"), system.etc.join("traefik")];
    folders.extend(system.env.get("XDG_CONFIG_HOME").map(PathBuf::from));
    folders.extend(system.env.get("HOME").map(|home| Path::new(home).join(".config")));
    folders.push(system.directory.clone());
    let names = ["moongate", "traefik"];
    let candidates = folders.iter().flat_map(|folder| {
        names.iter().flat_map(move |name| {
            ["toml", "yaml", "yml"].iter().map(move |ext| folder.join(format!("{name}.{ext}")))
        })
    });
    let mut candidates = candidates;
    candidates.find(|path| path.is_file())
}

fn document(path: &Path) -> Result<Value, ConfigError> {
    let name = path.display().to_string();
    let format = Format::of(path).ok_or_else(|| ConfigError::Extension(name.clone()))?;
    let text = fs::read_to_string(path)
        .map_err(|error| ConfigError::Read { path: name.clone(), cause: error.to_string() })?;
    format.parse(&text).map_err(|error| ConfigError::Document { path: name, error })
}

fn environment(system: &System) -> Map<String, Value> {
    let mut tree = Map::new();
    for prefix in ["TRAEFIK_", "MOONGATE_"] {
        for (name, value) in &system.env {
            if let Some(name) = name.strip_prefix(prefix) {
                let path: Vec<_> = name.to_ascii_lowercase().split('_').map(String::from).collect();
                insert(&mut tree, &path, Value::String(value.clone()));
            }
        }
    }
    tree
}

/// Whether a section is one of [`Root`]'s; others of a file are passed over, as by Traefik.
fn is_known_section(name: &str) -> bool {
    fields_of::<Root>().iter().any(|known| known.eq_ignore_ascii_case(name))
}

fn finish(
    mut tree: Value,
    origin: &str,
    source: Source,
    mut warnings: Vec<Diagnostic>,
    unsupported: Unsupported,
) -> Result<Loaded, ConfigError> {
    let mut given = Vec::new();
    leaves(&tree, "", &mut given);
    let mut refused = Vec::new();
    if let Value::Object(fields) = &mut tree {
        sift(fields, "", &mut refused, &mut warnings, origin);
        if matches!(source, Source::File(_)) {
            fields.retain(|name, _| {
                let known = is_known_section(name);
                if !known {
                    let reason = "unknown section, passed over as Traefik does";
                    let mut finding = Diagnostic::warning(name.clone(), reason);
                    finding.source = Some(origin.to_owned());
                    warnings.push(finding);
                }
                known
            });
        }
    }
    if unsupported == Unsupported::Listed {
        warnings.extend(refused.drain(..).map(|option| {
            let finding = Diagnostic::error(option, "not supported: the start would be refused");
            Diagnostic { source: Some(origin.to_owned()), ..finding }
        }));
    }
    if !refused.is_empty() {
        return Err(ConfigError::Unsupported { origin: origin.to_owned(), options: refused });
    }
    let root =
        decode(&tree).map_err(|error| ConfigError::Option { origin: origin.to_owned(), error })?;
    Ok(Loaded { root, source, warnings, given })
}

/// The paths of all values.
fn leaves(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (name, value) in fields {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                leaves(value, &path, found);
            }
        }
        _ => found.push(path.to_owned()),
    }
}

/// Takes options out that are not built: with a warning, or as a reason to stop.
fn sift(
    fields: &mut Map<String, Value>,
    parent: &str,
    refused: &mut Vec<String>,
    warnings: &mut Vec<Diagnostic>,
    origin: &str,
) {
    fields.retain(|name, value| {
        let path = if parent.is_empty() { name.clone() } else { format!("{parent}.{name}") };
        match fate(&path) {
            Some(Fate::Refused) => {
                // A section that is switched off asks for nothing.
                let is_off = matches!(value, Value::Bool(false))
                    || value.as_str().is_some_and(|text| text.eq_ignore_ascii_case("false"));
                if !is_off {
                    refused.push(path);
                }
                false
            }
            Some(Fate::Ignored) => {
                let mut finding = Diagnostic::warning(path, "not supported, ignored");
                finding.source = Some(origin.to_owned());
                warnings.push(finding);
                false
            }
            None => {
                if let Value::Object(inner) = value {
                    sift(inner, &path, refused, warnings, origin);
                }
                true
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(args: &[&str]) -> Result<Root, String> {
        let args: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
        load(&args, &System::default()).map(|l| l.root).map_err(|error| error.to_string())
    }

    #[test]
    fn flags_in_all_spellings() {
        let root = args(&[
            "--ENTRYPOINTS.web.ADDRESS=:80",
            "-entryPoints.web.asDefault",
            "--providers.file.fileName",
            "/x.yaml",
            "--API",
            "--api.insecure=true",
            "--ping",
            "--entrypoints.web.forwardedheaders.trustedips=10.0.0.0/8, 1.2.3.4",
            "--entrypoints.web.http.middlewares[0]=a@file",
            "--entrypoints.web.transport.lifecycle.gracetimeout=90",
            "--workers=3",
        ])
        .unwrap();
        let web = &root.entry_points["web"];
        assert_eq!(web.address, ":80");
        assert!(web.as_default);
        assert_eq!(web.forwarded_headers.trusted_ips, ["10.0.0.0/8", "1.2.3.4"]);
        assert_eq!(web.http.middlewares, ["a@file"]);
        assert_eq!(web.transport.life_cycle.grace_time_out.to_string(), "1m30s");
        assert_eq!(root.providers.file.unwrap().filename, "/x.yaml");
        assert!(root.api.unwrap().insecure);
        assert!(root.ping.is_some());
        assert_eq!(root.workers, 3);
    }

    #[test]
    fn errors_name_the_option() {
        for (given, expect) in [
            (&["--nonsense.option=1"][..], "nonsense: unknown option"),
            (&["--entrypoints.web.adress=:80"], "did you mean \"address\"?"),
            (&["--providers.docker=true"], "not supported yet: providers.docker"),
            (&["--workers=many"], "workers: expected a whole number"),
            (&["web"], "unexpected argument \"web\""),
            (&["--configfile"], "--configfile needs a value"),
        ] {
            let error = args(given).unwrap_err();
            assert!(error.contains(expect), "{given:?}: {error}");
        }
        assert!(args(&["--metrics=false"]).is_ok());
    }

    /// A flag's value at its place in a file.
    fn in_file(flag: &str) -> String {
        let (name, value) = flag.trim_start_matches('-').split_once('=').unwrap();
        let open: Vec<&str> = name.split('.').collect();
        let close = "}".repeat(open.len());
        format!("{{{}: {value:?}{close}", open.join(": {"))
    }

    #[test]
    fn every_flag_may_stand_in_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("traefik.yml");
        let system = System { directory: folder.path().to_owned(), ..System::default() };
        let mut compared = 0;
        for line in crate::config::usage().lines() {
            let (name, default) = line.trim().split_once("  (").unwrap_or((line.trim(), "1)"));
            let flag = format!("{}={}", name.replace("<name>", "n"), default.trim_end_matches(')'));
            // Those that take neither their default nor a number are of other tests.
            let Ok(by_flag) = args(&[&flag]) else { continue };
            if name == "--configfile" {
                continue;
            }
            fs::write(&path, in_file(&flag)).unwrap();
            let loaded = load(&[], &system).unwrap();
            assert_eq!(loaded.root, by_flag, "{flag}");
            let passed = loaded.warnings.iter().find(|w| w.reason.contains("unknown section"));
            assert_eq!(passed, None, "{flag}");
            compared += 1;
        }
        assert!(compared > 150, "{compared}");
    }

    #[test]
    fn one_source_wins() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("traefik.yml");
        fs::write(&path, "ping: {}\nnonsense: {a: 1}\nglobal: {checkNewVersion: false}\n").unwrap();
        let env = BTreeMap::from([("TRAEFIK_API_INSECURE".to_owned(), "true".to_owned())]);
        let system = System { env, directory: folder.path().to_owned(), etc: "/nowhere".into() };
        let loaded = load(&["--api.insecure".to_owned()], &system).unwrap();
        assert!(loaded.root.ping.is_some() && loaded.root.api.is_none());
        assert!(loaded.warnings.iter().any(|w| w.path == "nonsense"), "{:?}", loaded.warnings);
        fs::remove_file(&path).unwrap();
        let loaded = load(&["--ping".to_owned()], &system).unwrap();
        assert!(loaded.root.ping.is_some() && loaded.root.api.is_none());
        let loaded = load(&[], &system).unwrap();
        assert_eq!(loaded.source, Source::Environment);
        assert!(loaded.root.api.unwrap().insecure);
        fs::write(&path, "api:\n  fancy: true\n").unwrap();
        let error = load(&[], &system).unwrap_err().to_string();
        assert!(error.contains("api.fancy: unknown option"), "{error}");
    }
}
