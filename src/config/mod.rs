//! The static configuration: what Moongate is started with.
//!
//! Pure serde plus the loading of its one source: a file, else flags, else the environment, as
//! Traefik does. Knows no runtime.

mod address;
mod answers;
mod heads;
mod kubernetes;
mod logs;
mod options;
mod resolve;
mod sources;
mod streams;
mod unsupported;
mod usage;

pub use address::{Address, AddressError, Transport};
pub use answers::{AnswerPage, Answers};
pub use heads::{EncodedCharacters, UnderscoreHeaders};
pub use kubernetes::{IngressEndpoint, KubernetesCrd, KubernetesIngress, Token};
pub use logs::{AccessLog, Log};
pub use options::{
    Api, Core, EntryPoint, FileProvider, Http, Ping, Providers, Redirection, Root, ScriptProvider,
    Scripts,
};
pub use resolve::{EntryPointPlan, Static};
pub use sources::{ConfigError, Loaded, Source, System, load};
pub use streams::{Http3, Ocsp, ProxyProtocol, TcpServersTransport, Udp};
pub use usage::usage;
