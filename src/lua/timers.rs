//! Functions that scripts have called again and again, beside all requests.
//!
//! Must not know what they do.

use std::cell::RefCell;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use mlua::Function;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::instance::Ended;
use super::load::Loaded;
use super::onerror::Rescue;
use super::{Context, Instance, ScriptError};
use crate::message::{Client, Exchange};

/// Timers of one script.
const TIMERS_MAX: usize = 16;
/// An interval is at least this long.
const EVERY_MIN: Duration = Duration::from_millis(10);
/// How long one call may take, waiting included.
const LIMIT: Duration = Duration::from_mins(1);
/// What the places of timers are counted as in the shared state.
const PLACE_BYTES: usize = 64;

/// Where a timer rings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Where {
    /// On one of the workers.
    OneWorker,
    /// On each.
    EachWorker,
}

/// A function and when it is called.
#[derive(Debug, Clone)]
pub(super) struct Timer {
    pub(super) every: Duration,
    pub(super) place: Where,
    pub(super) work: Function,
}

/// The timers of a script that is loaded.
pub(super) type Timers = RefCell<Vec<Timer>>;

impl Timer {
    /// Lets a script have it once its `setup` is over.
    ///
    /// # Errors
    /// When there are too many, or it would ring too often.
    pub(super) fn add_to(self, loaded: &Loaded) -> mlua::Result<()> {
        let mut timers = loaded.timers.borrow_mut();
        if timers.len() >= TIMERS_MAX {
            let text = format!("a script has {TIMERS_MAX} timers at most");
            return Err(mlua::Error::runtime(text));
        }
        if self.every < EVERY_MIN {
            let text = format!("timer.every: an interval is {EVERY_MIN:?} at least");
            return Err(mlua::Error::runtime(text));
        }
        timers.push(self);
        Ok(())
    }
}

impl Instance {
    /// Begins the timers that `setup` has asked for. They end with what is loaded.
    pub(super) fn begin_timers(self: &Rc<Self>, loaded: &Rc<Loaded>) {
        for (number, timer) in loaded.timers.borrow().iter().enumerate() {
            let (instance, loaded) = (Rc::downgrade(self), Rc::downgrade(loaded));
            let (every, place) = (timer.every, timer.place);
            tokio::task::spawn_local(ring(instance, loaded, number, every, place));
        }
    }

    /// Calls the function of a timer once. A failure is logged.
    async fn call_timer(self: &Rc<Self>, loaded: &Rc<Loaded>, number: usize) {
        let work = loaded.timers.borrow().get(number).map(|timer| timer.work.clone());
        let Some(work) = work.filter(|_| self.admits()) else { return };
        let host = self.tools().outside();
        let cx = Rc::new(Context::new(Rc::new(Exchange::new(Rc::new(Client::nobody()))), host));
        let run = self.new_run(Some(&cx), loaded, None);
        let ended = Ended(&run);
        let call = self.call::<mlua::MultiValue>(&run, &work, &loaded.ctx);
        let outcome = tokio::time::timeout(LIMIT, call).await.unwrap_or_else(|_| {
            let (script, limit) = (self.spec().source.name.to_string(), format!("{LIMIT:?}"));
            let limit = format!("a timer took longer than {limit}");
            Err(ScriptError::Limit { script, limit })
        });
        drop(ended);
        self.note(outcome.as_ref());
        if let Err(error) = outcome {
            Rescue::new(self.spec(), &cx, self.tools(), "timer", &error);
        }
    }
}

async fn ring(
    instance: Weak<Instance>,
    loaded: Weak<Loaded>,
    number: usize,
    every: Duration,
    place: Where,
) {
    // Whoever has it rings; when its worker ends, or its instance, another one gets it.
    let mut permit: Option<OwnedSemaphorePermit> = None;
    loop {
        tokio::time::sleep(every).await;
        let (Some(instance), Some(loaded)) = (instance.upgrade(), loaded.upgrade()) else { return };
        if place == Where::OneWorker && permit.is_none() {
            permit = lead(&loaded, number);
            if permit.is_none() {
                continue;
            }
        }
        instance.call_timer(&loaded, number).await;
    }
}

/// The right to be the worker on which a timer rings.
fn lead(loaded: &Loaded, number: usize) -> Option<OwnedSemaphorePermit> {
    let make = || Leads(Arc::new(Semaphore::new(1)));
    let opened = loaded.scope.open(&format!("timer {number}"), PLACE_BYTES, make).ok()?;
    Arc::clone(&opened.0).try_acquire_owned().ok()
}

#[derive(Debug)]
struct Leads(Arc<Semaphore>);
