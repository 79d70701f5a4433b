//! Programs and files as a test plays them: a function, and a table of texts by path.

use std::io;

use mlua::{Function, LuaString, Table, Value};

use crate::lua::{Machine, Program, Ran};
use crate::message::LocalFuture;

/// The machine of a test, whose tables and functions are the harness'.
pub(super) struct Played {
    pub(super) calls: Table,
}

impl Machine for Played {
    fn run(&self, program: Program) -> LocalFuture<'static, io::Result<Ran>> {
        let run = self.calls.raw_get::<Function>("program");
        Box::pin(async move {
            let asked = (program.path, program.arguments);
            let ran = run.map_err(told)?.call::<Option<Table>>(asked).map_err(told)?;
            let Some(ran) = ran else {
                let text = "the test says nothing of programs (programs)";
                return Err(io::Error::new(io::ErrorKind::NotFound, text));
            };
            let output: LuaString = ran.raw_get("output").map_err(told)?;
            let status = ran.raw_get("status").map_err(told)?;
            Ok(Ran { status, output: output.as_bytes().to_vec() })
        })
    }

    fn read(&self, path: &str) -> LocalFuture<'static, io::Result<Vec<u8>>> {
        let text = self.files().and_then(|files| files.raw_get::<Option<LuaString>>(path));
        Box::pin(async move {
            let text = text.map_err(told)?.map(|text| text.as_bytes().to_vec());
            text.ok_or_else(|| io::ErrorKind::NotFound.into())
        })
    }

    fn write(&self, path: &str, bytes: Vec<u8>) -> LocalFuture<'static, io::Result<()>> {
        let text = mlua::BString::from(bytes);
        let written = self.files().and_then(|files| files.raw_set(path, text));
        Box::pin(async move { written.map_err(told) })
    }
}

impl Played {
    fn files(&self) -> mlua::Result<Table> {
        match self.calls.raw_get("files")? {
            Value::Table(files) => Ok(files),
            _ => Err(mlua::Error::runtime("the test says nothing of files (files)")),
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "errors are mapped by it")]
fn told(error: mlua::Error) -> io::Error {
    io::Error::other(error.to_string())
}
