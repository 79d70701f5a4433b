//! TLS inside QUIC (RFC 9001), under the options of the server name that a client asks for.
//!
//! A QUIC endpoint wants settings before the client has named a server, so the first bytes of a
//! handshake are kept until its `ClientHello` is whole; only then does rustls begin. Must not know
//! HTTP/3 beyond its name in ALPN.

use std::any::Any;
use std::io::Cursor;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use quinn_proto::crypto::{
    self, ExportKeyingMaterialError, HeaderKey, KeyPair, Keys, PacketKey, ServerConfig as _,
    UnsupportedVersion,
};
use quinn_proto::transport_parameters::TransportParameters;
use quinn_proto::{ConnectionId, Side, TransportError, TransportErrorCode};
use rustls::crypto::ring;
use rustls::quic::{KeyChange, Secrets, ServerConnection, Version};
use rustls::version::TLS13;

use super::Hosts;
use super::facts::facts_of;
use super::hello::{HELLO_BYTES_MAX, Opening, bare};
use super::server::Certificates;
use crate::message::TlsFacts;

/// Why QUIC cannot be spoken.
#[derive(Debug, thiserror::Error)]
pub enum QuicError {
    /// TLS 1.3 is not to be had.
    #[error("QUIC cannot be spoken: {0}")]
    Tls(#[from] rustls::Error),
    /// The cipher suite that first packets are in is not to be had.
    #[error("QUIC cannot be spoken: {0}")]
    Initial(#[from] crypto::rustls::NoInitialCipherSuite),
}

/// Begins the handshakes of QUIC connections.
#[derive(Clone)]
pub struct QuicTls {
    /// Protects the first packets, which needs no certificate.
    initial: Arc<crypto::rustls::QuicServerConfig>,
    hosts: Arc<Hosts>,
    local: IpAddr,
}

impl std::fmt::Debug for QuicTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QuicTls").field("local", &self.local).finish_non_exhaustive()
    }
}

/// The alert of a server that does not know the name it is asked for (RFC 6066, section 3).
const UNRECOGNIZED_NAME: u8 = 112;
/// The alert of a server that cannot agree on what the client offers (RFC 8446, section 6.2).
const HANDSHAKE_FAILURE: u8 = 40;
/// The alert of a message that is broken (RFC 8446, section 6.2).
const DECODE_ERROR: u8 = 50;
/// The alert of a peer that failed by itself (RFC 8446, section 6.2).
const INTERNAL_ERROR: u8 = 80;

impl QuicTls {
    /// Begins with no hosts: no handshake succeeds.
    ///
    /// # Errors
    /// When our cryptography lacks what QUIC needs.
    pub fn new() -> Result<Self, QuicError> {
        let config = rustls::ServerConfig::builder_with_provider(ring::default_provider().into())
            .with_protocol_versions(&[&TLS13])?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(Certificates::default()));
        let initial = crypto::rustls::QuicServerConfig::try_from(config)?;
        let local = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        Ok(Self { initial: Arc::new(initial), hosts: Arc::default(), local })
    }

    /// The same for a connection to a local address, with the TLS options of one generation.
    #[must_use]
    pub fn of(&self, hosts: &Arc<Hosts>, local: IpAddr) -> Self {
        Self { initial: Arc::clone(&self.initial), hosts: Arc::clone(hosts), local }
    }
}

impl crypto::ServerConfig for QuicTls {
    fn initial_keys(&self, version: u32, to: &ConnectionId) -> Result<Keys, UnsupportedVersion> {
        self.initial.initial_keys(version, to)
    }

    fn retry_tag(&self, version: u32, to: &ConnectionId, packet: &[u8]) -> [u8; 16] {
        self.initial.retry_tag(version, to, packet)
    }

    fn start_session(
        self: Arc<Self>,
        version: u32,
        parameters: &TransportParameters,
    ) -> Box<dyn crypto::Session> {
        let mut encoded = Vec::new();
        parameters.write(&mut encoded);
        let stage = Stage::Hello { bytes: Vec::new(), parameters: encoded };
        Box::new(Session { tls: self, version, stage, next: None, told: false })
    }
}

/// One connection's handshake and keys.
struct Session {
    tls: Arc<QuicTls>,
    version: u32,
    stage: Stage,
    next: Option<Secrets>,
    /// Whether the end of the handshake has been told.
    told: bool,
}

enum Stage {
    /// The `ClientHello` is not whole yet.
    Hello { bytes: Vec<u8>, parameters: Vec<u8> },
    /// Under the options of that name.
    Begun(Box<ServerConnection>, Arc<str>),
}

impl Session {
    fn connection(&self) -> Option<&ServerConnection> {
        match &self.stage {
            Stage::Hello { .. } => None,
            Stage::Begun(connection, _) => Some(connection),
        }
    }

