//! The health of servers: active checks, which run beside the workers, and passive ones, which
//! judge answers to requests.
//!
//! Compiling makes plans only; [`HealthChecks`] carries out those of the published generation.

mod checks;
mod grpc;
mod passive;
mod probe;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method};

use super::Member;
use crate::message;
use crate::upstream::Endpoint;

pub use checks::HealthChecks;
pub use passive::{Passive, Recovery};

/// The check of one service's servers; carried out as long as it is the same allocation.
#[derive(Debug)]
pub struct Check {
    /// The service, `name@provider`.
    pub service: Arc<str>,
    /// How each server is asked.
    pub plan: Plan,
    /// The servers.
    pub targets: Vec<Target>,
}

/// How servers are asked whether they are well.
#[derive(Debug, Clone)]
pub struct Plan {
    /// In which protocol.
    pub mode: Mode,
    /// The method of the question.
    pub method: Method,
    /// The `Host` of the question; none means the server's.
    pub host: Option<Bytes>,
    /// Headers of the question.
    pub headers: HeaderMap,
    /// The status of a well server; none means any from 200 to 399.
    pub status: Option<u16>,
    /// From the answer of a server that is up to its next question.
    pub interval: Duration,
    /// The same for a server that is down.
    pub unhealthy_interval: Duration,
    /// For an answer.
    pub timeout: Duration,
    /// Whether redirections are followed.
    pub redirects: Redirects,
}

/// The protocol of a health check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A request whose status tells.
    Http,
    /// The gRPC health checking protocol, version 1.
    Grpc,
}

/// Whether redirections are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redirects {
    /// They are, ten at most.
    Followed,
    /// Their own status counts.
    Judged,
}

/// A server that is asked.
#[derive(Debug)]
pub struct Target {
    /// The server's URL as configured, for the log.
    pub url: Arc<str>,
    /// Where it is asked, which may be another port than requests go to.
    pub endpoint: Arc<Endpoint>,
    /// What it is asked for.
    pub path: message::Target,
    /// Where the finding is noted.
    pub member: Arc<Member>,
}
