//! An explanation as data, which the API writes and the command reads.

use serde::{Deserialize, Serialize};

use super::Question;
use super::question::Asked;

/// What becomes of a request, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// What becomes of it.
    pub outcome: Outcome,
    /// One sentence.
    pub summary: String,
    /// The status of Moongate's own answer, where one is certain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The request as it was understood.
    pub request: Said,
    /// The entrypoint it comes to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry_point: Option<Door>,
    /// What the handshake comes to, on encrypted connections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsChoice>,
    /// The routers, the one of the entrypoint first, then children.
    pub decisions: Vec<Decision>,
    /// The middlewares, in the order of the request.
    pub middlewares: Vec<Step>,
    /// The service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceStep>,
    /// What else there is to know.
    pub notes: Vec<String>,
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// A service gets it.
    Served,
    /// No server of its service is up.
    NoServer,
    /// No router takes it.
    NoRouter,
    /// Its router is disabled and answers for its rule.
    Refused,
    /// Its router wants other TLS options than those of the handshake.
    Misdirected,
    /// The entrypoint refuses it.
    BadRequest,
    /// There is no handshake, and so no request.
    HandshakeFails,
    /// A TCP router takes the connection.
    Tcp,
    /// Nothing listens.
    NoEntryPoint,
}

/// The request as it was understood.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Said {
    /// The method.
    pub method: String,
    /// The URL as given.
    pub url: String,
    /// The host that rules see.
    pub host: String,
    /// The path that rules see.
    pub path: String,
    /// The query without its `?`.
    pub query: Option<String>,
    /// The client's address.
    pub client: String,
}

/// An entrypoint, and why it is the one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Door {
    /// Its name.
    pub name: String,
    /// Where it listens.
    pub address: String,
    /// Why it is the one.
    pub why: String,
}

/// What a handshake comes to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TlsChoice {
    /// The name that the client asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
    /// The name of the TLS options.
    pub options: String,
    /// Names of the certificate.
    pub certificate: Vec<String>,
    /// Why it is that certificate.
    pub why: String,
    /// The script that looks at the handshake first, and may choose another or close it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<String>,
}

/// The choice among the routers of an entrypoint, or among a router's children.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// The router that takes the request.
    pub taken: Option<Taken>,
    /// Those that might have, the nearest first.
    pub others: Vec<Judged>,
    /// How many routers there were to choose from.
    pub count: usize,
}

/// The router that takes a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Taken {
    /// Its name.
    pub name: String,
    /// Its rule.
    pub rule: String,
    /// Its priority in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<i64>,
    /// The rule with what each condition says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<Condition>,
}

/// A router that does not take the request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Judged {
    /// The router.
    #[serde(flatten)]
    pub router: Taken,
    /// What kind of reason there is.
    pub reason: Reason,
    /// Why it does not take it, in words.
    pub why: String,
}

/// Why a router does not take a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Reason {
    /// Its rule matches, but another one goes first.
    Later,
    /// Its rule does not match.
    NoMatch,
    /// Its rule matches, but it is on other entrypoints.
    ElsewhereOnly,
    /// Its rule matches, but it takes encrypted connections only.
    EncryptedOnly,
    /// Its rule matches, but it takes plain connections only.
    PlainOnly,
    /// Its rule matches, but it is disabled.
    Disabled,
}

/// A rule, or a part of it, with what it says of the request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// How its parts are joined; a matcher has none.
    pub way: Way,
    /// A matcher as written; empty for what is joined.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// Whether it is met.
    pub is_met: bool,
    /// Its parts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Self>,
}

/// How parts of a rule are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Way {
    /// All must be met.
    And,
    /// One must be met.
    Or,
    /// Its part must not be met.
    Not,
    /// A matcher.
    Call,
}

/// A middleware.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// Its name.
    pub name: String,
    /// Its script.
    pub script: String,
    /// `router` for those of an entrypoint and a router, `service` for those of a service.
    pub of: String,
}

/// A service, or a server of one, with its part in the requests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceStep {
    /// Its name, or a server's URL.
    pub name: String,
    /// How it chooses; `server` for a server, `internal` for Moongate's own, `tcp` where a
    /// connection is handed on.
    pub kind: String,
    /// Whether it is well, as far as is known.
    pub is_up: bool,
    /// Whether it is certain to get the request.
    pub is_certain: bool,
    /// Why it gets the request or not.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// Its part in the requests, from 0 to 1.
    pub share: f64,
    /// Its weight as configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<u32>,
    /// The cookie that keeps clients at one of those below.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cookie: Option<String>,
    /// Those it chooses from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<Self>,
}

impl ServiceStep {
    /// One that chooses from nothing.
    pub(super) fn named(name: &str, kind: &str) -> Self {
        Self {
            name: name.to_owned(),
            kind: kind.to_owned(),
            is_up: true,
            is_certain: true,
            why: String::new(),
            share: 1.0,
            weight: None,
            cookie: None,
            members: Vec::new(),
        }
    }

    /// The last one below that is certain to get the request.
    pub(super) fn certain_end(&self) -> &str {
        let certain = self.members.iter().find(|member| member.is_certain);
        certain.map_or(&self.name, |member| member.certain_end())
    }
}

impl Explanation {
    pub(super) fn begin(question: &Question, asked: &Asked) -> Self {
        Self {
            outcome: Outcome::NoRouter,
            summary: String::new(),
            status: None,
            request: Said {
                method: asked.method.to_string(),
                url: question.url.clone(),
                host: asked.host.clone(),
                path: asked.path.clone(),
                query: asked.target.query().map(str::to_owned),
                client: asked.client.to_string(),
            },
            entry_point: None,
            tls: None,
            decisions: Vec::new(),
            middlewares: Vec::new(),
            service: None,
            notes: Vec::new(),
        }
    }
}
