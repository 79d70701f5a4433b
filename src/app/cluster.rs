//! A look at a cluster, for `check`: what its providers say first.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use crate::model::Diagnostic;
use crate::provider::{Kubernetes, Message, channel};

/// How long a cluster may take to show all its objects.
const LIMIT: Duration = Duration::from_secs(30);

/// The first word of every provider that is on. Nothing is written into the cluster.
pub(super) async fn first(kubernetes: Kubernetes) -> Vec<Message> {
    let mut awaited = kubernetes.names();
    let mut messages = Vec::new();
    if awaited.is_empty() {
        return messages;
    }
    let (sender, mut receiver) = channel();
    let (stop, stopped) = watch::channel(false);
    kubernetes.look(&sender, &stopped);
    let gather = async {
        while let Some(message) = receiver.recv().await {
            awaited.retain(|name| **name != **message.provider());
            messages.push(message);
            if awaited.is_empty() {
                break;
            }
        }
    };
    let is_late = timeout(LIMIT, gather).await.is_err();
    // Nobody may be left to hear it.
    let _ = stop.send(true);
    if is_late {
        let late = |name: &&str| {
            let reason = format!("the cluster is not known after {} s", LIMIT.as_secs());
            let diagnostics = vec![Diagnostic::error(format!("providers.{name}"), reason)];
            Message::Rejected { provider: (**name).into(), diagnostics }
        };
        messages.extend(awaited.iter().map(late));
    }
    messages
}
