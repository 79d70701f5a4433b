//! What a test sees of a script that a worker would not show: its log lines, its failures, the
//! lines that ran; and the clock the script goes by.
//!
//! Must not know what a test expects.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use mlua::Function;
use tokio::time::Instant;

/// Log lines kept of one script; a test that writes more looks at the first ones.
const LINES_MAX: usize = 10_000;

/// 2026-01-01 00:00 UTC, when the clock of a test begins unless it says otherwise.
const BEGIN_SECONDS: f64 = 1_767_225_600.0;

/// A log line of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::lua) struct LogLine {
    pub(in crate::lua) level: &'static str,
    pub(in crate::lua) message: String,
    /// JSON, or empty.
    pub(in crate::lua) fields: String,
}

/// Whether lines that ran are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::lua) enum Counting {
    Lines,
    Nothing,
}

/// Watches the scripts of one VM.
#[derive(Debug)]
pub(in crate::lua) struct Probe {
    pub(in crate::lua) counting: Counting,
    pub(in crate::lua) clock: Rc<Clock>,
    pub(super) lines: RefCell<Vec<LogLine>>,
    pub(super) failures: RefCell<Vec<String>>,
    /// Main functions of loaded scripts, by the script's name.
    pub(super) chunks: RefCell<Vec<(String, Function)>>,
}

impl Probe {
    pub(super) fn new(counting: Counting, clock: Rc<Clock>) -> Self {
        let (lines, failures) = (RefCell::default(), RefCell::default());
        Self { counting, clock, lines, failures, chunks: RefCell::default() }
    }

    /// Keeps a log line.
    pub(in crate::lua) fn log(&self, line: LogLine) {
        let mut lines = self.lines.borrow_mut();
        if lines.len() < LINES_MAX {
            lines.push(line);
        }
    }

    /// Keeps a failure's text.
    pub(in crate::lua) fn failed(&self, error: String) {
        let mut failures = self.failures.borrow_mut();
        if failures.len() < LINES_MAX {
            failures.push(error);
        }
    }

    /// Keeps a script's main function, whose lines are counted.
    pub(in crate::lua) fn loaded(&self, script: &str, chunk: &Function) {
        if self.counting == Counting::Lines {
            self.chunks.borrow_mut().push((script.to_owned(), chunk.clone()));
        }
    }
}

/// A clock that goes on only while something waits.
#[derive(Debug)]
pub(in crate::lua) struct Clock {
    began: Instant,
    base: Cell<f64>,
}

impl Clock {
    /// Begins now; within the runtime of the test.
    pub(super) fn new() -> Rc<Self> {
        Rc::new(Self { began: Instant::now(), base: Cell::new(BEGIN_SECONDS) })
    }

    /// Seconds since the test began.
    pub(in crate::lua) fn elapsed(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    /// Seconds since 1970.
    pub(in crate::lua) fn now(&self) -> f64 {
        self.base.get() + self.elapsed()
    }

    /// Makes it that time now.
    pub(super) fn set(&self, seconds: f64) {
        self.base.set(seconds - self.elapsed());
    }
}
