//! A client of Redis, alone or in a cluster: one worker's connections, opened through [`Dial`].
//!
//! Written here, since a few hundred lines are all of the protocol that is needed, and since
//! connections must be the worker's own and TLS that of all other connections. Must not know Lua.

mod connection;
mod resp;
mod slot;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hashbrown::HashMap;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use super::shared::Opened;
use super::{Connected, Destination, FetchError, Host};
use crate::message::LocalFuture;
use connection::Connection;
pub use resp::Reply;

/// How often one command follows a key that has moved.
const MOVES_MAX: usize = 4;
/// After a failure nothing is tried for so long, so that requests do not wait one by one.
const PAUSE: Duration = Duration::from_secs(1);
/// Connections beyond those that are kept are closed when they idle for so long.
const IDLE: Duration = Duration::from_mins(5);

/// What opens connections.
pub trait Dial {
    /// Opens one.
    fn dial(&self, to: &Destination) -> LocalFuture<'static, Connected>;
}

impl Dial for &dyn Host {
    fn dial(&self, to: &Destination) -> LocalFuture<'static, Connected> {
        self.connect(to)
    }
}

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// Opening a connection, TLS included.
    pub dial: Duration,
    /// An answer.
    pub read: Duration,
    /// A command on its way.
    pub write: Duration,
}

/// Which Redis, and how it is talked to.
pub struct Settings {
    /// The servers; connections are opened like this one's, but for the address.
    pub destinations: Vec<Destination>,
    /// The user, where Redis has users.
    pub username: String,
    /// The password.
    pub password: String,
    /// The number of the database.
    pub database: u32,
    /// How long things may take.
    pub timeouts: Timeouts,
    /// Connections that stay open however long they idle.
    pub idle_min: usize,
}

/// Why a command has no answer.
#[derive(Debug, thiserror::Error)]
pub enum RedisError {
    /// The server cannot be connected to.
    #[error(transparent)]
    Connect(#[from] FetchError),
    /// The connection broke.
    #[error("{address}: {cause}")]
    Broken {
        /// The server.
        address: String,
        /// The system's words.
        cause: std::io::Error,
    },
    /// The server took too long.
    #[error("{address}: no answer within {limit:?}")]
    Late {
        /// The server.
        address: String,
        /// How long it had.
        limit: Duration,
    },
    /// All connections were in use for too long.
    #[error("no connection was free within {limit:?}")]
    Busy {
        /// How long one was waited for.
        limit: Duration,
    },
    /// It failed a moment ago, and is not asked again yet.
    #[error("it could not be reached a moment ago")]
    Paused,
    /// Something else than Redis answers.
    #[error("{address} does not answer as Redis does")]
    Protocol {
        /// The server.
        address: String,
    },
    /// Redis refuses the command.
    #[error("Redis answers: {message}")]
    Refused {
        /// Its words.
        message: String,
    },
}

impl RedisError {
    /// Whether Redis answered.
    pub(super) fn is_answer(&self) -> bool {
        matches!(self, Self::Refused { .. })
    }

    /// Whether it was tried and Redis, or the way to it, does not work.
    fn is_trouble(&self) -> bool {
        !matches!(self, Self::Refused { .. } | Self::Paused | Self::Busy { .. })
    }
}

/// Shows no password.
impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings").field("destinations", &self.destinations).finish_non_exhaustive()
    }
}

/// A client of one worker.
#[derive(Debug)]
pub struct Redis {
    settings: Settings,
    /// Commands that may be under way at once, over all workers; any number without it.
    permits: Option<Arc<Opened<Semaphore>>>,
    idle: RefCell<Vec<Connection>>,
    /// Where a cluster keeps its slots, as far as it has said so.
    slots: RefCell<HashMap<u16, Rc<str>>>,
    /// The server that answered last.
    first: Cell<usize>,
    paused: Cell<Option<Instant>>,
}

impl Redis {
    /// One that shares its commands' permits with those of other workers.
    pub(super) fn new(settings: Settings, permits: Arc<Opened<Semaphore>>) -> Self {
        Self { permits: Some(permits), ..Self::alone(settings) }
    }

    /// One that nobody else has a part in.
    #[must_use]
    pub fn alone(settings: Settings) -> Self {
        let permits = None;
        let (idle, slots) = (RefCell::default(), RefCell::default());
        Self { settings, permits, idle, slots, first: Cell::default(), paused: Cell::default() }
    }

    /// Sends a command; `key` says where in a cluster it goes.
    ///
    /// # Errors
    /// When there is no answer, or Redis refuses.
    pub async fn ask(
        &self,
        host: &dyn Dial,
        key: Option<&[u8]>,
        command: &[Bytes],
    ) -> Result<Reply, RedisError> {
        let limit = self.settings.timeouts.read;
        let _permit = match &self.permits {
            None => None,
            Some(permits) => match timeout(limit, permits.acquire()).await {
                Ok(Ok(permit)) => Some(permit),
                _ => return Err(RedisError::Busy { limit }),
            },
        };
        let answer = self.followed(host, key.map(slot::slot), command).await;
        if answer.as_ref().is_err_and(RedisError::is_trouble) {
            // What idles is likely to be as dead.
            self.idle.borrow_mut().clear();
            self.paused.set(Some(Instant::now() + PAUSE));
        }
        answer
    }

