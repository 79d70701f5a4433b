//! A real Redis, with its client.

use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use super::ports::free_port;
use super::until;

/// A Redis of this test's own.
pub(crate) struct Redis {
    process: Child,
    pub(crate) port: u16,
    _folder: tempfile::TempDir,
}

impl Redis {
    /// Starts one with further flags.
    pub(crate) fn start(flags: &[&str]) -> Self {
        Self::start_at(free_port(), flags)
    }

    /// The same at a port.
    pub(crate) fn start_at(port: u16, flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("redis-server");
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""]);
        command.args(["--appendonly", "no", "--dir"]).arg(folder.path()).args(flags);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut process = command.spawn().expect("redis-server, which tests/run installs");
        until("Redis listens", || {
            let ended = process.try_wait().unwrap();
            assert!(ended.is_none(), "Redis ended: {ended:?}");
            TcpStream::connect(("127.0.0.1", port)).ok().map(drop)
        });
        Self { process, port, _folder: folder }
    }

    /// What a command says.
    pub(crate) fn cli(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("redis-cli");
        command.args(["-p", &self.port.to_string(), "-a", "moon", "--no-auth-warning"]);
        let output = command.args(arguments).output().expect("redis-cli");
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // It may have been ended by the test.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
