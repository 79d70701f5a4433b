//! Tests of scripts, written in Lua: a script runs as on a worker, in this process, with servers
//! that the test plays and a clock that goes on only while something waits.
//!
//! Knows no files and no terminal: what scripts there are is handed in, what happened is handed
//! out. Must not know any middleware.

mod bench;
mod coverage;
mod machine;
mod message;
mod probe;
mod report;
mod world;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use mlua::{Function, Lua, Table, Value};

use super::error::blame;
use super::gate::{Allowance, Used};
use super::tools::{Mode, Tools};
use super::{Limits, ScriptError, ScriptSource, Shared, sandbox};
use crate::value::GoDuration;

pub use coverage::Coverage;
pub use report::{Case, FileReport, Measured, Outcome, junit};

pub(super) use probe::{Counting, LogLine, Probe};

use probe::Clock;
use world::Stage;

/// What a test file is written with.
const HARNESS: &str = include_str!("harness.lua");

/// How long one test may compute.
const TEST_CPU: Duration = Duration::from_secs(3);

/// How a test file is run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TestOptions {
    /// Whether lines that ran are counted.
    pub coverage: bool,
    /// Whether `bench` measures.
    pub bench: bool,
    /// Only tests whose name, with its groups, holds this.
    pub filter: Option<String>,
}

/// Finds a script by the name that a test uses.
pub type Find = Rc<dyn Fn(&str) -> Result<ScriptSource, String>>;

/// Runs a test file.
///
/// # Errors
/// When the file does not compile, fails before its first test, or there is no runtime.
pub fn run_tests(
    file: &ScriptSource,
    find: Find,
    options: &TestOptions,
) -> Result<FileReport, ScriptError> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    let runtime = runtime.map_err(|error| ScriptError::Run(error.to_string()))?;
    let local = tokio::task::LocalSet::new();
    let report =
        local.block_on(&runtime, async { TestFile::load(file, find, options).await?.run().await });
    drop(local);
    runtime.shutdown_background();
    report
}

/// A test file that has been read.
struct TestFile<'a> {
    file: &'a ScriptSource,
    options: &'a TestOptions,
    tools: Rc<Tools>,
    stage: Rc<Stage>,
    lua: Lua,
    harness: Table,
}

impl<'a> TestFile<'a> {
    async fn load(
        file: &'a ScriptSource,
        find: Find,
        options: &'a TestOptions,
    ) -> Result<Self, ScriptError> {
        let vm = |error: mlua::Error| blame(&file.name, &limits(), &error);
        let tools = Tools::new(Mode::Live, Shared::new());
        tools.gate.run_whole();
        let lua = sandbox::vm(&tools).map_err(vm)?;
        let counting = if options.coverage { Counting::Lines } else { Counting::Nothing };
        let stage = Rc::new(Stage::new(find, counting, Clock::new()));
        let harness = harness(&lua, &stage).map_err(vm)?;
        let environment = sandbox::environment(&lua).map_err(vm)?;
        let globals: Table = harness.raw_get("globals").map_err(vm)?;
        for pair in globals.pairs::<Value, Value>() {
            let (name, value) = pair.map_err(vm)?;
            environment.raw_set(name, value).map_err(vm)?;
        }
        let chunk = lua
            .load(&*file.text)
            .set_name(format!("={}", file.name))
            .set_mode(mlua::chunk::ChunkMode::Text)
            .set_environment(environment)
            .into_function()
            .map_err(vm)?;
        let this = Self { file, options, tools, stage, lua, harness };
        this.call::<()>(&chunk, ()).await.map_err(vm)?;
        Ok(this)
    }

