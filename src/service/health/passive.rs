//! Passive health checks: a server that fails often enough gets no requests for a while.
//!
//! As in Traefik, an answer with a status of 500 or more is a failure, and so is none at all; a
//! good answer makes up for the failures before it.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;

use super::super::Member;

/// When a server is left out because of its answers.
#[derive(Debug, Clone)]
pub struct Passive {
    /// The service, `name@provider`, for the log.
    pub service: Arc<str>,
    /// The time that failures are counted over, and that a server is left out for.
    pub window: Duration,
    /// Failures within that time after which it is left out.
    pub attempts: usize,
    /// How it comes back.
    pub recovery: Recovery,
}

/// How a server that was left out comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recovery {
    /// By itself after the window.
    ByTime,
    /// By the next active check that finds it well.
    ByCheck,
}

impl Passive {
    /// Judges an answer.
    pub(in super::super) fn note(&self, url: &str, member: &Member, status: StatusCode) {
        if status < StatusCode::INTERNAL_SERVER_ERROR {
            member.succeeded();
            return;
        }
        if !member.failed(self.window, self.attempts) {
            return;
        }
        let is_news = match self.recovery {
            Recovery::ByTime => member.rest(self.window),
            Recovery::ByCheck => member.set_up(false),
        };
        if is_news {
            let service = &*self.service;
            tracing::warn!(service, url, "a server is left out: it failed too often");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(attempts: usize, statuses: &[u16], expect: bool) {
        for recovery in [Recovery::ByTime, Recovery::ByCheck] {
            let window = Duration::from_mins(1);
            let passive = Passive { service: "s@file".into(), window, attempts, recovery };
            let member = Member::default();
            for &status in statuses {
                passive.note("http://a", &member, StatusCode::from_u16(status).unwrap());
            }
            assert_eq!(member.is_up(), expect, "{attempts} {statuses:?} {recovery:?}");
        }
    }

    #[test]
    fn leaves_out_after_failures_in_a_row() {
        check(1, &[200, 404, 499], true);
        check(1, &[500], false);
        check(3, &[500, 502], true);
        check(3, &[500, 200, 502, 503], true);
        check(3, &[500, 502, 503], false);
    }

    #[test]
    fn comes_back_after_the_window() {
        let window = Duration::from_millis(1);
        let recovery = Recovery::ByTime;
        let passive = Passive { service: "s".into(), window, attempts: 1, recovery };
        let member = Member::default();
        passive.note("http://a", &member, StatusCode::BAD_GATEWAY);
        let since = std::time::Instant::now();
        while !member.is_up() {
            assert!(since.elapsed() < Duration::from_secs(5));
            std::thread::yield_now();
        }
    }
}
