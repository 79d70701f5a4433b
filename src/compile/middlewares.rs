//! Middlewares: kinds become scripts, options are decoded by their schemas, references resolved.

use std::collections::HashMap as StdMap;
use std::sync::Arc;

use hashbrown::HashMap;
use serde_json::Value;

use super::held::{self, Files};
use super::services::Services;
use super::{Catalog, Known, Script, Scripts, provider_of, qualify};
use crate::lua::{self, InstanceId, InstanceSpec};
use crate::model::{self, Diagnostic, Dynamic, Elements, Verdict};
use crate::schema::{Problem, ProblemKind, ReferenceKind, Source};
use crate::snapshot::Infos;

/// Middlewares kept from the last generation.
#[derive(Debug, Default)]
pub(super) struct Memory {
    kept: HashMap<String, Kept>,
    /// What is served of each middleware now: what it falls back to when a new script is bad.
    good: HashMap<String, Arc<InstanceSpec>>,
    /// Files that options name, those of middlewares that cannot be used among them.
    files: Files,
    /// Instances that could not be loaded, with the reason.
    pub(super) failed: HashMap<InstanceId, String>,
}

impl Memory {
    /// What was compiled last is served.
    pub(super) fn confirm(&mut self) {
        let served = self.kept.iter().filter_map(|(name, kept)| match &kept.compiled {
            Compiled::Script(spec) => Some((name.clone(), Arc::clone(spec))),
            Compiled::Expands(_) => None,
        });
        self.good = served.collect();
    }

    /// Whether a file that options name is no longer what it was.
    pub(super) fn files_changed(&self) -> bool {
        !self.files.are_current()
    }
}

#[derive(Debug, Clone)]
struct Kept {
    config: Arc<model::Middleware>,
    script: Script,
    compiled: Compiled,
    /// Services it refers to, with provider.
    services: Vec<String>,
    files: Files,
}

impl Memory {
    /// The last good version of a script in the place of one that cannot be used. Only for the
    /// script: options that are wrong disable the middleware, since the old ones may let pass what
    /// the new ones would not.
    fn fall_back(
        &self,
        name: &str,
        config: &Arc<model::Middleware>,
        scripts: &Scripts,
        outcome: Outcome,
    ) -> Outcome {
        let error = match &outcome {
            Err(errors) => match broken_script(config, scripts) {
                Some(_) => errors.join("; "),
                None => return outcome,
            },
            Ok((kept, _)) => match &kept.compiled {
                Compiled::Expands(_) => return outcome,
                Compiled::Script(spec) => match self.failed.get(&spec.id) {
                    None => return outcome,
                    Some(error) => error.clone(),
                },
            },
        };
        let Some(good) = self.good.get(name).filter(|good| !self.failed.contains_key(&good.id))
        else {
            return Err(vec![error]);
        };
        let source = Arc::clone(&good.source);
        // The broken text stays unremembered, so that its next version is looked at anew.
        let script = Script { source, info: Err(String::new()) };
        let compiled = Compiled::Script(Arc::clone(good));
        let (services, files) = (Vec::new(), Files::default());
        let kept = Kept { config: Arc::clone(config), script, compiled, services, files };
        Ok((kept, vec![format!("{error}; the last good version of the script stays in force")]))
    }
}

/// What a middleware's script declares.
fn info(
    config: &model::Middleware,
    outcome: &Outcome,
    scripts: &Scripts,
) -> Option<Arc<lua::ScriptInfo>> {
    if let Ok((kept, _)) = outcome {
        return kept.script.info.as_ref().ok().cloned();
    }
    let (kind, options) = kind_of(config).ok()?;
    script_of(kind, options, scripts).ok()?.0.info.as_ref().ok().cloned()
}

/// The error of a middleware's script, when it is the script that is wrong.
fn broken_script(config: &model::Middleware, scripts: &Scripts) -> Option<String> {
    let (kind, options) = kind_of(config).ok()?;
    let (script, _) = script_of(kind, options, scripts).ok()?;
    script.info.as_ref().err().cloned()
}

/// What a middleware comes to: scripts, or the middlewares that stand in its place.
#[derive(Debug, Clone)]
enum Compiled {
    Script(Arc<InstanceSpec>),
    Expands(Vec<String>),
}

