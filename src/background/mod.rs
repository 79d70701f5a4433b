//! The background worker: a thread with a runtime, a VM and connections of its own, for scripts
//! that work for no request, so that nothing they do is in a request's way.
//!
//! It begins with its first job. Must not know what its jobs are for.

mod machine;

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use hashbrown::HashMap;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};
use tokio::task::LocalSet;

use crate::lua::{self, Context, Instance, InstanceId, Machine, ScriptError, Vm};
use crate::message::{Client, Exchange, LocalFuture};
use crate::outbound::Outside;
use crate::upstream::{Origins, Pools};

use machine::ThisMachine;

/// Jobs that wait for the worker to take them.
const JOBS_MAX: usize = 64;
/// Instances that are kept.
const KEPT_MAX: usize = 64;
/// How often idle connections are looked at.
const SWEEP_EVERY: Duration = Duration::from_secs(5);

/// Why a job was not done.
#[derive(Debug, thiserror::Error)]
pub enum BackgroundError {
    /// The system gave no thread or no event queue.
    #[error("the background worker could not be started: {0}")]
    Start(#[from] io::Error),
    /// Its scripts' VM could not be set up.
    #[error("the background worker's script VM could not be set up: {0}")]
    Vm(#[from] ScriptError),
    /// It has ended.
    #[error("the background worker has ended")]
    Gone,
}

type Job = Box<dyn FnOnce(Rc<Desk>) -> LocalFuture<'static, ()> + Send>;

/// The background worker as the control plane holds it. It ends when the last holder lets go.
pub struct Background {
    shared: Arc<lua::Shared>,
    jobs: Mutex<Option<mpsc::Sender<Job>>>,
}

impl std::fmt::Debug for Background {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Background").finish_non_exhaustive()
    }
}

impl Background {
    /// A worker whose scripts share state with those of all workers.
    #[must_use]
    pub fn new(shared: Arc<lua::Shared>) -> Self {
        Self { shared, jobs: Mutex::default() }
    }

    /// Has something done there and waits for it. When the wait is given up, so is the job.
    ///
    /// # Errors
    /// When the worker cannot be started, or ends.
    pub async fn run<T, W, F>(&self, work: W) -> Result<T, BackgroundError>
    where
        T: Send + 'static,
        W: FnOnce(Rc<Desk>) -> F + Send + 'static,
        F: Future<Output = T> + 'static,
    {
        let (mut answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |desk| {
            let done = work(desk);
            Box::pin(async move {
                tokio::select! {
                    done = done => {
                        // Nobody may be waiting for it any more.
                        let _ = answer.send(done);
                    }
                    () = answer.closed() => {}
                }
            })
        });
        self.jobs()?.send(job).await.map_err(|_| BackgroundError::Gone)?;
        answered.await.map_err(|_| BackgroundError::Gone)
    }

    /// Where jobs are put; starts the worker at first.
    fn jobs(&self) -> Result<mpsc::Sender<Job>, BackgroundError> {
        let mut jobs = self.jobs.lock();
        if let Some(jobs) = &*jobs {
            return Ok(jobs.clone());
        }
        let (sender, inbox) = mpsc::channel(JOBS_MAX);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let shared = Arc::clone(&self.shared);
        thread::Builder::new().name("background".to_owned()).spawn(move || {
            let served = LocalSet::new().block_on(&runtime, serve(shared, inbox));
            if let Err(error) = served {
                tracing::error!(%error, "the background worker ends");
            }
        })?;
        Ok(jobs.insert(sender).clone())
    }
}

async fn serve(
    shared: Arc<lua::Shared>,
    mut inbox: mpsc::Receiver<Job>,
) -> Result<(), BackgroundError> {
    let (pools, origins) = (Pools::new(), Rc::default());
    let desk = Rc::new(Desk { vm: Vm::sharing(shared)?, pools, origins, kept: RefCell::default() });
    let mut sweep = tokio::time::interval(SWEEP_EVERY);
    loop {
        tokio::select! {
            job = inbox.recv() => match job {
                Some(job) => drop(tokio::task::spawn_local(job(Rc::clone(&desk)))),
                None => return Ok(()),
            },
            _ = sweep.tick() => desk.pools.sweep(),
        }
    }
}

/// What jobs work with.
#[derive(Debug)]
pub struct Desk {
    /// The scripts' VM.
    pub vm: Vm,
    pools: Rc<Pools>,
    origins: Rc<Origins>,
    kept: RefCell<HashMap<InstanceId, Rc<Instance>>>,
}

impl Desk {
    /// Keeps an instance until another one of its identity comes, and with it what its script has
    /// stored: a record's number, for example, which is needed to take it away.
    pub fn keep(&self, instance: Rc<Instance>) {
        let mut kept = self.kept.borrow_mut();
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        kept.insert(instance.spec().id, instance);
    }

    /// What a script works in that is trusted with programs and files of this machine.
    #[must_use]
    pub fn trusted(&self) -> Rc<Context> {
        self.context(Some(Rc::new(ThisMachine)))
    }

    /// What any other script works in.
    #[must_use]
    pub fn untrusted(&self) -> Rc<Context> {
        self.context(None)
    }

    fn context(&self, machine: Option<Rc<dyn Machine>>) -> Rc<Context> {
        let exchange = Rc::new(Exchange::new(Rc::new(Client::nobody())));
        let (pools, origins) = (Rc::clone(&self.pools), Rc::clone(&self.origins));
        Rc::new(Context::new(exchange, Rc::new(Outside { pools, origins, machine })))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    fn block_on<T>(test: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test)
    }

    #[test]
    fn jobs_run_beside_each_other_on_one_thread() {
        block_on(async {
            let background = Background::new(lua::Shared::new());
            let name = || thread::current().name().map(str::to_owned);
            let barrier = Arc::new(tokio::sync::Barrier::new(2));
            let job = || {
                let barrier = Arc::clone(&barrier);
                background.run(move |_| async move {
                    barrier.wait().await;
                    name()
                })
            };
            let (a, b) = tokio::join!(job(), job());
            assert_eq!(a.unwrap().as_deref(), Some("background"));
            assert_eq!(b.unwrap().as_deref(), Some("background"));
        });
    }

    #[test]
    fn a_job_ends_with_who_waits_for_it() {
        struct Flag(Arc<AtomicBool>);
        impl Drop for Flag {
            fn drop(&mut self) {
                self.0.store(true, Ordering::SeqCst);
            }
        }
        block_on(async {
            let background = Background::new(lua::Shared::new());
            let dropped = Arc::new(AtomicBool::new(false));
            let (begun, begins) = oneshot::channel();
            let flag = Flag(Arc::clone(&dropped));
            let endless = background.run(move |_| async move {
                let _flag = flag;
                begun.send(()).unwrap();
                std::future::pending::<()>().await;
            });
            tokio::select! {
                _ = endless => panic!("it never ends"),
                begun = begins => begun.unwrap(),
            }
            // The worker drops it before it takes the next job but one.
            for _ in 0..3 {
                background.run(|_| tokio::task::yield_now()).await.unwrap();
            }
            assert!(dropped.load(Ordering::SeqCst));
        });
    }
}
