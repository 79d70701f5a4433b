//! Connections to the servers of TCP services.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

use super::dial::{HANDSHAKE_MAX, dial};
use super::names::Name;
use super::stream::Encrypted;
use super::tls::{self, Tls};
use super::{Reach, TransportError};
use crate::message::proxy::{Ends, ProxyVersion};
use crate::model::{ServersTransport, TcpServersTransport, TcpTransportTls};

/// How servers are connected to: the runtime form of a TCP transport.
#[derive(Debug, Clone)]
pub struct TcpTransport {
    /// Limit of opening a connection.
    pub dial_timeout: Option<Duration>,
    /// Silence after which the system asks the server for a sign of life.
    pub keep_alive: Option<Duration>,
    /// From the end of one direction to that of the other; none means any time.
    pub termination_delay: Option<Duration>,
    /// The PROXY header for servers.
    pub proxy: Option<ProxyVersion>,
    /// TLS, for servers that are spoken to in it.
    tls: Arc<Tls>,
}

/// One server: where it is and how to talk to it.
#[derive(Debug)]
pub struct TcpEndpoint {
    address: Arc<str>,
    transport: Arc<TcpTransport>,
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
}

/// Why a server's address is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TcpEndpointError {
    /// Not of the form `host:port`.
    #[error("{address:?} is no address of a server: write it as host:port")]
    Syntax {
        /// As written.
        address: String,
    },
    /// A host that cannot be asked for in TLS.
    #[error("{address:?}: TLS cannot be spoken with a host of that name")]
    TlsName {
        /// As written.
        address: String,
    },
}

/// Why there is no connection to a server.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The server, or the way to it.
    #[error("{address}: {cause}")]
    Refused {
        /// Its address.
        address: Arc<str>,
        /// The system's words.
        cause: io::Error,
    },
    /// No connection in time.
    #[error("{address}: no connection within {} ms", limit.as_millis())]
    Late {
        /// Its address.
        address: Arc<str>,
        /// The limit.
        limit: Duration,
    },
}

/// A connection to a server.
#[derive(Debug)]
pub enum ServerStream {
    /// As it is.
    Plain(TcpStream),
    /// In TLS.
    Encrypted(Encrypted),
}

impl TcpTransport {
    /// Reads a transport's options and the files they name. For the control plane: it waits for
    /// the disk.
    ///
    /// # Errors
    /// When an option is not supported, or a file is missing or broken.
    pub fn build(options: &TcpServersTransport) -> Result<Self, TransportError> {
        let given = options.tls.clone().unwrap_or_default();
        if given.spiffe.is_some() {
            return Err(TransportError::Unsupported { option: "tls.spiffe" });
        }
        let proxy = options.proxy_protocol.as_ref().map(|proxy| version(proxy.version));
        Ok(Self {
            dial_timeout: options.dial_timeout.limit(),
            keep_alive: options.dial_keep_alive.positive(),
            termination_delay: options.termination_delay.positive(),
            proxy: proxy.transpose()?,
            tls: Arc::new(Tls::build(&as_http(given))?),
        })
    }

    /// Whether the files that were read still hold the same.
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.tls.is_current()
    }
}

/// The version of the PROXY header by its number.
///
/// # Errors
/// When there is none.
fn version(number: i64) -> Result<ProxyVersion, TransportError> {
    match number {
        1 => Ok(ProxyVersion::V1),
        2 => Ok(ProxyVersion::V2),
        given => Err(TransportError::ProxyVersion { given }),
    }
}

/// The same options as an HTTP transport has them.
fn as_http(tls: TcpTransportTls) -> ServersTransport {
    ServersTransport {
        server_name: tls.server_name,
        insecure_skip_verify: tls.insecure_skip_verify,
        root_cas: tls.root_cas,
        certificates: tls.certificates,
        peer_cert_uri: tls.peer_cert_uri,
        ..ServersTransport::default()
    }
}

/// Whether a server is spoken to in TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// It is.
    Tls,
    /// It is not.
    None,
}

impl TcpEndpoint {
    /// Reads a server's address.
    ///
    /// # Errors
    /// When it is malformed.
    pub fn parse(
        address: &str,
        encryption: Encryption,
        transport: Arc<TcpTransport>,
    ) -> Result<Self, TcpEndpointError> {
        let host = host(address).ok_or_else(|| {
            let address = address.to_owned();
            TcpEndpointError::Syntax { address }
        })?;
        let tls = match encryption {
            Encryption::None => None,
            Encryption::Tls => {
                let name = transport.tls.server_name.clone().or_else(|| tls::server_name(host));
                let name = name.ok_or_else(|| {
                    let address = address.to_owned();
                    TcpEndpointError::TlsName { address }
                })?;
                Some((Arc::clone(&transport.tls.http1), name))
            }
        };
        Ok(Self { address: address.into(), transport, tls })
    }

