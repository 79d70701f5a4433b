//! Names whose records are being changed: at most one change of a name is under way, since most
//! providers read all records of a name, change the list, and write it back.
//!
//! Must not know who changes them.

use std::sync::{Arc, Weak};

use hashbrown::HashMap;
use parking_lot::Mutex;
use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

/// The names, as long as somebody changes them.
#[derive(Debug, Default)]
pub(super) struct Names(Mutex<HashMap<String, Weak<Turn<()>>>>);

impl Names {
    /// Waits until nobody else changes a name, and keeps others from it until the end.
    pub(super) async fn turn(&self, name: &str) -> OwnedMutexGuard<()> {
        let turn = self.turns_of(name);
        turn.lock_owned().await
    }

    fn turns_of(&self, name: &str) -> Arc<Turn<()>> {
        let mut names = self.0.lock();
        names.retain(|_, turn| turn.strong_count() > 0);
        if let Some(turn) = names.get(name).and_then(Weak::upgrade) {
            return turn;
        }
        let turn = Arc::<Turn<()>>::default();
        names.insert(name.to_owned(), Arc::downgrade(&turn));
        turn
    }
}
