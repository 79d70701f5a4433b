//! The module `machine`: programs and files, for scripts that are trusted with them.

use std::rc::{Rc, Weak};

use mlua::{BString, Lua, LuaString, Table, Value};

use super::http::each_option;
use super::time::duration;
use super::{Doc, Function, Module};
use crate::lua::tools::Tools;
use crate::lua::{Machine, Program, waiting};

/// How long a program may take unless said otherwise.
const TIMEOUT: std::time::Duration = std::time::Duration::from_mins(1);

pub(super) const MODULE: Module = Module {
    name: "machine",
    text: "Programs and files of this machine, for scripts of DNS providers. In all other scripts \
           each of these functions is an error.",
    functions: &[
        Function {
            doc: Doc {
                name: "run",
                signature: "machine.run(program: string, arguments: {string}?, options: table?) \
                            -> { status: number?, output: string }?, string?",
                text: "Runs a program without a shell and waits for its end. `status` is what it \
                       ended with, nil if a signal ended it; `output` is what it wrote, up to 64 \
                       KiB. Nil and the reason when it could not be run. Options: `timeout` \
                       (\"1m\"), after which it is ended.",
                example: "local ran, why = machine.run(\"/usr/bin/env\", { \"true\" })",
            },
            make: |lua, tools| {
                let tools = Rc::downgrade(tools);
                waiting::function(lua, move |lua, (path, arguments, options): Run| {
                    let begun = begin(&lua, &tools).and_then(|machine| {
                        let program = program(path, arguments, options.as_ref())?;
                        Ok(machine.run(program))
                    });
                    async move {
                        Ok(match begun?.await {
                            Ok(ran) => {
                                let table = lua.create_table()?;
                                table.raw_set("status", ran.status)?;
                                table.raw_set("output", BString::from(ran.output))?;
                                (Some(table), None)
                            }
                            Err(error) => (None, Some(error.to_string())),
                        })
                    }
                })
                .map(Value::Function)
            },
        },
        Function {
            doc: Doc {
                name: "read",
                signature: "machine.read(path: string) -> string?, string?",
                text: "The bytes of a file of at most 4 MiB. Nil and the reason when it cannot be \
                       read; for a file that does not exist the reason is `missing`.",
                example: "local text, why = machine.read(options.path)",
            },
            make: |lua, tools| {
                let tools = Rc::downgrade(tools);
                waiting::function(lua, move |lua, path: String| {
                    let begun = begin(&lua, &tools).map(|machine| machine.read(&path));
                    async move {
                        Ok(match begun?.await {
                            Ok(bytes) => (Some(BString::from(bytes)), None),
                            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                                (None, Some("missing".to_owned()))
                            }
                            Err(error) => (None, Some(format!("{path}: {error}"))),
                        })
                    }
                })
                .map(Value::Function)
            },
        },
        Function {
            doc: Doc {
                name: "write",
                signature: "machine.write(path: string, bytes: string) -> boolean, string?",
                text: "Replaces a file as a whole, so that nobody ever reads half of it; only its \
                       owner may read it. False and the reason when that fails.",
                example: "local ok, why = machine.write(options.path, json.encode(accounts))",
            },
            make: |lua, tools| {
                let tools = Rc::downgrade(tools);
                waiting::function(lua, move |lua, (path, bytes): (String, LuaString)| {
                    let bytes = bytes.as_bytes().to_vec();
                    let begun = begin(&lua, &tools).map(|machine| machine.write(&path, bytes));
                    async move {
                        Ok(match begun?.await {
                            Ok(()) => (true, None),
                            Err(error) => (false, Some(format!("{path}: {error}"))),
                        })
                    }
                })
                .map(Value::Function)
            },
        },
    ],
};

/// A program, its arguments, and options.
type Run = (String, Option<Vec<String>>, Option<Table>);

/// The machine, if the script that runs is trusted with it.
fn begin(lua: &Lua, tools: &Weak<Tools>) -> mlua::Result<Rc<dyn Machine>> {
    let tools = tools.upgrade().ok_or_else(|| mlua::Error::runtime("the VM has ended"))?;
    tools.gate.may_wait(lua)?;
    let run = tools.current.borrow().clone();
    let run = run.ok_or_else(|| mlua::Error::runtime("no script runs"))?;
    let refused = "programs and files of this machine are for scripts of DNS providers";
    run.host()?.machine().ok_or_else(|| mlua::Error::runtime(refused))
}

fn program(
    path: String,
    arguments: Option<Vec<String>>,
    options: Option<&Table>,
) -> mlua::Result<Program> {
    let mut program = Program { path, arguments: arguments.unwrap_or_default(), timeout: TIMEOUT };
    if let Some(options) = options {
        each_option("machine.run", options, "timeout", |name, value| {
            let known = name == "timeout";
            if known {
                program.timeout = duration(&value, "timeout")?;
            }
            Ok(known)
        })?;
    }
    Ok(program)
}
