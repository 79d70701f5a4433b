//! What has failed, and when it is tried again: soon where an authority is away, later where it
//! says no, and when it says where it asks to be left alone.

use std::time::Duration;

use hashbrown::HashMap;
use tokio::time::Instant;

use super::account::AccountError;
use super::client::ClientError;
use super::order::OrderError;
use super::resolver::{Names, ResolveError};
use crate::model::Diagnostic;

/// What has failed, by names.
#[derive(Debug, Default)]
pub(super) struct Failures(HashMap<Names, Failed>);

/// One failure.
#[derive(Debug)]
struct Failed {
    reason: String,
    pause: Duration,
    again: Instant,
}

/// From one failure to the next try, doubled with each of them, and the longest pause.
const OUTAGE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(5));
/// Authorities take some five failures an hour.
const REFUSAL: (Duration, Duration) = (Duration::from_mins(5), Duration::from_hours(12));
/// Where an authority says that there was too much, and not until when.
const TOO_MUCH: Duration = Duration::from_hours(1);

impl Failures {
    /// Notes a failure; how long it is not tried again.
    pub(super) fn note(&mut self, names: &Names, error: &ResolveError) -> Duration {
        let (first, longest) = if is_outage(error) { OUTAGE } else { REFUSAL };
        let before = self.0.get(names).map(|failed| failed.pause * 2);
        let pause = match refusal(error) {
            Some((code, asked)) if asked.is_some() || code == "rateLimited" => {
                asked.unwrap_or(TOO_MUCH)
            }
            _ => before.unwrap_or(first).clamp(first, longest),
        };
        let (reason, again) = (error.to_string(), Instant::now() + pause);
        self.0.insert(names.clone(), Failed { reason, pause, again });
        pause
    }

    /// Forgets a failure.
    pub(super) fn forget(&mut self, names: &Names) {
        self.0.remove(names);
    }

    /// Forgets the failures of names that nobody wants any more.
    pub(super) fn retain(&mut self, is_wanted: impl Fn(&Names) -> bool) {
        self.0.retain(|names, _| is_wanted(names));
    }

    /// When these names are tried again, if they have failed.
    pub(super) fn again(&self, names: &Names) -> Option<Instant> {
        self.0.get(names).map(|failed| failed.again)
    }

    /// All of them, for those who look.
    pub(super) fn told(&self, resolver: &str) -> Vec<Diagnostic> {
        let mut all: Vec<_> = self.0.iter().collect();
        all.sort_unstable_by_key(|(names, _)| *names);
        let path = format!("certificatesResolvers.{resolver}.acme");
        let told = all.into_iter().map(|(names, failed)| {
            Diagnostic::error(path.clone(), format!("{}: {}", names.join(", "), failed.reason))
        });
        told.collect()
    }
}

fn client(error: &ResolveError) -> Option<&ClientError> {
    match error {
        ResolveError::Account(AccountError::Client(error))
        | ResolveError::Order(OrderError::Client(error)) => Some(error),
        _ => None,
    }
}

fn is_outage(error: &ResolveError) -> bool {
    let is_kept = matches!(
        error,
        ResolveError::Account(AccountError::Store(_)) | ResolveError::Order(OrderError::Store(_))
    );
    is_kept || client(error).is_some_and(ClientError::is_outage)
}

/// What an authority has said, and how long it asks to be left alone.
fn refusal(error: &ResolveError) -> Option<(&str, Option<Duration>)> {
    match client(error)? {
        ClientError::Refused(problem) => Some((problem.code(), problem.retry_after)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acme::client::Problem;

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_and_authorities_are_heard() {
        let names: Names = ["a.test".to_owned()].into();
        let error = |error| ResolveError::Order(OrderError::Client(error));
        let check = |errors: Vec<ClientError>, expect: &[u64]| {
            let mut failures = Failures::default();
            let pauses = errors.into_iter().map(|e| failures.note(&names, &error(e)).as_secs());
            assert_eq!(pauses.collect::<Vec<_>>(), expect);
            assert_eq!(failures.told("le").len(), 1);
        };
        let away = || ClientError::Failed { url: "u".to_owned(), status: 503 };
        let no = |kind: &str, retry_after| {
            let kind = format!("urn:ietf:params:acme:error:{kind}");
            ClientError::Refused(Problem { kind, retry_after, ..Problem::default() })
        };
        check((0..4).map(|_| away()).collect(), &[1, 2, 4, 8]);
        check(vec![away(), no("unauthorized", None)], &[1, 300]);
        check(vec![no("caa", None), no("caa", None), away()], &[300, 600, 300]);
        check(vec![no("rateLimited", None)], &[3600]);
        check(vec![no("rateLimited", Some(Duration::from_secs(7)))], &[7]);
    }
}
