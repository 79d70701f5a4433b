//! All TLS options of one generation, by name.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::sign::CertifiedKey;

use super::load::{Stamp, stamp};
use super::server::{Certificates, generate, settings};
use super::{CertStore, ServerOptions};
use crate::model::{Diagnostic, Tls, TlsOptions};

/// The name of the options that are in force where no others are asked for.
pub const DEFAULT: &str = "default";

/// All TLS options of one generation, by name with provider; [`DEFAULT`] is always among them.
#[derive(Debug)]
pub struct OptionSets {
    by_name: BTreeMap<Arc<str>, OptionSet>,
    generated: Option<Arc<CertifiedKey>>,
}

/// Options with what was made of them.
#[derive(Debug)]
struct OptionSet {
    options: Arc<TlsOptions>,
    /// What the files of authorities were just before they were read.
    stamps: Vec<Option<Stamp>>,
    /// The settings, without certificates, and what in the options has no effect.
    base: Result<(Arc<ServerConfig>, Vec<String>), String>,
    ready: Option<Arc<ServerOptions>>,
}

impl OptionSets {
    /// Makes settings of all options. Those that `before` holds unchanged are kept, so that
    /// sessions can be resumed after a reload, but with the new certificates. Options that cannot
    /// be used, or whose script cannot, which `broken` tells by their names, are reported, and
    /// nothing can be served under them.
    #[must_use]
    pub fn build(
        tls: &Tls,
        certificates: &Arc<CertStore>,
        before: Option<&Self>,
        broken: &BTreeMap<String, String>,
    ) -> (Self, Vec<Diagnostic>) {
        let mut findings = Vec::new();
        let mut default = certificates.default_certificate();
        let mut generated = before.and_then(|before| before.generated.clone());
        if default.is_none() {
            if generated.is_none() {
                match generate() {
                    Ok(key) => generated = Some(Arc::new(key)),
                    Err(error) => findings.push(Diagnostic::error("tls.stores.default", error)),
                }
            }
            default.clone_from(&generated);
        }
        let certificates = Certificates { store: Arc::clone(certificates), default };
        let built_in = (!tls.options.contains_key(DEFAULT))
            .then(|| (DEFAULT.to_owned(), Arc::<TlsOptions>::default()));
        let given = tls.options.iter().map(|(name, options)| (name.clone(), Arc::clone(options)));
        let mut by_name = BTreeMap::new();
        for (name, options) in given.chain(built_in) {
            let before = before.and_then(|before| before.by_name.get_key_value(name.as_str()));
            let (name, before) = match before {
                Some((name, set)) => (Arc::clone(name), Some(set)),
                None => (Arc::from(name), None),
            };
            let mut set = OptionSet::build(&name, options, &certificates, before);
            let disputed = || "several providers give them, so none are used".to_owned();
            let is_disputed = &*name == DEFAULT && tls.is_default_disputed;
            if let Some(reason) = broken.get(&*name).cloned().or(is_disputed.then(disputed)) {
                set.base = Err(reason);
                set.ready = None;
            }
            set.report(&name, &mut findings);
            by_name.insert(name, set);
        }
        (Self { by_name, generated }, findings)
    }

    /// The options of a name with provider.
    ///
    /// # Errors
    /// When there are none, or they cannot be used.
    pub fn get(&self, name: &str) -> Result<&Arc<ServerOptions>, String> {
        let Some(set) = self.by_name.get(name) else {
            return Err(format!("unknown TLS options: {name}"));
        };
        set.ready.as_ref().ok_or_else(|| {
            let reason = set.base.as_ref().err().map(String::as_str).unwrap_or_default();
            format!("the TLS options {name}: {reason}")
        })
    }
}

impl OptionSet {
    fn build(
        name: &Arc<str>,
        options: Arc<TlsOptions>,
        certificates: &Certificates,
        before: Option<&Self>,
    ) -> Self {
        let stamps = options.client_auth.ca_files.iter().map(|file| stamp(file)).collect();
        let before = before.filter(|set| set.options == options && set.stamps == stamps);
        let base = match before {
            Some(set) if set.base.is_ok() => set.base.clone(),
            _ => settings(&options)
                .map(|(config, warnings)| (Arc::new(config), warnings))
                .map_err(|error| error.to_string()),
        };
        let certificates = Certificates {
            default: certificates.default.clone().filter(|_| !options.sni_strict),
            ..certificates.clone()
        };
        let ready = base.as_ref().ok();
        let script = (!options.lua.is_empty()).then(|| Arc::from(options.lua.as_str()));
        let ready = ready.map(|(base, _)| ServerOptions::new(name, base, certificates, script));
        Self { options, stamps, base, ready: ready.map(Arc::new) }
    }

    fn report(&self, name: &str, findings: &mut Vec<Diagnostic>) {
        let path = format!("tls.options.{name}");
        match &self.base {
            Err(reason) => findings.push(Diagnostic::error(path, reason)),
            Ok((_, warnings)) => {
                findings.extend(warnings.iter().map(|w| Diagnostic::warning(path.clone(), w)));
            }
        }
    }
}