    /// Runs all tests, and what is measured.
    async fn run(self) -> Result<FileReport, ScriptError> {
        let vm = |error: mlua::Error| blame(&self.file.name, &limits(), &error);
        let mut report = FileReport { file: self.file.name.to_string(), ..FileReport::default() };
        let perform: Function = self.harness.raw_get("perform").map_err(vm)?;
        let tests: Table = self.harness.raw_get("tests").map_err(vm)?;
        for test in tests.sequence_values::<Table>() {
            let test = test.map_err(vm)?;
            let group: String = test.raw_get("group").map_err(vm)?;
            let name: String = test.raw_get("name").map_err(vm)?;
            let full = format!("{group} {name}");
            if self.options.filter.as_ref().is_some_and(|part| !full.contains(part.as_str())) {
                continue;
            }
            let began = Instant::now();
            let outcome = match self.call::<()>(&perform, test).await {
                Ok(()) => Outcome::Passed,
                Err(error) => Outcome::Failed(vm(error).to_string()),
            };
            report.cases.push(Case { group, name, outcome, took: began.elapsed() });
            self.lua.gc_collect().map_err(vm)?;
        }
        if self.options.bench {
            report.measured = self.measure().await.map_err(vm)?;
        }
        report.coverage = self.stage.coverage.take();
        Ok(report)
    }

    async fn measure(&self) -> mlua::Result<Vec<Measured>> {
        let mut all = Vec::new();
        let benches: Table = self.harness.raw_get("benches")?;
        for bench in benches.sequence_values::<Table>() {
            let bench = bench?;
            let measure: Function = bench.raw_get("measure")?;
            let hooks: Table = self.call(&measure, ()).await?;
            for hook in bench::HOOKS {
                if let Some(nanos) = hooks.raw_get::<Option<f64>>(hook)? {
                    all.push(Measured { name: bench.raw_get("name")?, hook, nanos });
                }
            }
        }
        Ok(all)
    }

    /// Calls a function of the test file, which may wait.
    async fn call<T: mlua::FromLuaMulti + 'static>(
        &self,
        function: &Function,
        arguments: impl mlua::IntoLuaMulti,
    ) -> mlua::Result<T> {
        let mut call = Box::pin(function.call_async::<T>(arguments));
        let mut allowance = Allowance::new(TEST_CPU);
        let gate = &self.tools.gate;
        poll_fn(|cx| {
            let poll = || call.as_mut().poll(cx);
            match gate.step(&mut allowance, std::ptr::null(), poll) {
                (_, Used::Spent(spent)) => Poll::Ready(Err(mlua::Error::external(spent))),
                (polled, _) => polled,
            }
        })
        .await
    }
}

fn limits() -> Limits {
    Limits { cpu: TEST_CPU, ..Limits::default() }
}

/// The harness, on top of what it calls.
fn harness(lua: &Lua, stage: &Rc<Stage>) -> mlua::Result<Table> {
    let host = lua.create_table()?;
    let own = Rc::clone(stage);
    host.raw_set(
        "open",
        lua.create_async_function(move |lua, (name, calls): (String, Table)| {
            let stage = Rc::clone(&own);
            async move { stage.open(&lua, &name, calls).await }
        })?,
    )?;
    let own = Rc::clone(stage);
    host.raw_set(
        "settings",
        lua.create_function(move |lua, (name, variables): (String, HashMap<String, String>)| {
            own.settings(lua, &name, variables)
        })?,
    )?;
    let clock = Rc::clone(&stage.clock);
    host.raw_set("now", lua.create_function(move |_, ()| Ok(clock.now()))?)?;
    host.raw_set(
        "advance",
        lua.create_async_function(|_, by: Value| async move {
            let seconds = match by.as_number() {
                Some(number) => Duration::try_from_secs_f64(number).ok(),
                None => GoDuration::parse(&by.to_string()?).ok().map(GoDuration::get),
            };
            let wait =
                seconds.ok_or_else(|| mlua::Error::runtime("advance: this is no duration"))?;
            tokio::time::sleep(wait).await;
            Ok(())
        })?,
    )?;
    let environment = sandbox::environment(lua)?;
    lua.load(HARNESS).set_name("=harness").set_environment(environment).call(host)
}
