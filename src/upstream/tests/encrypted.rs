//! HTTP/1 in TLS: pooled connections, retries, upgrades, bodies.

use std::cell::RefCell;
use std::rc::Rc;

use ::http::{HeaderValue, Method, StatusCode, header};
use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::servers::{Authority, OK, answer, head, listen_tls, tls};
use super::{FORWARDING, endpoint, get, lenient, post, read, request, run};
use crate::message::{Body, Io};
use crate::model::ServersTransport;
use crate::upstream::{Pools, send};

fn acceptor(alpn: &[&str]) -> tokio_rustls::TlsAcceptor {
    tls(&Authority::new("main").sign("backend.test", None), alpn, None)
}

#[test]
fn connections_are_used_again() {
    run(async {
        for options in [lenient(), ServersTransport { disable_http2: true, ..lenient() }] {
            let server =
                listen_tls(acceptor(&[]), |stream, _| answer(stream, usize::MAX, OK)).await;
            let (pools, endpoint) = (Pools::new(), endpoint("https", server.address, &options));
            for _ in 0..4 {
                assert_eq!(read(get(&pools, &endpoint).await).await, (200, "ok".to_owned()));
                assert_eq!(read(post(&pools, &endpoint, "").await).await.0, 200);
            }
            pools.sweep();
            assert_eq!(read(get(&pools, &endpoint).await).await.0, 200);
            assert_eq!(server.connections.get(), 1);
        }
    });
}

#[test]
fn a_connection_the_server_has_closed_is_no_failure() {
    run(async {
        let server = listen_tls(acceptor(&["http/1.1"]), |stream, _| answer(stream, 1, OK)).await;
        let (pools, endpoint) = (Pools::new(), endpoint("https", server.address, &lenient()));
        for _ in 0..4 {
            assert_eq!(read(get(&pools, &endpoint).await).await, (200, "ok".to_owned()));
            assert_eq!(read(post(&pools, &endpoint, "").await).await.0, 200);
        }
        assert_eq!(server.connections.get(), 8);
    });
}

#[test]
fn http2_is_not_asked_for_where_it_is_disabled() {
    run(async {
        let chosen = Rc::new(RefCell::new(Vec::new()));
        let seen = Rc::clone(&chosen);
        let server = listen_tls(acceptor(&["h2", "http/1.1"]), move |stream, _| {
            let name = stream.get_ref().1.server_name().map(str::to_owned);
            let alpn = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
            seen.borrow_mut().push((name, alpn));
            answer(stream, 1, OK)
        })
        .await;
        let options = ServersTransport {
            disable_http2: true,
            server_name: "backend.test".to_owned(),
            ..lenient()
        };
        let endpoint = endpoint("https", server.address, &options);
        assert_eq!(read(get(&Pools::new(), &endpoint).await).await.0, 200);
        assert_eq!(*chosen.borrow(), [(Some("backend.test".to_owned()), None)]);
    });
}

#[test]
fn interim_answers_are_passed_over() {
    run(async {
        let bytes = [b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", OK].concat();
        let server =
            listen_tls(acceptor(&[]), move |stream, _| answer(stream, 1, bytes.clone())).await;
        let endpoint = endpoint("https", server.address, &lenient());
        let response = get(&Pools::new(), &endpoint).await;
        assert!(response.headers.get(header::LINK).is_none());
        assert_eq!(read(response).await, (200, "ok".to_owned()));
    });
}

#[test]
fn large_bodies_go_both_ways() {
    run(async {
        const BYTES: usize = 3 << 20;
        let server = listen_tls(acceptor(&[]), |mut stream, _| async move {
            head(&mut stream).await.unwrap();
            let mut body = vec![0; BYTES];
            stream.read_exact(&mut body).await.unwrap();
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {BYTES}\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
            stream.write_all(&body).await.unwrap();
            stream.flush().await.unwrap();
            let _ = head(&mut stream).await;
        })
        .await;
        let endpoint = endpoint("https", server.address, &lenient());
        let body: Vec<u8> = (0..BYTES).map(|i| u8::try_from(i % 251).unwrap()).collect();
        let response = post(&Pools::new(), &endpoint, Bytes::from(body.clone())).await;
        assert_eq!(response.body.collect(BYTES).await.unwrap(), body);
    });
}

#[test]
fn an_answer_cut_without_goodbye_is_noticed() {
    run(async {
        let server = listen_tls(acceptor(&[]), |mut stream, _| async move {
            head(&mut stream).await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhal").await.unwrap();
            stream.flush().await.unwrap();
            // The socket is closed under TLS.
            let (mut socket, _) = stream.into_inner();
            socket.shutdown().await.unwrap();
        })
        .await;
        let endpoint = endpoint("https", server.address, &lenient());
        let response = get(&Pools::new(), &endpoint).await;
        assert_eq!(response.status, StatusCode::OK);
        assert!(response.body.collect(100).await.is_err());
    });
}

#[test]
fn websockets_go_through_where_http2_is_offered() {
    run(async {
        let server = listen_tls(acceptor(&["h2", "http/1.1"]), |mut stream, _| async move {
            assert!(stream.get_ref().1.alpn_protocol().is_none());
            let head = head(&mut stream).await.unwrap();
            assert!(head.contains("Upgrade: websocket\r\n"), "{head}");
            let answer = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\
                          Upgrade: websocket\r\n\r\nearly ";
            stream.write_all(answer.as_bytes()).await.unwrap();
            stream.flush().await.unwrap();
            let mut said = [0; 4];
            stream.read_exact(&mut said).await.unwrap();
            stream.write_all(&said).await.unwrap();
            stream.shutdown().await.unwrap();
        })
        .await;
        let endpoint = endpoint("https", server.address, &lenient());
        let (client, mut browser) = tokio::io::duplex(1024);
        let mut upgrading = request(Method::GET, Body::Empty);
        upgrading.headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        upgrading.headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        upgrading.upgrade = Some(Box::pin(async { Ok(Box::new(client) as Box<dyn Io>) }));
        let response = send(&Pools::new(), &endpoint, FORWARDING, upgrading).await;
        assert_eq!(response.status, StatusCode::SWITCHING_PROTOCOLS);
        browser.write_all(b"ping").await.unwrap();
        browser.shutdown().await.unwrap();
        let mut heard = String::new();
        browser.read_to_string(&mut heard).await.unwrap();
        assert_eq!(heard, "early ping");
    });
}
