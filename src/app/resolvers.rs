//! The certificate resolvers that the static configuration has.

use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::acme::{Acme, Answers, Clock, Figures, Record, Setup, SolveError, Solver, Solvers};
use crate::api::Numbers;
use crate::background::Background;
use crate::config::Static;
use crate::dns::{Challenge, DnsError, Environment, Provider, Providers};
use crate::lua;
use crate::message::LocalFuture;
use crate::numbers::Family;
use crate::provider::{Message, Sender};
use crate::service::Internal;
use crate::tls::{Challenges, Demands};

use super::entrypoints::Handshakes;
use super::gatekeepers::Gatekeepers;

/// The internal service that authorities ask over HTTP.
const NAME: &str = "acme-http@internal";

/// Resolvers that run, what they have kept, and what authorities are answered with.
#[derive(Debug, Default)]
pub(super) struct Resolvers {
    pub(super) acme: Option<Acme>,
    pub(super) first: Vec<Message>,
    answers: Option<Arc<Answers>>,
}

impl Resolvers {
    /// Starts those that there are.
    pub(super) async fn start(
        plan: &Static,
        sender: &Sender,
        shared: &Arc<lua::Shared>,
    ) -> io::Result<Self> {
        let resolvers = plan.root.certificates_resolvers.clone();
        let directory = plan.root.scripts.directory.as_str();
        let directory = (!directory.is_empty()).then(|| PathBuf::from(directory));
        // Begins with the first record, if there ever is one.
        let background = Arc::new(Background::new(Arc::clone(shared)));
        let allows = Arc::new(Gatekeepers::open(&resolvers, &background)?);
        let providers = Providers::new(background, Environment::of_process(), directory);
        let (clock, solvers) = (Arc::<Clock>::default(), Arc::new(Scripts(providers)));
        let setup = Setup { resolvers, allows, solvers, clock, sender: sender.clone() };
        let Some((acme, first)) = Acme::start(setup).await? else { return Ok(Self::default()) };
        let answers = Some(acme.answers());
        Ok(Self { acme: Some(acme), first, answers })
    }

    /// What resolvers do in handshakes.
    pub(super) fn handshakes(&self, plan: &Static) -> Handshakes {
        let demands = self.acme.as_ref().and_then(Acme::demands);
        let demands = demands.map(|demands| demands as Arc<dyn Demands>);
        Handshakes { challenges: self.challenges(plan), demands }
    }

    /// What they have done, for those who watch.
    pub(super) fn numbers(&self) -> Option<Arc<dyn Numbers>> {
        Some(self.acme.as_ref()?.figures())
    }

    /// What proves names in handshakes, where a resolver is to do so.
    fn challenges(&self, plan: &Static) -> Option<Arc<dyn Challenges>> {
        let mut all = plan.root.certificates_resolvers.values();
        let is_used = all.any(|resolver| {
            resolver.acme.as_ref().is_some_and(|acme| acme.tls_challenge.is_some())
        });
        let answers = self.answers.clone().filter(|_| is_used)?;
        Some(answers)
    }

    /// The service that authorities ask, where there are resolvers.
    pub(super) fn service(&self) -> Option<(&'static str, Arc<dyn Internal>)> {
        Some((NAME, self.answers.clone()? as Arc<dyn Internal>))
    }

    /// The same for a configuration that is not served: nobody asks.
    pub(super) fn stand_in() -> (&'static str, Arc<dyn Internal>) {
        (NAME, Arc::new(Answers::default()))
    }
}

impl Numbers for Figures {
    fn families(&self) -> Vec<Family> {
        Self::families(self)
    }
}

/// DNS providers that are scripts.
#[derive(Debug)]
struct Scripts(Providers);

impl Solvers for Scripts {
    fn solver<'a>(&'a self, code: &'a str) -> LocalFuture<'a, Result<Rc<dyn Solver>, SolveError>> {
        Box::pin(async move {
            let provider = self.0.provider(code).await.map_err(|error| told(&error))?;
            Ok(Rc::new(Script(provider)) as Rc<dyn Solver>)
        })
    }
}

#[derive(Debug)]
struct Script(Provider);

impl Solver for Script {
    fn present<'a>(&'a self, record: &'a Record) -> LocalFuture<'a, Result<(), SolveError>> {
        Box::pin(async { self.0.present(&challenge(record)).await.map_err(|error| told(&error)) })
    }

    fn clean_up<'a>(&'a self, record: &'a Record) -> LocalFuture<'a, Result<(), SolveError>> {
        Box::pin(async { self.0.cleanup(&challenge(record)).await.map_err(|error| told(&error)) })
    }

    fn patience(&self) -> (Duration, Duration) {
        let timeouts = self.0.timeouts();
        (timeouts.propagation, timeouts.interval)
    }

    fn sequence(&self) -> Option<Duration> {
        self.0.timeouts().sequence
    }
}

fn told(error: &DnsError) -> SolveError {
    SolveError { reason: error.to_string() }
}

fn challenge(record: &Record) -> Challenge {
    Challenge {
        domain: record.domain.clone(),
        fqdn: record.fqdn.clone(),
        value: record.value.clone(),
        token: record.token.clone(),
        key_authorization: record.key_authorization.clone(),
    }
}