/// What a middleware stands for.
#[derive(Debug, Default)]
pub(super) struct Resolved {
    /// Its scripts, in order.
    pub(super) scripts: Vec<Arc<InstanceSpec>>,
    /// Services that they refer to, with provider.
    pub(super) services: Vec<String>,
}

/// Middlewares of this generation.
#[derive(Debug)]
pub(super) struct Middlewares {
    /// What each stands for, or why it cannot be used.
    resolved: HashMap<String, Result<Resolved, String>>,
    /// Those that are not simply in force.
    pub(super) verdicts: StdMap<String, Verdict>,
    /// What the scripts declare, by middleware; none of one whose script cannot be read.
    pub(super) infos: Infos,
}

impl Middlewares {
    pub(super) fn compile(dynamic: &Dynamic, catalog: &Catalog, memory: &mut Memory) -> Self {
        Self::of(&dynamic.http.middlewares, &catalog.scripts, memory)
    }

    /// Compiles middlewares of any protocol with the scripts that are for it.
    pub(super) fn of(
        middlewares: &Elements<model::Middleware>,
        scripts: &Scripts,
        memory: &mut Memory,
    ) -> Self {
        let mut compiled = HashMap::new();
        let mut verdicts = StdMap::new();
        let mut kept = HashMap::new();
        let mut files = Files::default();
        let mut infos = Infos::new();
        for (name, config) in middlewares {
            let before = memory.kept.get(name);
            let outcome = compile(name, config, scripts, before, &mut files);
            if let Some(info) = info(config, &outcome, scripts) {
                infos.insert(name.clone(), info);
            }
            match memory.fall_back(name, config, scripts, outcome) {
                Ok((next, warnings)) => {
                    if !warnings.is_empty() {
                        verdicts.insert(name.clone(), Verdict::live(warnings));
                    }
                    compiled.insert(name.clone(), Ok(next.clone()));
                    kept.insert(name.clone(), next);
                }
                Err(errors) => {
                    compiled.insert(name.clone(), Err(errors.join("; ")));
                    verdicts.insert(name.clone(), Verdict::disabled(errors));
                }
            }
        }
        memory.kept = kept;
        memory.files = files;
        let mut resolved = HashMap::new();
        for name in middlewares.keys() {
            let mut found = Resolved::default();
            let outcome = expand(name, &compiled, &mut Vec::new(), &mut found);
            if let Err(error) = &outcome {
                let verdict = || Verdict::disabled(vec![error.clone()]);
                verdicts.entry(name.clone()).or_insert_with(verdict);
            }
            resolved.insert(name.clone(), outcome.map(|()| found));
        }
        Self { resolved, verdicts, infos }
    }

    /// Disables middlewares that refer to services which are not in force. Services come between,
    /// since they may stand behind middlewares themselves.
    pub(super) fn judge(&mut self, services: &Services) {
        for (name, outcome) in &mut self.resolved {
            let Ok(resolved) = outcome else { continue };
            let mut referred = resolved.services.iter();
            if let Some(missing) = referred.find(|s| !services.live.contains_key(s.as_str())) {
                let error = format!("the service {missing:?} does not exist");
                self.verdicts.insert(name.clone(), Verdict::disabled(vec![error.clone()]));
                *outcome = Err(error);
            }
        }
    }

    /// What a middleware stands for.
    pub(super) fn get(&self, name: &str) -> Result<&Resolved, String> {
        match self.resolved.get(name) {
            None => Err(format!("middleware {name:?} does not exist")),
            Some(Ok(resolved)) => Ok(resolved),
            Some(Err(error)) => Err(format!("middleware {name:?}: {error}")),
        }
    }
}

/// Chains of chains end here.
const DEPTH_MAX: usize = 32;

