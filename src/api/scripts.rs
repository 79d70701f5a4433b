//! `/api/scripts`: the scripts in use, with what they have done.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::element::{Elements, Kind};
use super::list::{Key, Row};
use super::streams::Streams;
use crate::lua::{self, Figures, InstanceSpec, OnError, ScriptSource, Shared};
use crate::snapshot::Snapshot;

/// What all scripts are called that are written inline.
const INLINE: &str = "inline";

/// The scripts of a generation, by name.
pub(super) struct Scripts<'a> {
    snapshot: &'a Snapshot,
    shared: &'a Shared,
    by_name: BTreeMap<String, Vec<&'a Arc<InstanceSpec>>>,
}

impl<'a> Scripts<'a> {
    pub(super) fn of(snapshot: &'a Snapshot, shared: &'a Shared) -> Self {
        let mut by_name: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for spec in &snapshot.instances {
            let all = by_name.entry(name_of(spec)).or_default();
            // A script may be of a middleware and of a rule, or of both protocols.
            if !all.iter().any(|other: &&Arc<InstanceSpec>| other.id == spec.id) {
                all.push(spec);
            }
        }
        Self { snapshot, shared, by_name }
    }

    /// What lists look at.
    pub(super) fn rows(&self) -> Vec<Row<'_>> {
        let row = |(name, specs): (&'_ String, &'_ Vec<&'a Arc<InstanceSpec>>)| -> Row<'_> {
            let sum = self.sum(specs);
            let number = |count: u64| Key::Number(i64::try_from(count).unwrap_or(i64::MAX));
            let mut texts = vec![Cow::Owned(name.clone())];
            texts.extend(specs.iter().map(|spec| Cow::Borrowed(&*spec.name)));
            Row {
                id: Cow::Owned(name.clone()),
                status: status(&sum),
                texts,
                keys: vec![
                    ("runs", number(sum.runs)),
                    ("failures", number(sum.failures)),
                    ("memory", number(sum.held_bytes)),
                    ("cpu", number(u64::try_from(sum.cpu.as_nanos()).unwrap_or(u64::MAX))),
                ],
                ..Row::default()
            }
        };
        self.by_name.iter().map(row).collect()
    }

    /// A script as lists show it.
    pub(super) fn listed(&self, name: &str) -> Option<Value> {
        let specs = self.by_name.get(name)?;
        let sum = self.sum(specs);
        let source = &specs.first()?.source;
        let mut body = json!({
            "name": name,
            "kind": source.kind(),
            "isBuiltin": is_builtin(source),
            "instances": specs.len(),
            "status": status(&sum),
        });
        put(&mut body, &sum);
        Some(body)
    }

    /// A script with its text and its instances.
    pub(super) fn one(&self, name: &str) -> Option<Value> {
        let mut body = self.listed(name)?;
        let specs = self.by_name.get(name)?;
        let source = &specs.first()?.source;
        let http = Elements::of(self.snapshot, &[Kind::Middlewares]);
        let tcp = Streams::tcp(self.snapshot);
        let instance = |spec: &&Arc<InstanceSpec>| {
            let element = http.one(Kind::Middlewares, &spec.name);
            let element = element.or_else(|| tcp.one(Kind::Middlewares, &spec.name));
            let figures = self.shared.figures(spec.id).unwrap_or_default();
            let mut body = json!({
                "name": &*spec.name,
                // As the middleware's own page shows them, without secrets.
                "middleware": element,
                "limits": {
                    "cpuMs": spec.limits.cpu.as_secs_f64() * 1000.0,
                    "waitMs": spec.limits.wait.map(|wait| wait.as_secs_f64() * 1000.0),
                    "memoryBytes": spec.limits.memory_bytes,
                    "bodyBytes": spec.limits.body_bytes,
                    "fetches": spec.limits.fetches,
                },
                "onError": match &spec.on_error {
                    OnError::Fail => json!("fail"),
                    OnError::Skip => json!("skip"),
                    OnError::Answer { status, .. } => json!({ "status": status }),
                },
                "status": status(&figures),
            });
            put(&mut body, &figures);
            body
        };
        body["text"] = (*source.text).into();
        body["instances"] = specs.iter().map(instance).collect();
        let info = specs
            .iter()
            .find_map(|spec| self.snapshot.infos.iter().find_map(|infos| infos.get(&*spec.name)));
        body["hooks"] = info.map(|info| json!(info.hooks)).unwrap_or_default();
        Some(body)
    }

    fn sum(&self, specs: &[&Arc<InstanceSpec>]) -> Figures {
        let all = specs.iter().filter_map(|spec| self.shared.figures(spec.id));
        all.fold(Figures::default(), |mut sum, figures| {
            sum.runs += figures.runs;
            sum.failures += figures.failures;
            sum.refused += figures.refused;
            sum.cpu += figures.cpu;
            sum.held_bytes += figures.held_bytes;
            sum.open_on = sum.open_on.max(figures.open_on);
            let later = |a: &lua::LastFailure, b: &lua::LastFailure| a.at >= b.at;
            sum.last_failure = match (sum.last_failure, figures.last_failure) {
                (Some(a), Some(b)) => Some(if later(&a, &b) { a } else { b }),
                (a, b) => a.or(b),
            };
            sum
        })
    }
}

/// What a script is called; one that is written inline has its middleware's name.
fn name_of(spec: &InstanceSpec) -> String {
    match &*spec.source.name {
        INLINE => format!("{INLINE}/{}", spec.name),
        name => name.to_owned(),
    }
}

fn put(body: &mut Value, figures: &Figures) {
    body["runs"] = figures.runs.into();
    body["failures"] = figures.failures.into();
    body["refused"] = figures.refused.into();
    body["cpuSeconds"] = figures.cpu.as_secs_f64().into();
    body["memoryBytes"] = figures.held_bytes.into();
    body["breakerOpenOn"] = figures.open_on.into();
    body["lastFailure"] = figures.last_failure.as_ref().map_or(Value::Null, |last| {
        json!({
            "at": moment(last.at),
            "id": last.id,
            "hook": last.hook,
            "router": last.router,
            "error": last.error,
        })
    });
}

/// A script whose breaker is open does not run; one that has failed works otherwise.
fn status(figures: &Figures) -> &'static str {
    match (figures.open_on, figures.failures) {
        (1.., _) => "disabled",
        (0, 1..) => "warning",
        (0, 0) => "enabled",
    }
}

fn is_builtin(source: &ScriptSource) -> bool {
    let mut all = lua::builtins().chain(lua::tcp_builtins());
    all.any(|builtin| builtin.name == source.name && builtin.text == source.text)
}

/// A moment as RFC 3339.
pub(super) fn moment(at: SystemTime) -> String {
    OffsetDateTime::from(at).format(&Rfc3339).unwrap_or_default()
}
