//! Connections that scripts open to speak something else than HTTP.
//!
//! Must not know what is spoken over them.

use std::sync::Arc;

use crate::lua::{Connected, Destination, FetchError};
use crate::message::{Io, LocalFuture};
use crate::model::TcpServersTransport;
use crate::upstream::{Encryption, TcpEndpoint, TcpTransport};

/// Opens a connection.
pub(super) fn connect(to: &Destination) -> LocalFuture<'static, Connected> {
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
