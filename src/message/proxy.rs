//! The header of the PROXY protocol, versions 1 and 2, which tells whose connection is handed on:
//! reading and writing.
//!
//! Follows <https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>. Pure: reads bytes that
//! are there.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Both ends of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ends {
    /// Where it comes from.
    pub source: SocketAddr,
    /// Where it leads to.
    pub destination: SocketAddr,
}

/// A version of the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyVersion {
    /// Text.
    V1,
    /// Binary.
    V2,
}

/// What the first bytes of a connection are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyHeader {
    /// The beginning of a header; more is needed.
    Partial,
    /// Something else.
    Absent,
    /// A header.
    Present {
        /// Its bytes.
        length: usize,
        /// Whose connection it is; none when it is the sender's own or of another family.
        ends: Option<Ends>,
    },
    /// A header that is broken or too long.
    Broken,
}

/// Bytes of a header, with what version 2 may add to it.
pub const PROXY_BYTES_MAX: usize = 4096;

const TEXT: &[u8] = b"PROXY ";
const TEXT_BYTES_MAX: usize = 107;
const BINARY: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const BINARY_HEAD_BYTES: usize = 16;
const LOCAL: u8 = 0x20;
const PROXY: u8 = 0x21;
const TCP4: u8 = 0x11;
const TCP6: u8 = 0x21;

impl ProxyHeader {
    /// Looks at the first bytes of a connection.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Self {
        if bytes.starts_with(BINARY) {
            binary(bytes).unwrap_or(Self::Partial)
        } else if bytes.starts_with(TEXT) {
            text(bytes)
        } else if BINARY.starts_with(bytes) || TEXT.starts_with(bytes) {
            Self::Partial
        } else {
            Self::Absent
        }
    }
}

impl Ends {
    /// The header that tells of them.
    #[must_use]
    pub fn header(&self, version: ProxyVersion) -> Vec<u8> {
        let (source, destination) = (self.source, self.destination);
        let ips = (source.ip().to_canonical(), destination.ip().to_canonical());
        let ports = (source.port(), destination.port());
        match version {
            ProxyVersion::V1 => {
                let mut line = String::from("PROXY ");
                // Written to a string, which cannot fail.
                let _ = match ips {
                    (IpAddr::V4(from), IpAddr::V4(to)) => write!(line, "TCP4 {from} {to}"),
                    (from, to) => write!(line, "TCP6 {} {}", wide(from), wide(to)),
                };
                let _ = write!(line, " {} {}\r\n", ports.0, ports.1);
                line.into_bytes()
            }
            ProxyVersion::V2 => {
                let (family, addresses) = match ips {
                    (IpAddr::V4(from), IpAddr::V4(to)) => {
                        (TCP4, [from.octets(), to.octets()].concat())
                    }
                    (from, to) => (TCP6, [wide(from).octets(), wide(to).octets()].concat()),
                };
                // Two addresses and two ports have at most 36 bytes.
                let length = u8::try_from(addresses.len() + 4).unwrap_or_default();
                let mut header = BINARY.to_vec();
                header.extend([PROXY, family, 0, length]);
                header.extend(addresses);
                header.extend(ports.0.to_be_bytes());
                header.extend(ports.1.to_be_bytes());
                header
            }
        }
    }
}

fn wide(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    }
}

fn text(bytes: &[u8]) -> ProxyHeader {
    let window = bytes.get(..TEXT_BYTES_MAX).unwrap_or(bytes);
    let Some(end) = window.windows(2).position(|pair| pair == b"\r\n") else {
        let is_full = window.len() == TEXT_BYTES_MAX;
        return if is_full { ProxyHeader::Broken } else { ProxyHeader::Partial };
    };
    let length = end + 2;
    let line = std::str::from_utf8(window.get(TEXT.len()..end).unwrap_or_default());
    let parts: Vec<&str> = line.unwrap_or_default().split(' ').collect();
    let ends = match parts.as_slice() {
        ["UNKNOWN", ..] => return ProxyHeader::Present { length, ends: None },
        ["TCP4", from, to, source, destination] => {
            ends::<Ipv4Addr>(from, to, port(source), port(destination))
        }
        ["TCP6", from, to, source, destination] => {
            ends::<Ipv6Addr>(from, to, port(source), port(destination))
        }
        _ => None,
    };
    match ends {
        Some(ends) => ProxyHeader::Present { length, ends: Some(ends) },
        None => ProxyHeader::Broken,
    }
}

fn ends<A: std::str::FromStr + Into<IpAddr>>(
    from: &str,
    to: &str,
    source: Option<u16>,
    destination: Option<u16>,
) -> Option<Ends> {
    let (from, to) = (from.parse::<A>().ok()?.into(), to.parse::<A>().ok()?.into());
    let source = SocketAddr::new(from, source?);
    Some(Ends { source, destination: SocketAddr::new(to, destination?) })
}

/// A port without signs.
fn port(text: &str) -> Option<u16> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}

/// Nothing when more is needed.
fn binary(bytes: &[u8]) -> Option<ProxyHeader> {
    let head = bytes.get(..BINARY_HEAD_BYTES)?;
    let (command, family) = (head[12], head[13]);
    let length = BINARY_HEAD_BYTES + usize::from(u16::from_be_bytes([head[14], head[15]]));
    if length > PROXY_BYTES_MAX || !matches!(command, LOCAL | PROXY) {
        return Some(ProxyHeader::Broken);
    }
    let body = bytes.get(BINARY_HEAD_BYTES..length)?;
    let ends = match (command, family) {
        (PROXY, TCP4) => four(body),
        (PROXY, TCP6) => six(body),
        // Of another family, or the sender's own.
        _ => return Some(ProxyHeader::Present { length, ends: None }),
    };
    Some(match ends {
        Some(ends) => ProxyHeader::Present { length, ends: Some(ends) },
        None => ProxyHeader::Broken,
    })
}

