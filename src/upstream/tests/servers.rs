//! Servers for the tests: certificates, TLS, HTTP/1 by hand.

use std::cell::Cell;
use std::future::Future;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType,
    string::Ia5String,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::message::Io;

/// A certificate with its key, as PEM.
#[derive(Clone)]
pub(in crate::upstream) struct Identity {
    pub(in crate::upstream) cert: String,
    pub(in crate::upstream) key: String,
}

/// An authority that signs certificates.
pub(in crate::upstream) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(in crate::upstream) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(in crate::upstream) fn pem(&self) -> String {
        self.0.pem()
    }

    pub(in crate::upstream) fn sign(&self, name: &str, uri: Option<&str>) -> Identity {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let uri = uri.map(|uri| SanType::URI(Ia5String::try_from(uri).unwrap()));
        params.subject_alt_names.extend(uri);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Identity { cert: certificate.pem(), key: key.serialize_pem() }
    }
}

/// A certificate that vouches for itself, until the end of a year.
pub(in crate::upstream) fn self_signed(name: &str, last_year: i32) -> Identity {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.not_after = rcgen::date_time_ymd(last_year, 12, 31);
    let key = KeyPair::generate().unwrap();
    Identity { cert: params.self_signed(&key).unwrap().pem(), key: key.serialize_pem() }
}

/// A server's settings.
pub(in crate::upstream) fn tls(
    identity: &Identity,
    alpn: &[&str],
    clients: Option<&Authority>,
) -> TlsAcceptor {
    tls_of(identity, alpn, clients, rustls::ALL_VERSIONS)
}

pub(in crate::upstream) fn tls_of(
    identity: &Identity,
    alpn: &[&str],
    clients: Option<&Authority>,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_protocol_versions(versions).unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            let root = CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap();
            roots.add(root).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let chain = vec![CertificateDer::from_pem_slice(identity.cert.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
    let mut config = builder.with_single_cert(chain, key).unwrap();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    TlsAcceptor::from(Arc::new(config))
}

/// A listening server and how many connections it has had.
pub(in crate::upstream) struct Listening {
    pub(in crate::upstream) address: SocketAddr,
    pub(in crate::upstream) connections: Rc<Cell<usize>>,
}

/// Serves every connection with its number in a task of its own.
pub(in crate::upstream) async fn listen<F: Future<Output = ()> + 'static>(
    serve: impl Fn(TcpStream, usize) -> F + 'static,
) -> Listening {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Rc::new(Cell::new(0));
    let count = Rc::clone(&connections);
    tokio::task::spawn_local(async move {
        while let Ok((stream, _)) = listener.accept().await {
            count.set(count.get() + 1);
            tokio::task::spawn_local(serve(stream, count.get()));
        }
    });
    Listening { address, connections }
}

/// Serves every connection after a TLS handshake.
pub(in crate::upstream) async fn listen_tls<F: Future<Output = ()> + 'static>(
    acceptor: TlsAcceptor,
    serve: impl Fn(TlsStream<TcpStream>, usize) -> F + 'static,
) -> Listening {
    let serve = Rc::new(serve);
    listen(move |stream, number| {
        let (acceptor, serve) = (acceptor.clone(), Rc::clone(&serve));
        async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                serve(stream, number).await;
            }
        }
    })
    .await
}

/// Reads the head of a request; `None` at the end of the connection.
pub(in crate::upstream) async fn head(stream: &mut (impl Io + ?Sized)) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}

/// Answers requests without bodies with the same bytes, up to a number of them.
pub(in crate::upstream) async fn answer(
    mut stream: impl Io,
    times: usize,
    bytes: impl AsRef<[u8]>,
) {
    for _ in 0..times {
        if head(&mut stream).await.is_none() {
            return;
        }
        stream.write_all(bytes.as_ref()).await.unwrap();
        stream.flush().await.unwrap();
    }
    let _ = stream.shutdown().await;
}

pub(in crate::upstream) const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
