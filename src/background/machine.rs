//! Programs and files of this machine.
//!
//! Must not know who asks for them.

use std::fs::OpenOptions;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;
use tokio::task::spawn_blocking;

use crate::lua::{Machine, Program, Ran};
use crate::message::LocalFuture;

/// What is kept of a program's output; the rest is read and dropped, so that it does not block.
const OUTPUT_BYTES_MAX: usize = 64 * 1024;
/// A file is at most this long.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// The machine that this process runs on.
#[derive(Debug)]
pub(super) struct ThisMachine;

impl Machine for ThisMachine {
    fn run(&self, program: Program) -> LocalFuture<'static, io::Result<Ran>> {
        Box::pin(async move {
            let limit = program.timeout;
            // Dropping the run kills the program.
            tokio::time::timeout(limit, run(program)).await.unwrap_or_else(|_| {
                let late = format!("it took longer than {limit:?}");
                Err(io::Error::new(io::ErrorKind::TimedOut, late))
            })
        })
    }

    fn read(&self, path: &str) -> LocalFuture<'static, io::Result<Vec<u8>>> {
        let path = PathBuf::from(path);
        Box::pin(async move { spawn_blocking(move || read(&path)).await? })
    }

    fn write(&self, path: &str, bytes: Vec<u8>) -> LocalFuture<'static, io::Result<()>> {
        let path = PathBuf::from(path);
        Box::pin(async move { spawn_blocking(move || write(&path, &bytes)).await? })
    }
}

async fn run(program: Program) -> io::Result<Ran> {
    let mut child = Command::new(&program.path)
        .args(&program.arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let (mut output, errors, status) = tokio::join!(drain(out), drain(err), child.wait());
    output.extend(errors);
    output.truncate(OUTPUT_BYTES_MAX);
    Ok(Ran { status: status?.code(), output })
}

/// Reads to the end and keeps the beginning.
async fn drain(stream: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let (mut kept, mut piece) = (Vec::new(), [0; 4096]);
    let Some(mut stream) = stream else { return kept };
    while let Ok(length @ 1..) = stream.read(&mut piece).await {
        let room = OUTPUT_BYTES_MAX.saturating_sub(kept.len()).min(length);
        kept.extend_from_slice(piece.get(..room).unwrap_or_default());
    }
    kept
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        let text = format!("longer than {FILE_BYTES_MAX} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
    }
    Ok(bytes)
}

/// Writes beside the file and renames, so that a crash leaves the old one.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.new", std::process::id()));
    let beside = PathBuf::from(beside);
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    let renamed = written.and_then(|()| std::fs::rename(&beside, path));
    if renamed.is_err() {
        // The first error is the one to tell.
        let _ = std::fs::remove_file(&beside);
    }
    renamed
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::time::Duration;

    use super::*;

    fn block_on<T>(test: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test)
    }

    fn ran(script: &str, timeout: Duration) -> io::Result<Ran> {
        let arguments = vec!["-c".to_owned(), script.to_owned()];
        let program = Program { path: "/bin/sh".to_owned(), arguments, timeout };
        block_on(ThisMachine.run(program))
    }

    #[test]
    fn programs_run_to_their_end_or_to_the_limit() {
        let long = Duration::from_mins(1);
        let both = ran("echo out; echo err >&2; exit 3", long).unwrap();
        assert_eq!(both, Ran { status: Some(3), output: b"out\nerr\n".to_vec() });
        assert_eq!(ran("kill -9 $$", long).unwrap().status, None);
        let much = ran("yes | head -c 1000000", long).unwrap();
        assert_eq!((much.status, much.output.len()), (Some(0), OUTPUT_BYTES_MAX));
        let late = ran("exec sleep 60", Duration::from_millis(50)).unwrap_err();
        assert_eq!(late.kind(), io::ErrorKind::TimedOut);
        let none = Program { path: "/none".to_owned(), arguments: Vec::new(), timeout: long };
        assert!(block_on(ThisMachine.run(none)).is_err());
    }

    #[test]
    fn files_are_replaced_as_a_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f").display().to_string();
        let read = || block_on(ThisMachine.read(&path));
        assert_eq!(read().unwrap_err().kind(), io::ErrorKind::NotFound);
        for text in ["one", "two"] {
            block_on(ThisMachine.write(&path, text.into())).unwrap();
            assert_eq!(read().unwrap(), text.as_bytes());
        }
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        let lost = folder.path().join("none/f").display().to_string();
        assert!(block_on(ThisMachine.write(&lost, Vec::new())).is_err());
    }
}
