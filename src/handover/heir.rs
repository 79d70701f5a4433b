//! The process that will replace this one, as this one sees it.

use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;

use super::Held;
use super::wire::{self, READY, RELEASED};

/// How long a new process may take from its question to its first connection: it reads its whole
/// configuration meanwhile.
const START_MAX: Duration = Duration::from_mins(5);
/// How long the question waits after an error.
const PAUSE: Duration = Duration::from_millis(100);
/// Only the user that runs Moongate may ask.
const MODE: u32 = 0o600;

/// Waits for a process that wants the listening sockets.
#[derive(Debug)]
pub struct Heir {
    listener: UnixListener,
    path: PathBuf,
    sockets: Vec<Held>,
}

/// The connection to a process that has taken over.
#[derive(Debug)]
pub struct Estate {
    stream: UnixStream,
}

impl Heir {
    /// Listens at a path, in place of whoever did before; `sockets` are copies of what is handed
    /// over. Must be called within a runtime.
    ///
    /// # Errors
    /// When the system refuses the path.
    pub fn expect(path: &Path, sockets: Vec<Held>) -> io::Result<Self> {
        // Renamed into place, so that there is no time at which nobody can be asked.
        let fresh = path.with_extension(format!("{}.new", std::process::id()));
        let _ = fs::remove_file(&fresh);
        let listener = UnixListener::bind(&fresh)?;
        fs::set_permissions(&fresh, fs::Permissions::from_mode(MODE))?;
        fs::rename(&fresh, path)?;
        Ok(Self { listener, path: path.to_owned(), sockets })
    }

    /// Resolves when a new process accepts connections. One that fails before changes nothing.
    pub async fn takes_over(&mut self) -> Estate {
        loop {
            let Ok((mut stream, _)) = self.listener.accept().await else {
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            if !is_ours(&stream) {
                continue;
            }
            if let Err(error) = wire::send(stream.as_fd(), &self.sockets) {
                tracing::error!(%error, "the listening sockets could not be handed over");
                continue;
            }
            tracing::info!("a new process has been given the listening sockets");
            match timeout(START_MAX, stream.read_u8()).await {
                Ok(Ok(READY)) => return Estate { stream },
                _ => tracing::warn!("the new process did not start; this one goes on"),
            }
        }
    }

    /// Ends without an heir: nobody can ask any more.
    pub fn renounce(self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Whether the process at the other end belongs to the same user, or to root.
fn is_ours(stream: &UnixStream) -> bool {
    let ours = rustix::process::geteuid().as_raw();
    stream.peer_cred().is_ok_and(|peer| peer.uid() == ours || peer.uid() == 0)
}

impl Estate {
    /// Tells the new process that datagrams of QUIC are its own from now on.
    pub async fn release_quic(mut self) {
        // It may have ended.
        let _ = self.stream.write_all(&[RELEASED]).await;
    }
}
