//! TCP services: servers that take turns, services made of services.
//!
//! As HTTP services, they are shared by all workers and kept while nothing they stand on changes.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Member, Propagation, Turn};
use crate::message::Io;
use crate::message::proxy::Ends;
use crate::model::ServerHealth;
use crate::upstream::{Buffers, ConnectError, ServerStream, TcpEndpoint, relay};

mod check;

pub use check::{TcpCheck, TcpPlan, TcpProbeError, TcpTarget};

/// A TCP service with its name.
#[derive(Debug)]
pub struct TcpService {
    /// `name@provider`.
    pub name: Arc<str>,
    /// What it does.
    pub kind: TcpKind,
}

/// What a TCP service does with a connection.
#[derive(Debug)]
pub enum TcpKind {
    /// Hands it to one of its servers.
    Servers(TcpServers),
    /// Hands it to one of its services.
    Children(TcpChildren),
}

/// Servers, which take turns.
#[derive(Debug)]
pub struct TcpServers {
    /// The servers.
    pub servers: Vec<TcpServer>,
    /// Whose turn it is.
    pub turn: Arc<Turn>,
    /// Asks servers whether they are well.
    pub check: Option<Arc<TcpCheck>>,
}

/// One server.
#[derive(Debug, Clone)]
pub struct TcpServer {
    /// Where it is.
    pub endpoint: Arc<TcpEndpoint>,
    /// What is known of it.
    pub member: Arc<Member>,
}

/// Services by weight.
#[derive(Debug)]
pub struct TcpChildren {
    /// The services with their shares.
    pub services: Vec<(Arc<TcpService>, u32)>,
    /// Whose turn it is.
    pub turn: Arc<Turn>,
    /// Whether children that are down are passed over.
    pub health: Propagation,
}

/// How a connection begins at the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Greeting {
    /// With what the client says.
    None,
    /// With Postgres's wish for TLS, which the client has been granted already.
    Postgres,
}

/// What a Postgres client says before TLS (`SSLRequest` in its manual's message formats).
pub const POSTGRES_WISH: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
/// What it hears when it may begin.
pub const POSTGRES_GRANT: &[u8] = b"S";

impl TcpService {
    /// Whether it can serve connections, as far as is known.
    #[must_use]
    pub fn is_up(&self) -> bool {
        match &self.kind {
            TcpKind::Servers(servers) => {
                servers.check.is_none() || servers.servers.iter().any(|s| s.member.is_up())
            }
            TcpKind::Children(children) => {
                children.health == Propagation::Off
                    || (0..children.services.len()).any(|i| children.may(i))
            }
        }
    }

    /// Whether it knows its health and tells it.
    #[must_use]
    pub fn tells_health(&self) -> bool {
        match &self.kind {
            TcpKind::Servers(servers) => servers.check.is_some(),
            TcpKind::Children(children) => children.health == Propagation::On,
        }
    }

    /// The server whose turn it is.
    fn choose(&self) -> Option<&TcpServer> {
        let mut service = self;
        loop {
            match &service.kind {
                TcpKind::Servers(servers) => return servers.choose(),
                TcpKind::Children(children) => service = children.choose()?,
            }
        }
    }

    /// Serves a client's connection until its end. Without a server it is closed.
    pub async fn serve(
        &self,
        mut client: impl Io,
        ends: Ends,
        greeting: Greeting,
        buffers: &Buffers,
    ) {
        let Some(server) = self.choose() else {
            tracing::debug!(service = &*self.name, "no server is there for a connection");
            return;
        };
        let opened = async {
            let mut stream = server.endpoint.connect(Some(ends)).await?;
            if greeting == Greeting::Postgres {
                wish(&mut stream, &server.endpoint).await?;
            }
            Ok::<ServerStream, ConnectError>(stream)
        };
        let mut stream = match opened.await {
            Ok(stream) => stream,
            Err(error) => {
                tracing::warn!(service = &*self.name, %error, "a server cannot be reached");
                return;
            }
        };
        let delay = server.endpoint.transport().termination_delay;
        relay(&mut client, &mut stream, buffers, delay).await;
    }
}

/// Asks a Postgres server for TLS, which the client has been promised.
async fn wish(stream: &mut ServerStream, endpoint: &TcpEndpoint) -> Result<(), ConnectError> {
    let refused = |cause| ConnectError::Refused { address: Arc::clone(endpoint.address()), cause };
    stream.write_all(&POSTGRES_WISH).await.map_err(refused)?;
    let mut answer = [0; POSTGRES_GRANT.len()];
    stream.read_exact(&mut answer).await.map_err(refused)?;
    if answer == POSTGRES_GRANT {
        return Ok(());
    }
    Err(refused(std::io::Error::other("the server does not begin TLS")))
}

