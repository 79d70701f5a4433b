//! What a run of tests says on the terminal.

use std::fmt::Write as _;

use super::Asked;
use crate::lua::testing::{Coverage, FileReport, Outcome};

/// Prints what became of a file.
pub(super) fn file(report: &FileReport) {
    println!("{}", report.file);
    let mut group = "";
    for case in &report.cases {
        if case.group != group {
            println!("  {}", case.group);
            group = &case.group;
        }
        match &case.outcome {
            Outcome::Passed => println!("    ok    {}", case.name),
            Outcome::Failed(why) => println!("    FAIL  {}\n          {why}", case.name),
        }
    }
    for measured in &report.measured {
        println!("    {:>8.0} ns  {}, {}", measured.nanos, measured.name, measured.hook);
    }
}

/// Prints the figures of the whole run; whether they are good enough.
pub(super) fn summary(reports: &[FileReport], coverage: &Coverage, asked: &Asked) -> bool {
    let mut enough = true;
    if asked.options.coverage {
        println!("\nlines that ran:");
        for (script, ran, all, missed) in coverage.scripts() {
            let missed = ranges(&missed);
            let missed = if missed.is_empty() { missed } else { format!("   not: {missed}") };
            println!("  {ran:>4} of {all:<4} {script}{missed}");
        }
        println!("  {:.1} % of all lines", coverage.percent());
        if let Some(least) = asked.coverage_min
            && coverage.percent() < least
        {
            println!("  fewer than {least} % of the lines ran");
            enough = false;
        }
    }
    let failed: usize = reports.iter().map(FileReport::failed).sum();
    let all: usize = reports.iter().map(|report| report.cases.len()).sum();
    println!("\n{} passed, {failed} failed", all - failed);
    enough
}

/// Numbers in order as text, such as `3-5, 9`.
fn ranges(numbers: &[usize]) -> String {
    let mut text = String::new();
    let mut rest = numbers.iter().copied().peekable();
    while let Some(first) = rest.next() {
        let mut last = first;
        while rest.next_if_eq(&(last + 1)).is_some() {
            last += 1;
        }
        let comma = if text.is_empty() { "" } else { ", " };
        // Writing to a string cannot fail.
        let _ = match first == last {
            true => write!(text, "{comma}{first}"),
            false => write!(text, "{comma}{first}-{last}"),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn ranges_are_short() {
        assert_eq!(super::ranges(&[1, 3, 4, 5, 9]), "1, 3-5, 9");
        assert_eq!(super::ranges(&[]), "");
    }
}
