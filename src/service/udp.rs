//! UDP services: servers that take turns, services made of services. A client's session stays with
//! the server it began with.

use std::sync::Arc;

use super::Turn;

/// A UDP service with its name.
#[derive(Debug)]
pub struct UdpService {
    /// `name@provider`.
    pub name: Arc<str>,
    /// What it does.
    pub kind: UdpKind,
}

/// What a UDP service does with a session.
#[derive(Debug)]
pub enum UdpKind {
    /// Hands it to one of its servers, by host and port.
    Servers(Vec<Arc<str>>, Arc<Turn>),
    /// Hands it to one of its services.
    Children(Vec<Arc<UdpService>>, Arc<Turn>),
}

impl UdpService {
    /// The server whose turn it is.
    #[must_use]
    pub fn choose(&self) -> Option<&Arc<str>> {
        let mut service = self;
        loop {
            match &service.kind {
                UdpKind::Servers(servers, turn) => return servers.get(turn.next()?),
                UdpKind::Children(children, turn) => service = children.get(turn.next()?)?,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(addresses: &[&str]) -> Arc<UdpService> {
        let turn = Arc::new(Turn::new(&vec![1; addresses.len()]));
        let addresses = addresses.iter().map(|&address| address.into()).collect();
        Arc::new(UdpService { name: "s".into(), kind: UdpKind::Servers(addresses, turn) })
    }

    #[test]
    fn they_take_turns() {
        let order = |service: &UdpService| {
            (0..6).map(|_| service.choose().map_or("-", |s| &**s)).collect::<String>()
        };
        assert_eq!(order(&servers(&["a", "b"])), "ababab");
        assert_eq!(order(&servers(&[])), "------");
        let turn = Arc::new(Turn::new(&[2, 1]));
        let kind = UdpKind::Children(vec![servers(&["a"]), servers(&["b", "c"])], turn);
        assert_eq!(order(&UdpService { name: "w".into(), kind }), "abaaca");
    }
}
