//! The certificate resolvers that the static configuration has.

use std::io;
use std::rc::Rc;
use std::sync::Arc;

use crate::acme::{Acme, Answers, Clock, Setup, SolveError, Solver, Solvers};
use crate::config::Static;
use crate::message::LocalFuture;
use crate::provider::{Message, Sender};
use crate::service::Internal;
use crate::tls::Challenges;

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
    pub(super) async fn start(plan: &Static, sender: &Sender) -> io::Result<Self> {
        let resolvers = plan.root.certificates_resolvers.clone();
        let (clock, solvers) = (Arc::<Clock>::default(), Arc::new(NoSolvers));
        let setup = Setup { resolvers, solvers, clock, sender: sender.clone() };
        let Some((acme, first)) = Acme::start(setup).await? else { return Ok(Self::default()) };
        let answers = Some(acme.answers());
        Ok(Self { acme: Some(acme), first, answers })
    }

    /// What proves names in handshakes, where a resolver is to do so.
    pub(super) fn challenges(&self, plan: &Static) -> Option<Arc<dyn Challenges>> {
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

/// Nobody sets records.
#[derive(Debug)]
struct NoSolvers;

impl Solvers for NoSolvers {
    fn solver<'a>(&'a self, code: &'a str) -> LocalFuture<'a, Result<Rc<dyn Solver>, SolveError>> {
        let reason = format!("dnsChallenge.provider: there is no DNS provider {code:?}");
        Box::pin(async { Err(SolveError { reason }) })
    }
}
