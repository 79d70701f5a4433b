//! Where questions are answered: one after the other, on a thread of its own that steps back for
//! those that serve clients.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use std::sync::mpsc::{self, SyncSender};
use std::thread;

use rustix::process::setpriority_process;
use tokio::sync::oneshot;

/// Questions that wait; more are refused.
const WAITING_MAX: usize = 64;
/// How far the thread steps back (setpriority(2), which on Linux is about one thread).
const NICENESS: i32 = 10;

type Job = Box<dyn FnOnce() + Send>;

/// The thread, which begins with the first question.
#[derive(Debug, Default)]
pub(super) struct Desk {
    jobs: OnceLock<Option<SyncSender<Job>>>,
}

impl Desk {
    /// Has a question answered; none where too many are waiting.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        answer: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let (tell, told) = oneshot::channel();
        let job: Job = Box::new(move || {
            // Who asked may have left.
            let _ = tell.send(answer());
        });
        self.jobs.get_or_init(open).as_ref()?.try_send(job).ok()?;
        told.await.ok()
    }
}

fn open() -> Option<SyncSender<Job>> {
    let (jobs, waiting) = mpsc::sync_channel::<Job>(WAITING_MAX);
    let serve = move || {
        // Answers come all the same where this is not allowed.
        let _ = setpriority_process(None, NICENESS);
        while let Ok(job) = waiting.recv() {
            // A slip in one answer must not cost all others; who asked is told that there is none.
            let _ = catch_unwind(AssertUnwindSafe(job));
        }
    };
    let thread = thread::Builder::new().name("api".to_owned()).spawn(serve);
    if let Err(error) = &thread {
        tracing::error!(%error, "the thread of the API could not be started");
    }
    thread.ok().map(|_| jobs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn answers_in_turn_and_outlives_a_slip() {
        let desk = Desk::default();
        assert_eq!(desk.ask(|| 1).await, Some(1));
        let slip = || -> i32 { Vec::new()[0] };
        assert_eq!(desk.ask(slip).await, None);
        assert_eq!(desk.ask(|| 2).await, Some(2));
    }
}
