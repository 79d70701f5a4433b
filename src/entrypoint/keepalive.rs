//! How often and how long one connection may bring requests (`keepAliveMaxRequests`,
//! `keepAliveMaxTime`), so that clients spread anew over what balances in front of us.
//!
//! Must not know what a request is.

use std::cell::Cell;
use std::time::Instant;

use super::ConnectionLimits;

/// The requests of one connection.
#[derive(Debug)]
pub(super) struct KeepAlive {
    limits: ConnectionLimits,
    opened: Instant,
    requests: Cell<u64>,
    spent: Cell<bool>,
}

impl KeepAlive {
    pub(super) fn new(limits: ConnectionLimits, opened: Instant) -> Self {
        Self { limits, opened, requests: Cell::new(0), spent: Cell::new(false) }
    }

    /// A request has come. As in Traefik, age is looked at only then.
    pub(super) fn count(&self, now: impl FnOnce() -> Instant) {
        if let Some(max) = self.limits.requests_max {
            self.requests.set(self.requests.get() + 1);
            if self.requests.get() >= max {
                self.spent.set(true);
            }
        }
        if let Some(max) = self.limits.age_max
            && now().saturating_duration_since(self.opened) > max
        {
            self.spent.set(true);
        }
    }

    /// Whether the connection is to end after what it is doing.
    pub(super) fn is_spent(&self) -> bool {
        self.spent.get()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Which request, each a second after the one before, is the last of its connection.
    fn last(requests_max: Option<u64>, age_max: Option<u64>) -> Option<u64> {
        let limits = ConnectionLimits {
            read: None,
            write: None,
            idle: None,
            head_bytes_max: 1024,
            streams_max: 1,
            table_bytes_max: 4096,
            requests_max,
            age_max: age_max.map(Duration::from_secs),
        };
        let opened = Instant::now();
        let keepalive = KeepAlive::new(limits, opened);
        (1..=10).find(|second| {
            keepalive.count(|| opened + Duration::from_secs(*second));
            keepalive.is_spent()
        })
    }

    #[test]
    fn ends_by_number_or_by_age() {
        for (requests, age, expect) in [
            (None, None, None),
            (Some(1), None, Some(1)),
            (Some(3), None, Some(3)),
            (None, Some(4), Some(5)),
            (Some(3), Some(1), Some(2)),
        ] {
            assert_eq!(last(requests, age), expect, "{requests:?} {age:?}");
        }
    }
}
