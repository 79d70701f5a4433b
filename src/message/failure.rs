//! A failure on the data plane as a value: who erred, what the client is told, whether a retry
//! is safe.

use std::sync::Arc;

use http::StatusCode;

use super::BodyError;

/// Who erred.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The client: malformed or abandoned request.
    Client,
    /// A server: refused, silent, broken answer.
    Server,
    /// The configuration or a script: no server, script error.
    Moongate,
}

/// Why there is no answer from a server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The request cannot be read in one strict way.
    #[error("bad request: {0}")]
    BadRequest(&'static str),
    /// The client asked for something no server of HTTP offers here.
    #[error("not implemented: {0}")]
    NotImplemented(&'static str),
    /// The request's head is over a limit.
    #[error("the head of the request is over its limit")]
    HeadTooLarge,
    /// The request line alone is over the limit of heads.
    #[error("the request line is over the limit of the head")]
    TargetTooLong,
    /// A version of HTTP that is not spoken here.
    #[error("a version of HTTP that is not spoken here")]
    Version,
    /// The `Expect` header asks for something unknown.
    #[error("unknown expectation")]
    ExpectationFailed,
    /// No router matches.
    #[error("no router matches")]
    NoRouter,
    /// The host asks for other TLS options than those of the connection.
    #[error("the handshake had the TLS options {used}, the router has {wanted}")]
    Misdirected {
        /// Those of the handshake.
        used: Arc<str>,
        /// Those of the router.
        wanted: Arc<str>,
    },
    /// The router that matches is disabled, and its requests are kept from the next one.
    #[error("the router is disabled")]
    RouterDisabled,
    /// The service has no server to send the request to.
    #[error("no available server")]
    NoServer,
    /// The server's name could not be resolved, or its connection failed.
    #[error("connecting to {server} failed: {cause}")]
    Connect {
        /// The server's authority.
        server: String,
        /// The system's words.
        cause: String,
    },
    /// The connection to the server could not be opened in time.
    #[error("connecting to {server} took longer than {after_ms} ms")]
    ConnectTimeout {
        /// The server's authority.
        server: String,
        /// The limit.
        after_ms: u64,
    },
    /// The server closed the connection before it answered.
    #[error("{server} closed the connection before it answered")]
    ServerClosed {
        /// The server's authority.
        server: String,
    },
    /// The server's answer is not HTTP, or its TLS cannot be trusted.
    #[error("{server} sent no valid answer: {cause}")]
    BadAnswer {
        /// The server's authority.
        server: String,
        /// What is wrong with it.
        cause: String,
    },
    /// The server sent no head in time.
    #[error("{server} sent no answer within {after_ms} ms")]
    AnswerTimeout {
        /// The server's authority.
        server: String,
        /// The limit.
        after_ms: u64,
    },
    /// There was no answer in time, whoever was waited for.
    #[error("no answer within {after_ms} ms")]
    RequestTimeout {
        /// The limit.
        after_ms: u64,
    },
    /// The client sent nothing of its body for too long.
    #[error("the request's body did not come in time")]
    BodyTimeout,
    /// The client went away before the answer.
    #[error("the client went away")]
    ClientGone,
    /// The request's body is over a limit.
    #[error("the request's body is over its limit")]
    BodyTooLarge,
    /// A script failed; the id is in the log beside the script's name and line.
    #[error("a script failed ({id})")]
    Script {
        /// The id that the client sees and the log holds.
        id: String,
    },
}

impl Failure {
    /// The status the client gets, as Traefik answers it.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::NotImplemented(_) => StatusCode::NOT_IMPLEMENTED,
            Self::TargetTooLong => StatusCode::URI_TOO_LONG,
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Version => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            Self::ExpectationFailed => StatusCode::EXPECTATION_FAILED,
            Self::NoRouter => StatusCode::NOT_FOUND,
            Self::Misdirected { .. } => StatusCode::MISDIRECTED_REQUEST,
            Self::NoServer | Self::RouterDisabled => StatusCode::SERVICE_UNAVAILABLE,
            Self::Connect { .. } | Self::ServerClosed { .. } => StatusCode::BAD_GATEWAY,
            Self::ConnectTimeout { .. }
            | Self::AnswerTimeout { .. }
            | Self::RequestTimeout { .. } => StatusCode::GATEWAY_TIMEOUT,
            Self::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::ClientGone => StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST),
            Self::BadAnswer { .. } | Self::Script { .. } => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// A word for it, which scripts see.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::BadRequest(_)
            | Self::NotImplemented(_)
            | Self::HeadTooLarge
            | Self::TargetTooLong
            | Self::Version
            | Self::ExpectationFailed => "bad_request",
            Self::NoRouter => "no_router",
            Self::Misdirected { .. } => "misdirected",
            Self::RouterDisabled => "router_disabled",
            Self::NoServer => "no_server",
            Self::Connect { .. } => "connect",
            Self::ConnectTimeout { .. } => "connect_timeout",
            Self::ServerClosed { .. } => "closed",
            Self::BadAnswer { .. } => "bad_answer",
            Self::AnswerTimeout { .. } | Self::RequestTimeout { .. } => "timeout",
            Self::BodyTimeout => "body_timeout",
            Self::ClientGone => "client_gone",
            Self::BodyTooLarge => "body_too_large",
            Self::Script { .. } => "script",
        }
    }

    /// What a request's body that ended early means for its answer.
    #[must_use]
    pub fn of_request_body(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge => Self::BodyTooLarge,
            BodyError::ClientFraming => Self::BadRequest("malformed body"),
            BodyError::Timeout => Self::BodyTimeout,
            BodyError::Content => Self::BadRequest("the body is broken inside"),
            BodyError::Script | BodyError::Lost => Self::Script { id: "in its body".to_owned() },
            _ => Self::ClientGone,
        }
    }

    /// Who erred.
    #[must_use]
    pub fn side(&self) -> Side {
        match self {
            Self::BadRequest(_)
            | Self::NotImplemented(_)
            | Self::HeadTooLarge
            | Self::TargetTooLong
            | Self::Version
            | Self::ExpectationFailed
            | Self::NoRouter
            | Self::Misdirected { .. }
            | Self::BodyTooLarge
            | Self::BodyTimeout
            | Self::ClientGone => Side::Client,
            Self::NoServer | Self::RouterDisabled | Self::Script { .. } => Side::Moongate,
            Self::Connect { .. }
            | Self::ConnectTimeout { .. }
            | Self::ServerClosed { .. }
            | Self::BadAnswer { .. }
            | Self::AnswerTimeout { .. }
            | Self::RequestTimeout { .. } => Side::Server,
        }
    }

    /// Whether nothing of the request can have been acted on, so that any method may be retried.
    #[must_use]
    pub fn is_untouched(&self) -> bool {
        matches!(self, Self::Connect { .. } | Self::ConnectTimeout { .. } | Self::NoServer)
    }
}
