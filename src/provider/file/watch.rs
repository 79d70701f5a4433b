//! Following the changes of a file or a folder.
//!
//! The file system's events only wake the follower: what has changed is told by the content, which
//! is also looked at from time to time, since events are lost where links are moved or a network
//! lies between. Nothing is taken before it has stayed the same for a while, so that a file that
//! is being written is not.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::watch;

use super::read::{Content, is_configuration, read, stamps};
use super::{FileProvider, Place, Seen};
use crate::model::Dynamic;
use crate::provider::{Message, Sender};

/// How patient the follower is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// Between two looks when no event comes.
    pub(super) look_every: Duration,
    /// Between two looks at a content that has just changed.
    pub(super) step: Duration,
    /// For how long a content must stay the same.
    pub(super) settle: Duration,
    /// The same for one that may be half-written: empty, broken, or without a last line's end.
    pub(super) doubt: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            look_every: Duration::from_secs(2),
            step: Duration::from_millis(20),
            settle: Duration::from_millis(60),
            doubt: Duration::from_millis(300),
        }
    }
}

/// However long a look takes, this long after it there is another one.
const LOOK_AT_LEAST: Duration = Duration::from_secs(30);
/// After this long a content that changes all the time is spoken of in the log.
const RESTLESS: Duration = Duration::from_secs(10);

impl FileProvider {
    /// Follows changes until `stop` holds true, or its sender is gone.
    ///
    /// Begins with a message unless something has been loaded before. Without `watch` in the
    /// configuration that is all it says.
    pub async fn run(self, sender: Sender, mut stop: watch::Receiver<bool>) {
        let (ring, rung) = mpsc::sync_channel(1);
        let bell = Bell { ring, stopped: Arc::default() };
        let inner = bell.clone();
        // Dropped when this future is, so that the thread ends in any case.
        let _guard = StopOnDrop(bell.clone());
        let follower = tokio::task::spawn_blocking(move || self.follow(&sender, &inner, &rung));
        // An error says that nobody is left who could say stop.
        let _ = stop.wait_for(|stop| *stop).await;
        bell.stop();
        if let Err(error) = follower.await {
            tracing::error!(%error, "the file provider has ended");
        }
    }

    fn follow(mut self, sender: &Sender, bell: &Bell, rung: &mpsc::Receiver<()>) {
        if self.seen.is_none() {
            sender.send(self.load());
        }
        if !self.follow {
            // The sender stays: its end would say that no provider is left.
            while !bell.is_stopped() && rung.recv().is_ok() {}
            return;
        }
        let mut watching = Watching::default();
        while !bell.is_stopped() {
            watching.renew(&self.place, bell);
            let began = Instant::now();
            let content = read(&self.place, &self.files);
            // Looking takes no more than a hundredth of a core, however many files there are.
            let pause = self.pace.look_every.max(began.elapsed() * 100).min(LOOK_AT_LEAST);
            if let Some(message) = self.settle(content, bell) {
                sender.send(message);
            }
            // Events that come meanwhile are one.
            std::thread::sleep(self.pace.step);
            let _ = rung.recv_timeout(pause);
        }
    }

    /// What has changed since the last message, once it stays as it is.
    fn settle(&mut self, mut content: Content, bell: &Bell) -> Option<Message> {
        let (began, mut since) = (Instant::now(), Instant::now());
        let mut warned = false;
        while self.seen != Some(self.seen(&content)) {
            let patience =
                if self.is_doubtful(&content) { self.pace.doubt } else { self.pace.settle };
            loop {
                std::thread::sleep(self.pace.step);
                if bell.is_stopped() {
                    return None;
                }
                let now = read(&self.place, &self.files);
                if now.hash != content.hash {
                    (content, since) = (now, Instant::now());
                    break;
                }
                if since.elapsed() >= patience {
                    return Some(self.take(content));
                }
            }
            if !warned && began.elapsed() > RESTLESS {
                warned = true;
                let place = self.place.path().display();
                tracing::warn!(provider = self.name(), "{place} changes all the time");
            }
        }
        self.fresh.clear();
        self.note_stamps(content);
        None
    }