fn expand(
    name: &str,
    all: &HashMap<String, Result<Kept, String>>,
    path: &mut Vec<String>,
    found: &mut Resolved,
) -> Result<(), String> {
    if path.iter().any(|outer| outer == name) {
        let way = path.join(" -> ");
        return Err(format!("the middlewares refer to each other in a circle: {way} -> {name}"));
    }
    if path.len() >= DEPTH_MAX {
        return Err(format!("middlewares are nested deeper than {DEPTH_MAX}"));
    }
    match all.get(name) {
        None => Err(format!("middleware {name:?} does not exist")),
        Some(Err(error)) => Err(error.clone()),
        Some(Ok(kept)) => {
            found.services.extend(kept.services.iter().cloned());
            match &kept.compiled {
                Compiled::Script(spec) => found.scripts.push(Arc::clone(spec)),
                Compiled::Expands(names) => {
                    path.push(name.to_owned());
                    for inner in names {
                        expand(inner, all, path, found)?;
                    }
                    path.pop();
                }
            }
            Ok(())
        }
    }
}

type Outcome = Result<(Kept, Vec<String>), Vec<String>>;

fn compile(
    name: &str,
    config: &Arc<model::Middleware>,
    scripts: &Scripts,
    before: Option<&Kept>,
    all_files: &mut Files,
) -> Outcome {
    let (kind, options) = kind_of(config).map_err(|error| vec![error])?;
    let (script, options) = script_of(kind, options, scripts).map_err(|error| vec![error])?;
    let info = script.info.as_ref().map_err(|error| vec![error.clone()])?;
    if let Some(kept) = before
        && (Arc::ptr_eq(&kept.config, config) || kept.config == *config)
        && Arc::ptr_eq(&kept.script.source, &script.source)
        && kept.files.are_current()
    {
        all_files.extend(&kept.files);
        return Ok((kept.clone(), Vec::new()));
    }
    let text = |problem: &Problem| match problem.path.as_str() {
        "" => format!("{kind}: {}", problem.reason),
        path => format!("{kind}.{path}: {}", problem.reason),
    };
    let mut decoded = info
        .schema
        .decode(&options, Source::File)
        .map_err(|problems| problems.iter().map(text).collect::<Vec<_>>())?;
    let newer = scripts.newer_name(kind);
    let renamed = newer.map(|newer| format!("{kind}: is deprecated: use {newer}"));
    let warnings = renamed.into_iter().chain(decoded.warnings.iter().map(text)).collect();
    let provider = provider_of(name);
    let references = info.schema.references(&decoded.options);
    let services = references.iter().filter(|found| found.kind == ReferenceKind::Service);
    let services = services.map(|found| qualify(&found.name, provider)).collect();
    let mut files = Files::default();
    let resolved = held::resolve(&info.schema, &mut decoded.options, &mut files);
    all_files.extend(&files);
    resolved.map_err(|errors| errors.iter().map(|e| format!("{kind}: {e}")).collect::<Vec<_>>())?;
    let compiled = match &info.expand {
        Some(option) => Compiled::Expands(names_in(&decoded.options, option, provider)),
        None => Compiled::Script(Arc::new(spec(name, config, script, decoded.options)?)),
    };
    let config = Arc::clone(config);
    let kept = Kept { config, script: script.clone(), compiled, services, files };
    Ok((kept, warnings))
}

/// What is wrong with the structure of middlewares: kinds and options that do not exist, and
/// values of a wrong type. As Traefik does, such a piece rejects the file it stands in, while a
/// value that is wrong in itself disables its middleware alone.
#[must_use]
pub fn structure(dynamic: &Dynamic, known: &Known) -> Vec<Diagnostic> {
    let mut findings = structure_of("http", &dynamic.http.middlewares, &known.http);
    findings.extend(structure_of("tcp", &dynamic.tcp.middlewares, &known.tcp));
    findings
}

fn structure_of(
    protocol: &str,
    middlewares: &Elements<model::Middleware>,
    scripts: &Scripts,
) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for (name, config) in middlewares {
        for (kind, options) in &config.kinds {
            let path = format!("{protocol}.middlewares.{name}.{kind}");
            if ["lua", "plugin"].iter().any(|own| own.eq_ignore_ascii_case(kind)) {
                continue;
            }
            let Some(script) = scripts.kind(kind) else {
                findings.push(Diagnostic::error(path, unknown_kind(kind, scripts)));
                continue;
            };
            let Ok(info) = &script.info else { continue };
            let problems = info.schema.decode(options, Source::File).err().unwrap_or_default();
            let structural = problems.iter().filter(|p| p.kind == ProblemKind::Structure);
            findings.extend(structural.map(|problem| {
                let option = match problem.path.as_str() {
                    "" => path.clone(),
                    option => format!("{path}.{option}"),
                };
                Diagnostic::error(option, &problem.reason)
            }));
        }
    }
    findings
}

