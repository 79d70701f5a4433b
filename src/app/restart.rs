//! Where the listening sockets come from, and to whom they go.

use std::io;
use std::path::Path;

use super::{Sockets, StartError};
use crate::config::Static;
use crate::handover::{Heir, Held, Inherited, Kind, Predecessor, from_systemd};

/// Whoever had the listening sockets before.
#[derive(Debug)]
pub(super) struct Origin {
    pub(super) inherited: Inherited,
    predecessor: Option<Predecessor>,
}

/// Asks the running process for its sockets where one is to be replaced, else systemd.
pub(super) fn origin(plan: &Static) -> Result<Origin, StartError> {
    let path = &plan.root.restart.socket;
    if !path.is_empty()
        && let Some((predecessor, inherited)) = Predecessor::ask(Path::new(path))?
    {
        tracing::info!("the running process is being replaced");
        return Ok(Origin { inherited, predecessor: Some(predecessor) });
    }
    Ok(Origin { inherited: from_systemd(), predecessor: None })
}

impl Origin {
    /// Warns of sockets that no entrypoint is named after, and closes all that are left.
    pub(super) fn tell_of_unused(&mut self, plan: &Static) {
        let unused = std::mem::take(&mut self.inherited);
        for name in unused.left() {
            if !plan.entrypoints.iter().any(|entrypoint| entrypoint.name == name) {
                tracing::warn!(
                    name,
                    "a listening socket was given that no entrypoint is named after"
                );
            }
        }
    }

    /// What the thread of HTTP/3 waits for: until then the datagrams are the other process's.
    pub(super) fn quic_is_ours(&self) -> Result<impl FnOnce() + Send + use<>, StartError> {
        let other = self.predecessor.as_ref().map(Predecessor::copy).transpose();
        let other = other.map_err(StartError::Acceptor)?;
        Ok(move || {
            if let Some(other) = other {
                other.wait_for_quic();
            }
        })
    }

    /// Tells the other process that this one accepts connections.
    pub(super) fn ready(self) {
        if let Some(mut predecessor) = self.predecessor
            && let Err(error) = predecessor.ready()
        {
            tracing::warn!(%error, "the process that is replaced has ended already");
        }
    }
}

/// Copies of all sockets, where another process may ask for them.
pub(super) fn copies(plan: &Static, sockets: &Sockets) -> Result<Vec<Held>, StartError> {
    if plan.root.restart.socket.is_empty() {
        return Ok(Vec::new());
    }
    let name = |place: usize| plan.entrypoints.get(place).map_or("", |e| &*e.name).to_owned();
    let tcp = sockets.listeners.iter().map(|s| (s.place, Kind::Tcp, s.copy()));
    let udp = sockets.datagrams.iter().map(|s| (s.place, Kind::Udp, s.copy()));
    let quic = sockets.quic.iter().map(|s| (s.socket.place, Kind::Quic, s.socket.copy()));
    tcp.chain(udp)
        .chain(quic)
        .map(|(place, kind, copy)| {
            let socket = copy.map_err(refused(plan))?;
            Ok(Held { name: name(place), kind, socket })
        })
        .collect()
}

/// Waits for another process from now on, where one may come.
pub(super) fn heir(plan: &Static, copies: Vec<Held>) -> Result<Option<Heir>, StartError> {
    let path = &plan.root.restart.socket;
    if path.is_empty() {
        return Ok(None);
    }
    Heir::expect(Path::new(path), copies).map(Some).map_err(refused(plan))
}

fn refused(plan: &Static) -> impl Fn(io::Error) -> StartError {
    let path = plan.root.restart.socket.clone();
    move |cause| StartError::Restart { path: path.clone(), cause }
}
