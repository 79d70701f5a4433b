//! Waiting for something to become true, with a limit: the only pause that tests know.

#![allow(clippy::panic, reason = "a test that waits in vain has failed")]

use std::time::{Duration, Instant};

const STEP: Duration = Duration::from_millis(20);

/// The first value that `look` finds.
///
/// # Panics
/// When it finds none within the limit.
pub(crate) fn until<T>(what: &str, limit: Duration, look: impl FnMut() -> Option<T>) -> T {
    within(limit, look).unwrap_or_else(|| panic!("{what}: not within {limit:?}"))
}

/// The first value that `look` finds within the limit.
pub(crate) fn within<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + limit;
    loop {
        let found = look();
        if found.is_some() || Instant::now() >= end {
            return found;
        }
        std::thread::sleep(STEP);
    }
}

/// Lets time pass on purpose: the slowness of a server or a client that a test plays, never a wait
/// for something to happen.
pub(crate) fn pause(time: Duration) {
    std::thread::sleep(time);
}
