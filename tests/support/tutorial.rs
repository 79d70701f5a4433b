//! The tutorial's Deployment, started as a process of this machine. Must not know its steps.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Cluster, Process};

/// A file or folder of `examples/kubernetes`.
pub(crate) fn example(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/kubernetes").join(path)
}

/// Starts with the flags of the Deployment and some more, where entrypoints have ports of the
/// loopback address in the place of their own, and with variables of the environment.
pub(crate) fn start(cluster: &Cluster, more: &[&str], env: &[(&str, &str)]) -> Process {
    let text = fs::read_to_string(example("base/deployment.yaml")).unwrap();
    let deployment: serde_json::Value = serde_yaml::from_str(&text).unwrap();
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    let flags = container["args"].as_array().unwrap().iter().map(|flag| flag.as_str().unwrap());
    let mut entrypoints: Vec<&str> = vec!["traefik"];
    let mut rest = Vec::new();
    for flag in flags.chain(more.iter().copied()) {
        let address = flag.strip_prefix("--entryPoints.");
        match address.and_then(|flag| flag.split_once(".address=")) {
            Some((name, _)) => entrypoints.push(name),
            None => rest.push(flag.to_owned()),
        }
    }
    assert!(rest.iter().any(|flag| flag == "--ping=true"), "{rest:?}");
    Process::with_env(cluster, &entrypoints, &rest, env)
}
