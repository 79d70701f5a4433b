//! Numbers with names and labels, whoever has counted them.
//!
//! A family knows no wire format: [`print()`] makes Prometheus' text of it. Must not know what is
//! counted.

mod print;

use std::borrow::Cow;
use std::sync::Arc;

pub use print::print;

/// Numbers of one name.
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    /// The name.
    pub name: Cow<'static, str>,
    /// What the numbers say.
    pub help: Cow<'static, str>,
    /// How they behave.
    pub kind: FamilyKind,
    /// The numbers.
    pub samples: Vec<Sample>,
}

/// How the numbers of a family behave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FamilyKind {
    /// They only grow.
    Counter,
    /// They go up and down.
    Gauge,
    /// They are many, told apart by size.
    Histogram,
}

/// A number with its labels.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Names and values.
    pub labels: Vec<(Cow<'static, str>, Arc<str>)>,
    /// The number.
    pub value: SampleValue,
}

/// The number of a sample.
#[derive(Debug, Clone, PartialEq)]
pub enum SampleValue {
    /// Just one.
    Number(f64),
    /// Many.
    Histogram(Histogram),
}

/// Many numbers, told apart by size.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    /// How many are within each bound and not within the one before, then all others.
    pub buckets: Vec<u64>,
    /// The bounds; one less than there are buckets.
    pub bounds: Arc<[f64]>,
    /// All of them together.
    pub sum: f64,
}

impl Family {
    /// A family without samples.
    #[must_use]
    pub fn new(
        kind: FamilyKind,
        name: impl Into<Cow<'static, str>>,
        help: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { name: name.into(), help: help.into(), kind, samples: Vec::new() }
    }

    /// Adds a number.
    pub fn number(&mut self, labels: &[(&'static str, &str)], value: f64) {
        let labels = labels.iter().map(|(name, value)| (Cow::Borrowed(*name), Arc::from(*value)));
        self.samples.push(Sample { labels: labels.collect(), value: SampleValue::Number(value) });
    }
}
