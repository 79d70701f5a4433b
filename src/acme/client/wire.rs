//! The objects of the protocol (RFC 8555, section 7.1; RFC 9773), as far as they are looked at.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;

/// Where an authority's resources are.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Directory {
    pub(super) new_nonce: String,
    pub(super) new_account: String,
    pub(super) new_order: String,
    #[serde(default)]
    pub(super) renewal_info: Option<String>,
    #[serde(default)]
    pub(super) meta: Meta,
}

/// What an authority says of itself.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Meta {
    pub(super) external_account_required: bool,
    pub(super) profiles: Option<serde_json::Map<String, serde_json::Value>>,
}

/// How far an order, an authorization or a challenge has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::acme) enum Status {
    Pending,
    Ready,
    Processing,
    Valid,
    Invalid,
    Revoked,
    Deactivated,
    Expired,
}

/// An order.
#[derive(Debug, Clone, Deserialize)]
pub(in crate::acme) struct Order {
    pub(in crate::acme) status: Status,
    #[serde(default)]
    pub(in crate::acme) authorizations: Vec<String>,
    pub(in crate::acme) finalize: String,
    #[serde(default)]
    pub(in crate::acme) certificate: Option<String>,
    #[serde(default)]
    pub(in crate::acme) error: Option<Problem>,
}

/// Whether a name is known to be ours.
#[derive(Debug, Clone, Deserialize)]
pub(in crate::acme) struct Authorization {
    pub(in crate::acme) status: Status,
    pub(in crate::acme) identifier: Identifier,
    #[serde(default)]
    pub(in crate::acme) challenges: Vec<Challenge>,
}

/// A name, without `*.`, or an address.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(in crate::acme) struct Identifier {
    pub(in crate::acme) value: String,
}

/// A way to prove a name.
#[derive(Debug, Clone, Deserialize)]
pub(in crate::acme) struct Challenge {
    #[serde(rename = "type")]
    pub(in crate::acme) kind: String,
    pub(in crate::acme) url: String,
    #[serde(default)]
    pub(in crate::acme) token: String,
    #[serde(default)]
    pub(in crate::acme) error: Option<Problem>,
}

/// When a certificate should be renewed (RFC 9773, section 4.2).
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RenewalInfo {
    pub(super) suggested_window: Window,
}

/// A span of time, as RFC 3339 writes times.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Window {
    pub(super) start: String,
    pub(super) end: String,
}

/// Why an authority says no (RFC 7807).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(in crate::acme) struct Problem {
    #[serde(rename = "type")]
    pub(in crate::acme) kind: String,
    pub(in crate::acme) detail: String,
    pub(in crate::acme) subproblems: Vec<Subproblem>,
    /// How long the authority asks to be left alone.
    #[serde(skip)]
    pub(in crate::acme) retry_after: Option<Duration>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(in crate::acme) struct Subproblem {
    detail: String,
    identifier: IdentifierText,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct IdentifierText {
    value: String,
}

/// What all kinds of problems of the protocol begin with.
const PREFIX: &str = "urn:ietf:params:acme:error:";

impl Problem {
    /// The kind, where it is one of the protocol's.
    pub(in crate::acme) fn code(&self) -> &str {
        self.kind.strip_prefix(PREFIX).unwrap_or(&self.kind)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code(), self.detail)?;
        for Subproblem { detail, identifier } in &self.subproblems {
            write!(f, "; {}: {detail}", identifier.value)?;
        }
        if let Some(after) = self.retry_after {
            write!(f, " (to be left alone for {} s)", after.as_secs())?;
        }
        Ok(())
    }
}
