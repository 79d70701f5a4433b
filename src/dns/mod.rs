//! DNS providers: they set the record that proves the control of a domain, and take it away.
//!
//! A provider is a script, `scripts/dns/CODE.lua`, with the hooks `present` and `cleanup`. What it
//! needs to know are its options, which are variables of the environment: a script sees those that
//! its schema declares and no other. A file `dns/CODE.lua` in the user's folder of scripts adds a
//! provider, or takes the place of a built-in one.
//!
//! ```no_run
//! # async fn example(background: std::sync::Arc<moongate::background::Background>) {
//! use moongate::dns::{Challenge, Environment, Providers};
//! let providers = Providers::new(background, Environment::of_process(), None);
//! let provider = providers.provider("cloudflare").await.unwrap();
//! let challenge = Challenge::new("example.com", "token", "token.thumbprint");
//! provider.present(&challenge).await.unwrap();
//! // Wait for it to be seen: look every `interval`, at most for `propagation`.
//! let timeouts = provider.timeouts();
//! provider.cleanup(&challenge).await.unwrap();
//! # }
//! ```
//!
//! Must not know ACME, but for how a challenge becomes a record.

mod challenge;
mod environment;
mod names;
mod provider;
mod scripts;

use std::path::PathBuf;
use std::sync::Arc;

use crate::background::{Background, BackgroundError};
use crate::lua::ScriptError;

pub use challenge::Challenge;
pub use environment::Environment;
pub use provider::{Provider, Timeouts};
pub use scripts::provider_scripts;

use names::Names;
use scripts::Scripts;

/// Why there is no provider, or why it did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum DnsError {
    /// Nobody has written such a provider.
    #[error("there is no DNS provider {code:?}{}; known are {known}", similar(near.as_deref()))]
    Unknown {
        /// The code.
        code: String,
        /// A code that is spelled alike.
        near: Option<String>,
        /// All codes.
        known: String,
    },
    /// The script cannot be read, or is no script of a provider.
    #[error("DNS provider {code}: {reason}")]
    Script {
        /// The provider's code.
        code: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Variables are missing or wrong.
    #[error("DNS provider {code}: {}", problems.join("; "))]
    Variables {
        /// The provider's code.
        code: String,
        /// Each names its variable.
        problems: Vec<String>,
    },
    /// The provider failed; no secret is in its words.
    #[error("DNS provider {code}: {error}")]
    Failed {
        /// The provider's code.
        code: String,
        /// What happened.
        error: ScriptError,
    },
    /// There is nobody to run it.
    #[error(transparent)]
    Background(#[from] BackgroundError),
}

fn similar(near: Option<&str>) -> String {
    near.map(|near| format!(", did you mean {near:?}?")).unwrap_or_default()
}

/// All providers there are.
#[derive(Debug, Clone)]
pub struct Providers {
    background: Arc<Background>,
    environment: Environment,
    scripts: Scripts,
    names: Arc<Names>,
}

impl Providers {
    /// Built-in providers, and those in the folder `dns` of `scripts.directory`, if there is one.
    #[must_use]
    pub fn new(
        background: Arc<Background>,
        environment: Environment,
        directory: Option<PathBuf>,
    ) -> Self {
        Self { background, environment, scripts: Scripts::new(directory), names: Arc::default() }
    }

    /// The provider with a code, such as `cloudflare`, ready for use.
    ///
    /// # Errors
    /// When there is none, or when a variable it needs is missing or wrong: the error names it.
    pub async fn provider(&self, code: &str) -> Result<Provider, DnsError> {
        Provider::open(self.clone(), code).await
    }
}
