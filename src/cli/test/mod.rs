//! `moongate test`: runs the tests of scripts, `*_test.lua`, in this process.

mod files;
mod print;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use files::{Fingerprint, find_tests, finder};

use crate::lua::ScriptSource;
use crate::lua::testing::{Coverage, FileReport, TestOptions, junit, run_tests};

/// How often `--watch` looks at the files.
const LOOK_EVERY: Duration = Duration::from_millis(300);

const USAGE: &str = "usage: moongate test [PATH...] [--filter=TEXT] [--coverage] \
                     [--coverage-min=PERCENT] [--junit=FILE] [--bench] [--watch]";

/// What the arguments ask for.
#[derive(Debug, Default, PartialEq)]
struct Asked {
    paths: Vec<PathBuf>,
    options: TestOptions,
    coverage_min: Option<f64>,
    junit: Option<PathBuf>,
    watch: bool,
}

/// Runs all tests below the paths, which are this folder without any.
pub(super) fn run(arguments: &[String]) -> ExitCode {
    let asked = match parse(arguments) {
        Ok(asked) => asked,
        Err(error) => {
            eprintln!("moongate: {error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    if !asked.watch {
        return if once(&asked) { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    loop {
        let before = Fingerprint::of(&asked.paths);
        once(&asked);
        println!("waiting for changes; Ctrl-C ends");
        while Fingerprint::of(&asked.paths) == before {
            thread::sleep(LOOK_EVERY);
        }
    }
}

fn parse(arguments: &[String]) -> Result<Asked, String> {
    let mut asked = Asked::default();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let (flag, value) = match argument.split_once('=') {
            Some((flag, value)) => (flag, Some(value.to_owned())),
            None => (argument.as_str(), None),
        };
        let mut text = || {
            let given = value.clone().or_else(|| rest.next().cloned());
            given.ok_or_else(|| format!("{flag} needs a value"))
        };
        match flag {
            "--filter" => asked.options.filter = Some(text()?),
            "--junit" => asked.junit = Some(text()?.into()),
            "--coverage-min" => {
                let least = text()?;
                let least = least.parse().map_err(|_| format!("{flag}: {least} is no number"))?;
                (asked.options.coverage, asked.coverage_min) = (true, Some(least));
            }
            "--coverage" => asked.options.coverage = true,
            "--bench" => asked.options.bench = true,
            "--watch" => asked.watch = true,
            _ if flag.starts_with('-') => return Err(format!("unknown flag {flag}")),
            _ => asked.paths.push(argument.into()),
        }
    }
    if asked.paths.is_empty() {
        asked.paths.push(".".into());
    }
    Ok(asked)
}

/// Runs all tests once; whether all is well.
fn once(asked: &Asked) -> bool {
    let files = match find_tests(&asked.paths) {
        Ok(files) if !files.is_empty() => files,
        Ok(_) => {
            println!("there are no tests: their files end in _test.lua");
            return false;
        }
        Err(error) => {
            println!("{error}");
            return false;
        }
    };
    let mut all_well = true;
    let mut coverage = Coverage::default();
    let mut reports = Vec::new();
    for path in files {
        match run_file(&path, &asked.options) {
            Ok(report) => {
                print::file(&report);
                coverage.add(&report.coverage);
                all_well &= report.failed() == 0;
                reports.push(report);
            }
            Err(error) => {
                println!("{}\n    {error}", path.display());
                all_well = false;
            }
        }
    }
    all_well &= print::summary(&reports, &coverage, asked);
    if let Some(path) = &asked.junit
        && let Err(error) = std::fs::write(path, junit(&reports))
    {
        println!("{}: {error}", path.display());
        all_well = false;
    }
    all_well
}

fn run_file(path: &Path, options: &TestOptions) -> Result<FileReport, String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let name = path.strip_prefix("./").unwrap_or(path).display().to_string();
    let source = ScriptSource { name: name.into(), text: text.into() };
    let folder = path.parent().unwrap_or(Path::new("")).to_owned();
    run_tests(&source, finder(folder), options).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_read() {
        let parse =
            |text: &str| parse(&text.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
        let asked = parse("a b --junit out.xml --coverage-min=80 --filter x --watch").unwrap();
        assert_eq!(asked.paths, [PathBuf::from("a"), PathBuf::from("b")]);
        assert_eq!(asked.junit, Some("out.xml".into()));
        assert_eq!((asked.coverage_min, asked.options.coverage), (Some(80.0), true));
        assert_eq!(asked.options.filter.as_deref(), Some("x"));
        assert!(asked.watch && !asked.options.bench);
        assert_eq!(parse("").unwrap().paths, [PathBuf::from(".")]);
        for bad in ["--nothing", "--junit", "--coverage-min=x"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
