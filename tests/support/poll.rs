//! Waiting for something to become true, with a limit: the only pause that tests know.

use std::time::{Duration, Instant};

const STEP: Duration = Duration::from_millis(20);

/// The first value that `look` finds.
///
/// # Panics
/// When it finds none within the limit.
pub(crate) fn until<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + limit;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "{what}: not within {limit:?}");
        std::thread::sleep(STEP);
    }
}

/// Lets time pass on purpose: the slowness of a server or a client that a test plays, never a wait
/// for something to happen.
pub(crate) fn pause(time: Duration) {
    std::thread::sleep(time);
}
