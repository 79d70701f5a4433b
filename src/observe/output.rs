//! Lines on their way to a file or to standard output, written by a thread of their own.
//!
//! Callers only append to a bounded buffer. Must not know what a line says.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

/// Where lines go.
#[derive(Debug)]
pub(super) struct Output {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// Wakes the writer.
    work: Condvar,
    /// Tells that the writer has ended.
    ended: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: Vec<u8>,
    /// Lines that found no room since the writer was last here.
    dropped: u64,
    reopen: bool,
    closed: bool,
    ended: bool,
}

/// Bytes that may wait for the writer.
const WAITING_BYTES_MAX: usize = 8 * 1024 * 1024;
/// So many bytes are written at once, without waiting for more.
const BATCH_BYTES: usize = 64 * 1024;
/// How long the first line of a batch waits for others.
const LATE: Duration = Duration::from_millis(50);
/// How long the end waits for a writer that does not come forward.
const CLOSE_LIMIT: Duration = Duration::from_secs(5);

impl Output {
    /// Opens a file for appending, or standard output, and starts the writer.
    ///
    /// # Errors
    /// When the file cannot be opened, or no thread can be started.
    pub(super) fn open(path: Option<&Path>, thread: &str) -> io::Result<Self> {
        let sink = match path {
            Some(path) => Sink::File(append(path)?, path.to_owned()),
            None => Sink::Stdout,
        };
        Self::start(sink, thread)
    }

    fn start(sink: Sink, thread: &str) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let writers = Arc::clone(&shared);
        let builder = std::thread::Builder::new().name(thread.to_owned());
        builder.spawn(move || writers.write(sink))?;
        Ok(Self { shared })
    }

    /// Takes a line with its end; drops it when there is no room.
    pub(super) fn push(&self, line: &[u8]) {
        let mut state = self.shared.state.lock();
        if state.closed {
            return;
        }
        let before = state.waiting.len();
        if before + line.len() > WAITING_BYTES_MAX {
            state.dropped += 1;
            return;
        }
        state.waiting.extend_from_slice(line);
        let after = state.waiting.len();
        drop(state);
        // The writer is asleep before the first line, and then until a batch is full.
        if before == 0 || (before < BATCH_BYTES && after >= BATCH_BYTES) {
            self.shared.work.notify_one();
        }
    }

    /// Opens the file anew once what waits is written.
    pub(super) fn reopen(&self) {
        self.shared.state.lock().reopen = true;
        self.shared.work.notify_one();
    }

    /// Writes what waits and ends.
    pub(super) fn close(&self) {
        let mut state = self.shared.state.lock();
        state.closed = true;
        self.shared.work.notify_one();
        let until = Instant::now() + CLOSE_LIMIT;
        while !state.ended {
            if self.shared.ended.wait_until(&mut state, until).timed_out() {
                return;
            }
        }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    fn write(&self, mut sink: Sink) {
        let _end = EndOnDrop(self);
        let mut batch = Vec::new();
        let mut failing = false;
        loop {
            let (dropped, reopen, closed) = self.batch(&mut batch);
            if !batch.is_empty() {
                let written = sink.write(&batch);
                report(&mut failing, &written);
                batch.clear();
            }
            if dropped > 0 {
                tracing::warn!(dropped, "lines of the access log were dropped: writing is slow");
            }
            if reopen && let Err(error) = sink.reopen() {
                tracing::error!(%error, "the access log cannot be opened anew");
            }
            if closed {
                return;
            }
        }
    }

    /// Waits for work and takes all of it; `batch` must be empty.
    fn batch(&self, batch: &mut Vec<u8>) -> (u64, bool, bool) {
        let mut state = self.state.lock();
        while state.waiting.is_empty() && !state.reopen && !state.closed {
            self.work.wait(&mut state);
        }
        let until = Instant::now() + LATE;
        while state.waiting.len() < BATCH_BYTES && !state.reopen && !state.closed {
            if self.work.wait_until(&mut state, until).timed_out() {
                break;
            }
        }
        std::mem::swap(batch, &mut state.waiting);
        let dropped = std::mem::take(&mut state.dropped);
        (dropped, std::mem::take(&mut state.reopen), state.closed)
    }
}

/// Tells that the writer has ended, also when it panics.
struct EndOnDrop<'a>(&'a Shared);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        self.0.state.lock().ended = true;
        self.0.ended.notify_all();
    }
}

/// Logs the first error of a row, and its end.
fn report(failing: &mut bool, written: &io::Result<()>) {
    match written {
        Err(error) if !*failing => {
            tracing::error!(%error, "the access log cannot be written, its lines are lost");
        }
        Ok(()) if *failing => tracing::warn!("the access log can be written again"),
        _ => {}
    }
    *failing = written.is_err();
}

#[derive(Debug)]
enum Sink {
    File(File, PathBuf),
    Stdout,
    #[cfg(test)]
    Gate(std::sync::mpsc::Receiver<()>),
}

impl Sink {
    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        match self {
            Self::File(file, _) => file.write_all(lines),
            Self::Stdout => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(lines)?;
                stdout.flush()
            }
            #[cfg(test)]
            Self::Gate(open) => open.recv().map_err(io::Error::other),
        }
    }

    fn reopen(&mut self) -> io::Result<()> {
        if let Self::File(file, path) = self {
            *file = append(path)?;
        }
        Ok(())
    }
}

/// Opens a file for appending; folders that are missing are made, as Traefik does.
pub(super) fn append(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    OpenOptions::new().append(true).create(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stuck_writer_holds_up_nobody() {
        let (open, gate) = std::sync::mpsc::channel();
        let output = Output::start(Sink::Gate(gate), "test").unwrap();
        let line = [b'x'; 1024];
        output.push(&line);
        let until = Instant::now() + Duration::from_secs(10);
        while !output.shared.state.lock().waiting.is_empty() {
            assert!(Instant::now() < until, "the writer takes nothing");
            std::thread::yield_now();
        }
        // The writer is at the gate. More than may wait:
        for _ in 0..WAITING_BYTES_MAX / line.len() + 100 {
            output.push(&line);
        }
        let state = output.shared.state.lock();
        assert!(state.waiting.len() <= WAITING_BYTES_MAX);
        assert!(state.dropped >= 99, "{}", state.dropped);
        drop(state);
        drop(open);
        output.close();
        assert!(output.shared.state.lock().ended);
    }
}
