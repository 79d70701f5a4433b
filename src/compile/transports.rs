//! Transports of the dynamic configuration, and why some cannot be used.

use std::sync::Arc;

use hashbrown::HashMap;

use crate::model::{self, Dynamic};
use crate::upstream::Transport;

/// Transports kept from the last generation, with the options they were built from.
#[derive(Debug, Default)]
pub(super) struct Memory(HashMap<String, (Arc<model::ServersTransport>, Arc<Transport>)>);

/// Transports by name with provider, or why there is none.
#[derive(Debug)]
pub(super) struct Transports(HashMap<String, Result<Arc<Transport>, String>>);

impl Transports {
    /// Builds the runtime form of all transports; one whose options and files are unchanged is the
    /// same allocation as before. `default` is the static configuration's.
    pub(super) fn compile(
        dynamic: &Dynamic,
        default: &Arc<Transport>,
        memory: &mut Memory,
    ) -> Self {
        let mut all = HashMap::new();
        let mut kept = HashMap::new();
        for (name, options) in &dynamic.http.servers_transports {
            let unchanged = memory.0.get(name).filter(|(before, transport)| {
                (Arc::ptr_eq(before, options) || before == options) && transport.is_current()
            });
            let built = match unchanged {
                Some((_, transport)) => Ok(Arc::clone(transport)),
                None => Transport::build(options).map(Arc::new),
            };
            if let Ok(transport) = &built {
                kept.insert(name.clone(), (Arc::clone(options), Arc::clone(transport)));
            }
            let built = built.map_err(|error| format!("http.serversTransports.{name}.{error}"));
            all.insert(name.clone(), built);
        }
        memory.0 = kept;
        all.insert("default@internal".to_owned(), Ok(Arc::clone(default)));
        Self(all)
    }

    /// A transport by its name with provider.
    pub(super) fn find(&self, name: &str) -> Result<Arc<Transport>, String> {
        let missing = || Err(format!("the serversTransport {name:?} does not exist"));
        self.0.get(name).cloned().unwrap_or_else(missing)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn dynamic(transports: &serde_json::Value) -> Dynamic {
        serde_json::from_value(json!({"http": {"serversTransports": transports}})).unwrap()
    }

    #[test]
    fn unchanged_transports_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        let write_root = || {
            let names = vec!["a.test".to_owned()];
            let root = rcgen::generate_simple_self_signed(names).unwrap();
            std::fs::write(&file, root.cert.pem()).unwrap();
        };
        write_root();
        let root_cas = json!([file]);
        let mut memory = Memory::default();
        let default = Arc::new(Transport::default());
        let mut build = |timeout: &str| {
            let dynamic = dynamic(&json!({
                "ca@file": {"rootCAs": root_cas},
                "slow@file": {"forwardingTimeouts": {"dialTimeout": timeout}},
            }));
            let all = Transports::compile(&dynamic, &default, &mut memory);
            (all.find("ca@file").unwrap(), all.find("slow@file").unwrap())
        };
        let (ca, slow) = build("1s");
        let (same_ca, same_slow) = build("1s");
        assert!(Arc::ptr_eq(&ca, &same_ca) && Arc::ptr_eq(&slow, &same_slow));
        let (same_ca, changed_slow) = build("2s");
        assert!(Arc::ptr_eq(&ca, &same_ca) && !Arc::ptr_eq(&slow, &changed_slow));
        write_root();
        let (changed_ca, same_slow) = build("2s");
        assert!(!Arc::ptr_eq(&ca, &changed_ca) && Arc::ptr_eq(&changed_slow, &same_slow));
    }

    #[test]
    fn broken_transports_are_told_by_their_options() {
        let check = |transport: serde_json::Value, expect: &str| {
            let dynamic = dynamic(&json!({"bad@file": transport}));
            let default = Arc::new(Transport::default());
            let all = Transports::compile(&dynamic, &default, &mut Memory::default());
            let error = all.find("bad@file").unwrap_err();
            assert!(error.starts_with(expect), "{error}");
            assert!(all.find("default@internal").is_ok());
            assert!(all.find("none@file").unwrap_err().contains("does not exist"));
        };
        let path = "http.serversTransports.bad@file";
        check(json!({"rootCAs": ["/nowhere"]}), &format!("{path}.rootCAs[0]: "));
        check(json!({"cipherSuites": ["x"]}), &format!("{path}.cipherSuites[0]: "));
        check(json!({"minVersion": "VersionTLS10"}), &format!("{path}.minVersion: "));
        check(json!({"spiffe": {}}), &format!("{path}.spiffe: "));
    }
}
