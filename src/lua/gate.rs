//! The limit on computing: what the VM's interrupt asks, and what a hook has left.
//!
//! Must not know what a hook is for.

use std::cell::{Cell, RefCell};
use std::ffi::c_void;
use std::ptr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mlua::Lua;

use super::raw;
use super::watch::Watch;

/// A hook that computes longer lets the worker do other things in between.
const SLICE: Duration = Duration::from_millis(1);

/// A pause between two looks at the clock counts as a quarter of the limit at most: Luau looks
/// often, so a longer one is not the script's, but the system's, which gave the core to others.
const GAP_PART: u32 = 4;

/// Interrupts after which the clock is looked at although the watch has not moved.
const INTERRUPTS_MAX: u32 = 256;

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

/// What the VM is to do at an interrupt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    GoOn,
    /// Suspend the hook.
    Yield,
    /// Raise an error.
    Stop,
}

/// The computing time that a hook may still use.
#[derive(Debug)]
pub(super) struct Allowance {
    left: Duration,
    gap_max: Duration,
    /// The first step of most hooks is over before the watch moves; only later ones are measured
    /// from their beginning.
    is_measured: bool,
}

/// How a step of a hook has ended, as far as its computing time goes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Used {
    /// Within its limit.
    Within,
    /// It was suspended so that others get their turn.
    Slice,
    /// It has passed its limit, also when it caught the error and went on.
    Spent(CpuSpent),
}

/// What runs now, and until when.
#[derive(Debug)]
struct Armed {
    /// The last look at the clock.
    seen: Option<Instant>,
    left: Duration,
    gap_max: Duration,
    slice_end: Option<Instant>,
    /// Whether it gives way to others after a slice.
    is_sliced: bool,
    /// The coroutine of the hook itself.
    root: *const c_void,
    waiting: Waiting,
    tripped: Option<CpuSpent>,
    yielded: bool,
}

/// The limit of one VM; nothing is armed while no script runs.
pub(super) struct Gate {
    watch: Arc<Watch>,
    /// The watch at the last look.
    seen: Cell<u32>,
    interrupts: Cell<u32>,
    armed: RefCell<Option<Armed>>,
    /// Whether hooks run in one piece: a clock that stands still has nobody to let go ahead.
    unsliced: Cell<bool>,
}

impl Allowance {
    pub(super) fn new(limit: Duration) -> Self {
        Self { left: limit, gap_max: limit / GAP_PART, is_measured: false }
    }
}

impl Gate {
    pub(super) fn new(watch: Arc<Watch>) -> Self {
        let (seen, interrupts) = (Cell::default(), Cell::default());
        let (armed, unsliced) = (RefCell::default(), Cell::default());
        Self { watch, seen, interrupts, armed, unsliced }
    }

    /// Whether there is nothing to do at an interrupt, which the VM makes at every call and every
    /// turn of a loop.
    #[inline]
    pub(super) fn is_quiet(&self) -> bool {
        let interrupts = self.interrupts.get() + 1;
        self.interrupts.set(interrupts);
        interrupts < INTERRUPTS_MAX && self.watch.now() == self.seen.get()
    }

    /// Looks at the clock. `line` is where the coroutine at `thread` is.
    pub(super) fn look(&self, thread: *const c_void, line: impl FnOnce() -> Option<usize>) -> Turn {
        self.watch.begin();
        self.seen.set(self.watch.now());
        let turn = match &mut *self.armed.borrow_mut() {
            Some(armed) => armed.check(thread, line),
            None => Turn::GoOn,
        };
        // A script that catches the error must find it again at its very next step.
        self.interrupts.set(if turn == Turn::GoOn { 0 } else { INTERRUPTS_MAX });
        turn
    }

    /// From now on hooks run in one piece.
    pub(super) fn run_whole(&self) {
        self.unsliced.set(true);
    }

