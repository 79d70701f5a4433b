//! Certificates of the dynamic configuration, chosen by server name, and what is known of a TLS
//! connection.
//!
//! Must not know entrypoints or routers.

mod error;
mod facts;
mod load;
mod server;
mod store;

pub use error::{CertificateError, TlsError};
pub use facts::facts;
pub use server::server_config;
pub use store::CertStore;
