//! The run of a hook on a coroutine: step by step, with what it waits for in between.
//!
//! Must not know what a hook is for.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use mlua::thread::AsyncThread;
use mlua::{FromLuaMulti, Function, IntoLuaMulti, Lua, MultiValue};

use super::gate::{Allowance, Used};
use super::raw::{Coroutine, Outcome};
use super::run::Run;

/// A hook under way.
pub(super) struct Call {
    coroutine: Coroutine,
    allowance: Allowance,
    /// Others get their turn first.
    pause: Option<Pin<Box<dyn Future<Output = ()>>>>,
    /// Set once the hook waits in a function of the typed binding.
    typed: Option<AsyncThread<MultiValue>>,
    /// Its last poll ended because its time was up, and not because something is waited for.
    was_cut: bool,
}

/// What a step of a hook has come to.
pub(super) enum Step {
    /// It has returned.
    Ended(Returned),
    /// It waits.
    Waits,
    /// It has failed.
    Failed(mlua::Error),
}

/// What a hook has returned.
pub(super) enum Returned {
    /// So many values on its coroutine.
    Raw(std::ffi::c_int),
    /// Values.
    Typed(MultiValue),
}

impl Call {
    /// Readies a hook.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub(super) fn begin(
        lua: &Lua,
        run: &Run,
        function: &Function,
        arguments: impl IntoLuaMulti,
    ) -> mlua::Result<Self> {
        let category = run.loaded.category.in_vm();
        let coroutine = run.tools.coroutines.begin(lua, category, function, arguments)?;
        let allowance = Allowance::new(run.limits.cpu);
        Ok(Self { coroutine, allowance, pause: None, typed: None, was_cut: false })
    }

    /// Runs it until it ends or waits.
    pub(super) fn step(&mut self, lua: &Lua, run: &Rc<Run>) -> Step {
        let (root, coroutine) = (self.coroutine.address(), &mut self.coroutine);
        let (outcome, used) = in_run(run, || {
            run.tools.gate.step(&mut self.allowance, root, || coroutine.resume(lua))
        });
        if let Used::Spent(spent) = used {
            return Step::Failed(mlua::Error::external(spent));
        }
        match outcome {
            Outcome::Returned(count) => Step::Ended(Returned::Raw(count)),
            Outcome::Failed(error) => Step::Failed(error),
            Outcome::Suspended { pending: true } => {
                match self.coroutine.thread().clone().into_async(()) {
                    Ok(typed) => {
                        self.typed = Some(typed);
                        Step::Waits
                    }
                    Err(error) => Step::Failed(error),
                }
            }
            Outcome::Suspended { pending: false } => {
                if run.job.borrow().is_none() {
                    // The runtime looks at its sockets before this comes round again.
                    self.pause = Some(Box::pin(tokio::task::yield_now()));
                }
                Step::Waits
            }
        }
    }

    /// Drives it to its end.
    pub(super) fn poll(
        &mut self,
        lua: &Lua,
        run: &Rc<Run>,
        cx: &mut Context<'_>,
    ) -> Poll<mlua::Result<Returned>> {
        loop {
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(cx));
                self.pause = None;
            }
            let job = run.job.take();
            if let Some(mut job) = job {
                match job.as_mut().poll(cx) {
                    Poll::Pending => {
                        run.job.replace(Some(job));
                        return Poll::Pending;
                    }
                    Poll::Ready(came) => drop(run.came.replace(Some(came))),
                }
            }
            if self.typed.is_some() {
                return self.poll_typed(run, cx);
            }
            match self.step(lua, run) {
                Step::Ended(returned) => return Poll::Ready(Ok(returned)),
                Step::Failed(error) => return Poll::Ready(Err(error)),
                Step::Waits => {}
            }
        }
    }

    /// The values that it has returned.
    ///
    /// # Errors
    /// When they are not of the types asked for.
    pub(super) fn end<T: FromLuaMulti>(
        self,
        lua: &Lua,
        run: &Run,
        returned: Returned,
    ) -> mlua::Result<T> {
        match returned {
            Returned::Raw(count) => run.tools.coroutines.end(lua, self.coroutine, count),
            Returned::Typed(values) => T::from_lua_multi(values, lua),
        }
    }

    /// Drives a hook that waits in functions of the typed binding.
    fn poll_typed(&mut self, run: &Rc<Run>, cx: &mut Context<'_>) -> Poll<mlua::Result<Returned>> {
        loop {
            let Some(typed) = &mut self.typed else { return Poll::Pending };
            let root = self.coroutine.address();
            let (polled, used) = in_run(run, || {
                run.tools.gate.step(&mut self.allowance, root, || Pin::new(typed).poll(cx))
            });
            if let Used::Spent(spent) = used {
                return Poll::Ready(Err(mlua::Error::external(spent)));
            }
            let job = run.job.take();
            match (polled, job) {
                (Poll::Ready(values), _) => return Poll::Ready(values.map(Returned::Typed)),
                (Poll::Pending, None) => {
                    let is_cut = matches!(used, Used::Slice);
                    if self.was_cut && !is_cut {
                        // The cut may have come between the look at what is waited for and the
                        // wait, so that nobody has looked since: one look more.
                        cx.waker().wake_by_ref();
                    }
                    self.was_cut = is_cut;
                    return Poll::Pending;
                }
                (Poll::Pending, Some(mut job)) => match job.as_mut().poll(cx) {
                    Poll::Ready(came) => drop(run.came.replace(Some(came))),
                    Poll::Pending => {
                        run.job.replace(Some(job));
                        return Poll::Pending;
                    }
                },
            }
        }
    }
}

/// Lets a run be the one whose hook runs.
fn in_run<T>(run: &Rc<Run>, body: impl FnOnce() -> T) -> T {
    let current = &run.tools.current;
    let outer = current.replace(Some(Rc::clone(run)));
    let result = body();
    current.replace(outer);
    result
}
