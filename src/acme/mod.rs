//! Certificates by themselves: resolvers that have an authority (ACME, RFC 8555) issue what routers
//! want, keep it, and renew it.
//!
//! All of it runs on a thread of its own, which touches no request: it hears what is wanted, and
//! says what there is as any provider does. Workers ask [`Answers`] alone, when an authority looks.
//! Must not know routers, and how a configuration is served.

mod account;
mod book;
mod client;
mod clock;
mod covered;
mod demand;
mod dns;
mod failure;
mod figures;
mod key;
mod order;
mod proofs;
mod renewal;
mod replicas;
mod resolver;
mod store;
mod wishes;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{LocalSet, spawn_local};

use crate::config::{AcmeOptions, CertificateResolver};
use crate::model::{ForwardingTimeouts, ServersTransport};
use crate::provider::{Message, Sender};
use crate::upstream::{SystemRoots, Transport, TransportError};

pub use clock::Clock;
pub use demand::{Allows, Demands};
pub use dns::{Record, SolveError, Solver, Solvers};
pub use figures::Figures;
pub use proofs::{Answers, Proofs};
pub use resolver::Wish;

use book::Book;
use client::Web;
use demand::Desk;
use figures::Tally;
use key::KeyType;
use proofs::QUESTIONS_MAX;
use resolver::{Parts, Resolver};
use store::{FileStore, KubernetesStore, RedisStore, Store, StoreError};

/// What resolvers are started with.
#[derive(Debug)]
pub struct Setup {
    /// Resolvers by name.
    pub resolvers: BTreeMap<String, CertificateResolver>,
    /// Who says which names may have a certificate on demand.
    pub allows: Arc<dyn Allows>,
    /// Those who set records of the DNS.
    pub solvers: Arc<dyn Solvers>,
    /// The time.
    pub clock: Arc<Clock>,
    /// Where certificates are said to be there.
    pub sender: Sender,
}

/// The resolvers as the control plane holds them. They end with it.
#[derive(Debug)]
pub struct Acme {
    wishes: watch::Sender<Wish>,
    proofs: Arc<Proofs>,
    demands: Option<Arc<Demands>>,
    figures: Arc<Figures>,
}