    /// Hands a whole `ClientHello` to rustls, under the options of its server name.
    fn begin(&mut self) -> Result<(), TransportError> {
        let Stage::Hello { bytes, parameters } = &mut self.stage else { return Ok(()) };
        let hello = match bare(bytes) {
            Opening::Hello(hello) => hello,
            Opening::Partial if bytes.len() <= HELLO_BYTES_MAX => return Ok(()),
            _ => return Err(alert(DECODE_ERROR, "the ClientHello is broken")),
        };
        let name = hello.server_name.as_deref();
        let options = self.tls.hosts.choose(name).ok_or_else(|| {
            let reason = "the TLS options of that server name cannot be used";
            alert(UNRECOGNIZED_NAME, reason)
        })?;
        if options.script().is_some() {
            // A script may wait, which QUIC gives no time for; over TCP the client comes to it.
            let reason = "the TLS options have a script, which is not asked over QUIC";
            return Err(alert(HANDSHAKE_FAILURE, reason));
        }
        let config = options.quic(name, self.tls.local);
        let (bytes, parameters) = (std::mem::take(bytes), std::mem::take(parameters));
        let connection = ServerConnection::new(config, Version::V1, parameters)
            .map_err(|error| alert(INTERNAL_ERROR, &error.to_string()))?;
        self.stage = Stage::Begun(Box::new(connection), Arc::clone(options.name()));
        self.read(&bytes)
    }

    fn read(&mut self, bytes: &[u8]) -> Result<(), TransportError> {
        let Stage::Begun(connection, _) = &mut self.stage else { return Ok(()) };
        connection.read_hs(bytes).map_err(|error| match connection.alert() {
            Some(told) => alert(told.into(), &error.to_string()),
            None => alert(INTERNAL_ERROR, &error.to_string()),
        })
    }
}

fn alert(alert: u8, reason: &str) -> TransportError {
    let code = TransportErrorCode::crypto(alert);
    TransportError { code, frame: None, reason: reason.to_owned() }
}

impl crypto::Session for Session {
    fn initial_keys(&self, to: &ConnectionId, _: Side) -> Keys {
        // Clients alone ask for them here; a server's are its configuration's.
        match self.tls.initial.initial_keys(self.version, to) {
            Ok(keys) => keys,
            Err(UnsupportedVersion) => unreachable!("the endpoint speaks this version"),
        }
    }

    /// [`TlsFacts`], once the handshake has ended.
    fn handshake_data(&self) -> Option<Box<dyn Any>> {
        let Stage::Begun(connection, options) = &self.stage else { return None };
        let name = connection.server_name();
        let facts = || -> TlsFacts { facts_of(connection, name, options) };
        (!connection.is_handshaking()).then(|| Box::new(facts()) as _)
    }

    fn peer_identity(&self) -> Option<Box<dyn Any>> {
        None
    }

    fn early_crypto(&self) -> Option<(Box<dyn HeaderKey>, Box<dyn PacketKey>)> {
        None
    }

    fn early_data_accepted(&self) -> Option<bool> {
        None
    }

    fn is_handshaking(&self) -> bool {
        self.connection().is_none_or(|connection| connection.is_handshaking())
    }

    fn read_handshake(&mut self, bytes: &[u8]) -> Result<bool, TransportError> {
        match &mut self.stage {
            Stage::Hello { bytes: kept, .. } => {
                kept.extend_from_slice(bytes);
                self.begin()?;
            }
            Stage::Begun(..) => self.read(bytes)?,
        }
        let is_news = !self.told && !self.is_handshaking();
        self.told |= is_news;
        Ok(is_news)
    }

    fn transport_parameters(&self) -> Result<Option<TransportParameters>, TransportError> {
        let Some(bytes) = self.connection().and_then(|c| c.quic_transport_parameters()) else {
            return Ok(None);
        };
        Ok(Some(TransportParameters::read(Side::Server, &mut Cursor::new(bytes))?))
    }

    fn write_handshake(&mut self, out: &mut Vec<u8>) -> Option<Keys> {
        let Stage::Begun(connection, _) = &mut self.stage else { return None };
        let keys = match connection.write_hs(out)? {
            KeyChange::Handshake { keys } => keys,
            KeyChange::OneRtt { keys, next } => {
                self.next = Some(next);
                keys
            }
        };
        let (local, remote) = (keys.local, keys.remote);
        Some(Keys {
            header: KeyPair { local: Box::new(local.header), remote: Box::new(remote.header) },
            packet: KeyPair { local: Box::new(local.packet), remote: Box::new(remote.packet) },
        })
    }

    fn next_1rtt_keys(&mut self) -> Option<KeyPair<Box<dyn PacketKey>>> {
        let keys = self.next.as_mut()?.next_packet_keys();
        Some(KeyPair { local: Box::new(keys.local), remote: Box::new(keys.remote) })
    }

    /// Only clients are told to try again.
    fn is_valid_retry(&self, _: &ConnectionId, _: &[u8], _: &[u8]) -> bool {
        false
    }

    /// Nobody asks for it.
    fn export_keying_material(
        &self,
        _: &mut [u8],
        _: &[u8],
        _: &[u8],
    ) -> Result<(), ExportKeyingMaterialError> {
        Err(ExportKeyingMaterialError)
    }
}