    /// Files that were young when they were read need not be read again once they are not.
    fn note_stamps(&mut self, content: Content) {
        for file in content.files {
            if let Some(known) = self.files.get_mut(&file.path)
                && known.hash == file.hash
            {
                known.stamp = file.stamp;
            }
        }
    }

    fn seen(&self, content: &Content) -> Seen {
        Seen { files: content.hash, certificates: stamps(&self.last) }
    }

    /// Whether a changed file may be half-written.
    fn is_doubtful(&mut self, content: &Content) -> bool {
        let mut doubtful = !content.wrong.is_empty();
        for file in &content.files {
            if self.files.get(&file.path).is_some_and(|known| known.hash == file.hash) {
                continue;
            }
            doubtful |= !file.bytes.ends_with(b"\n");
            match self.judge(file) {
                Ok(parsed) => {
                    doubtful |= *parsed.dynamic == Dynamic::default();
                    self.fresh.insert(file.path.clone(), parsed);
                }
                Err(_) => doubtful = true,
            }
        }
        doubtful
    }
}

impl Place {
    pub(super) fn path(&self) -> &Path {
        let (Self::File(path) | Self::Folder(path) | Self::Script(path)) = self;
        path
    }

    /// The folder whose events tell of changes: that of a file, since a watch on the file itself
    /// would go with the file when another is renamed over it.
    fn folder(&self) -> PathBuf {
        let folder = match self {
            Self::File(path) | Self::Script(path) => path.parent().unwrap_or(path),
            Self::Folder(path) => path,
        };
        if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder.to_owned() }
    }

    /// Whether an event can be about the configuration.
    fn concerns(&self, event: &Event) -> bool {
        let is_ours = |path: &PathBuf| match (self, path.file_name()) {
            (Self::File(file) | Self::Script(file), Some(name)) => file.file_name() == Some(name),
            (Self::Folder(_), Some(_)) => is_configuration(path),
            (_, None) => true,
        };
        match event.kind {
            EventKind::Access(AccessKind::Close(AccessMode::Write))
            | EventKind::Modify(ModifyKind::Data(_)) => event.paths.iter().any(is_ours),
            // Reading, which the follower does itself.
            EventKind::Access(_) => false,
            _ => true,
        }
    }
}

/// Wakes the follower, and tells it to end.
#[derive(Debug, Clone)]
struct Bell {
    ring: mpsc::SyncSender<()>,
    stopped: Arc<AtomicBool>,
}

impl Bell {
    fn ring(&self) {
        // A full channel wakes just as well.
        let _ = self.ring.try_send(());
    }

    fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.ring();
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }
}

struct StopOnDrop(Bell);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// The watch on a folder, as long as that is the same folder.
#[derive(Debug, Default)]
struct Watching {
    folder: Option<(u64, u64)>,
    watcher: Option<RecommendedWatcher>,
    warned: bool,
}

impl Watching {
    /// Watches the folder anew when it has come, gone or been exchanged.
    fn renew(&mut self, place: &Place, bell: &Bell) {
        let folder = place.folder();
        let found = fs::metadata(&folder).ok().map(|metadata| (metadata.dev(), metadata.ino()));
        if found == self.folder {
            return;
        }
        (self.folder, self.watcher) = (found, None);
        if found.is_none() {
            return;
        }
        match start(place, &folder, bell.clone()) {
            Ok(watcher) => self.watcher = Some(watcher),
            Err(error) if !self.warned => {
                self.warned = true;
                let folder = folder.display();
                tracing::warn!(%error, "{folder} cannot be watched, so it is looked at instead");
            }
            Err(_) => {}
        }
    }
}

fn start(place: &Place, folder: &Path, bell: Bell) -> notify::Result<RecommendedWatcher> {
    let mode = match place {
        Place::File(_) | Place::Script(_) => RecursiveMode::NonRecursive,
        Place::Folder(_) => RecursiveMode::Recursive,
    };
    let place = place.clone();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        // An error, such as events that were lost, is a reason to look.
        if event.map_or(true, |event| place.concerns(&event)) {
            bell.ring();
        }
    })?;
    watcher.watch(folder, mode)?;
    Ok(watcher)
}
