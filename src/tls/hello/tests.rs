//! Handshakes of rustls's client, and handshakes that nobody should send.

use std::sync::Arc;

use proptest::prelude::*;
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use super::*;

/// The first flight of a client.
fn flight(name: &str, protocols: &[&str]) -> Vec<u8> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|p| p.as_bytes().to_vec()).collect();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    bytes
}

/// A `ClientHello` of nothing but those extensions.
fn minimal(extensions: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend([0; 32]);
    body.extend([0, 0, 2, 0x13, 0x01, 1, 0]);
    let all: Vec<u8> = extensions
        .iter()
        .flat_map(|(kind, bytes)| [kind.to_be_bytes().to_vec(), long(bytes)].concat())
        .collect();
    body.extend(long(&all));
    let mut message = vec![CLIENT_HELLO, 0];
    message.extend(long(&body));
    message
}

fn long(bytes: &[u8]) -> Vec<u8> {
    let count = u16::try_from(bytes.len()).unwrap();
    [count.to_be_bytes().to_vec(), bytes.to_vec()].concat()
}

/// A message in records of that many bytes.
fn records(message: &[u8], size: usize) -> Vec<u8> {
    message.chunks(size).flat_map(|part| [vec![HANDSHAKE, 3, 1], long(part)].concat()).collect()
}

fn named(name: &[u8]) -> (u16, Vec<u8>) {
    (SERVER_NAME, long(&[vec![HOST_NAME], long(name)].concat()))
}

fn offered(protocols: &[&[u8]]) -> (u16, Vec<u8>) {
    let one = |p: &&[u8]| [vec![u8::try_from(p.len()).unwrap()], p.to_vec()].concat();
    (PROTOCOLS, long(&protocols.iter().flat_map(one).collect::<Vec<_>>()))
}

#[test]
fn reads_what_clients_send() {
    let check = |name: &str, protocols: &[&str], expect: Option<&str>| {
        let hello = Hello {
            server_name: expect.map(str::to_owned),
            protocols: protocols.iter().map(|p| p.as_bytes().to_vec()).collect(),
        };
        assert_eq!(opening(&flight(name, protocols)), Opening::Hello(hello), "{name}");
    };
    check("a.test", &[], Some("a.test"));
    check("A.Test", &["h2", "http/1.1"], Some("a.test"));
    check("127.0.0.1", &["mqtt"], None);
}

#[test]
fn tells_other_bytes_apart() {
    for (bytes, expect) in [
        (&b""[..], Opening::Partial),
        (b"\x16", Opening::Partial),
        (b"\x16\x03\x01\x02", Opening::Partial),
        (b"G", Opening::Other),
        (b"SSH-2.0-x\r\n", Opening::Other),
        (b"\x16\x02\x01\x00\x05hello", Opening::Other),
        (b"\x16\x03\x01\x00\x00", Opening::Broken),
        (b"\x16\x03\x01\xff\xff", Opening::Broken),
        (b"\x16\x03\x01\x00\x04\x02\x00\x00\x00", Opening::Broken),
        (b"\x16\x03\x01\x00\x04\x01\x01\x00\x00", Opening::Broken),
        (b"\x16\x03\x01\x00\x01\x01\x17", Opening::Broken),
        (b"\x16\x03\x01\x00\x04\x01\x00\x00\x00", Opening::Broken),
    ] {
        assert_eq!(opening(bytes), expect, "{bytes:?}");
    }
}

#[test]
fn names_are_names() {
    let check = |name: &[u8], expect: Option<&str>| {
        let got = opening(&records(&minimal(&[named(name)]), 1 << 14));
        let hello = |name: &str| {
            let server_name = Some(name.to_owned());
            Opening::Hello(Hello { server_name, protocols: Vec::new() })
        };
        assert_eq!(got, expect.map_or(Opening::Broken, hello), "{name:?}");
    };
    check(b"A.test", Some("a.test"));
    check(b"", None);
    check(b"a b", None);
    check(b"a\0b", None);
    check("\u{fc}".as_bytes(), None);
    check(&[b'a'; 256], None);
}

#[test]
fn no_extensions_no_name() {
    let mut message = minimal(&[]);
    // Without the length of the extensions.
    message.truncate(message.len() - 2);
    message[3] -= 2;
    assert_eq!(opening(&records(&message, 64)), Opening::Hello(Hello::default()));
}

proptest! {
    #[test]
    fn any_records_hold_the_same(size in 1usize..200, name in "[a-z]{1,20}", cut in 0usize..2000) {
        let other = (99, vec![0; 99]);
        let message = minimal(&[offered(&[b"h2", b"x"]), named(name.as_bytes()), other]);
        let bytes = records(&message, size);
        let hello = Hello {
            server_name: Some(name),
            protocols: vec![b"h2".to_vec(), b"x".to_vec()],
        };
        prop_assert_eq!(opening(&bytes), Opening::Hello(hello));
        // Any beginning asks for more.
        prop_assert_eq!(opening(&bytes[..cut % bytes.len()]), Opening::Partial);
    }

    #[test]
    fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = opening(&bytes);
        let _ = opening(&records(&bytes, 50));
        let _ = opening(&[records(&minimal(&[(SERVER_NAME, bytes.clone())]), 99), bytes].concat());
    }
}
