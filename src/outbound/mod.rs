//! Requests and connections of our own: the way out that all hosts of scripts share, the host of
//! scripts that run while no request does, and what commands ask of a running process.
//!
//! Must not know who asks, nor what is spoken over a connection.

mod remote;

use std::rc::Rc;
use std::sync::Arc;

use crate::lua::{self, Connected, Destination, FetchError, Host, HttpClient, Machine};
use crate::message::{Io, LocalFuture, Request, Response};
use crate::model::TcpServersTransport;
use crate::upstream::{
    Encryption, Forwarding, Hop, HostHeader, OriginError, Origins, PathPrefix, Pools, Reach,
    TcpEndpoint, TcpTransport, Transport, send,
};

pub use remote::{Remote, RemoteError};

/// Sends a request to the server at the beginning of a URL, over a connection of these pools.
///
/// # Errors
/// When no request can be sent that way at all.
pub fn fetch(
    pools: &Rc<Pools>,
    origins: &Origins,
    client: &HttpClient,
    origin: &str,
    request: Request,
) -> Result<LocalFuture<'static, Response>, FetchError> {
    let endpoint = origins.endpoint(client.id, origin, || {
        let mut transport = Transport::build(&client.transport)?;
        transport.reach = match client.reach {
            lua::Reach::Everywhere => Reach::Everywhere,
            lua::Reach::BeyondTheLink => Reach::BeyondTheLink,
        };
        Ok(transport)
    });
    let endpoint = endpoint.map_err(|error| match error {
        OriginError::Endpoint(error) => FetchError::Url { reason: error.to_string() },
        OriginError::Transport(error) => FetchError::Client { reason: error.to_string() },
    })?;
    let pools = Rc::clone(pools);
    let forwarding =
        Forwarding { host: HostHeader::Client, path: PathPrefix::Ignored, hop: Hop::Untold };
    Ok(Box::pin(async move { send(&pools, &endpoint, forwarding, request).await }))
}

/// What scripts work in when no request runs: the way out, and no services.
pub struct Outside {
    /// Connections to servers.
    pub pools: Rc<Pools>,
    /// Servers that were connected to.
    pub origins: Rc<Origins>,
    /// Programs and files of this machine, for scripts that are trusted with them.
    pub machine: Option<Rc<dyn Machine>>,
}

impl Host for Outside {
    fn fetch(
        &self,
        client: &HttpClient,
        origin: &str,
        request: Request,
    ) -> Result<LocalFuture<'static, Response>, FetchError> {
        fetch(&self.pools, &self.origins, client, origin, request)
    }

    fn connect(&self, to: &Destination) -> LocalFuture<'static, Connected> {
        connect(to)
    }

    fn machine(&self) -> Option<Rc<dyn Machine>> {
        self.machine.clone()
    }
}

impl std::fmt::Debug for Outside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outside").finish_non_exhaustive()
    }
}

/// Opens a connection over which something else than HTTP is spoken.
#[must_use]
pub fn connect(to: &Destination) -> LocalFuture<'static, Connected> {
    let endpoint = endpoint(to);
    Box::pin(async move {
        let connected = endpoint?.connect(None).await.map_err(|error| {
            let reason = error.to_string();
            FetchError::Connect { reason }
        });
        Ok(Box::new(connected?) as Box<dyn Io>)
    })
}

/// The server at the other end.
fn endpoint(to: &Destination) -> Result<TcpEndpoint, FetchError> {
    let client = |error: &dyn std::fmt::Display| FetchError::Client { reason: error.to_string() };
    let options = TcpServersTransport { tls: to.tls.clone(), ..TcpServersTransport::default() };
    let transport = TcpTransport::build(&options).map_err(|error| client(&error))?;
    let encryption = if to.tls.is_some() { Encryption::Tls } else { Encryption::None };
    let endpoint = TcpEndpoint::parse(&to.address, encryption, Arc::new(transport));
    endpoint.map_err(|error| client(&error))
}
