//! `/debug/vars`: figures of the process, with `api.debug`. Go's profiles, which Traefik has beside
//! it, cannot exist here and are refused by name.

use std::fs;

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::About;
use super::reply::Reply;
use crate::snapshot::Snapshot;

/// Answers for a path below `/debug/`.
pub(super) fn reply(path: &str, about: &About, snapshot: &Snapshot) -> Reply {
    if path == "vars" {
        return Reply::json(vars(about, snapshot));
    }
    if path == "pprof" || path.starts_with("pprof/") {
        let message = "profiles are those of Go's runtime, which is not here; perf(1) makes \
                       profiles of this process";
        return Reply::error(StatusCode::NOT_IMPLEMENTED, message);
    }
    Reply::no_page()
}

fn vars(about: &About, snapshot: &Snapshot) -> Value {
    let arguments = fs::read("/proc/self/cmdline").unwrap_or_default();
    let program = arguments.split(|byte| *byte == 0).next().unwrap_or_default();
    json!({
        // Without its arguments, which may be secrets.
        "cmdline": [String::from_utf8_lossy(program)],
        "started": about.started,
        "workers": about.workers,
        "generation": snapshot.number,
        "scripts": snapshot.instances.len(),
        "process": process(),
    })
}

/// What proc(5) tells of memory and threads.
fn process() -> Map<String, Value> {
    const TOLD: &[&str] = &["VmPeak", "VmSize", "VmHWM", "VmRSS", "RssAnon", "Threads"];
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let fields = status.lines().filter_map(|line| line.split_once(':'));
    let told = fields.filter(|(name, _)| TOLD.contains(name));
    let mut all: Map<String, Value> =
        told.map(|(name, value)| (name.to_owned(), value.trim().into())).collect();
    let files = fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    all.insert("files".to_owned(), files.into());
    all
}
