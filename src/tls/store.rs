//! All certificates of one generation, found by server name.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashMap;
use rustls::sign::CertifiedKey;
use serde_json::Value;

use super::load::{Loaded, load, stamps};
use crate::model::{Certificate, Diagnostic, GeneratedDefault, Tls};
use crate::value::{DecodeError, Question, decode_at};

/// All certificates of one generation.
#[derive(Default)]
pub struct CertStore {
    loaded: Vec<Arc<Loaded>>,
    by_name: HashMap<Box<str>, Arc<Loaded>>,
    /// That of the store `default`.
    default: Option<Arc<Loaded>>,
}

impl std::fmt::Debug for CertStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.by_name.len();
        f.debug_struct("CertStore").field("names", &names).finish_non_exhaustive()
    }
}

impl CertStore {
    /// Loads certificates; those that `before` holds unchanged are not parsed again, unless their
    /// files have changed. A broken one is left out and reported; if `before` holds it, that stays
    /// in use.
    #[must_use]
    pub fn build(
        certificates: &[Arc<Certificate>],
        before: Option<&Self>,
    ) -> (Self, Vec<Diagnostic>) {
        let mut loader = Loader::new(before);
        let mut store = Self::default();
        for (index, certificate) in certificates.iter().enumerate() {
            let path = format!("tls.certificates[{index}]");
            store.loaded.extend(loader.load(&path, certificate));
        }
        for loaded in &store.loaded {
            for name in &loaded.names {
                // The first one stays, as in Traefik where it has the same names; where only some
                // are the same, Traefik's choice is by chance.
                let entry = store.by_name.entry_ref(name.as_str());
                entry.or_insert_with(|| Arc::clone(loaded));
            }
        }
        (store, loader.findings)
    }

    /// As [`CertStore::build`], with the default certificate of the store `default`. Other stores
    /// have no effect, as in Traefik, and are warned of.
    #[must_use]
    pub fn of(tls: &Tls, before: Option<&Self>) -> (Self, Vec<Diagnostic>) {
        let (mut store, mut findings) = Self::build(&tls.certificates, before);
        let mut loader = Loader::new(before);
        for (name, options) in &tls.stores {
            let path = format!("tls.stores.{name}");
            if name == "default" {
                let given = loader.default(&path, options);
                // One that is given goes before one that a resolver has.
                store.default = given.or_else(|| {
                    let generated = generated_default(options)?.ok()?;
                    store.loaded_for(&generated.domain.main.to_ascii_lowercase()).cloned()
                });
            } else {
                let reason = "has no effect: only the store \"default\" is used";
                loader.findings.push(Diagnostic::warning(path, reason));
            }
        }
        findings.extend(loader.findings);
        (store, findings)
    }

    /// The certificate for a server name: that of exactly this name, else that of the wildcard in
    /// place of its first label. Case and a last dot do not count.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        self.loaded_for(&name).map(|loaded| loaded.shown())
    }

    fn loaded_for(&self, name: &str) -> Option<&Arc<Loaded>> {
        self.by_name.get(name).or_else(|| self.by_name.get(wildcard(name)?.as_str()))
    }

    /// Whether there is a certificate for a name, which may be `*.domain`.
    #[must_use]
    pub fn holds(&self, name: &str) -> bool {
        let has = |name: &str| self.by_name.contains_key(name);
        has(name) || wildcard(name).is_some_and(|wildcard| has(&wildcard))
    }

    /// All certificates in DER, the first of each chain, with that of the store `default`.
    pub fn leaves(&self) -> impl Iterator<Item = &[u8]> {
        let all = self.loaded.iter().chain(&self.default);
        all.filter_map(|loaded| loaded.key.cert.first().map(|first| &**first))
    }

    /// The certificates whose authorities can be asked for their status.
    pub fn asked(&self) -> impl Iterator<Item = Asked> {
        self.loaded.iter().chain(&self.default).filter_map(|loaded| {
            let [first, issuer, ..] = loaded.key.cert.as_slice() else { return None };
            let question = Question::about(first, issuer)?;
            let name = loaded.names.first().cloned().unwrap_or_default();
            Some(Asked { name, question, issuer: issuer.to_vec(), loaded: Arc::clone(loaded) })
        })
    }

    /// The certificate of the store `default`, as it is now.
    #[must_use]
    pub fn default_certificate(&self) -> Option<Arc<CertifiedKey>> {
        self.default.as_ref().map(|loaded| loaded.shown())
    }
}

