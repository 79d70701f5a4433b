//! The hook `log`, which runs when a request is over: its answer is on its way to the client, and
//! nothing that the hook does changes it.

use std::rc::Rc;
use std::time::Duration;

use mlua::{Lua, Table};

use super::onerror::Rescue;
use super::{Context, Instance, ScriptError};

/// A request that is over, beside what its exchange has noted.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The method, as it came.
    pub method: http::Method,
    /// The host, as it came.
    pub host: bytes::Bytes,
    /// Path and query, as they came to the first script.
    pub uri: bytes::Bytes,
    /// The status that the client gets.
    pub status: u16,
    /// From the head of the request to the end of the answer.
    pub duration: Duration,
    /// Bytes of the answer's body.
    pub bytes: u64,
}

impl Instance {
    /// Runs the `log` hook. A failure is logged and changes nothing.
    pub async fn log(self: &Rc<Self>, cx: &Rc<Context>, entry: &Entry) {
        if !self.admits() {
            return;
        }
        let outcome = self.run_log(cx, entry).await;
        self.note(outcome.as_ref());
        if let Err(error) = outcome {
            Rescue::new(self.spec(), cx, self.tools(), "log", &error);
        }
    }

    async fn run_log(self: &Rc<Self>, cx: &Rc<Context>, entry: &Entry) -> Result<(), ScriptError> {
        let loaded = self.loaded().await?;
        let Some(hook) = &loaded.log else { return Ok(()) };
        let table = self.within(|lua| table(lua, cx, entry))?;
        self.run(cx, &loaded, hook, table).await
    }
}

fn table(lua: &Lua, cx: &Context, entry: &Entry) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    let text = |bytes: &[u8]| lua.create_string(bytes);
    table.raw_set("method", entry.method.as_str())?;
    table.raw_set("host", text(&entry.host)?)?;
    table.raw_set("uri", text(&entry.uri)?)?;
    table.raw_set("status", entry.status)?;
    table.raw_set("duration", entry.duration.as_secs_f64())?;
    table.raw_set("bytes", entry.bytes)?;
    let client = &cx.exchange.client;
    table.raw_set("scheme", client.scheme())?;
    table.raw_set("remote_ip", text(client.ip.as_bytes())?)?;
    table.raw_set("entrypoint", &*client.entrypoint)?;
    let record = cx.exchange.record.borrow();
    table.raw_set("router", record.router.as_deref())?;
    table.raw_set("service", record.service.as_deref())?;
    table.raw_set("server", record.server.as_deref())?;
    table.raw_set("user", record.user.as_deref())?;
    table.raw_set("retries", record.retry_attempts)?;
    table.raw_set("server_duration", record.origin_duration.map(|took| took.as_secs_f64()))?;
    Ok(table)
}
