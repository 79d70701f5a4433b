//! Entrypoints as they run, made of their options.

use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;

use http::HeaderValue;

use super::records;
use crate::config::{EntryPointPlan, Static, UnderscoreHeaders};
use crate::entrypoint::{
    ConnectionLimits, Entrypoint, ForwardedFor, Heads, PathHandling, ProofOrder, Semicolons, Trust,
    Underscores, alt_svc,
};
use crate::tls::{Challenges, Demands};

/// What certificate resolvers do in handshakes.
#[derive(Debug, Clone, Default)]
pub(super) struct Handshakes {
    /// What proves names.
    pub(super) challenges: Option<Arc<dyn Challenges>>,
    /// Who gets certificates on demand.
    pub(super) demands: Option<Arc<dyn Demands>>,
}

/// All of them, in their order, at the addresses they have got.
pub(super) fn entrypoints(
    plan: &Static,
    addresses: &[(Arc<str>, SocketAddr)],
    handshakes: &Handshakes,
) -> Vec<Arc<Entrypoint>> {
    let append = !plan.root.global.not_append_x_forwarded_for;
    let entrypoints = plan.entrypoints.iter().zip(addresses).map(|(plan, (_, address))| {
        let alt_svc = plan.options.http3.as_ref().and_then(|http3| match http3.advertised_port {
            0 => alt_svc(address.port()),
            port => alt_svc(port),
        });
        let Handshakes { challenges, demands } = handshakes.clone();
        Arc::new(Entrypoint { alt_svc, challenges, demands, ..entrypoint(plan, append) })
    });
    entrypoints.collect()
}

fn entrypoint(plan: &EntryPointPlan, append: bool) -> Entrypoint {
    let options = &plan.options;
    let keep = options.forwarded_headers.not_append_x_forwarded_for || !append;
    Entrypoint {
        name: plan.name.as_str().into(),
        trust: match options.forwarded_headers.insecure {
            true => Trust::All,
            false => Trust::Networks(plan.trusted.clone()),
        },
        senders: options.proxy_protocol.as_ref().map(|proxy| match proxy.insecure {
            true => Trust::All,
            false => Trust::Networks(plan.senders.clone()),
        }),
        session_timeout: options.udp.timeout.get(),
        forwarded_for: if keep { ForwardedFor::Keep } else { ForwardedFor::Append },
        path: match options.http.sanitize_path {
            true => PathHandling::Sanitize,
            false => PathHandling::Keep,
        },
        heads: heads(plan),
        observed: records::observed(&options.observability),
        alt_svc: None,
        challenges: None,
        demands: None,
        proofs: match options.allow_acme_by_pass {
            true => ProofOrder::AfterRouters,
            false => ProofOrder::BeforeRouters,
        },
        limits: limits(plan),
    }
}

/// The limits of an entrypoint's connections.
pub(super) fn limits(plan: &EntryPointPlan) -> ConnectionLimits {
    let options = &plan.options;
    let transport = &options.transport;
    let timeouts = &transport.responding_timeouts;
    ConnectionLimits {
        read: timeouts.read_timeout.limit(),
        write: timeouts.write_timeout.limit(),
        idle: timeouts.idle_timeout.limit(),
        head_bytes_max: options.http.max_header_bytes,
        streams_max: options.http2.max_concurrent_streams,
        table_bytes_max: options.http2.max_decoder_header_table_size,
        requests_max: Some(transport.keep_alive_max_requests).filter(|max| *max > 0),
        age_max: transport.keep_alive_max_time.limit(),
    }
}

fn heads(plan: &EntryPointPlan) -> Heads {
    let options = &plan.options.http;
    Heads {
        connection: plan.connection.clone(),
        refused: options.encoded_characters.refused(),
        semicolons: match options.encode_query_semicolons {
            true => Semicolons::Encode,
            false => Semicolons::Separate,
        },
        underscores: match options.underscore_headers_strategy {
            UnderscoreHeaders::Keep => Underscores::Keep,
            UnderscoreHeaders::Delete => Underscores::Delete,
            UnderscoreHeaders::Reject => Underscores::Reject,
        },
    }
}

/// This machine's name; a header's value whatever it holds.
pub(super) fn server_name() -> HeaderValue {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    HeaderValue::from_str(name.trim()).unwrap_or_else(|_| HeaderValue::from_static("localhost"))
}
