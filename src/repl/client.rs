//! A client that asks one request a connection and says exactly what it is told, from any address.
//!
//! It speaks HTTP/1.1 behind a PROXY header, with TLS where the URL says so, and trusts any
//! certificate: it asks Moongate itself. Must not know sessions.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, InvalidDnsNameError, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::message::chunked::{Decoder, Step};

/// A request as it is written.
#[derive(Debug, Clone, Default)]
pub(super) struct Ask {
    pub(super) method: String,
    /// `http` or `https`.
    pub(super) scheme: String,
    pub(super) authority: String,
    /// Path and query.
    pub(super) target: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
    pub(super) client: Option<IpAddr>,
}

/// An answer.
#[derive(Debug, Clone, Default)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    pub(super) took: Duration,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The connection failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The host is no name of a server.
    #[error("{0}")]
    Name(#[from] InvalidDnsNameError),
    /// TLS cannot be set up.
    #[error("{0}")]
    Tls(#[from] rustls::Error),
    /// The answer is none.
    #[error("the answer is no HTTP/1.1: {0}")]
    Answer(httparse::Error),
    /// The body is cut or broken.
    #[error("the answer's body is broken")]
    Body,
    /// The answer is too long.
    #[error("the answer is longer than {ANSWER_BYTES_MAX} bytes")]
    TooLong,
    /// Nothing came in time.
    #[error("there was no answer within {LIMIT:?}")]
    Late,
}

const ANSWER_BYTES_MAX: usize = 64 << 20;
const HEADERS_MAX: usize = 256;
const LIMIT: Duration = Duration::from_mins(1);

/// Sends a request to an entrypoint, with the PROXY header that it waits for.
pub(super) async fn send(to: SocketAddr, ask: &Ask) -> Result<Reply, ClientError> {
    let began = Instant::now();
    let asked = tokio::time::timeout(LIMIT, async {
        let mut stream = TcpStream::connect(to).await?;
        stream.write_all(proxy_header(ask.client, to).as_bytes()).await?;
        exchange(stream, ask).await
    });
    let mut reply = asked.await.map_err(|_| ClientError::Late)??;
    reply.took = began.elapsed();
    Ok(reply)
}

async fn exchange(stream: TcpStream, ask: &Ask) -> Result<Reply, ClientError> {
    if ask.scheme != "https" {
        return speak(stream, ask).await;
    }
    let host = ask.authority.rsplit_once(':').map_or(&*ask.authority, |(host, _)| host);
    let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned())?;
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
        .with_no_client_auth();
    speak(TlsConnector::from(Arc::new(config)).connect(name, stream).await?, ask).await
}

async fn speak(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    ask: &Ask,
) -> Result<Reply, ClientError> {
    let mut head = format!("{} {} HTTP/1.1\r\n", ask.method, ask.target);
    let has = |name: &str| ask.headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(name));
    if !has("host") {
        head.push_str(&format!("Host: {}\r\n", ask.authority));
    }
    for (name, value) in &ask.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !ask.body.is_empty() && !has("content-length") {
        head.push_str(&format!("Content-Length: {}\r\n", ask.body.len()));
    }
    if !has("connection") {
        head.push_str("Connection: close\r\n");
    }
    stream.write_all(format!("{head}\r\n{}", ask.body).as_bytes()).await?;
    let mut buffer = BytesMut::new();
    let (mut reply, framing) = loop {
        let (reply, framing) = answer_head(&mut stream, &mut buffer, ask).await?;
        // Answers before the answer, such as 103.
        if reply.status >= 200 || reply.status == 101 {
            break (reply, framing);
        }
    };
    reply.body = body(&mut stream, buffer, framing).await?;
    Ok(reply)
}

/// Where a body ends.
enum Framing {
    Length(usize),
    Chunked,
    Close,
}

async fn answer_head(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut BytesMut,
    ask: &Ask,
) -> Result<(Reply, Framing), ClientError> {
    loop {
        let mut fields = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut head = httparse::Response::new(&mut fields);
        if let httparse::Status::Complete(end) = head.parse(buffer).map_err(ClientError::Answer)? {
            let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
            let headers = head.headers.iter().map(|f| (f.name.to_owned(), text(f.value)));
            let headers: Vec<_> = headers.collect();
            let status = head.code.unwrap_or_default();
            let framing = framing(&headers, status, &ask.method);
            buffer.advance(end);
            return Ok((Reply { status, headers, ..Reply::default() }, framing));
        }
        if stream.read_buf(buffer).await? == 0 {
            return Err(ClientError::Io(io::ErrorKind::UnexpectedEof.into()));
        }
    }
}

fn framing(headers: &[(String, String)], status: u16, method: &str) -> Framing {
    let header = |name: &str| {
        let found = headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    };
    if method == "HEAD" || matches!(status, 101 | 103 | 204 | 304) || status < 200 {
        return Framing::Length(0);
    }
    if header("transfer-encoding").is_some_and(|value| value.ends_with("chunked")) {
        return Framing::Chunked;
    }
    let length = header("content-length").and_then(|length| length.parse().ok());
    length.map_or(Framing::Close, Framing::Length)
}

async fn body(
    stream: &mut (impl AsyncRead + Unpin),
    mut buffer: BytesMut,
    framing: Framing,
) -> Result<Vec<u8>, ClientError> {
    let mut body = Vec::new();
    let mut decoder = Decoder::default();
    loop {
        match framing {
            Framing::Length(length) if body.len() + buffer.len() >= length => {
                body.extend_from_slice(&buffer);
                body.truncate(length);
                return Ok(body);
            }
            Framing::Length(_) | Framing::Close => {
                body.extend_from_slice(&buffer);
                buffer.clear();
            }
            Framing::Chunked => loop {
                match decoder.step(&mut buffer).map_err(|_| ClientError::Body)? {
                    Step::Data(data) => body.extend_from_slice(&data),
                    Step::End(_) => return Ok(body),
                    Step::More => break,
                }
            },
        }
        if body.len() > ANSWER_BYTES_MAX {
            return Err(ClientError::TooLong);
        }
        if stream.read_buf(&mut buffer).await? == 0 {
            return match framing {
                Framing::Close => Ok(body),
                Framing::Length(_) | Framing::Chunked => Err(ClientError::Body),
            };
        }
    }
}

/// The PROXY header, version 1.
fn proxy_header(client: Option<IpAddr>, to: SocketAddr) -> String {
    let client = client.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let (family, server) = match client {
        IpAddr::V4(_) => ("TCP4", "127.0.0.1"),
        IpAddr::V6(_) => ("TCP6", "::1"),
    };
    format!("PROXY {family} {client} {server} 40000 {}\r\n", to.port())
}

/// Takes any certificate, and checks only that its holder speaks.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
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
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            certificate,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            certificate,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
