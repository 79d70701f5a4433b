//! The way from providers to the reconciler: never waits, never grows.
//!
//! Of each provider it holds at most two messages: its newest configuration, and its newest
//! refusal. A refusal does not displace a configuration that nobody has taken. Must not know any
//! provider.

use std::collections::VecDeque;
use std::mem::discriminant;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::Message;

/// The providers' end of the channel.
#[derive(Debug)]
pub struct Sender {
    shared: Arc<Shared>,
}

/// The reconciler's end of the channel.
#[derive(Debug)]
pub struct Receiver {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    waiting: Mutex<VecDeque<Message>>,
    senders: AtomicUsize,
    changed: Notify,
}

/// A channel on which a provider's newer message replaces its older one that nobody has taken.
#[must_use]
pub fn channel() -> (Sender, Receiver) {
    let shared = Arc::new(Shared {
        waiting: Mutex::default(),
        senders: AtomicUsize::new(1),
        changed: Notify::new(),
    });
    (Sender { shared: Arc::clone(&shared) }, Receiver { shared })
}

impl Sender {
    /// Says something; never waits.
    pub fn send(&self, message: Message) {
        let mut waiting = self.shared.waiting.lock();
        waiting.retain(|old| {
            old.provider() != message.provider() || discriminant(old) != discriminant(&message)
        });
        waiting.push_back(message);
        drop(waiting);
        self.shared.changed.notify_one();
    }
}

impl Clone for Sender {
    fn clone(&self) -> Self {
        self.shared.senders.fetch_add(1, Ordering::Relaxed);
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        if self.shared.senders.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.shared.changed.notify_one();
        }
    }
}

impl Receiver {
    /// The next message; `None` when all providers have ended.
    pub async fn recv(&mut self) -> Option<Message> {
        loop {
            // Read before the queue: what the last sender said before it ended must be seen.
            let ended = self.shared.senders.load(Ordering::Acquire) == 0;
            if let Some(message) = self.try_recv() {
                return Some(message);
            }
            if ended {
                return None;
            }
            self.shared.changed.notified().await;
        }
    }

    /// The next message, if there is one.
    pub fn try_recv(&mut self) -> Option<Message> {
        self.shared.waiting.lock().pop_front()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::{Diagnostic, Dynamic};
    use crate::provider::Update;

    fn message(text: &str) -> Message {
        let (provider, kind) = text.split_once(' ').unwrap();
        let diagnostics = vec![Diagnostic::error(kind, "x")];
        if kind.starts_with('u') {
            Message::Update(Update {
                diagnostics,
                ..Update::new(provider, Arc::<Dynamic>::default())
            })
        } else {
            Message::Rejected { provider: provider.into(), diagnostics }
        }
    }

    fn text(message: &Message) -> String {
        let (Message::Update(Update { diagnostics, .. }) | Message::Rejected { diagnostics, .. }) =
            message;
        format!("{} {}", message.provider(), diagnostics[0].path)
    }

    fn check(sent: &[&str], expect: &[&str]) {
        let (sender, mut receiver) = channel();
        for sent in sent {
            sender.send(message(sent));
        }
        let taken: Vec<_> = std::iter::from_fn(|| receiver.try_recv()).map(|m| text(&m)).collect();
        assert_eq!(taken, expect, "{sent:?}");
    }

    #[test]
    fn the_newest_of_each_kind_and_provider_stays() {
        check(&[], &[]);
        check(&["a u1", "b u1"], &["a u1", "b u1"]);
        check(&["a u1", "a u2", "a u3"], &["a u3"]);
        check(&["a u1", "a r1"], &["a u1", "a r1"]);
        check(&["a u1", "a r1", "a r2"], &["a u1", "a r2"]);
        check(&["a u1", "a r1", "a u2"], &["a r1", "a u2"]);
        check(&["a u1", "b u1", "a u2"], &["b u1", "a u2"]);
    }

    #[tokio::test]
    async fn wakes_and_ends() {
        let (sender, mut receiver) = channel();
        let thread = std::thread::spawn(move || {
            for number in 0..1000 {
                sender.clone().send(message(&format!("a u{number}")));
            }
        });
        let mut last = String::new();
        let all = async {
            while let Some(message) = receiver.recv().await {
                last = text(&message);
            }
        };
        tokio::time::timeout(Duration::from_secs(10), all).await.unwrap();
        assert_eq!(last, "a u999");
        thread.join().unwrap();
    }
}
