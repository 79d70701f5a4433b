//! `grpcWeb` between a browser's messages and a gRPC server: HTTP/2 without TLS, length-prefixed
//! messages, and trailers that say how it went.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "tests may fail")]

mod support;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::Frame;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use support::{Moongate, through};

/// What the server answers with.
struct Frames(VecDeque<Frame<Bytes>>);

impl http_body::Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(Ok))
    }
}

/// A message with its prefix: a flag and a length.
fn framed(flag: u8, message: &[u8]) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_u8(flag);
    bytes.put_u32(u32::try_from(message.len()).unwrap());
    bytes.put_slice(message);
    bytes.freeze()
}

/// The service: each message comes back as two, in capitals; an empty one is an error.
async fn serve(request: Request<Incoming>) -> Result<Response<Frames>, Infallible> {
    assert_eq!(request.headers()["content-type"], "application/grpc+proto");
    assert_eq!(request.headers()["te"], "trailers");
    assert!(!request.headers().contains_key("x-grpc-web"));
    let (mut body, mut read) = (request.into_body(), BytesMut::new());
    while let Some(frame) =
        std::future::poll_fn(|cx| http_body::Body::poll_frame(Pin::new(&mut body), cx)).await
    {
        if let Ok(data) = frame.unwrap().into_data() {
            read.extend_from_slice(&data);
        }
    }
    let length = u32::from_be_bytes(read[1..5].try_into().unwrap()) as usize;
    assert_eq!((read[0], read.len()), (0, 5 + length));
    let message = read[5..].to_ascii_uppercase();
    let mut trailers = HeaderMap::new();
    let mut frames = VecDeque::new();
    let status = if message.is_empty() { "3" } else { "0" };
    trailers.insert("grpc-status", HeaderValue::from_static(status));
    if message.is_empty() {
        trailers.insert("grpc-message", HeaderValue::from_static("say%20something"));
    } else {
        frames.extend([0, 1].map(|_| Frame::data(framed(0, &message))));
    }
    frames.push_back(Frame::trailers(trailers));
    let mut response = Response::new(Frames(frames));
    let kind = HeaderValue::from_static("application/grpc+proto");
    response.headers_mut().insert("content-type", kind);
    Ok(response)
}

fn start() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        tokio::task::LocalSet::new().block_on(&runtime, async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                let service = hyper::service::service_fn(serve);
                let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                tokio::task::spawn_local(server.serve_connection(TokioIo::new(stream), service));
            }
        });
    });
    address
}

/// What a browser's call comes to: the type of the answer, and its body.
fn call(moongate: &Moongate, kind: &str, body: &[u8]) -> (String, Vec<u8>) {
    let headers = [
        ("Content-Type", kind),
        ("X-Grpc-Web", "1"),
        ("Origin", "https://app.example"),
        ("Accept", kind),
    ];
    let reply = moongate.client().send("POST", "h", "/shop.Shop/Say", &headers, body);
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(reply.header("access-control-allow-origin"), Some("https://app.example"));
    (reply.header("content-type").unwrap().to_owned(), reply.body)
}

#[test]
fn browsers_call_a_grpc_server() {
    let url = format!("h2c://{}", start());
    let moongate = Moongate::start(&through("grpcWeb: {allowOrigins: ['*']}", &url));
    let last = framed(128, b"grpc-status: 0\r\n");
    let expect = [framed(0, b"HELLO"), framed(0, b"HELLO"), last].concat();

    let (kind, body) = call(&moongate, "application/grpc-web+proto", &framed(0, b"hello"));
    assert_eq!((kind.as_str(), body), ("application/grpc-web+proto", expect.clone()));

    let text = STANDARD.encode(framed(0, b"hello"));
    let (kind, body) = call(&moongate, "application/grpc-web-text+proto", text.as_bytes());
    assert_eq!(kind, "application/grpc-web-text+proto");
    // Pieces may have their own padding.
    let text = String::from_utf8(body).unwrap();
    let mut decoded = Vec::new();
    for piece in text.split_inclusive('=').flat_map(|piece| piece.split_inclusive("==")) {
        if piece.trim_matches('=').is_empty() {
            continue;
        }
        let bare = piece.trim_end_matches('=');
        decoded.extend(base64::engine::general_purpose::STANDARD_NO_PAD.decode(bare).unwrap());
    }
    assert_eq!(decoded, expect);

    let (_, body) = call(&moongate, "application/grpc-web+proto", &framed(0, b""));
    let failed = framed(128, b"grpc-message: say%20something\r\ngrpc-status: 3\r\n");
    assert_eq!(body, failed);
}
