//! What a script asks of the layers above it.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use super::Context;
use crate::message::{Exchange, Failure, Io, LocalFuture, Request, Response, rescue};
use crate::model::{ServersTransport, TcpTransportTls};

/// The rest of the way, as a script may call it.
pub trait Host {
    /// Runs what follows the script that stands at `position` in the chain: `ctx.next()`. Nothing
    /// does unless a host says otherwise.
    fn next(&self, _position: usize, _request: Request) -> LocalFuture<'static, Response> {
        Box::pin(async { rescue(Failure::NoServer) })
    }

    /// Sends a request to a service by its name with provider; `None` when there is no such
    /// service in this generation, and unless a host says otherwise.
    fn service(&self, _name: &str, _request: Request) -> Option<LocalFuture<'static, Response>> {
        None
    }

    /// Sends a request to any server; `origin` is the beginning of its URL, such as
    /// `https://a.example:8443`. The request's host goes into `Host` unless it is empty.
    ///
    /// # Errors
    /// When no request can be sent that way at all.
    fn fetch(
        &self,
        client: &HttpClient,
        origin: &str,
        request: Request,
    ) -> Result<LocalFuture<'static, Response>, FetchError>;

    /// The same way for a request beside this one, which may outlive it; nowhere unless a host
    /// says otherwise.
    fn fork(&self, exchange: Rc<Exchange>) -> Rc<Context> {
        Rc::new(Context::new(exchange, Rc::new(Nowhere)))
    }

    /// Opens a connection over which something else than HTTP is spoken; there is none unless a
    /// host says otherwise.
    fn connect(&self, to: &Destination) -> LocalFuture<'static, Connected> {
        let reason = format!("{}: no connection can be opened here", to.address);
        Box::pin(async { Err(FetchError::Connect { reason }) })
    }

    /// Programs and files of this machine, for scripts that are trusted with them; most are not.
    fn machine(&self) -> Option<Rc<dyn Machine>> {
        None
    }
}

/// What a machine offers beside its network.
pub trait Machine {
    /// Runs a program and waits for its end.
    fn run(&self, program: Program) -> LocalFuture<'static, io::Result<Ran>>;

    /// The bytes of a file.
    fn read(&self, path: &str) -> LocalFuture<'static, io::Result<Vec<u8>>>;

    /// Replaces a file as a whole; only its owner may read it.
    fn write(&self, path: &str, bytes: Vec<u8>) -> LocalFuture<'static, io::Result<()>>;
}

/// A program that a script runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Its path, or its name if it is in the path of programs.
    pub path: String,
    /// What it is told, beside the environment of this process.
    pub arguments: Vec<String>,
    /// How long it may take; it is ended then.
    pub timeout: Duration,
}

/// What has become of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// What it ended with; none when it was ended by a signal.
    pub status: Option<i32>,
    /// What it wrote, of both kinds, up to a limit.
    pub output: Vec<u8>,
}

/// No way at all.
pub(super) struct Nowhere;

impl Host for Nowhere {
    fn fetch(
        &self,
        _: &HttpClient,
        _: &str,
        _: Request,
    ) -> Result<LocalFuture<'static, Response>, FetchError> {
        let reason = "no request can be sent here".to_owned();
        Err(FetchError::Client { reason })
    }
}

/// A connection of a script's own, or why there is none.
pub type Connected = Result<Box<dyn Io>, FetchError>;

/// Where a connection of a script's own leads.
#[derive(Debug, Clone, Default)]
pub struct Destination {
    /// Host and port.
    pub address: String,
    /// How TLS is spoken, if it is; certificates in it are PEM text, not paths.
    pub tls: Option<TcpTransportTls>,
}

/// How requests of a script's own are sent.
#[derive(Debug)]
pub struct HttpClient {
    /// Equal ids are equal clients.
    pub id: [u8; 32],
    /// How servers are connected to; certificates in it are PEM text, not paths.
    pub transport: ServersTransport,
    /// Which addresses may be connected to.
    pub reach: Reach,
}

/// Which addresses may be connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// All.
    Everywhere,
    /// All but the link's own and those at which clouds tell machines their secrets.
    BeyondTheLink,
}

/// Why a request of a script's own cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The script wrote a URL that is none.
    #[error("the URL is wrong: {reason}")]
    Url {
        /// What is wrong.
        reason: String,
    },
    /// The options of the client cannot be used.
    #[error("the client cannot be used: {reason}")]
    Client {
        /// What is wrong.
        reason: String,
    },
    /// There is no connection.
    #[error("{reason}")]
    Connect {
        /// What happened.
        reason: String,
    },
}
