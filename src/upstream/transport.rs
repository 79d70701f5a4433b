//! How servers are connected to: the runtime form of a serversTransport.

use std::sync::Arc;
use std::time::Duration;

use super::Reach;
use super::tls::{Tls, TlsError};
use crate::model::ServersTransport;

/// How servers are connected to.
#[derive(Debug, Clone)]
pub struct Transport {
    /// Limit of opening a connection.
    pub dial_timeout: Option<Duration>,
    /// Limit of waiting for an answer's head, from the end of the request.
    pub response_header_timeout: Option<Duration>,
    /// How long an idle connection is kept.
    pub idle_timeout: Option<Duration>,
    /// Idle connections kept to one server, over all workers.
    pub idle_max: usize,
    /// Which addresses may be connected to.
    pub reach: Reach,
    /// Whether servers that offer HTTP/2 in TLS are talked to in it.
    pub(super) http2: Http2,
    /// Silence on an HTTP/2 connection after which a ping is sent.
    pub(super) ping_after: Option<Duration>,
    /// Limit of waiting for the answer to a ping.
    pub(super) ping_timeout: Duration,
    /// Missing where the options' defaults cannot be set up, which rustls does not foresee.
    pub(super) tls: Option<Arc<Tls>>,
}

/// Whether HTTP/2 is offered in TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Http2 {
    /// It is.
    Offered,
    /// It is not (`disableHTTP2`).
    Disabled,
}

/// Whether the system's roots are trusted where others are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SystemRoots {
    /// They are.
    Trusted,
    /// Those that are given take their place.
    Replaced,
}

/// Why a serversTransport is refused. Options are named as below the transport.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The TLS options.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// An option that is not supported.
    #[error("{option}: not supported yet")]
    Unsupported {
        /// Its name.
        option: &'static str,
    },
    /// A version of the PROXY protocol that does not exist.
    #[error("proxyProtocol.version: {given} is neither 1 nor 2")]
    ProxyVersion {
        /// As written.
        given: i64,
    },
}

impl Transport {
    /// Reads a transport's options and the files they name. For the control plane: it waits for
    /// the disk.
    ///
    /// # Errors
    /// When an option is not supported, or a file is missing or broken.
    pub fn build(options: &ServersTransport) -> Result<Self, TransportError> {
        if options.spiffe.is_some() {
            return Err(TransportError::Unsupported { option: "spiffe" });
        }
        Self::build_trusting(options, SystemRoots::Replaced)
    }

    /// As [`Transport::build`], with the system's roots beside those of the options, if so said.
    ///
    /// # Errors
    /// As [`Transport::build`].
    pub fn build_trusting(
        options: &ServersTransport,
        system: SystemRoots,
    ) -> Result<Self, TransportError> {
        let tls = Tls::build_trusting(options, system)?;
        Ok(Self::new(options, Some(Arc::new(tls))))
    }

    /// Whether the files that were read still hold the same.
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.tls.as_ref().is_none_or(|tls| tls.is_current())
    }

    fn new(options: &ServersTransport, tls: Option<Arc<Tls>>) -> Self {
        let timeouts = &options.forwarding_timeouts;
        Self {
            dial_timeout: timeouts.dial_timeout.limit(),
            response_header_timeout: timeouts.response_header_timeout.limit(),
            idle_timeout: timeouts.idle_conn_timeout.limit(),
            idle_max: match options.max_idle_conns_per_host {
                0 => IDLE_MAX,
                // Less than none is none.
                given => usize::try_from(given).unwrap_or(0),
            },
            reach: Reach::Everywhere,
            http2: if options.disable_http2 { Http2::Disabled } else { Http2::Offered },
            ping_after: timeouts.read_idle_timeout.limit(),
            ping_timeout: timeouts.ping_timeout.limit().unwrap_or(PING_TIMEOUT),
            tls,
        }
    }
}

/// Go keeps this many where the option is zero.
const IDLE_MAX: usize = 2;

/// Go waits this long where the option is zero.
const PING_TIMEOUT: Duration = Duration::from_secs(15);

impl Default for Transport {
    /// The transport of services that name none, where nothing else is configured.
    fn default() -> Self {
        let options = ServersTransport::default();
        let tls = Tls::build(&options).ok().map(Arc::new);
        Self::new(&options, tls)
    }
}
