//! What a script asks of the layers above it.

use crate::message::{Io, LocalFuture, Request, Response};
use crate::model::{ServersTransport, TcpTransportTls};

/// The rest of the way, as a script may call it.
pub trait Host {
    /// Runs what follows the script that stands at `position` in the chain: `ctx.next()`.
    fn next(&self, position: usize, request: Request) -> LocalFuture<'static, Response>;

    /// Sends a request to a service by its name with provider; `None` when there is no such
    /// service in this generation.
    fn service(&self, name: &str, request: Request) -> Option<LocalFuture<'static, Response>>;

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

    /// Opens a connection over which something else than HTTP is spoken.
    fn connect(&self, to: &Destination) -> LocalFuture<'static, Connected>;
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
