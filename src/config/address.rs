//! An entrypoint's address: `[host]:port[/tcp|/udp]`.

use std::str::FromStr;

/// A parsed address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Empty for all addresses.
    pub host: String,
    /// The port; 0 lets the system choose.
    pub port: u16,
    /// What is listened for.
    pub transport: Transport,
}

/// What an entrypoint listens for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Connections.
    Tcp,
    /// Datagrams.
    Udp,
}

/// Why a text is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// No `:port`.
    #[error("{0:?} has no port, write it as host:port or :port")]
    Port(String),
    /// The port is no number up to 65535.
    #[error("{0:?}: the port is not a number from 0 to 65535")]
    PortNumber(String),
    /// Neither `/tcp` nor `/udp`.
    #[error("{0:?}: the protocol is neither tcp nor udp")]
    Protocol(String),
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (rest, transport) = match text.split_once('/') {
            None => (text, Transport::Tcp),
            Some((rest, protocol)) if protocol.eq_ignore_ascii_case("tcp") => {
                (rest, Transport::Tcp)
            }
            Some((rest, protocol)) if protocol.eq_ignore_ascii_case("udp") => {
                (rest, Transport::Udp)
            }
            Some(_) => return Err(AddressError::Protocol(text.to_owned())),
        };
        let (host, port) =
            rest.rsplit_once(':').ok_or_else(|| AddressError::Port(text.to_owned()))?;
        if host.contains(':') && !host.starts_with('[') {
            return Err(AddressError::Port(text.to_owned()));
        }
        let port = port.parse().map_err(|_| AddressError::PortNumber(text.to_owned()))?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Self { host, port, transport })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Option<(&str, u16, Transport)>) {
        let got = text.parse::<Address>().ok();
        let got = got.as_ref().map(|a| (a.host.as_str(), a.port, a.transport));
        assert_eq!(got, expect, "{text}");
    }

    #[test]
    fn reads_addresses() {
        check(":80", Some(("", 80, Transport::Tcp)));
        check("127.0.0.1:80/tcp", Some(("127.0.0.1", 80, Transport::Tcp)));
        check("[::1]:80/UDP", Some(("::1", 80, Transport::Udp)));
        check("localhost:0", Some(("localhost", 0, Transport::Tcp)));
        for bad in ["127.0.0.1", "", ":99999", ":80/sctp", ":x", "::1:80", "a:-1"] {
            check(bad, None);
        }
    }
}
