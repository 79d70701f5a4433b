//! Names that no certificate is there for, and that one may be had for at the first handshake.
//!
//! Must not know who gets certificates.

use std::time::Duration;

use crate::message::LocalFuture;

/// Who gets certificates for names that handshakes ask for.
pub trait Demands: std::fmt::Debug + Send + Sync {
    /// Has a certificate got for a name, unless that is known to be in vain. Handshakes for one
    /// name share one order.
    fn ask(&self, server_name: &str) -> Option<Demand>;
}

/// A certificate that is being got.
pub struct Demand {
    /// How long a handshake waits for it.
    pub wait: Duration,
    /// Whether it has come; what serves it may take a moment more.
    pub come: LocalFuture<'static, bool>,
}

impl std::fmt::Debug for Demand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Demand").field("wait", &self.wait).finish_non_exhaustive()
    }
}
