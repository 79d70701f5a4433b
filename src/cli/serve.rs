//! `moongate run`: serves until it is told to stop.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};

use super::plan;
use crate::app::{Admission, App, Extra, Objects, StartError};
use crate::config::{Log, Static};
use crate::model::Diagnostic;
use crate::observe::{self, LogEntry, LogError, LogFile, LogPlan, Queue, Rotation};
use crate::provider::Update;

/// Serves what the static configuration says.
pub(super) fn run(arguments: &[String]) -> ExitCode {
    let (plan, warnings) = match plan(arguments) {
        Ok(planned) => planned,
        Err(error) => {
            eprintln!("moongate: {error}");
            return ExitCode::FAILURE;
        }
    };
    serve(plan, &warnings, |_| Ok(None), |_| ())
}

/// Serves a webhook whose reviews are answered by another static configuration.
pub(super) fn serve_admission(
    plan: Static,
    warnings: &[Diagnostic],
    update: Update,
    checked: Static,
) -> ExitCode {
    let extra = |control: &Handle| {
        let objects = Objects::new(checked)?;
        let admission = Some(Admission::new(objects, control.clone()));
        Ok(Some(Extra { update, admission }))
    };
    serve(plan, warnings, extra, |_| ())
}

/// Serves until the process is told to stop; `extra` is asked on the control plane for what is
/// served beside the static configuration, `ready` is called once connections are accepted.
pub(super) fn serve(
    plan: Static,
    warnings: &[Diagnostic],
    extra: impl FnOnce(&Handle) -> Result<Option<Extra>, StartError>,
    ready: impl FnOnce(&App),
) -> ExitCode {
    let queue = plan.root.log.otlp.as_ref().map(|_| Arc::<Queue<LogEntry>>::default());
    let log = match init_log(&plan.root.log, queue.clone()) {
        Ok(log) => log,
        Err(error) => {
            eprintln!("moongate: {error}");
            return ExitCode::FAILURE;
        }
    };
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("moongate: the control plane could not be started: {error}");
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(async {
        let started = match extra(&Handle::current()) {
            Ok(extra) => App::start(plan, extra).await,
            Err(error) => Err(error),
        };
        let sent = started.and_then(|mut app| match queue {
            Some(queue) => app.send_log(queue).map(|()| app),
            None => Ok(app),
        });
        match sent {
            Ok(app) => {
                ready(&app);
                Box::pin(until_stopped(app, log.as_ref())).await
            }
            Err(error) => {
                eprintln!("moongate: {error}");
                ExitCode::FAILURE
            }
        }
    });
    // What still runs, such as a look at a file, is not waited for.
    runtime.shutdown_background();
    code
}

/// Sets the leveled log up; the file, when it goes to one.
fn init_log(log: &Log, queue: Option<Arc<Queue<LogEntry>>>) -> Result<Option<LogFile>, LogError> {
    let plan = LogPlan { level: &log.level, format: &log.format, no_color: log.no_color, queue };
    if log.file_path.is_empty() {
        return observe::init(&plan).map(|()| None);
    }
    let rotation = Rotation {
        megabytes_max: log.max_size,
        days_max: log.max_age,
        backups_max: log.max_backups,
        compress: log.compress,
    };
    observe::init_file(&plan, Path::new(&log.file_path), rotation).map(Some)
}

/// Waits for SIGTERM, SIGINT or a process that takes over, and stops gracefully; a signal after
/// that ends the process at once.
async fn until_stopped(mut app: App, log: Option<&LogFile>) -> ExitCode {
    let listen = || {
        Ok::<_, std::io::Error>((
            signal(SignalKind::terminate())?,
            signal(SignalKind::interrupt())?,
            signal(SignalKind::user_defined1())?,
        ))
    };
    let (mut terminate, mut interrupt, mut reopen) = match listen() {
        Ok(signals) => signals,
        Err(error) => {
            eprintln!("moongate: signals cannot be received: {error}");
            return ExitCode::FAILURE;
        }
    };
    let estate = loop {
        tokio::select! {
            _ = terminate.recv() => break None,
            _ = interrupt.recv() => break None,
            estate = app.replaced() => break Some(estate),
            _ = reopen.recv() => {
                app.reopen_logs();
                if let Some(Err(error)) = log.map(LogFile::reopen) {
                    eprintln!("moongate: the log cannot be opened anew: {error}");
                }
            }
        }
    };
    tracing::info!("stopping: open requests may finish");
    let stop = async {
        match estate {
            Some(estate) => app.make_way(estate).await,
            None => app.stop().await,
        }
    };
    tokio::select! {
        () = stop => ExitCode::SUCCESS,
        _ = terminate.recv() => ExitCode::FAILURE,
        _ = interrupt.recv() => ExitCode::FAILURE,
    }
}
