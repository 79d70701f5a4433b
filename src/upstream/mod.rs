//! Connections to servers, and the HTTP/1 exchange over them.
//!
//! Pools are per worker; what holds over all workers (the idle limit) is an atomic beside the
//! endpoint. Must not know services, routers or scripts.

mod endpoint;
mod http1;
mod pool;
mod tunnel;

pub use endpoint::{Endpoint, EndpointError, Transport};
pub use http1::{Forwarding, HostHeader, PathPrefix, send};
pub use pool::Pools;
