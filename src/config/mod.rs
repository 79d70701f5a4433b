//! The static configuration: what Moongate is started with.
//!
//! Pure serde plus the loading of its one source: a file, else flags, else the environment, as
//! Traefik does. Knows no runtime.

mod acme;
mod address;
mod answers;
mod api;
mod heads;
mod kubernetes;
mod options;
mod records;
mod redirections;
mod resolve;
mod sources;
mod streams;
mod unsupported;
mod usage;

pub use acme::{
    AcmeOptions, CertificateResolver, DnsChallenge, Eab, HttpChallenge, KubernetesStorage,
    OnDemand, Propagation, RedisStorage, RedisTls, SharedStorage, TlsChallenge,
};
pub use address::{Address, AddressError, Transport};
pub use answers::{AnswerPage, Answers};
pub use api::Api;
pub use heads::{EncodedCharacters, UnderscoreHeaders};
pub use kubernetes::{IngressEndpoint, KubernetesCrd, KubernetesIngress, Token};
pub use options::{
    Core, EntryPoint, Experimental, FileProvider, Http, Ping, Providers, Root, ScriptProvider,
    Scripts,
};
pub use records::{
    AccessLog, AccessLogFields, AccessLogFilters, AccessLogFormat, AccessLogHeaders, ClientTls,
    EntryPointObservability, FieldMode, HeaderMode, Log, Metrics, OtlpGrpc, OtlpHttp, OtlpLog,
    OtlpMetrics, OtlpTraces, Prometheus, Tracing, Verbosity,
};
pub use redirections::Redirection;
pub use resolve::{EntryPointPlan, Static};
pub use sources::{ConfigError, Loaded, Source, System, load, survey};
pub use streams::{Http3, Ocsp, ProxyProtocol, TcpServersTransport, Udp};
pub use usage::usage;
