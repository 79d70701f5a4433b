//! Real handshakes, in memory.

mod client_auth;
mod options;

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, HandshakeKind};
use rustls::{ServerConnection, SignatureScheme};
use serde_json::{Value, json};

use super::*;
use crate::message::TlsFacts;
use crate::model::{Certificate, Diagnostic, Tls};
use crate::value::{Certificate as Facts, decode};

/// A certificate and its key as PEM.
pub(super) fn pem(common_name: &str, names: &[&str]) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

pub(super) fn inline(common_name: &str, names: &[&str]) -> Arc<Certificate> {
    let (cert_file, key_file) = pem(common_name, names);
    Arc::new(Certificate { cert_file, key_file, ..Certificate::default() })
}

/// Trusts everything.
#[derive(Debug)]
struct Trusting;

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verify_tls12_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let provider = rustls::crypto::ring::default_provider();
        provider.signature_verification_algorithms.supported_schemes()
    }
}

/// What a client offers.
#[derive(Debug, Clone, Default)]
struct Offer {
    /// Both when none is given.
    version: Option<&'static rustls::SupportedProtocolVersion>,
    alpn: Vec<&'static str>,
    /// All when none is given.
    group: Option<rustls::NamedGroup>,
    /// All when none is given.
    suite: Option<rustls::CipherSuite>,
    /// A chain and its key, as PEM.
    identity: Option<(String, String)>,
}

impl Offer {
    fn config(&self) -> Arc<ClientConfig> {
        let mut provider = ring::default_provider();
        let wanted = |name| self.group.is_none_or(|group| group == name);
        provider.kx_groups.retain(|group| wanted(group.name()));
        let wanted = |name| self.suite.is_none_or(|suite| suite == name);
        provider.cipher_suites.retain(|suite| wanted(suite.suite()));
        let versions = self.version.map_or(rustls::DEFAULT_VERSIONS.to_vec(), |one| vec![one]);
        let builder = ClientConfig::builder_with_provider(Arc::new(provider));
        let builder = builder.with_protocol_versions(&versions).unwrap().dangerous();
        let builder = builder.with_custom_certificate_verifier(Arc::new(Trusting));
        let mut config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => {
                let name = || "client".to_owned();
                let (key, _) = load::join(chain.as_bytes(), key.as_bytes(), name, name).unwrap();
                let single = rustls::sign::SingleCertAndKey::from(key);
                builder.with_client_cert_resolver(Arc::new(single))
            }
        };
        config.alpn_protocols = self.alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(config)
    }
}

/// What a handshake came to.
#[derive(Debug)]
struct Done {
    facts: TlsFacts,
    /// That of the server's certificate.
    common_name: String,
    is_resumed: bool,
}

/// Where clients reach the server.
const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A handshake; the error is the server's.
fn handshake(
    options: &ServerOptions,
    client: &Arc<ClientConfig>,
    name: &str,
) -> Result<Done, rustls::Error> {
    let wanted = ServerName::try_from(name.to_owned()).unwrap();
    let asked = matches!(wanted, ServerName::DnsName(_)).then_some(name);
    let mut server = ServerConnection::new(options.config(asked, LOCAL)).unwrap();
    let mut client = ClientConnection::new(Arc::clone(client), wanted).unwrap();
    // Beyond the handshake, so that tickets arrive.
    for _ in 0..6 {
        pass(&mut client, &mut server)?;
        // The client fails where the server does.
        let _ = pass(&mut server, &mut client);
    }
    assert!(!server.is_handshaking());
    let first = client.peer_certificates().unwrap()[0].clone();
    let common_name = Facts::read(&first).unwrap().names.remove(0);
    let is_resumed = server.handshake_kind() == Some(HandshakeKind::Resumed);
    Ok(Done { facts: facts(&server, options.name()), common_name, is_resumed })
}

fn pass<A, B>(
    from: &mut impl std::ops::DerefMut<Target = rustls::ConnectionCommon<A>>,
    to: &mut impl std::ops::DerefMut<Target = rustls::ConnectionCommon<B>>,
) -> Result<(), rustls::Error> {
    let mut bytes = Vec::new();
    while from.wants_write() {
        from.write_tls(&mut bytes).unwrap();
    }
    let mut bytes = io::Cursor::new(bytes);
    while to.read_tls(&mut bytes).unwrap() > 0 {
        to.process_new_packets()?;
    }
    Ok(())
}

/// The options of a `tls` section beside certificates.
fn sets(
    options: &Value,
    certificates: &[Arc<Certificate>],
    before: Option<&OptionSets>,
) -> (OptionSets, Vec<Diagnostic>) {
    let tls: Tls = decode(&json!({"options": options})).unwrap();
    let (store, _) = CertStore::build(certificates, None);
    OptionSets::build(&tls, &Arc::new(store), before, &BTreeMap::new())
}

/// The outcome of a handshake under the options `default`, which are these: `version cipher alpn`,
/// or the server's error.
fn check(options: &Value, offer: &Offer, expect: &str) {
    let (sets, findings) = sets(&json!({"default": options}), &[], None);
    assert_eq!(findings, [], "{options}");
    let done = handshake(sets.get("default").unwrap(), &offer.config(), "a.test");
    let done = match done {
        Ok(Done { facts, .. }) => {
            format!("{} {} {}", facts.version, facts.cipher, facts.alpn.unwrap_or("-"))
        }
        Err(error) => error.to_string(),
    };
    assert!(done.contains(expect), "{options} {offer:?}: {done}");
}
