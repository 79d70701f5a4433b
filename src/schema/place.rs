//! Where decoding is, and what it found so far. Must not know any type of option.

use super::{Problem, ProblemKind, Source};

/// Problems and warnings beyond this many of each are counted, not kept.
const KEPT_MAX: usize = 100;

/// The element that is decoded now, with the findings about all elements before it.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) source: Source,
    path: String,
    problems: Vec<Problem>,
    problem_count: usize,
    warnings: Vec<Problem>,
}

impl Place {
    pub(super) fn root(source: Source) -> Self {
        Self {
            source,
            path: String::new(),
            problems: Vec::new(),
            problem_count: 0,
            warnings: Vec::new(),
        }
    }

    /// A place without findings, to see whether something would decode.
    pub(super) fn trial(&self) -> Self {
        Self { path: self.path.clone(), ..Self::root(self.source) }
    }

    /// Decodes an inner element: a name, or an index in brackets.
    pub(super) fn within<T>(&mut self, element: &str, decode: impl FnOnce(&mut Self) -> T) -> T {
        let outer = self.path.len();
        if !self.path.is_empty() && !element.starts_with('[') {
            self.path.push('.');
        }
        self.path.push_str(element);
        let decoded = decode(self);
        self.path.truncate(outer);
        decoded
    }

    /// Notes that the element is not of the structure that is wanted; it has no value.
    pub(super) fn refuse<T>(&mut self, reason: impl Into<String>) -> Option<T> {
        self.note(ProblemKind::Structure, reason.into())
    }

    /// Notes that the element's value is wrong in itself; it has no value.
    pub(super) fn refuse_value<T>(&mut self, reason: impl Into<String>) -> Option<T> {
        self.note(ProblemKind::Value, reason.into())
    }

    fn note<T>(&mut self, kind: ProblemKind, reason: String) -> Option<T> {
        self.problem_count += 1;
        if self.problem_count <= KEPT_MAX {
            self.problems.push(Problem { kind, path: self.path.clone(), reason });
        }
        None
    }

    /// Notes what is allowed but should be changed.
    pub(super) fn warn(&mut self, reason: impl Into<String>) {
        if self.warnings.len() < KEPT_MAX {
            let (path, reason) = (self.path.clone(), reason.into());
            self.warnings.push(Problem { kind: ProblemKind::Value, path, reason });
        }
    }

    /// How many problems there are, to see whether a step added one.
    pub(super) fn problem_count(&self) -> usize {
        self.problem_count
    }

    /// Takes over what a trial found.
    pub(super) fn adopt(&mut self, trial: Self) {
        for problem in trial.problems {
            self.problem_count += 1;
            if self.problem_count <= KEPT_MAX {
                self.problems.push(problem);
            }
        }
        let room = KEPT_MAX.saturating_sub(self.warnings.len());
        self.warnings.extend(trial.warnings.into_iter().take(room));
    }

    /// The warnings, or the problems if there are any.
    pub(super) fn finish(mut self) -> Result<Vec<Problem>, Vec<Problem>> {
        if self.problem_count == 0 {
            return Ok(self.warnings);
        }
        if let Some(more) = self.problem_count.checked_sub(KEPT_MAX).filter(|more| *more > 0) {
            let reason = format!("{more} more problems are not listed");
            self.problems.push(Problem { kind: ProblemKind::Value, path: String::new(), reason });
        }
        Err(self.problems)
    }
}
