//! Certificates and TLS options of the dynamic configuration, chosen by server name, and what is
//! known of a TLS connection.
//!
//! Must not know entrypoints or routers.

mod challenge;
mod client_auth;
mod demand;
mod error;
mod facts;
mod hello;
mod hosts;
mod load;
mod names;
mod ocsp;
mod options;
mod quic;
mod server;
mod store;

pub use challenge::{CHALLENGE, ChallengeKey, Challenges};
pub use demand::{Demand, Demands};
pub use error::{CertificateError, OptionsError};
pub use facts::facts;
pub use hello::{HELLO_BYTES_MAX, Hello, Opening, ja4, opening};
pub use hosts::Hosts;
pub use ocsp::{OcspError, Staple, judge};
pub use options::{DEFAULT, OptionSets};
pub use quic::{QuicError, QuicTls};
pub use server::ServerOptions;
pub use store::{Asked, CertStore, covers, generated_default, wildcard};

#[cfg(test)]
mod tests;