impl TcpServers {
    fn choose(&self) -> Option<&TcpServer> {
        let up = |i: usize| self.servers.get(i).is_some_and(|server| server.member.is_up());
        let place = match &self.check {
            Some(_) => self.turn.next_of(up),
            None => self.turn.next(),
        };
        self.servers.get(place?)
    }
}

impl TcpChildren {
    fn may(&self, place: usize) -> bool {
        self.services.get(place).is_some_and(|(service, weight)| *weight > 0 && service.is_up())
    }

    fn choose(&self) -> Option<&TcpService> {
        let place = match self.health {
            Propagation::On => self.turn.next_of(|i| self.may(i)),
            Propagation::Off => self.turn.next(),
        };
        self.services.get(place?).map(|(service, _)| &**service)
    }
}

impl ServerHealth for TcpService {
    fn is_up(&self, address: &str) -> bool {
        match &self.kind {
            TcpKind::Servers(servers) => {
                let mut same =
                    servers.servers.iter().filter(|s| **s.endpoint.address() == *address);
                same.all(|server| server.member.is_up())
            }
            TcpKind::Children(_) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::{Encryption, TcpTransport};

    fn servers(name: &str, addresses: &[&str], checked: bool) -> Arc<TcpService> {
        let transport = TcpTransport::build(&crate::model::TcpServersTransport::default());
        let transport = Arc::new(transport.unwrap());
        let server = |address: &&str| {
            let transport = Arc::clone(&transport);
            let endpoint = TcpEndpoint::parse(address, Encryption::None, transport).unwrap();
            TcpServer { endpoint: Arc::new(endpoint), member: Arc::default() }
        };
        let servers: Vec<_> = addresses.iter().map(server).collect();
        let turn = Arc::new(Turn::new(&vec![1; servers.len()]));
        let check = checked.then(|| {
            Arc::new(TcpCheck { service: name.into(), plan: TcpPlan::default(), targets: vec![] })
        });
        let kind = TcpKind::Servers(TcpServers { servers, turn, check });
        Arc::new(TcpService { name: name.into(), kind })
    }

    fn children(services: Vec<(Arc<TcpService>, u32)>, health: Propagation) -> TcpService {
        let weights: Vec<u32> = services.iter().map(|(_, weight)| *weight).collect();
        let turn = Arc::new(Turn::new(&weights));
        let kind = TcpKind::Children(TcpChildren { services, turn, health });
        TcpService { name: "w".into(), kind }
    }

    fn order(service: &TcpService, count: usize) -> String {
        let host = |server: &TcpServer| server.endpoint.address().replace(":1", "");
        (0..count).map(|_| service.choose().map_or_else(|| "-".to_owned(), host)).collect()
    }

    fn set_up(service: &TcpService, up: bool) {
        let TcpKind::Servers(servers) = &service.kind else { return };
        servers.servers.iter().for_each(|server| {
            server.member.set_up(up);
        });
    }

    #[test]
    fn servers_take_turns() {
        assert_eq!(order(&servers("s", &["a:1", "b:1"], false), 4), "abab");
        assert_eq!(order(&servers("s", &[], false), 2), "--");
    }

    #[test]
    fn services_take_turns_by_weight() {
        let a = || servers("a", &["a:1"], false);
        let b = || servers("b", &["b:1", "c:1"], false);
        assert_eq!(order(&children(vec![(a(), 3), (b(), 1)], Propagation::Off), 8), "aabaaaca");
        assert_eq!(order(&children(vec![(a(), 0), (b(), 1)], Propagation::Off), 2), "bc");
        let inner = Arc::new(children(vec![(a(), 1), (b(), 1)], Propagation::Off));
        assert_eq!(order(&children(vec![(inner, 1), (a(), 1)], Propagation::Off), 4), "aaba");
    }

    #[test]
    fn services_that_are_down_are_passed_over() {
        let (a, b) = (servers("a", &["a:1"], true), servers("b", &["b:1"], true));
        let both = children(vec![(Arc::clone(&a), 1), (Arc::clone(&b), 1)], Propagation::On);
        set_up(&a, false);
        assert_eq!(order(&both, 3), "bbb");
        assert!(both.is_up() && !TcpService::is_up(&a));
        assert!(!ServerHealth::is_up(&*a, "a:1") && ServerHealth::is_up(&*b, "b:1"));
        set_up(&b, false);
        assert_eq!(order(&both, 2), "--");
        assert!(!both.is_up());
        set_up(&a, true);
        assert_eq!(order(&both, 2), "aa");
    }
}
