//! Sizes of the product's files and functions, as figures to watch.
//!
//! Knows counts; judges nothing.

use crate::source::Source;

/// The middle, the ninetieth part and the end of a row of sizes.
pub(crate) struct Spread {
    pub(crate) count: usize,
    pub(crate) median: usize,
    pub(crate) p90: usize,
    pub(crate) max: usize,
}

impl Spread {
    pub(crate) fn of(mut sizes: Vec<usize>) -> Self {
        sizes.sort_unstable();
        let count = sizes.len();
        let part = |tenths: usize| sizes.get(count * tenths / 10).copied().unwrap_or_default();
        Self { count, median: part(5), p90: part(9), max: sizes.last().copied().unwrap_or(0) }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { count, median, p90, max } = self;
        write!(f, "{count:>5}, lines: median {median}, p90 {p90}, max {max}")
    }
}

/// One line each for files and functions of the product, tests left out.
pub(crate) fn figures(sources: &[Source]) -> String {
    let product = || sources.iter().filter(|source| source.production_lines() > 0);
    let files = Spread::of(product().map(Source::production_lines).collect());
    let functions = product().flat_map(|source| {
        let functions = source.functions().into_iter();
        functions.filter(|f| f.line < source.tests_from).map(|f| f.lines)
    });
    let functions = Spread::of(functions.collect());
    let lines: usize = product().map(Source::production_lines).sum();
    format!("files     {files}\nfunctions {functions}\nlines     {lines:>5}")
}