    /// Refuses to wait where Luau cannot suspend the hook.
    ///
    /// # Errors
    /// In top-level code, inside coroutines that the script made itself, and in functions that
    /// Luau's own functions call.
    pub(super) fn may_wait(&self, lua: &Lua) -> mlua::Result<()> {
        let refused = match &*self.armed.borrow() {
            Some(armed) if armed.waiting == Waiting::Refused => {
                "nothing can be waited for while a script is loaded"
            }
            Some(armed) if armed.root != lua.state().cast::<c_void>() => {
                "a script cannot wait inside a coroutine of its own"
            }
            Some(_) if !raw::is_yieldable(lua) => {
                "a script cannot wait inside a function that table.sort, string.gsub or a \
                 metatable calls"
            }
            _ => return Ok(()),
        };
        Err(mlua::Error::runtime(refused))
    }

    /// Runs something that cannot wait within a limit.
    pub(super) fn run<T>(
        &self,
        limit: Duration,
        body: impl FnOnce() -> mlua::Result<T>,
    ) -> mlua::Result<T> {
        let mut allowance = Allowance::new(limit);
        allowance.is_measured = true;
        let (result, used) = self.armed(&mut allowance, ptr::null(), Waiting::Refused, body);
        match used {
            Used::Spent(spent) => Err(mlua::Error::external(spent)),
            Used::Within | Used::Slice => result,
        }
    }

    /// Runs a step of a hook, whose coroutine is at `root`, within what it has left.
    pub(super) fn step<T>(
        &self,
        allowance: &mut Allowance,
        root: *const c_void,
        body: impl FnOnce() -> T,
    ) -> (T, Used) {
        self.armed(allowance, root, Waiting::Allowed, body)
    }

    fn armed<T>(
        &self,
        allowance: &mut Allowance,
        root: *const c_void,
        waiting: Waiting,
        body: impl FnOnce() -> T,
    ) -> (T, Used) {
        self.watch.begin();
        self.seen.set(self.watch.now());
        self.interrupts.set(0);
        let began = allowance.is_measured.then(Instant::now);
        allowance.is_measured = true;
        let armed = Armed {
            seen: began,
            left: allowance.left,
            gap_max: allowance.gap_max,
            slice_end: began.map(|began| began + SLICE),
            is_sliced: !self.unsliced.get(),
            root,
            waiting,
            tripped: None,
            yielded: false,
        };
        let outer = self.armed.replace(Some(armed));
        let result = body();
        let inner = self.armed.replace(outer);
        let Some(mut inner) = inner else { return (result, Used::Within) };
        if let Some(spent) = inner.tripped {
            return (result, Used::Spent(spent));
        }
        if inner.seen.is_some() {
            inner.look();
            allowance.left = inner.left;
        }
        (result, if inner.yielded { Used::Slice } else { Used::Within })
    }
}

impl Armed {
    /// Counts the time since the last look.
    fn look(&mut self) -> Instant {
        let now = Instant::now();
        let gap = now.saturating_duration_since(self.seen.unwrap_or(now)).min(self.gap_max);
        self.left = self.left.saturating_sub(gap);
        self.seen = Some(now);
        now
    }

    fn check(&mut self, thread: *const c_void, line: impl FnOnce() -> Option<usize>) -> Turn {
        let now = self.look();
        let is_root = self.root == thread;
        if self.left.is_zero() {
            self.tripped.get_or_insert_with(|| CpuSpent { line: line() });
            // Suspended and never resumed, a script has no say. Where Luau cannot suspend it the
            // next look comes while it still runs, and raises an error.
            self.yielded = is_root && !self.yielded;
            return if self.yielded { Turn::Yield } else { Turn::Stop };
        }
        let slice_end = *self.slice_end.get_or_insert(now + SLICE);
        if self.is_sliced && now >= slice_end && is_root && !self.yielded {
            self.yielded = true;
            return Turn::Yield;
        }
        Turn::GoOn
    }
}
