//! The process that this one replaces, as this one sees it.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::wire::{self, READY, RELEASED};
use super::{Addresses, Held, Inherited};

/// How long a process may take to hand its sockets over.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// How long a process may go on with its QUIC connections.
const QUIC_MAX: Duration = Duration::from_mins(10);

/// Why a process does not hand its sockets over.
#[derive(Debug, thiserror::Error)]
pub enum PredecessorError {
    /// It does not say what it should, or takes too long.
    #[error("restart.socket: the running process does not hand its sockets over: {0}")]
    Answer(#[source] io::Error),
}

/// A process that has handed its sockets over, and serves until this one is ready.
#[derive(Debug)]
pub struct Predecessor {
    stream: UnixStream,
}

impl Predecessor {
    /// Asks the process that listens at the path, if there is one.
    ///
    /// # Errors
    /// When one is there and does not answer as it should.
    pub fn ask(path: &Path) -> Result<Option<(Self, Inherited)>, PredecessorError> {
        // Nobody there, or the file of a process that has ended.
        let Ok(stream) = UnixStream::connect(path) else { return Ok(None) };
        let answer = || {
            stream.set_read_timeout(Some(ANSWER_MAX))?;
            wire::receive(&stream)
        };
        let sockets: Vec<Held> = answer().map_err(PredecessorError::Answer)?;
        Ok(Some((Self { stream }, Inherited::new(sockets, Addresses::Configured))))
    }

    /// Says that this process accepts connections, so that the other one stops to.
    ///
    /// # Errors
    /// When the other process has ended, which leaves all to this one.
    pub fn ready(&mut self) -> io::Result<()> {
        self.stream.write_all(&[READY])
    }

    /// The same for another thread.
    ///
    /// # Errors
    /// When the system gives no descriptor.
    pub fn copy(&self) -> io::Result<Self> {
        self.stream.try_clone().map(|stream| Self { stream })
    }

    /// Waits until nobody else reads datagrams of QUIC. Blocks its thread, not forever.
    pub fn wait_for_quic(mut self) {
        let mut word = [0];
        // Whatever ends it, there is nobody left to wait for.
        let _ = self.stream.set_read_timeout(Some(QUIC_MAX));
        while self.stream.read(&mut word).is_ok_and(|read| read > 0 && word != [RELEASED]) {}
    }
}
