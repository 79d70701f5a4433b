//! Questions to servers of the DNS: over UDP, and over TCP where the answer does not fit.
//!
//! Asked here and not of the system, whose caches would hide what is new. Must not know what the
//! answers are for.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use ring::rand::{SecureRandom as _, SystemRandom};
use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, PacketFlag, Question, RCODE, TYPE};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket, lookup_host};
use tokio::time::timeout;

use super::Recursion;

/// Why a server does not answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum LookupError {
    /// It cannot be reached.
    #[error("{server}: {cause}")]
    Unreachable {
        /// The server.
        server: SocketAddr,
        /// The system's words.
        cause: io::Error,
    },
    /// It takes too long.
    #[error("{server}: no answer within {} s", LIMIT.as_secs())]
    Late {
        /// The server.
        server: SocketAddr,
    },
    /// It says that it cannot.
    #[error("{server}: the answer is {code:?}")]
    Refused {
        /// The server.
        server: SocketAddr,
        /// Its reason.
        code: RCODE,
    },
    /// What it sends is no answer.
    #[error("{server}: what it sends is no answer")]
    Malformed {
        /// The server.
        server: SocketAddr,
    },
    /// A name cannot be asked for.
    #[error("{name:?} is no name of the DNS")]
    Name {
        /// The name.
        name: String,
    },
    /// Nobody is there to be asked.
    #[error("no server is known that could be asked for {name}")]
    NoServers {
        /// The name.
        name: String,
    },
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Txt,
    Alias,
    Servers,
    Address4,
    Address6,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    Text(String),
    Alias(String),
    Server(String),
    Address(IpAddr),
}

/// Where servers are asked.
pub(super) const PORT: u16 = 53;
/// For an answer over UDP, and for one over TCP.
const LIMIT: Duration = Duration::from_secs(5);
/// An answer over UDP without further word.
const BYTES_MAX: usize = 4096;

impl Kind {
    fn code(self) -> TYPE {
        match self {
            Self::Txt => TYPE::TXT,
            Self::Alias => TYPE::CNAME,
            Self::Servers => TYPE::NS,
            Self::Address4 => TYPE::A,
            Self::Address6 => TYPE::AAAA,
        }
    }
}

/// Asks a server; owners and names end with a dot.
pub(super) async fn ask(
    server: SocketAddr,
    name: &str,
    kind: Kind,
    recursion: Recursion,
) -> Result<Vec<(String, Found)>, LookupError> {
    let (id, question) = question(name, kind, recursion)?;
    let late = |_| LookupError::Late { server };
    let unreachable = |cause| LookupError::Unreachable { server, cause };
    let bytes = timeout(LIMIT, over_udp(server, &question)).await.map_err(late)?;
    let mut bytes = bytes.map_err(unreachable)?;
    let is_cut = simple_dns::header_buffer::has_flags(&bytes, PacketFlag::TRUNCATION);
    if is_cut.unwrap_or(false) {
        let whole = timeout(LIMIT, over_tcp(server, &question)).await.map_err(late)?;
        bytes = whole.map_err(unreachable)?;
    }
    answer(server, id, &bytes)
}

fn question(name: &str, kind: Kind, recursion: Recursion) -> Result<(u16, Vec<u8>), LookupError> {
    let wrong = || LookupError::Name { name: name.to_owned() };
    let mut id = [0; 2];
    // A number that is no secret asks as well.
    let _ = SystemRandom::new().fill(&mut id);
    let id = u16::from_be_bytes(id);
    let mut packet = Packet::new_query(id);
    if recursion == Recursion::Wanted {
        packet.set_flags(PacketFlag::RECURSION_DESIRED);
    }
    let plain = name.trim_end_matches('.');
    let asked = Name::new(plain).map_err(|_| wrong())?;
    packet.questions.push(Question::new(asked, kind.code().into(), CLASS::IN.into(), false));
    Ok((id, packet.build_bytes_vec().map_err(|_| wrong())?))
}

async fn over_udp(server: SocketAddr, question: &[u8]) -> io::Result<Vec<u8>> {
    let any: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).await?;
    // Only this server is heard.
    socket.connect(server).await?;
    socket.send(question).await?;
    let mut bytes = vec![0; BYTES_MAX];
    let length = socket.recv(&mut bytes).await?;
    bytes.truncate(length);
    Ok(bytes)
}

async fn over_tcp(server: SocketAddr, question: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(question.len()).unwrap_or_default();
    stream.write_all(&[&length.to_be_bytes()[..], question].concat()).await?;
    let length = stream.read_u16().await?;
    let mut bytes = vec![0; usize::from(length)];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

fn answer(server: SocketAddr, id: u16, bytes: &[u8]) -> Result<Vec<(String, Found)>, LookupError> {
    let packet = Packet::parse(bytes).map_err(|_| LookupError::Malformed { server })?;
    if packet.id() != id || !packet.has_flags(PacketFlag::RESPONSE) {
        return Err(LookupError::Malformed { server });
    }
    match packet.rcode() {
        RCODE::NoError | RCODE::NameError => {}
        code => return Err(LookupError::Refused { server, code }),
    }
    let whole = |name: &Name<'_>| format!("{name}.");
    let found = packet.answers.into_iter().filter_map(|record| {
        let owner = whole(&record.name);
        let found = match record.rdata {
            RData::TXT(text) => Found::Text(String::try_from(text).ok()?),
            RData::CNAME(to) => Found::Alias(whole(&to.0)),
            RData::NS(server) => Found::Server(whole(&server.0)),
            RData::A(address) => Found::Address(Ipv4Addr::from(address.address).into()),
            RData::AAAA(address) => Found::Address(Ipv6Addr::from(address.address).into()),
            _ => return None,
        };
        Some((owner, found))
    });
    Ok(found.collect())
}

/// The address of a server that is configured: `host`, `host:port`, or an address.
pub(super) async fn address(server: &str) -> Option<SocketAddr> {
    if let Ok(address) = server.parse() {
        return Some(address);
    }
    if let Ok(address) = server.parse::<IpAddr>() {
        return Some(SocketAddr::new(address, PORT));
    }
    match server.rsplit_once(':') {
        Some(_) => lookup_host(server.to_owned()).await.ok()?.next(),
        None => lookup_host((server.to_owned(), PORT)).await.ok()?.next(),
    }
}

/// The servers that the system asks.
pub(super) fn system_servers() -> Vec<SocketAddr> {
    let text = fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let named = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        (words.next()? == "nameserver").then(|| words.next()).flatten()
    });
    named.filter_map(|server| Some(SocketAddr::new(server.parse().ok()?, PORT))).collect()
}

/// Whether this machine has a way to an address.
pub(super) fn has_way(server: &SocketAddr) -> bool {
    let any: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    // Nothing is sent: the system only looks for the way.
    std::net::UdpSocket::bind((any, 0)).is_ok_and(|socket| socket.connect(server).is_ok())
}
