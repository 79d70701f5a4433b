//! Questions to a name server, and changes of its zones (RFC 2136), over TCP.
//!
//! Messages are written and read here, since what crates there are sign no SHA-1, which is the
//! default of Traefik's provider. Must not know what records are for.

mod tsig;
mod wire;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{Destination, FetchError, Host};
use crate::message::Io;

pub(super) use tsig::Key;
pub(super) use wire::{Change, Name};

use wire::Answer;

/// Why a name server has not done what it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum DnsError {
    /// There is no connection.
    #[error(transparent)]
    Connect(#[from] FetchError),
    /// The connection broke.
    #[error("{server}: {reason}")]
    Broken { server: String, reason: String },
    /// It took too long.
    #[error("{server}: there was no answer within {limit:?}")]
    Late { server: String, limit: Duration },
    /// It answered with something else than an answer.
    #[error("{server}: this is no answer to the question")]
    Nonsense { server: String },
    /// It refused.
    #[error("{server}: {}", wire::response_words(*code))]
    Refused { server: String, code: u8 },
    /// It found fault with the signature.
    #[error("{server}: the key is refused: {}", tsig::error_words(*code))]
    Key { server: String, code: u16 },
    /// Its own signature is missing or wrong.
    #[error("{server}: the answer is not signed with the key")]
    Unsigned { server: String },
    /// It holds no zone around the name.
    #[error("{server}: no zone of this server holds {name}")]
    NoZone { server: String, name: String },
}

/// A name server and how to talk to it.
#[derive(Debug, Clone)]
pub(super) struct Server {
    address: String,
    key: Option<Key>,
    timeout: Duration,
}

impl Server {
    /// The server at a host, with or without a port.
    pub(super) fn new(host: &str, key: Option<Key>, timeout: Duration) -> Self {
        Self { address: with_port(host), key, timeout }
    }

    /// The zone that holds a name.
    ///
    /// # Errors
    /// When the server does not know.
    pub(super) async fn zone(&self, host: &dyn Host, name: &Name) -> Result<Name, DnsError> {
        let id = identifier();
        let sent = wire::query(id, name);
        let answer = self.exchange(host, id, &sent).await?;
        let zone = answer.start_of_authority.filter(|zone| name.is_within(zone));
        let (server, name) = (self.address.clone(), name.to_string());
        match (zone, answer.code) {
            (Some(zone), _) => Ok(zone),
            (None, wire::NO_ERROR | wire::NO_SUCH_NAME) => Err(DnsError::NoZone { server, name }),
            (None, code) => Err(DnsError::Refused { server, code }),
        }
    }

    /// Changes a zone: all of it, or nothing.
    ///
    /// # Errors
    /// When the server does not do it.
    pub(super) async fn update(
        &self,
        host: &dyn Host,
        zone: &Name,
        changes: &[Change],
    ) -> Result<(), DnsError> {
        let id = identifier();
        let sent = wire::update(id, zone, changes);
        match self.exchange(host, id, &sent).await?.code {
            wire::NO_ERROR => Ok(()),
            code => Err(DnsError::Refused { server: self.address.clone(), code }),
        }
    }

    /// Sends a message and reads its answer, both signed if there is a key.
    async fn exchange(&self, host: &dyn Host, id: u16, sent: &[u8]) -> Result<Answer, DnsError> {
        let server = || self.address.clone();
        let signed = self.key.as_ref().map(|key| key.sign(sent.to_vec(), now()));
        let message = signed.as_ref().map_or(sent, |signed| &signed.message);
        let to = Destination { address: server(), tls: None };
        let talk = async {
            let mut stream = host.connect(&to).await?;
            talk(&mut stream, message)
                .await
                .map_err(|error| DnsError::Broken { server: server(), reason: error.to_string() })
        };
        let late = |_| DnsError::Late { server: server(), limit: self.timeout };
        let received = tokio::time::timeout(self.timeout, talk).await.map_err(late)??;
        let nonsense = || DnsError::Nonsense { server: server() };
        let answer = wire::read(&received).filter(|answer| answer.id == id).ok_or_else(nonsense)?;
        let (Some(key), Some(signed)) = (&self.key, &signed) else { return Ok(answer) };
        match &answer.signature {
            // Of a key that it does not accept, a server cannot sign the answer.
            Some(signature) if signature.error != 0 => {
                Err(DnsError::Key { server: server(), code: signature.error })
            }
            Some(signature) if key.verifies(&received, signature, signed, now()) => Ok(answer),
            // An error without a signature changes nothing.
            None if answer.code != wire::NO_ERROR => Ok(answer),
            _ => Err(DnsError::Unsigned { server: server() }),
        }
    }
}

/// Sends a message and reads the next one, each behind its length (RFC 1035, section 4.2.2).
async fn talk(stream: &mut Box<dyn Io>, message: &[u8]) -> std::io::Result<Vec<u8>> {
    let length = u16::try_from(message.len()).map_err(std::io::Error::other)?;
    let mut framed = length.to_be_bytes().to_vec();
    framed.extend_from_slice(message);
    stream.write_all(&framed).await?;
    stream.flush().await?;
    let mut answer = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

/// Nobody else is on the connection, so that it need not be hard to guess.
fn identifier() -> u16 {
    let mut bytes = [0; 2];
    // Without randomness it is a fixed one.
    let _ = ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut bytes);
    u16::from_be_bytes(bytes)
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// A host with the port of the domain name system, unless it has one.
fn with_port(host: &str) -> String {
    let has_port = match host.strip_prefix('[') {
        Some(rest) => rest.contains("]:"),
        None => host.matches(':').count() == 1,
    };
    if has_port {
        host.to_owned()
    } else if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]:53")
    } else {
        format!("{host}:53")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_have_ports() {
        for (host, expect) in [
            ("ns.test", "ns.test:53"),
            ("ns.test:5353", "ns.test:5353"),
            ("192.0.2.1", "192.0.2.1:53"),
            ("2001:db8::1", "[2001:db8::1]:53"),
            ("[2001:db8::1]", "[2001:db8::1]:53"),
            ("[2001:db8::1]:5353", "[2001:db8::1]:5353"),
        ] {
            assert_eq!(with_port(host), expect);
        }
    }
}
