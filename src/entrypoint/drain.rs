//! A worker's open connections: how many there are, and the word to close them.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

use crate::observe::metrics::Open;

/// How a worker ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Idle connections are closed at once.
    Stop,
    /// Another process takes over: idle connections may bring one more request, since a client may
    /// be sending it already, and datagrams are the other one's.
    MakeWay,
}

/// Counts connections and tells them when the worker drains.
#[derive(Debug)]
pub(super) struct Drain {
    /// Open connections, for the acceptor that looks for the least loaded worker.
    open: Arc<AtomicUsize>,
    draining: Cell<Option<Manner>>,
    begun: Notify,
    emptied: Notify,
}

impl Drain {
    pub(super) fn new(open: Arc<AtomicUsize>) -> Rc<Self> {
        let draining = Cell::new(None);
        Rc::new(Self { open, draining, begun: Notify::new(), emptied: Notify::new() })
    }

    /// Takes over the count of a connection, which the acceptor has added.
    pub(super) fn adopt(self: &Rc<Self>) -> Permit {
        Permit { drain: Rc::clone(self), open: None }
    }

    /// Counts something more that a graceful stop waits for.
    pub(super) fn admit(self: &Rc<Self>) -> Permit {
        self.open.fetch_add(1, Ordering::AcqRel);
        self.adopt()
    }

    /// Whether the worker drains.
    pub(super) fn is_draining(&self) -> bool {
        self.draining.get().is_some()
    }

    /// Whether it does since another process takes over.
    pub(super) fn makes_way(&self) -> bool {
        self.draining.get() == Some(Manner::MakeWay)
    }

    /// Tells all connections to end after what they are doing.
    pub(super) fn begin(&self, manner: Manner) {
        self.draining.set(Some(manner));
        self.begun.notify_waiters();
    }

    /// Resolves when the worker drains.
    pub(super) async fn begun(&self) {
        let begun = self.begun.notified();
        if !self.is_draining() {
            begun.await;
        }
    }

    /// Resolves when no connection is left.
    pub(super) async fn emptied(&self) {
        while self.open.load(Ordering::Acquire) > 0 {
            self.emptied.notified().await;
        }
    }
}

/// One open connection; a tunnel after an upgrade keeps it.
#[derive(Debug)]
pub(super) struct Permit {
    drain: Rc<Drain>,
    /// Held, not looked at.
    #[allow(dead_code, reason = "it counts until it is dropped")]
    open: Option<Open>,
}

impl Permit {
    /// Counts it as an open connection of its entrypoint as well.
    pub(super) fn counted(mut self, open: Option<Open>) -> Self {
        self.open = open;
        self
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.drain.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.drain.emptied.notify_one();
        }
    }
}