/// Why a resolver is not there.
#[derive(Debug, thiserror::Error)]
enum SetupError {
    /// An option is not as it should be.
    #[error("{option}: {reason}")]
    Option {
        /// Which.
        option: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The authority's roots, or its name.
    #[error("caCertificates: {0}")]
    Transport(#[from] TransportError),
    /// What is kept.
    #[error("storage: {0}")]
    Store(#[from] StoreError),
}

impl Acme {
    /// Starts the resolvers that there are; nothing without any. With them comes what they have
    /// kept. A resolver that cannot be had is told of and left out, as in Traefik.
    ///
    /// # Errors
    /// When the system gives no thread or no event queue.
    pub async fn start(setup: Setup) -> io::Result<Option<(Self, Vec<Message>)>> {
        if setup.resolvers.values().all(|resolver| resolver.acme.is_none()) {
            return Ok(None);
        }
        let (wishes, wished) = watch::channel(Wish::default());
        let proofs = Arc::<Proofs>::default();
        let (told, first) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let shown = Arc::clone(&proofs);
        let figures = Arc::new(Figures::of(setup.resolvers.keys()));
        let counted = Arc::clone(&figures);
        let (demands, desk) = on_demand(&setup.resolvers).map(demand::channel).unzip();
        thread::Builder::new().name("acme".to_owned()).spawn(move || {
            LocalSet::new().block_on(&runtime, run(setup, (shown, counted), wished, told, desk));
            // What still waits, such as a name look-up, is not waited for.
            runtime.shutdown_background();
        })?;
        // The thread says something or ends.
        let first = first.await.unwrap_or_default();
        let demands = demands.map(Arc::new);
        Ok(Some((Self { wishes, proofs, demands, figures }, first)))
    }

    /// What authorities are answered with.
    #[must_use]
    pub fn answers(&self) -> Arc<Answers> {
        Arc::new(Answers(Arc::clone(&self.proofs)))
    }

    /// Who gets certificates on demand, where a resolver does.
    #[must_use]
    pub fn demands(&self) -> Option<Arc<Demands>> {
        self.demands.clone()
    }

    /// What resolvers have done.
    #[must_use]
    pub fn figures(&self) -> Arc<Figures> {
        Arc::clone(&self.figures)
    }

    /// Hears what is wanted from now on.
    pub fn wish(&self, wish: Wish) {
        self.wishes.send_replace(wish);
    }
}

/// How long handshakes wait, where a resolver has certificates on demand.
fn on_demand(resolvers: &BTreeMap<String, CertificateResolver>) -> Option<Duration> {
    let options = resolvers.values().filter_map(|resolver| resolver.acme.as_ref());
    options.filter_map(|acme| acme.on_demand.as_ref()).map(|demand| demand.wait.get()).max()
}

async fn run(
    setup: Setup,
    (proofs, figures): (Arc<Proofs>, Arc<Figures>),
    wishes: watch::Receiver<Wish>,
    told: oneshot::Sender<Vec<Message>>,
    desk: Option<Desk>,
) {
    let mut files: Vec<(PathBuf, Rc<FileStore>)> = Vec::new();
    let (mut all, mut first) = (Vec::new(), Vec::new());
    for (name, resolver) in &setup.resolvers {
        let Some(options) = &resolver.acme else { continue };
        let tally = figures.tally(name);
        match open(name, options, &setup, (&proofs, tally), &mut files).await {
            Ok(parts) => {
                let resolver = Resolver::new(parts);
                first.push(resolver.message());
                all.push(resolver);
            }
            Err(error) => {
                tracing::error!("certificatesResolvers.{name}.acme.{error}; it is left out");
            }
        }
    }
    // Whoever waited may have given up.
    let _ = told.send(first);
    let stores: Vec<_> =
        all.iter().map(|resolver| Rc::clone(resolver.parts.book.store())).collect();
    if stores.iter().any(|store| store.shared().is_some()) {
        let (questions, asked) = mpsc::channel(QUESTIONS_MAX);
        proofs.ask(questions);
        spawn_local(replicas::answer(stores, asked));
    }
    if let Some(desk) = desk {
        let asked = all.iter().filter(|resolver| resolver.parts.options.on_demand.is_some());
        spawn_local(desk.serve(asked.cloned().collect(), Arc::clone(&setup.allows)));
    }
    let mut tasks = Vec::new();
    for resolver in all {
        tasks.push(spawn_local(Rc::clone(&resolver).run(wishes.clone())));
        tasks.push(spawn_local(replicas::take_part(resolver, wishes.clone())));
    }
    drop(wishes);
    for task in tasks {
        // One that has failed is told of by its panic; the others go on.
        let _ = task.await;
    }
}

async fn open(
    name: &str,
    options: &AcmeOptions,
    setup: &Setup,
    (proofs, tally): (&Arc<Proofs>, Arc<Tally>),
    files: &mut Vec<(PathBuf, Rc<FileStore>)>,
) -> Result<Parts, SetupError> {
    let key_type = KeyType::named(&options.key_type).ok_or_else(|| SetupError::Option {
        option: "keyType",
        reason: format!(
            "{:?} is not supported; known are EC256, EC384, RSA2048 and RSA4096",
            options.key_type
        ),
    })?;
    let store = store(options, files).await?;
    let book = Book::open(name, store).await?;
    let transport = transport(options)?;
    let limit = options.client_timeout.get();
    Ok(Parts {
        name: name.to_owned(),
        options: options.clone(),
        key_type,
        web: Rc::new(Web::new(transport, limit)),
        book,
        proofs: Arc::clone(proofs),
        tally,
        solvers: Arc::clone(&setup.solvers),
        clock: Arc::clone(&setup.clock),
        sender: setup.sender.clone(),
    })
}

/// Where a resolver keeps things.
async fn store(
    options: &AcmeOptions,
    files: &mut Vec<(PathBuf, Rc<FileStore>)>,
) -> Result<Rc<dyn Store>, SetupError> {
    let Some(shared) = &options.shared_storage else { return file(options, files) };
    match (&shared.redis, &shared.kubernetes) {
        (Some(redis), None) => Ok(Rc::new(RedisStore::new(redis))),
        (None, Some(kubernetes)) => {
            let store = KubernetesStore::open(kubernetes).await.map_err(StoreError::from)?;
            Ok(Rc::new(store))
        }
        _ => Err(SetupError::Option {
            option: "sharedStorage",
            reason: "give one of redis and kubernetes".to_owned(),
        }),
    }
}

/// The file of a resolver; several may name the same one.
fn file(
    options: &AcmeOptions,
    files: &mut Vec<(PathBuf, Rc<FileStore>)>,
) -> Result<Rc<dyn Store>, SetupError> {
    let path = PathBuf::from(&options.storage);
    if let Some((_, file)) = files.iter().find(|(known, _)| *known == path) {
        return Ok(Rc::clone(file) as Rc<dyn Store>);
    }
    let file = Rc::new(FileStore::open(&path).map_err(StoreError::from)?);
    // The same file may have another name.
    let same = files.iter().find(|(_, known)| known.path() == file.path());
    let file = same.map_or(file, |(_, known)| Rc::clone(known));
    files.push((path, Rc::clone(&file)));
    Ok(file)
}

/// How the authority is connected to. Variables that lego's users know say what options do not.
fn transport(options: &AcmeOptions) -> Result<Transport, TransportError> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let mut root_cas = options.ca_certificates.clone();
    if root_cas.is_empty()
        && let Some(named) = variable("LEGO_CA_CERTIFICATES")
    {
        root_cas = named.split(':').map(str::to_owned).collect();
    }
    let with_system = options.ca_system_cert_pool
        || variable("LEGO_CA_SYSTEM_CERT_POOL").is_some_and(|value| value == "true");
    let system = if with_system { SystemRoots::Trusted } else { SystemRoots::Replaced };
    let server_name = match options.ca_server_name.as_str() {
        "" => variable("LEGO_CA_SERVER_NAME").unwrap_or_default(),
        name => name.to_owned(),
    };
    let options = ServersTransport {
        server_name,
        root_cas,
        forwarding_timeouts: ForwardingTimeouts {
            response_header_timeout: options.client_response_header_timeout,
            ..ForwardingTimeouts::default()
        },
        ..ServersTransport::default()
    };
    Transport::build_trusting(&options, system)
}
