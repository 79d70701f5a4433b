//! A script as data: its text, what it declares, and one configured use of it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::message::Failure;
use crate::schema::Schema;

/// A script's text with the name errors are told under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptSource {
    /// Such as `scripts/addPrefix.lua`, or the path the user wrote.
    pub name: Arc<str>,
    /// The text.
    pub text: Arc<str>,
}

impl ScriptSource {
    /// The kind a file of this name stands for: its stem.
    #[must_use]
    pub fn kind(&self) -> &str {
        let file = self.name.rsplit('/').next().unwrap_or_default();
        file.strip_suffix(".lua").unwrap_or(file)
    }
}

/// What a script declares, read in a scratch VM whose host functions are inert.
#[derive(Debug, Clone)]
pub struct ScriptInfo {
    /// Its options.
    pub schema: Arc<Schema>,
    /// Names of the hooks it has, such as `request`.
    pub hooks: Vec<String>,
    /// The option whose middlewares stand in this script's place (`expand = "middlewares"`).
    pub expand: Option<String>,
    /// What people call it (`name = "Cloudflare"`).
    pub title: Option<String>,
    /// The kind that this one is an older name of (`alias_of = "ipAllowList"`).
    pub alias_of: Option<String>,
    /// What it does otherwise than Traefik's middleware of its name, with the option it is about
    /// if it is not about all uses (`differs = "..."`, `differs = { OPTION = "..." }`).
    pub differs: Vec<(Option<String>, String)>,
}

/// The identity of an instance: the hash of everything its behaviour depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InstanceId(pub u64);

impl InstanceId {
    /// That of a script which is used once, and is the same whatever its text is.
    #[must_use]
    pub fn named(name: &str) -> Self {
        let hash = ring::digest::digest(&ring::digest::SHA256, name.as_bytes());
        Self(u64::from_be_bytes(hash.as_ref().first_chunk().copied().unwrap_or_default()))
    }
}

/// One configured use of a script; equal ids are one instance per worker.
#[derive(Clone)]
pub struct InstanceSpec {
    /// Its identity.
    pub id: InstanceId,
    /// The middleware's name with provider, for log lines and metrics.
    pub name: Arc<str>,
    /// The script.
    pub source: Arc<ScriptSource>,
    /// The options, decoded by the script's schema.
    pub options: Arc<Value>,
    /// Its limits.
    pub limits: Limits,
    /// What a failure of the script does to the request.
    pub on_error: OnError,
}

impl fmt::Debug for InstanceSpec {
    /// Without the options: they hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InstanceSpec")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("script", &self.source.name)
            .finish_non_exhaustive()
    }
}

/// Limits of one script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Computing time of one hook, waiting not counted.
    pub cpu: Duration,
    /// Waiting time of one hook; none means the route's timeout alone.
    pub wait: Option<Duration>,
    /// Bytes of memory attributed to the script on one worker.
    pub memory_bytes: usize,
    /// Bytes of a body it may hold at once.
    pub body_bytes: usize,
    /// Requests of its own per request.
    pub fetches: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            cpu: Duration::from_millis(10),
            wait: None,
            memory_bytes: 64 << 20,
            body_bytes: 1 << 20,
            fetches: 50,
        }
    }
}

/// What a failure of the script does to the request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum OnError {
    /// The request is answered with 500 and an id.
    #[default]
    Fail,
    /// The request goes on as if the script were not there.
    Skip,
    /// The request is answered like this.
    Answer {
        /// The status.
        status: u16,
        /// The body.
        body: String,
    },
}

/// Why a script could not be loaded or a hook failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScriptError {
    /// Its text does not compile.
    #[error("{0}")]
    Compile(String),
    /// It does not return a table as a script must.
    #[error("{script}: {reason}")]
    Shape {
        /// The script's name.
        script: String,
        /// What is wrong.
        reason: String,
    },
    /// It failed while it ran; the text holds script and line.
    #[error("{0}")]
    Run(String),
    /// The body of the request failed while the script waited for it.
    #[error("reading the body of the request: {failure}")]
    Body {
        /// What the client is told.
        failure: Failure,
    },
    /// It failed while it was set up.
    #[error("in {hook}: {error}")]
    Hook {
        /// The hook, such as `setup`.
        hook: &'static str,
        /// What happened in it.
        error: Box<ScriptError>,
    },
    /// It passed a limit.
    #[error("{script}: {limit}")]
    Limit {
        /// The script's name, with the line where known.
        script: String,
        /// Which limit and how much it is.
        limit: String,
    },
}