    /// Host and port as configured.
    #[must_use]
    pub fn address(&self) -> &Arc<str> {
        &self.address
    }

    /// The transport it is talked to with.
    #[must_use]
    pub fn transport(&self) -> &Arc<TcpTransport> {
        &self.transport
    }

    /// The same server at another port.
    #[must_use]
    pub fn at_port(&self, port: u16) -> Self {
        let host = self.address.rsplit_once(':').map_or(&*self.address, |(host, _)| host);
        let (transport, tls) = (Arc::clone(&self.transport), self.tls.clone());
        Self { address: format!("{host}:{port}").into(), transport, tls }
    }

    /// Opens a connection for a client's, which a PROXY header tells of where it is wanted.
    ///
    /// # Errors
    /// When the server refuses, cannot be trusted or does not answer in time.
    pub async fn connect(&self, client: Option<Ends>) -> Result<ServerStream, ConnectError> {
        let refused = |cause| ConnectError::Refused { address: Arc::clone(&self.address), cause };
        let late = |limit| ConnectError::Late { address: Arc::clone(&self.address), limit };
        let name = Name::new(&self.address);
        let mut stream = match self.transport.dial_timeout {
            None => dial(&name, Reach::Everywhere, None).await,
            Some(limit) => {
                let dial = dial(&name, Reach::Everywhere, Some(Instant::now() + limit));
                timeout(limit, dial).await.map_err(|_| late(limit))?
            }
        }
        .map_err(refused)?;
        self.tune(&stream);
        if let (Some(version), Some(ends)) = (self.transport.proxy, client) {
            stream.write_all(&ends.header(version)).await.map_err(refused)?;
        }
        let Some((config, name)) = &self.tls else { return Ok(ServerStream::Plain(stream)) };
        let handshake = TlsConnector::from(Arc::clone(config)).connect(name.clone(), stream);
        match timeout(HANDSHAKE_MAX, handshake).await {
            Err(_) => Err(late(HANDSHAKE_MAX)),
            Ok(Err(cause)) => Err(refused(cause)),
            Ok(Ok(stream)) => Ok(ServerStream::Encrypted(Box::new(stream))),
        }
    }

    /// Settings of the socket, without which a connection works, too.
    fn tune(&self, stream: &TcpStream) {
        let _ = stream.set_nodelay(true);
        if let Some(silence) = self.transport.keep_alive.filter(|silence| !silence.is_zero()) {
            let keep_alive = socket2::TcpKeepalive::new().with_time(silence).with_interval(silence);
            let _ = socket2::SockRef::from(stream).set_tcp_keepalive(&keep_alive);
        }
    }
}

/// Whether a text is of the form `host:port`.
#[must_use]
pub fn is_address(text: &str) -> bool {
    host(text).is_some()
}

/// The host of `host:port`, without brackets.
fn host(address: &str) -> Option<&str> {
    let (host, port) = address.rsplit_once(':')?;
    port.parse::<u16>().ok()?;
    let plain = match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']')?,
        None if host.contains(':') => return None,
        None => host,
    };
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._~:%".contains(&b);
    (!plain.is_empty() && plain.bytes().all(allowed)).then_some(plain)
}

impl AsyncRead for ServerStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Encrypted(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for ServerStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Encrypted(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Encrypted(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Encrypted(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_addresses() {
        for (address, expect) in [
            ("a.test:80", Some("a.test")),
            ("127.0.0.1:9", Some("127.0.0.1")),
            ("[::1]:9", Some("::1")),
            ("::1:9", None),
            ("a.test", None),
            (":80", None),
            ("a:99999", None),
            ("a:x", None),
            ("a b:1", None),
            ("tcp://a:1", None),
        ] {
            assert_eq!(host(address), expect, "{address}");
        }
    }

    #[test]
    fn options_are_checked() {
        let check = |options: serde_json::Value, expect: &str| {
            let options = crate::value::decode(&options).unwrap();
            let error = TcpTransport::build(&options).unwrap_err().to_string();
            assert!(error.contains(expect), "{error}");
        };
        check(json!({"tls": {"spiffe": {}}}), "tls.spiffe: not supported yet");
        check(json!({"proxyProtocol": {"version": 3}}), "proxyProtocol.version: 3");
        check(json!({"tls": {"rootCAs": ["/nowhere"]}}), "rootCAs[0]");
    }
}
