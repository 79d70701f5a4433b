//! One provider: its script with its variables.
//!
//! Script and variables are read anew for every record, so that a changed file, such as a token
//! that somebody renews, is in force with the next one.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::scripts::ProviderScript;
use super::{Challenge, DnsError, Providers, environment};
use crate::lua::{InstanceId, InstanceSpec, Limits, OnError, ScriptError, Task};

/// How long one hook may wait for all its requests together, beside what it waits until its record
/// is known to all servers of the provider.
const WAIT: Duration = Duration::from_mins(5);
/// How long one may compute: lists of zones are long, and nobody waits behind it.
const CPU: Duration = Duration::from_secs(2);

/// How long the world may take to see a record, unless a variable says otherwise.
const PROPAGATION: Duration = Duration::from_mins(1);
/// How often to look whether it does.
const INTERVAL: Duration = Duration::from_secs(2);

/// A provider that is ready for use.
#[derive(Debug, Clone)]
pub struct Provider {
    code: Arc<str>,
    providers: Providers,
    timeouts: Timeouts,
}

/// How patient to be with a provider. A script's options `..._PROPAGATION_TIMEOUT`,
/// `..._POLLING_INTERVAL` and `..._SEQUENCE_INTERVAL` say it, as Traefik's variables do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// How long it may take until a record is seen.
    pub propagation: Duration,
    /// How often to look.
    pub interval: Duration,
    /// Where records can only be set one after another, the pause between two of them.
    pub sequence: Option<Duration>,
}

impl Timeouts {
    fn of(options: &Value) -> Self {
        let seconds = |ending: &str| {
            let mut fields = options.as_object()?.iter();
            let (_, value) = fields.find(|(name, _)| name.ends_with(ending))?;
            Duration::try_from_secs_f64(value.as_f64()?).ok()
        };
        Self {
            propagation: seconds("_PROPAGATION_TIMEOUT").unwrap_or(PROPAGATION),
            interval: seconds("_POLLING_INTERVAL").unwrap_or(INTERVAL),
            sequence: seconds("_SEQUENCE_INTERVAL"),
        }
    }
}

/// A script with its options, as they are now.
struct Ready {
    script: ProviderScript,
    options: Value,
}

impl Provider {
    pub(super) async fn open(providers: Providers, code: &str) -> Result<Self, DnsError> {
        let timeouts = Timeouts::of(&Value::Null);
        let mut this = Self { code: code.into(), providers, timeouts };
        // Its `setup` says what variables it misses.
        this.timeouts = this.work(None).await?;
        Ok(this)
    }

    /// The provider's code, as it was written.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.code
    }

    /// How patient to be with it.
    #[must_use]
    pub fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    /// Sets the record of a challenge, beside others of the same name. Nobody may see it yet when
    /// this returns.
    ///
    /// # Errors
    /// When the provider fails. No secret is in the error.
    pub async fn present(&self, challenge: &Challenge) -> Result<(), DnsError> {
        let _turn = self.providers.names.turn(&challenge.fqdn).await;
        self.work(Some((Task::Present, challenge.table()))).await.map(drop)
    }

    /// Takes the record of a challenge away; one that is not there is no error.
    ///
    /// # Errors
    /// When the provider fails. No secret is in the error.
    pub async fn cleanup(&self, challenge: &Challenge) -> Result<(), DnsError> {
        let _turn = self.providers.names.turn(&challenge.fqdn).await;
        self.work(Some((Task::Cleanup, challenge.table()))).await.map(drop)
    }

    /// Loads the script and runs a hook of it on the background worker.
    async fn work(&self, task: Option<(Task, Value)>) -> Result<Timeouts, DnsError> {
        let this = self.clone();
        let done = self.providers.background.run(move |desk| async move {
            // Files are small and the worker serves no client.
            let ready = this.ready()?;
            let timeouts = Timeouts::of(&ready.options);
            let secrets = environment::secrets(&ready.script.info.schema, &ready.options);
            let failed = |error: ScriptError| this.failed(error, &secrets);
            let spec = Arc::new(this.spec(ready, timeouts.propagation));
            let instance = desk.vm.instance(&spec).await.map_err(failed)?;
            desk.keep(Rc::clone(&instance));
            if let Some((task, argument)) = task {
                let context = desk.trusted();
                instance.perform(&context, task, &argument).await.map_err(failed)?;
            }
            Ok(timeouts)
        });
        done.await?
    }

    fn ready(&self) -> Result<Ready, DnsError> {
        let script = self.providers.scripts.find(&self.code)?;
        let options = self.providers.environment.options(&script.info.schema);
        let options = options
            .map_err(|problems| DnsError::Variables { code: self.code.to_string(), problems })?;
        Ok(Ready { script, options })
    }

    fn spec(&self, ready: Ready, patience: Duration) -> InstanceSpec {
        let name = format!("dns/{}", self.code);
        InstanceSpec {
            id: InstanceId::named(&name),
            name: name.into(),
            source: ready.script.source,
            options: Arc::new(ready.options),
            limits: Limits { cpu: CPU, wait: Some(WAIT + patience), ..Limits::default() },
            on_error: OnError::Fail,
        }
    }

    /// An error in which no secret stands, whatever the script or the provider's answer put there.
    fn failed(&self, error: ScriptError, secrets: &[String]) -> DnsError {
        let code = self.code.to_string();
        let told = error.to_string();
        let mut clean = told.clone();
        for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
            clean = clean.replace(secret.as_str(), "***");
        }
        let error = if clean == told { error } else { ScriptError::Run(clean) };
        DnsError::Failed { code, error }
    }
}
