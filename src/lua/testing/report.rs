//! What became of a test file, and the same as JUnit's XML.

use std::fmt::Write as _;
use std::time::Duration;

use super::Coverage;

/// What became of a test file.
#[derive(Debug, Default)]
pub struct FileReport {
    /// The file.
    pub file: String,
    /// Its tests, in order.
    pub cases: Vec<Case>,
    /// What `bench` measured.
    pub measured: Vec<Measured>,
    /// Lines of scripts that ran, if they were counted.
    pub coverage: Coverage,
}

/// A test.
#[derive(Debug)]
pub struct Case {
    /// The groups it is in, joined by spaces.
    pub group: String,
    /// Its name.
    pub name: String,
    /// What became of it.
    pub outcome: Outcome,
    /// How long it took in real time.
    pub took: Duration,
}

/// What became of a test.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All held.
    Passed,
    /// What did not hold, with file and line.
    Failed(String),
}

/// What a hook costs.
#[derive(Debug)]
pub struct Measured {
    /// The name given to it.
    pub name: String,
    /// The hook.
    pub hook: &'static str,
    /// Nanoseconds of one run.
    pub nanos: f64,
}

impl FileReport {
    /// How many tests failed.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.cases.iter().filter(|case| case.outcome != Outcome::Passed).count()
    }
}

/// The reports as one document of JUnit.
#[must_use]
pub fn junit(reports: &[FileReport]) -> String {
    let total: usize = reports.iter().map(|report| report.cases.len()).sum();
    let failed: usize = reports.iter().map(FileReport::failed).sum();
    // Writing to a string cannot fail.
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(text, "<testsuites tests=\"{total}\" failures=\"{failed}\">");
    for report in reports {
        let _ = writeln!(
            text,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\">",
            escaped(&report.file),
            report.cases.len(),
            report.failed()
        );
        for case in &report.cases {
            let (group, name) = (escaped(&case.group), escaped(&case.name));
            let seconds = case.took.as_secs_f64();
            let _ = write!(
                text,
                "    <testcase classname=\"{group}\" name=\"{name}\" time=\"{seconds:.6}\""
            );
            let _ = match &case.outcome {
                Outcome::Passed => writeln!(text, "/>"),
                Outcome::Failed(why) => writeln!(
                    text,
                    ">\n      <failure message=\"{}\"/>\n    </testcase>",
                    escaped(why)
                ),
            };
        }
        text.push_str("  </testsuite>\n");
    }
    text.push_str("</testsuites>\n");
    text
}

/// Text as it stands in an attribute; what XML cannot hold is left out.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(' '),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn junit_says_what_failed() {
        let case = |name: &str, outcome| Case {
            group: "a <b>".to_owned(),
            name: name.to_owned(),
            outcome,
            took: Duration::from_millis(1),
        };
        let cases = vec![
            case("good", Outcome::Passed),
            case("bad", Outcome::Failed("t.lua:3: \"x\" & y\u{1}".to_owned())),
        ];
        let report = FileReport { file: "t.lua".to_owned(), cases, ..FileReport::default() };
        let text = junit(&[report]);
        for part in [
            "<testsuites tests=\"2\" failures=\"1\">",
            "classname=\"a &lt;b&gt;\" name=\"good\" time=\"0.001000\"/>",
            "<failure message=\"t.lua:3: &quot;x&quot; &amp; y\"/>",
        ] {
            assert!(text.contains(part), "{text}");
        }
    }
}
