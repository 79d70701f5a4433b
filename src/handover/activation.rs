//! Sockets that systemd has opened (`sd_listen_fds(3)`), by the names it gives them.

use listenfd::ListenFd;

use super::{Addresses, Held, Inherited, Kind};

/// The variable with the names, divided by colons.
const NAMES: &str = "LISTEN_FDNAMES";

/// The sockets that this process was started with, if it was started by a socket unit. A socket
/// for datagrams is offered both as one of UDP and as one of HTTP/3, whichever is asked for.
#[must_use]
pub fn from_systemd() -> Inherited {
    let names = std::env::var(NAMES).unwrap_or_default();
    let mut given = ListenFd::from_env();
    let mut all = Vec::new();
    for (place, name) in names.split(':').enumerate().take(given.len()) {
        let name = name.to_owned();
        if let Ok(Some(listener)) = given.take_tcp_listener(place) {
            all.push(Held { name, kind: Kind::Tcp, socket: listener.into() });
        } else if let Ok(Some(socket)) = given.take_udp_socket(place) {
            if let Ok(copy) = socket.try_clone() {
                all.push(Held { name: name.clone(), kind: Kind::Quic, socket: copy.into() });
            }
            all.push(Held { name, kind: Kind::Udp, socket: socket.into() });
        } else {
            tracing::warn!(name, "a socket of the unit is neither of TCP nor of UDP");
        }
    }
    Inherited::new(all, Addresses::Given)
}