    /// Sends a command, and again to where a cluster says that its key is.
    async fn followed(
        &self,
        host: &dyn Dial,
        slot: Option<u16>,
        command: &[Bytes],
    ) -> Result<Reply, RedisError> {
        let mut address = slot.and_then(|slot| self.slots.borrow().get(&slot).cloned());
        let mut asking = false;
        for _ in 0..MOVES_MAX {
            let message = match self.ask_at(host, address.take(), command, asking).await? {
                Reply::Error(message) => message,
                reply => return Ok(reply),
            };
            let Some(moved) = Moved::read(&message) else {
                return Err(RedisError::Refused { message });
            };
            if let (Some(slot), false) = (slot, moved.asking) {
                self.slots.borrow_mut().insert(slot, Rc::clone(&moved.address));
            }
            (address, asking) = (Some(moved.address), moved.asking);
        }
        Err(RedisError::Refused { message: "MOVED too often".to_owned() })
    }

    /// Asks one server, or any.
    async fn ask_at(
        &self,
        host: &dyn Dial,
        address: Option<Rc<str>>,
        command: &[Bytes],
        asking: bool,
    ) -> Result<Reply, RedisError> {
        let mut connection = match &address {
            None => self.any(host).await?,
            Some(address) => match self.idle_at(Some(address)) {
                Some(connection) => connection,
                None => {
                    let opened = self.open(host, &self.destination(address)).await;
                    if opened.is_err() {
                        // The cluster may have changed: any other server knows.
                        self.slots.borrow_mut().clear();
                    }
                    opened?
                }
            },
        };
        let word = [Bytes::from_static(b"ASKING")];
        let both: [&[Bytes]; 2] = [&word, command];
        let commands = both.get(usize::from(!asking)..).unwrap_or_default();
        let reply = connection.ask(commands, self.settings.timeouts).await?;
        self.put(connection);
        Ok(reply)
    }

    /// An idle connection, or one to the first server that can be reached.
    async fn any(&self, host: &dyn Dial) -> Result<Connection, RedisError> {
        if let Some(connection) = self.idle_at(None) {
            return Ok(connection);
        }
        if self.paused.get().is_some_and(|until| Instant::now() < until) {
            return Err(RedisError::Paused);
        }
        let servers = &self.settings.destinations;
        let mut failed = RedisError::Paused;
        for turn in 0..servers.len() {
            let place = (self.first.get() + turn) % servers.len();
            let Some(server) = servers.get(place) else { continue };
            match self.open(host, server).await {
                Ok(connection) => {
                    self.first.set(place);
                    return Ok(connection);
                }
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    fn idle_at(&self, address: Option<&str>) -> Option<Connection> {
        let mut idle = self.idle.borrow_mut();
        loop {
            let fits = |connection: &Connection| {
                address.is_none_or(|address| *connection.address == *address)
            };
            let place = idle.iter().rposition(fits)?;
            let mut connection = idle.remove(place);
            if connection.is_open() {
                return Some(connection);
            }
        }
    }

    fn put(&self, connection: Connection) {
        let mut idle = self.idle.borrow_mut();
        idle.push(connection);
        // The oldest come first.
        let over = |idle: &[Connection]| idle.len() > self.settings.idle_min;
        while over(&idle) && idle.first().is_some_and(|oldest| oldest.used.elapsed() > IDLE) {
            idle.remove(0);
        }
    }

    fn destination(&self, address: &str) -> Destination {
        let like = self.settings.destinations.first().cloned().unwrap_or_default();
        Destination { address: address.to_owned(), ..like }
    }

    async fn open(
        &self,
        host: &dyn Dial,
        destination: &Destination,
    ) -> Result<Connection, RedisError> {
        let Settings { username, password, database, timeouts, .. } = &self.settings;
        let late =
            |_| RedisError::Late { address: destination.address.clone(), limit: timeouts.dial };
        let stream = timeout(timeouts.dial, host.dial(destination)).await.map_err(late)??;
        let mut connection = Connection::new(stream, destination.address.as_str().into());
        let text = |text: &str| Bytes::copy_from_slice(text.as_bytes());
        let mut greetings = Vec::new();
        match (username.is_empty(), password.is_empty()) {
            (_, true) => {}
            (true, false) => greetings.push(vec![text("AUTH"), text(password)]),
            (false, false) => greetings.push(vec![text("AUTH"), text(username), text(password)]),
        }
        if *database != 0 {
            greetings.push(vec![text("SELECT"), text(&database.to_string())]);
        }
        for greeting in &greetings {
            if let Reply::Error(message) = connection.ask(&[greeting], *timeouts).await? {
                return Err(RedisError::Refused { message });
            }
        }
        Ok(connection)
    }
}

/// Where a cluster says that a key is.
struct Moved {
    address: Rc<str>,
    /// Whether the key is only on its way there.
    asking: bool,
}

impl Moved {
    /// Reads `MOVED 3999 10.0.0.1:6381` and `ASK 3999 10.0.0.1:6381`.
    fn read(message: &str) -> Option<Self> {
        let mut words = message.split(' ');
        let asking = match words.next()? {
            "MOVED" => false,
            "ASK" => true,
            _ => return None,
        };
        let address = words.nth(1).filter(|address| !address.starts_with(':'))?;
        Some(Self { address: address.into(), asking })
    }
}
