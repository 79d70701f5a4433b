//! A connection after a 101 answer: bytes both ways until both sides have closed.

use std::rc::Rc;

use bytes::BytesMut;
use tokio::io::AsyncWriteExt;

use crate::message::{Exchange, Io, Upgrade};

/// Starts the tunnel in a task of its own. The exchange is held until its end, so that a graceful
/// stop waits for it.
pub(super) fn start<S: Io>(
    upgrade: Upgrade,
    mut server: S,
    early: BytesMut,
    exchange: Rc<Exchange>,
) {
    tokio::task::spawn_local(async move {
        let Ok(mut client) = upgrade.await else {
            return;
        };
        if !early.is_empty() && client.write_all(&early).await.is_err() {
            return;
        }
        // Either side may vanish without a word; there is nobody left to tell.
        let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
        drop(exchange);
    });
}
