//! Connections are opened here: the name resolved, its addresses tried in order, TLS spoken.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

use super::names::{Addresses, Name};
use super::stream::Encrypted;
use super::{Endpoint, Reach, failures};
use crate::message::Failure;

/// Which protocols a TLS connection offers to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Offer {
    /// HTTP/2 before HTTP/1.1.
    Http2,
    /// HTTP/1.1 alone.
    Http1,
}

/// Limit of a TLS handshake, as Traefik's.
pub(super) const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// The least time an address is given while others are left, as Go's dialer gives it.
const ADDRESS_MIN: Duration = Duration::from_secs(2);

/// Opens a connection within the transport's limit.
pub(super) async fn tcp(endpoint: &Endpoint) -> Result<TcpStream, Failure> {
    let limit = endpoint.transport.dial_timeout;
    let reach = endpoint.transport.reach;
    let dialed = match limit {
        // Boxed, since most requests dial nobody.
        None => Box::pin(dial(&endpoint.name, reach, None)).await,
        Some(limit) => {
            let dial = dial(&endpoint.name, reach, Some(Instant::now() + limit));
            timeout(limit, Box::pin(dial))
                .await
                .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        }
    };
    let stream = dialed.map_err(|error| match limit {
        Some(limit) if error.kind() == io::ErrorKind::TimedOut => {
            failures::no_connection_within(endpoint, limit)
        }
        _ => failures::no_connection(endpoint, &error),
    })?;
    // A head is written in one piece and must not wait for more.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

/// Connects to one of a name's addresses. Where none of those of some seconds ago can be had, the
/// name is asked for anew.
pub(super) async fn dial(
    name: &Name,
    reach: Reach,
    deadline: Option<Instant>,
) -> io::Result<TcpStream> {
    let kept = match name.addresses().await? {
        Addresses::Fresh(addresses) => return connect(&addresses, reach, deadline).await,
        Addresses::Kept(addresses) => addresses,
    };
    match connect(&kept, reach, deadline).await {
        Ok(stream) => Ok(stream),
        Err(error) => match name.ask().await {
            Ok(anew) if anew != kept => connect(&anew, reach, deadline).await,
            _ => Err(error),
        },
    }
}

/// Tries addresses in order. What is left of the time is shared among those left, so
/// that an address that never answers does not take all of it.
async fn connect(
    addresses: &[SocketAddr],
    reach: Reach,
    deadline: Option<Instant>,
) -> io::Result<TcpStream> {
    let mut addresses = addresses.to_vec();
    let found = addresses.len();
    addresses.retain(|address| reach.includes(address.ip()));
    let mut last = match found {
        0 => io::Error::new(io::ErrorKind::NotFound, "the name has no address"),
        _ => io::Error::new(io::ErrorKind::PermissionDenied, "its address may not be asked"),
    };
    let mut addresses = addresses.into_iter();
    while let Some(address) = addresses.next() {
        let connect = TcpStream::connect(address);
        let tried = match deadline {
            Some(deadline) if addresses.len() > 0 => {
                let left = deadline.saturating_duration_since(Instant::now());
                let others = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
                let share = (left / others.saturating_add(1)).max(ADDRESS_MIN);
                let late = |_| Err(io::ErrorKind::TimedOut.into());
                timeout(share, connect).await.unwrap_or_else(late)
            }
            _ => connect.await,
        };
        match tried {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Opens an encrypted connection.
pub(super) async fn tls(endpoint: &Endpoint, offer: Offer) -> Result<Encrypted, Failure> {
    let (Some(tls), Some(name)) = (&endpoint.transport.tls, &endpoint.tls_name) else {
        return Err(failures::bad_answer(endpoint, "TLS is not set up".to_owned()));
    };
    let stream = tcp(endpoint).await?;
    let config = match offer {
        Offer::Http2 => &tls.http2,
        Offer::Http1 => &tls.http1,
    };
    let handshake = TlsConnector::from(Arc::clone(config)).connect(name.clone(), stream);
    match timeout(HANDSHAKE_MAX, handshake).await {
        Err(_) => Err(failures::no_connection_within(endpoint, HANDSHAKE_MAX)),
        Ok(Err(error)) => Err(refused(endpoint, &error)),
        Ok(Ok(stream)) => Ok(Box::new(stream)),
    }
}

/// A server that turns us away has failed to connect; one that cannot be trusted or does not speak
/// TLS has sent a bad answer. Traefik answers 502 and 500.
fn refused(endpoint: &Endpoint, error: &io::Error) -> Failure {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        None | Some(rustls::Error::AlertReceived(_)) => failures::no_connection(endpoint, error),
        Some(inner) => failures::bad_answer(endpoint, inner.to_string()),
    }
}