fn four(body: &[u8]) -> Option<Ends> {
    let ip = |at: usize| Some(Ipv4Addr::from(<[u8; 4]>::try_from(body.get(at..at + 4)?).ok()?));
    Some(Ends {
        source: SocketAddr::new(ip(0)?.into(), number(body, 8)?),
        destination: SocketAddr::new(ip(4)?.into(), number(body, 10)?),
    })
}

fn six(body: &[u8]) -> Option<Ends> {
    let ip = |at: usize| Some(Ipv6Addr::from(<[u8; 16]>::try_from(body.get(at..at + 16)?).ok()?));
    Some(Ends {
        source: SocketAddr::new(ip(0)?.into(), number(body, 32)?),
        destination: SocketAddr::new(ip(16)?.into(), number(body, 34)?),
    })
}

fn number(body: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(body.get(at..at + 2)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(bytes: &[u8], expect: Option<(usize, Option<(&str, &str)>)>) {
        let ends = |(source, destination): (&str, &str)| Ends {
            source: source.parse().unwrap(),
            destination: destination.parse().unwrap(),
        };
        let expect = match expect {
            None => ProxyHeader::Broken,
            Some((length, told)) => ProxyHeader::Present { length, ends: told.map(ends) },
        };
        assert_eq!(ProxyHeader::read(bytes), expect, "{}", bytes.escape_ascii());
    }

    #[test]
    fn reads_text() {
        let told = Some(("10.1.2.3:5555", "10.0.0.1:80"));
        check(b"PROXY TCP4 10.1.2.3 10.0.0.1 5555 80\r\nGET /", Some((38, told)));
        let told = Some(("[2001:db8::1]:5555", "[2001:db8::2]:80"));
        check(b"PROXY TCP6 2001:db8::1 2001:db8::2 5555 80\r\n", Some((44, told)));
        check(b"PROXY UNKNOWN\r\n", Some((15, None)));
        check(b"PROXY UNKNOWN ::1 ::1 1 1\r\n", Some((27, None)));
        for bad in [
            "PROXY GARBAGE\r\n",
            "PROXY TCP4 10.1.2.3 10.0.0.1 5555\r\n",
            "PROXY TCP4 ::1 ::1 1 1\r\n",
            "PROXY TCP4 10.1.2.3 10.0.0.1 +1 80\r\n",
            "PROXY TCP4 10.1.2.3 10.0.0.1 1 99999\r\n",
            "PROXY TCP4  10.1.2.3 10.0.0.1 1 1\r\n",
            "PROXY \r\n",
        ] {
            check(bad.as_bytes(), None);
        }
        check(&[TEXT, &[b'x'; 200]].concat(), None);
    }

    #[test]
    fn reads_binary() {
        let header = |command: u8, family: u8, body: &[u8]| {
            let length = u16::try_from(body.len()).unwrap().to_be_bytes();
            [BINARY, &[command, family], &length, body].concat()
        };
        let body = [10, 1, 2, 3, 10, 0, 0, 1, 0x15, 0xb3, 0, 80];
        let told = Some(("10.1.2.3:5555", "10.0.0.1:80"));
        check(&header(PROXY, TCP4, &body), Some((28, told)));
        // What is added is passed over.
        check(&header(PROXY, TCP4, &[&body[..], &[1, 0, 1, 9]].concat()), Some((32, told)));
        check(&header(LOCAL, TCP4, &body), Some((28, None)));
        check(&header(PROXY, 0, &[]), Some((16, None)));
        check(&header(PROXY, 0x31, &[0; 216]), Some((232, None)));
        check(&header(PROXY, TCP4, &body[..11]), None);
        check(&header(PROXY, TCP6, &body), None);
        check(&header(0x11, TCP4, &body), None);
        check(&header(0x22, TCP4, &body), None);
        check(&header(PROXY, TCP4, &[0; PROXY_BYTES_MAX]), None);
    }

    #[test]
    fn asks_for_more_or_nothing() {
        for part in ["", "P", "PROXY", "PROXY TCP4 1", "\r\n\r\n\0", "\r\n\r\n\0\r\nQUIT\n!"] {
            assert_eq!(ProxyHeader::read(part.as_bytes()), ProxyHeader::Partial, "{part:?}");
        }
        for other in ["G", "PROXy", "\r\n\r\nx", "\x16\x03"] {
            assert_eq!(ProxyHeader::read(other.as_bytes()), ProxyHeader::Absent, "{other:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(from: IpAddr, to: IpAddr, ports: (u16, u16), cut in 0usize..99) {
            let source = SocketAddr::new(from.to_canonical(), ports.0);
            let destination = SocketAddr::new(to.to_canonical(), ports.1);
            for version in [ProxyVersion::V1, ProxyVersion::V2] {
                let header = Ends { source, destination }.header(version);
                let ProxyHeader::Present { length, ends } = ProxyHeader::read(&header) else {
                    panic!("{header:?}");
                };
                prop_assert_eq!(length, header.len());
                let ends = ends.unwrap();
                let told = (ends.source.ip().to_canonical(), ends.destination.ip().to_canonical());
                prop_assert_eq!(told, (source.ip(), destination.ip()));
                prop_assert_eq!((ends.source.port(), ends.destination.port()), ports);
                let part = ProxyHeader::read(&header[..cut % header.len()]);
                prop_assert_eq!(part, ProxyHeader::Partial);
            }
        }

        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..120), version: bool) {
            let start = if version { TEXT } else { BINARY };
            let _ = ProxyHeader::read(&bytes);
            let _ = ProxyHeader::read(&[start, &bytes].concat());
        }
    }
}
