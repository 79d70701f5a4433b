//! Token buckets by key, with the arithmetic of Go's `golang.org/x/time/rate`.
//!
//! Must not know what the keys are.

use std::time::Duration;

use super::table::{Change, Table, Used, Weigh};

/// What a bucket takes, at most so many of them (`Traefik`'s limit of sources is the same).
const BUCKETS_MAX: usize = 65_536;
/// Bytes that all buckets of one limiter may take.
pub(in crate::lua) const BYTES_MAX: usize = BUCKETS_MAX * 256;

/// The rates of a limiter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::lua) struct RateLimits {
    /// Tokens that come back in a second; infinite for no limit.
    pub(in crate::lua) per_second: f64,
    /// Tokens that a bucket holds.
    pub(in crate::lua) burst: f64,
    /// How long one may have to wait for a token.
    pub(in crate::lua) wait_max: Duration,
}

/// Whether there is a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::lua) enum Verdict {
    /// One has been taken; it is there after this wait.
    Taken(Duration),
    /// None has been taken, since one would be there only after this wait.
    Refused(Duration),
}

/// A limiter.
#[derive(Debug)]
pub(in crate::lua) struct Rate {
    limits: RateLimits,
    buckets: Table<Bucket>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    last: Duration,
}

impl Weigh for Bucket {
    fn heap_bytes(&self) -> usize {
        0
    }
}

impl Rate {
    pub(in crate::lua) fn new(limits: RateLimits) -> Self {
        Self { limits, buckets: Table::new(BYTES_MAX) }
    }

    /// Takes a token out of a key's bucket.
    pub(in crate::lua) fn take(&self, key: &[u8], now: Duration) -> Verdict {
        if self.limits.per_second.is_infinite() {
            return Verdict::Taken(Duration::ZERO);
        }
        let take = |bucket: Option<(&Bucket, _)>| {
            let full = Bucket { tokens: self.limits.burst, last: now };
            let (bucket, verdict) = self.taken(bucket.map_or(full, |(bucket, _)| *bucket), now);
            (Change::Put(bucket, Some(now.saturating_add(self.full_again(&bucket)))), verdict)
        };
        let nothing = Verdict::Refused(self.limits.wait_max);
        // A key as long as the whole table cannot be counted.
        self.buckets.change(key, now, take).unwrap_or(nothing)
    }

    /// What the buckets take.
    pub(in crate::lua) fn used(&self) -> Used {
        self.buckets.used()
    }

    fn taken(&self, bucket: Bucket, now: Duration) -> (Bucket, Verdict) {
        let RateLimits { per_second, burst, wait_max } = self.limits;
        // Workers may come with times a little out of order.
        let elapsed = now.saturating_sub(bucket.last);
        let before = (bucket.tokens + elapsed.as_secs_f64() * per_second).min(burst);
        let last = now.max(bucket.last);
        let after = before - 1.0;
        let wait = if after < 0.0 { seconds(-after / per_second) } else { Duration::ZERO };
        if wait <= wait_max {
            (Bucket { tokens: after, last }, Verdict::Taken(wait))
        } else {
            (Bucket { tokens: before, last }, Verdict::Refused(wait))
        }
    }

    /// When a bucket is as good as a fresh one.
    fn full_again(&self, bucket: &Bucket) -> Duration {
        seconds((self.limits.burst - bucket.tokens) / self.limits.per_second)
    }
}

fn seconds(seconds: f64) -> Duration {
    // Whole nanoseconds, as Go cuts them.
    Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn rate(per_second: f64, burst: f64, wait_max: Duration) -> Rate {
        Rate::new(RateLimits { per_second, burst, wait_max })
    }

    #[test]
    fn tokens_come_back_with_time() {
        let rate = rate(10.0, 3.0, Duration::ZERO);
        let (taken, refused) = (Verdict::Taken(Duration::ZERO), Verdict::Refused);
        for (at, expect) in [
            (0, taken),
            (0, taken),
            (0, taken),
            (0, refused(ms(100))),
            (0, refused(ms(100))),
            (50, refused(ms(50))),
            (100, taken),
            (100, refused(ms(100))),
            // Time that goes back gives nothing.
            (90, refused(ms(100))),
            (5000, taken),
            (5000, taken),
            (5000, taken),
            (5000, refused(ms(100))),
        ] {
            assert_eq!(rate.take(b"k", ms(at)), expect, "at {at} ms");
        }
        assert_eq!(rate.take(b"other", ms(5000)), taken);
    }

    #[test]
    fn a_short_wait_is_a_token_of_the_future() {
        let rate = rate(10.0, 1.0, ms(150));
        assert_eq!(rate.take(b"k", ms(0)), Verdict::Taken(ms(0)));
        assert_eq!(rate.take(b"k", ms(0)), Verdict::Taken(ms(100)));
        assert_eq!(rate.take(b"k", ms(0)), Verdict::Refused(ms(200)));
        assert_eq!(rate.take(b"k", ms(100)), Verdict::Taken(ms(100)));
    }

    #[test]
    fn no_limit_is_no_bucket() {
        let rate = rate(f64::INFINITY, 1.0, Duration::ZERO);
        for _ in 0..10 {
            assert_eq!(rate.take(b"k", ms(0)), Verdict::Taken(Duration::ZERO));
        }
        assert_eq!(rate.used().entries, 0);
    }

    #[test]
    fn exact_over_threads() {
        let rate = rate(1e-6, 100.0, Duration::ZERO);
        let taken: usize = std::thread::scope(|scope| {
            let count = || (0..200).filter(|_| matches!(rate.take(b"k", ms(0)), Verdict::Taken(_)));
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(move || count().count())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(taken, 100);
    }
}