/// The option of a store by which a resolver has the default certificate.
const GENERATED: &str = "defaultGeneratedCert";

/// What a store says of a default certificate that a resolver has; nothing where it says nothing.
#[must_use]
pub fn generated_default(store: &Value) -> Option<Result<GeneratedDefault, DecodeError>> {
    let mut options = store.as_object()?.iter();
    let (_, value) = options.find(|(name, _)| name.eq_ignore_ascii_case(GENERATED))?;
    Some(decode_at(value, &format!("tls.stores.default.{GENERATED}")))
}

/// The wildcard that a name is below, in place of its first label; none of a wildcard.
#[must_use]
pub fn wildcard(name: &str) -> Option<String> {
    let (label, rest) = name.split_once('.')?;
    (label != "*").then(|| format!("*.{rest}"))
}

/// Whether a certificate for `pattern`, a name or `*.domain`, is good for a name as well; the name
/// may be a pattern itself.
#[must_use]
pub fn covers(pattern: &str, name: &str) -> bool {
    let below = || {
        let domain = pattern.strip_prefix("*.")?;
        let (label, rest) = name.split_once('.')?;
        (label != "*" && !label.is_empty()).then_some(rest == domain)
    };
    pattern == name || below().unwrap_or(false)
}

/// A certificate whose authority can be asked for its status.
#[derive(Clone)]
pub struct Asked {
    /// Its first name.
    pub name: String,
    /// What is asked, and whom.
    pub question: Question,
    /// The issuer's certificate.
    pub issuer: Vec<u8>,
    loaded: Arc<Loaded>,
}

impl std::fmt::Debug for Asked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Asked").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Asked {
    /// What it is told from others by, as long as it is kept.
    #[must_use]
    pub fn id(&self) -> usize {
        Arc::as_ptr(&self.loaded) as usize
    }

    /// Shows clients an answer from now on, or none.
    pub fn staple(&self, answer: Option<Vec<u8>>) {
        let key = |answer| {
            let mut key = CertifiedKey::clone(&self.loaded.key);
            key.ocsp = Some(answer);
            Arc::new(key)
        };
        self.loaded.stapled.store(answer.map(key));
    }

    /// Whether clients are shown an answer.
    #[must_use]
    pub fn is_stapled(&self) -> bool {
        self.loaded.stapled.load().is_some()
    }
}

struct Loader<'a> {
    known: HashMap<&'a Certificate, &'a Arc<Loaded>>,
    findings: Vec<Diagnostic>,
}

impl<'a> Loader<'a> {
    fn new(before: Option<&'a CertStore>) -> Self {
        let all = before.into_iter().flat_map(|before| before.loaded.iter().chain(&before.default));
        let known = all.map(|loaded| (&*loaded.config, loaded)).collect();
        Self { known, findings: Vec::new() }
    }

    fn load(&mut self, path: &str, config: &Arc<Certificate>) -> Option<Arc<Loaded>> {
        let known = self.known.get(&**config).map(|known| Arc::clone(known));
        if let Some(known) = &known
            && known.stamps == stamps(config)
        {
            return Some(Arc::clone(known));
        }
        match load(config) {
            Ok(loaded) => Some(Arc::new(loaded)),
            Err(error) if known.is_some() => {
                let reason = format!("{error}; the one read before stays in use");
                self.findings.push(Diagnostic::error(path, reason));
                known
            }
            Err(error) => {
                self.findings.push(Diagnostic::error(path, error));
                None
            }
        }
    }

    /// The certificate of the store `default`.
    fn default(&mut self, path: &str, options: &Value) -> Option<Arc<Loaded>> {
        let options: BTreeMap<String, Value> = match decode_at(options, path) {
            Ok(options) => options,
            Err(error) => {
                self.findings.push(Diagnostic::error(path, error));
                return None;
            }
        };
        let mut default = None;
        for (option, value) in &options {
            let path = format!("{path}.{option}");
            if option.eq_ignore_ascii_case(GENERATED) {
                continue;
            }
            if !option.eq_ignore_ascii_case("defaultCertificate") {
                self.findings.push(Diagnostic::error(path, "not supported"));
                continue;
            }
            match decode_at(value, &path) {
                Ok(config) => default = self.load(&path, &Arc::new(config)),
                Err(error) => self.findings.push(Diagnostic::error(path, error)),
            }
        }
        default
    }
}

#[cfg(test)]
mod tests;
