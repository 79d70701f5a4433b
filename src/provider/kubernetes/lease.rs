//! Which of several replicas writes into the cluster: the one that holds a Lease.
//!
//! Any number of replicas serve; statuses and events are written by one. A replica without the
//! right to see Leases writes as if it were alone, as Traefik does.

use std::path::Path;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use kube::api::{Api, PostParams};
use tokio::sync::watch;
use tokio::time::Instant;

use super::serve::told;
use super::watch::chain;

/// The name of the Lease, in the namespace of the pod.
const NAME: &str = "moongate";
/// After this long without a sign of life another one may take the Lease.
const HELD_SECONDS: i32 = 15;
/// How often the holder gives a sign of life, and the others look for one.
const EVERY: Duration = Duration::from_secs(5);
/// How soon it is tried again after the API did not answer.
const AGAIN: Duration = Duration::from_secs(1);

/// Takes part in the choice of who writes.
#[derive(Debug)]
pub struct Candidate {
    leases: Api<Lease>,
    name: String,
    identity: String,
    is_leader: watch::Sender<bool>,
    /// What was seen of another holder, and since when it is the same.
    seen: Option<(LeaseSpec, Instant)>,
    is_told: bool,
}

impl Candidate {
    /// One that does not write yet; `identity` tells it from all others.
    pub(super) fn new(client: &Client, identity: String) -> Self {
        Self::of(Api::default_namespaced(client.clone()), NAME, identity)
    }

    /// One for a Lease of that name, which takes it when it is told to.
    #[must_use]
    pub fn of(leases: Api<Lease>, name: &str, identity: String) -> Self {
        let (is_leader, name) = (watch::Sender::new(false), name.to_owned());
        Self { leases, name, identity, is_leader, seen: None, is_told: false }
    }

    /// Whether this replica writes.
    pub(super) fn is_leader(&self) -> watch::Receiver<bool> {
        self.is_leader.subscribe()
    }

    /// Takes part until told to stop, and then lets the next one in at once.
    pub(super) async fn run(mut self, stop: watch::Receiver<bool>) {
        loop {
            let (is_leader, pause) = match self.renew().await {
                Ok(is_leader) => (is_leader, EVERY),
                Err(error) => (self.without(&error), AGAIN),
            };
            self.is_leader
                .send_if_modified(|before| std::mem::replace(before, is_leader) != is_leader);
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = told(stop.clone()) => break,
            }
        }
        if *self.is_leader.borrow() {
            // Who waits for it takes it later, if this fails.
            let _ = self.release().await;
        }
    }

    /// What holds without the Lease: nobody while the API is away, everybody where Leases are not
    /// to be had.
    fn without(&mut self, error: &kube::Error) -> bool {
        match error {
            kube::Error::Api(status) if matches!(status.code, 403 | 404) => {
                if !self.is_told {
                    self.is_told = true;
                    let reason = &status.message;
                    tracing::warn!(
                        provider = "kubernetes",
                        "no Lease decides which replica writes statuses, so each does: {reason}"
                    );
                }
                true
            }
            // Somebody else was faster.
            kube::Error::Api(status) if status.code == 409 => false,
            other => {
                tracing::debug!(provider = "kubernetes", "the Lease: {}", chain(other));
                false
            }
        }
    }

    /// Takes the Lease, keeps it, or finds that another one has it.
    ///
    /// # Errors
    /// When the API does not answer, or somebody else was faster.
    pub async fn renew(&mut self) -> Result<bool, kube::Error> {
        let Some(mut lease) = self.leases.get_opt(&self.name).await? else {
            let name = Some(self.name.clone());
            let metadata = ObjectMeta { name, ..ObjectMeta::default() };
            let lease = Lease { metadata, spec: Some(self.spec(None)) };
            self.leases.create(&PostParams::default(), &lease).await?;
            return Ok(true);
        };
        let spec = lease.spec.take().unwrap_or_default();
        if !self.may_take(&spec) {
            return Ok(false);
        }
        self.seen = None;
        lease.spec = Some(self.spec(Some(&spec)));
        // The version that was read goes along: only one of several gets it.
        self.leases.replace(&self.name, &PostParams::default(), &lease).await?;
        Ok(true)
    }

    /// Whether the Lease is this replica's, nobody's, or of one that gives no sign of life. Times
    /// in it are never compared with this machine's clock.
    fn may_take(&mut self, spec: &LeaseSpec) -> bool {
        let holder = spec.holder_identity.as_deref().unwrap_or_default();
        if holder.is_empty() || holder == self.identity || is_gone(holder) {
            return true;
        }
        let now = Instant::now();
        match &self.seen {
            Some((seen, since)) if seen == spec => {
                let held = spec.lease_duration_seconds.unwrap_or(HELD_SECONDS);
                now.duration_since(*since) > Duration::from_secs(held.unsigned_abs().into())
            }
            _ => {
                self.seen = Some((spec.clone(), now));
                false
            }
        }
    }

    fn spec(&self, before: Option<&LeaseSpec>) -> LeaseSpec {
        let now = MicroTime(Timestamp::now());
        let is_kept = before.is_some_and(|b| b.holder_identity.as_ref() == Some(&self.identity));
        let changes = before.and_then(|before| before.lease_transitions).unwrap_or_default();
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: Some(HELD_SECONDS),
            acquire_time: match before {
                Some(before) if is_kept => before.acquire_time.clone(),
                _ => Some(now.clone()),
            },
            renew_time: Some(now),
            lease_transitions: Some(if is_kept { changes } else { changes.saturating_add(1) }),
            ..LeaseSpec::default()
        }
    }

    /// Lets the next one in at once.
    ///
    /// # Errors
    /// When the API does not answer.
    pub async fn release(&self) -> Result<(), kube::Error> {
        let mut lease = self.leases.get(&self.name).await?;
        let spec = lease.spec.get_or_insert_default();
        if spec.holder_identity.as_ref() == Some(&self.identity) {
            spec.holder_identity = None;
            self.leases.replace(&self.name, &PostParams::default(), &lease).await?;
        }
        Ok(())
    }
}

/// A name that no other replica has: the machine, its processes' numbering, the process, and when
/// it began.
#[must_use]
pub fn identity() -> String {
    let started = Timestamp::now().as_nanosecond();
    format!("{}_{}_{started}", machine(), std::process::id())
}

fn machine() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let numbering = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    format!("{}_{}", host.trim(), numbering.display())
}

/// Whether a holder was a process of this machine that has ended: nobody has to wait for it.
fn is_gone(holder: &str) -> bool {
    let mut parts = holder.rsplitn(3, '_');
    let (Some(_), Some(process), Some(on)) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let is_number = !process.is_empty() && process.bytes().all(|byte| byte.is_ascii_digit());
    is_number && on == machine() && !Path::new("/proc").join(process).exists()
}

/// Whether this replica writes; `false` for good when nobody decides any more.
pub(super) async fn until_leader(is_leader: &mut watch::Receiver<bool>) -> bool {
    is_leader.wait_for(|is_leader| *is_leader).await.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_processes_of_this_machine_are_known_to_be_gone() {
        let of = |process: &str| format!("{}_{process}_1", machine());
        for (holder, expect) in [
            (identity(), false),
            // Greater than any process's number.
            (of("99999999"), true),
            (of("x"), false),
            ("elsewhere_pid:[1]_99999999_1".to_owned(), false),
            ("somebody".to_owned(), false),
        ] {
            assert_eq!(is_gone(&holder), expect, "{holder}");
        }
    }
}
