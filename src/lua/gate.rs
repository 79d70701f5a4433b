//! The limit on computing: what the VM's interrupt compares the clock with, and the future that
//! arms it while a hook is polled.
//!
//! Must not know what a hook is for.

use std::cell::{Cell, RefCell};
use std::ffi::c_void;
use std::future::Future;
use std::pin::Pin;
use std::ptr;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use mlua::{Lua, VmState};

use super::memory::Category;

/// A hook that computes longer lets the worker do other things in between.
const SLICE: Duration = Duration::from_millis(1);

/// A pause between two looks at the clock counts as a quarter of the limit at most: Luau looks
/// often, so a longer one is not the script's, but the system's, which gave the core to others.
const GAP_PART: u32 = 4;

/// Raised in a script that has computed for too long.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("computed longer than its limit")]
pub(super) struct CpuSpent {
    /// Where it was stopped.
    pub(super) line: Option<usize>,
}

/// Whether what runs now may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waiting {
    Allowed,
    /// Top-level code, which runs outside any coroutine.
    Refused,
}

/// What runs now, and until when.
#[derive(Debug, Clone)]
struct Armed {
    /// The last look at the clock.
    seen: Instant,
    left: Duration,
    gap_max: Duration,
    slice_end: Option<Instant>,
    /// The coroutine of the hook itself; null before its first step.
    root: *const c_void,
    category: Option<Rc<Category>>,
    waiting: Waiting,
    tripped: Option<CpuSpent>,
    yielded: bool,
}

/// The limit of one VM; nothing is armed while no script runs.
#[derive(Default)]
pub(super) struct Gate {
    armed: RefCell<Option<Armed>>,
    /// Whether hooks run in one piece: a clock that stands still has nobody to let go ahead.
    unsliced: Cell<bool>,
}

impl Gate {
    /// What the VM calls at every call and every turn of a loop.
    pub(super) fn interrupt(&self, lua: &Lua) -> mlua::Result<VmState> {
        match &mut *self.armed.borrow_mut() {
            Some(armed) => armed.check(lua),
            None => Ok(VmState::Continue),
        }
    }

    /// From now on hooks run in one piece.
    pub(super) fn run_whole(&self) {
        self.unsliced.set(true);
    }

    /// Refuses to wait where Luau cannot suspend the hook.
    ///
    /// # Errors
    /// In top-level code, and inside coroutines that the script made itself.
    pub(super) fn may_wait(&self, lua: &Lua) -> mlua::Result<()> {
        match &*self.armed.borrow() {
            Some(armed) if armed.waiting == Waiting::Refused => {
                Err(mlua::Error::runtime("nothing can be waited for while a script is loaded"))
            }
            Some(armed) if armed.root != lua.state().cast::<c_void>() => {
                Err(mlua::Error::runtime("a script cannot wait inside a coroutine of its own"))
            }
            _ => Ok(()),
        }
    }

    /// Runs something that cannot wait within a limit.
    pub(super) fn run<T>(
        &self,
        limit: Duration,
        category: Option<&Rc<Category>>,
        body: impl FnOnce() -> mlua::Result<T>,
    ) -> mlua::Result<T> {
        let armed = Armed {
            seen: Instant::now(),
            left: limit,
            gap_max: limit / GAP_PART,
            slice_end: None,
            root: ptr::null(),
            category: category.cloned(),
            waiting: Waiting::Refused,
            tripped: None,
            yielded: false,
        };
        let outer = self.armed.replace(Some(armed));
        let result = body();
        let inner = self.armed.replace(outer);
        match inner {
            Some(Armed { tripped: Some(spent), .. }) => Err(mlua::Error::external(spent)),
            _ => result,
        }
    }
}

impl Armed {
    /// Counts the time since the last look.
    fn look(&mut self) -> Instant {
        let now = Instant::now();
        let gap = now.saturating_duration_since(self.seen).min(self.gap_max);
        self.left = self.left.saturating_sub(gap);
        self.seen = now;
        now
    }

    fn check(&mut self, lua: &Lua) -> mlua::Result<VmState> {
        if self.root.is_null() {
            self.root = lua.state().cast();
            if let Some(category) = &self.category {
                category.apply(lua)?;
            }
        }
        let now = self.look();
        if self.left.is_zero() {
            let spent = *self.tripped.get_or_insert_with(|| {
                #[allow(
                    clippy::redundant_closure_for_method_calls,
                    reason = "the method is not general over the lifetime"
                )]
                let line = lua.inspect_stack(0, |frame| frame.current_line()).flatten();
                CpuSpent { line }
            });
            // Suspended and never resumed, a script has no say. Where Luau cannot suspend it the
            // next look comes while it still runs, and raises an error.
            self.yielded = self.root == lua.state().cast() && !self.yielded;
            if self.yielded {
                return Ok(VmState::Yield);
            }
            return Err(mlua::Error::external(spent));
        }
        if self.slice_end.is_some_and(|end| now >= end) && self.root == lua.state().cast() {
            self.slice_end = None;
            self.yielded = true;
            return Ok(VmState::Yield);
        }
        Ok(VmState::Continue)
    }
}

/// A call of a hook whose computing time is limited; time between polls is free.
pub(super) struct Metered<F> {
    gate: Rc<Gate>,
    call: F,
    left: Duration,
    gap_max: Duration,
    root: *const c_void,
    category: Option<Rc<Category>>,
    pause: Option<Pin<Box<dyn Future<Output = ()>>>>,
}

impl<F> Metered<F> {
    /// Limits a call.
    pub(super) fn new(
        gate: Rc<Gate>,
        limit: Duration,
        category: Option<Rc<Category>>,
        call: F,
    ) -> Self {
        let gap_max = limit / GAP_PART;
        Self { gate, call, left: limit, gap_max, root: ptr::null(), category, pause: None }
    }
}

impl<T, F: Future<Output = mlua::Result<T>> + Unpin> Future for Metered<F> {
    type Output = mlua::Result<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let mut is_resumed = false;
        if let Some(pause) = &mut this.pause {
            ready!(pause.as_mut().poll(cx));
            this.pause = None;
            is_resumed = true;
        }
        let started = Instant::now();
        let armed = Armed {
            seen: started,
            left: this.left,
            gap_max: this.gap_max,
            slice_end: (!this.gate.unsliced.get()).then(|| started + SLICE),
            root: this.root,
            category: this.category.clone(),
            waiting: Waiting::Allowed,
            tripped: None,
            yielded: false,
        };
        let outer = this.gate.armed.replace(Some(armed));
        let polled = Pin::new(&mut this.call).poll(cx);
        let inner = this.gate.armed.replace(outer);
        if let Some(mut inner) = inner {
            this.root = inner.root;
            // Also when the script caught the error and went on.
            if let Some(spent) = inner.tripped {
                return Poll::Ready(Err(mlua::Error::external(spent)));
            }
            if polled.is_pending() {
                inner.look();
                this.left = inner.left;
                if inner.yielded {
                    // The runtime looks at its sockets before this comes round again. The call
                    // has woken the task already, so the pause is polled from its next turn on.
                    this.pause = Some(Box::pin(tokio::task::yield_now()));
                } else if is_resumed {
                    // The slice may have ended between the look at what the script waits for and
                    // the wait itself, and this turn may be the one that should have told it.
                    cx.waker().wake_by_ref();
                }
            }
        }
        polled
    }
}
