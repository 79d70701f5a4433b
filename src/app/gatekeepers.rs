//! The scripts that say which names may have a certificate on demand.
//!
//! Must not know how a certificate is got.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use crate::acme::{Allows, SolveError};
use crate::background::Background;
use crate::config::CertificateResolver;
use crate::lua::{InstanceId, InstanceSpec, Limits, OnError, ScriptError, ScriptSource, inspect};
use crate::message::LocalFuture;

/// The hook that is asked.
const HOOK: &str = "allow";

/// The scripts of all resolvers that have one.
#[derive(Debug)]
pub(super) struct Gatekeepers {
    background: Arc<Background>,
    scripts: BTreeMap<String, PathBuf>,
}

impl Gatekeepers {
    /// Looks whether the scripts are there and can be asked.
    ///
    /// # Errors
    /// When one cannot be read, does not compile, or has no such hook.
    pub(super) fn open(
        resolvers: &BTreeMap<String, CertificateResolver>,
        background: &Arc<Background>,
    ) -> io::Result<Self> {
        let mut scripts = BTreeMap::new();
        for (name, resolver) in resolvers {
            let acme = resolver.acme.as_ref();
            let Some(demand) = acme.and_then(|acme| acme.on_demand.as_ref()) else { continue };
            let path = PathBuf::from(&demand.script);
            check(&path).map_err(|reason| {
                let option = format!("certificatesResolvers.{name}.acme.onDemand.script");
                io::Error::other(format!("{option}: {reason}"))
            })?;
            scripts.insert(name.clone(), path);
        }
        Ok(Self { background: Arc::clone(background), scripts })
    }
}

fn check(path: &Path) -> Result<(), String> {
    let source = read(path).map_err(|error| error.to_string())?;
    let info = inspect(&source).map_err(|error| error.to_string())?;
    match info.hooks.iter().any(|hook| hook == HOOK) {
        true => Ok(()),
        false => Err(format!("{} has no hook {HOOK}", source.name)),
    }
}

fn read(path: &Path) -> io::Result<ScriptSource> {
    let name = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(ScriptSource { name: name.into(), text: text.into() }),
        Err(error) => Err(io::Error::other(format!("{name}: {error}"))),
    }
}

impl Allows for Gatekeepers {
    fn allows<'a>(
        &'a self,
        resolver: &'a str,
        name: &'a str,
    ) -> LocalFuture<'a, Result<bool, SolveError>> {
        Box::pin(async move {
            let Some(path) = self.scripts.get(resolver).cloned() else { return Ok(false) };
            let (resolver, name) = (resolver.to_owned(), name.to_owned());
            let asked = self.background.run(move |desk| async move {
                // Read anew each time, so that a changed file is in force with the next name.
                let source = read(&path).map_err(|error| ScriptError::Run(error.to_string()))?;
                let instance = desk.vm.instance(&Arc::new(spec(&resolver, source))).await?;
                desk.keep(Rc::clone(&instance));
                instance.allows(&desk.untrusted(), &name).await
            });
            let told = |reason: String| SolveError { reason };
            asked.await.map_err(|error| told(error.to_string()))?.map_err(|e| told(e.to_string()))
        })
    }
}

fn spec(resolver: &str, source: ScriptSource) -> InstanceSpec {
    let name = format!("acme/{resolver}");
    InstanceSpec {
        id: InstanceId::named(&name),
        name: name.into(),
        source: Arc::new(source),
        options: Arc::default(),
        limits: Limits::default(),
        on_error: OnError::Fail,
    }
}
