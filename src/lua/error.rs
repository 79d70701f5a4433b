//! Errors of the VM in words of ours, with the script's name and line.

use super::ScriptError;
use super::gate::CpuSpent;
use crate::message::Failure;

/// Raised in a script that waits for a request's body which does not come as it should.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub(super) struct RequestBodyFailed(pub(super) Failure);

/// Says who erred and where.
pub(super) fn blame(script: &str, limits: &super::Limits, error: &mlua::Error) -> ScriptError {
    let line = place(script, error);
    let at = line.map_or_else(|| script.to_owned(), |line| format!("{script}:{line}"));
    if let mlua::Error::SyntaxError { message, .. } = error {
        return ScriptError::Compile(first_line(message).to_owned());
    }
    if let Some(RequestBodyFailed(failure)) = error.downcast_ref() {
        return ScriptError::Body { failure: failure.clone() };
    }
    if let Some(spent) = error.downcast_ref::<CpuSpent>() {
        let at = spent.line.map_or(at, |line| format!("{script}:{line}"));
        let limit = format!("it computed longer than its limit of {:?}", limits.cpu);
        return ScriptError::Limit { script: at, limit };
    }
    let text = words(error);
    if is_memory(error) {
        let limit = format!("it asked for more memory than its {} bytes", limits.memory_bytes);
        return ScriptError::Limit { script: at, limit };
    }
    if text.starts_with(&format!("{script}:")) {
        return ScriptError::Run(text);
    }
    ScriptError::Run(format!("{at}: {text}"))
}

/// The innermost error's own words.
pub(super) fn words(error: &mlua::Error) -> String {
    let text = match error {
        mlua::Error::CallbackError { cause, .. } => return words(cause),
        mlua::Error::WithContext { context, cause } => format!("{context}: {}", words(cause)),
        mlua::Error::BadArgument { to, pos, cause, .. } => {
            let to = to.as_deref().unwrap_or("a function");
            format!("bad argument {pos} of {to}: {}", words(cause))
        }
        mlua::Error::FromLuaConversionError { from, to, message } => match message {
            Some(message) => message.clone(),
            None => format!("expected {to}, got {from}"),
        },
        mlua::Error::RuntimeError(text) => text.clone(),
        other => other.to_string(),
    };
    first_line(&text).to_owned()
}

fn is_memory(error: &mlua::Error) -> bool {
    match error {
        mlua::Error::MemoryError(_) => true,
        mlua::Error::CallbackError { cause, .. } => is_memory(cause),
        // What pcall has caught and the script has raised again.
        mlua::Error::RuntimeError(text) => text.starts_with("not enough memory"),
        _ => false,
    }
}

/// The line where the script called what failed.
fn place(script: &str, error: &mlua::Error) -> Option<u32> {
    let text = match error {
        mlua::Error::CallbackError { traceback, .. } => traceback.clone(),
        other => other.to_string(),
    };
    let mut places = text.match_indices(script).filter_map(|(at, _)| {
        let rest = text.get(at + script.len()..)?.strip_prefix(':')?;
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        rest.get(..digits)?.parse().ok()
    });
    places.next()
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}