/// The one kind of a middleware.
fn kind_of(config: &model::Middleware) -> Result<(&str, &Value), String> {
    let mut kinds = config.kinds.iter();
    match (kinds.next(), kinds.next()) {
        (None, _) => Err("the middleware has no kind".to_owned()),
        (Some((kind, options)), None) => Ok((kind, options)),
        _ => {
            let kinds: Vec<_> = config.kinds.keys().map(String::as_str).collect();
            Err(format!("a middleware can have one kind only, this one has {}", kinds.join(", ")))
        }
    }
}

/// The script behind a kind, with the options that are the script's own.
fn script_of<'a>(
    kind: &str,
    options: &Value,
    scripts: &'a Scripts,
) -> Result<(&'a Script, Value), String> {
    if kind.eq_ignore_ascii_case("plugin") {
        let only = options.as_object().filter(|plugins| plugins.len() == 1);
        let Some((name, options)) = only.and_then(|plugins| plugins.iter().next()) else {
            return Err("plugin: name exactly one script".to_owned());
        };
        if name.eq_ignore_ascii_case("lua") {
            return script_of(name, options, scripts);
        }
        let script = scripts.kind(name).ok_or_else(|| format!("plugin: no script {name:?}"))?;
        return Ok((script, options.clone()));
    }
    if !kind.eq_ignore_ascii_case("lua") {
        let script = scripts.kind(kind).ok_or_else(|| unknown_kind(kind, scripts))?;
        return Ok((script, options.clone()));
    }
    let field = |name: &str| {
        let mut fields = options.as_object()?.iter();
        fields.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    };
    for key in options.as_object().into_iter().flat_map(|fields| fields.keys()) {
        if !["script", "code", "options"].iter().any(|known| known.eq_ignore_ascii_case(key)) {
            return Err(format!("lua.{key}: unknown option; known are script, code, options"));
        }
    }
    let own = field("options").cloned().unwrap_or_else(|| Value::Object(serde_json::Map::new()));
    match (field("script").and_then(Value::as_str), field("code").and_then(Value::as_str)) {
        (Some(path), None) => {
            let script = scripts.file(path);
            Ok((script.ok_or_else(|| format!("lua.script: {path}: not found"))?, own))
        }
        (None, Some(code)) => {
            let script = scripts.inline.get(code);
            Ok((script.ok_or_else(|| "lua.code: not loaded".to_owned())?, own))
        }
        _ => Err("lua: give either script, a path, or code, the text".to_owned()),
    }
}

fn unknown_kind(kind: &str, scripts: &Scripts) -> String {
    let known = scripts.kinds.values().map(|script| script.source.kind());
    match crate::value::nearest(kind, known) {
        Some(near) => format!("there is no middleware of kind {kind:?}; did you mean {near:?}?"),
        None => format!("there is no middleware of kind {kind:?}"),
    }
}

fn names_in(options: &Value, option: &str, provider: &str) -> Vec<String> {
    let names = options.get(option).and_then(Value::as_array).into_iter().flatten();
    names.filter_map(Value::as_str).map(|name| qualify(name, provider)).collect()
}

fn spec(
    name: &str,
    config: &model::Middleware,
    script: &Script,
    options: Value,
) -> Result<InstanceSpec, Vec<String>> {
    let limits = lua::limits(config.limits.as_ref()).map_err(|error| vec![error])?;
    let on_error = lua::on_error(config.on_error.as_ref()).map_err(|error| vec![error])?;
    // The name is part of it: middlewares with equal options keep states of their own.
    let identity =
        format!("{name}\u{0}{options}\u{0}{limits:?}\u{0}{on_error:?}\u{0}{}", script.source.text);
    let digest = ring::digest::digest(&ring::digest::SHA256, identity.as_bytes());
    let head = digest.as_ref().iter().take(8);
    let id = head.fold(0u64, |id, &byte| (id << 8) | u64::from(byte));
    Ok(InstanceSpec {
        id: InstanceId(id),
        name: name.into(),
        source: Arc::clone(&script.source),
        options: Arc::new(options),
        limits,
        on_error,
    })
}
