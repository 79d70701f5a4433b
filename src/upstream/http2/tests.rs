//! HTTP/2: shared connections, streams, trailers, ends of all kinds.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;

use ::http::{HeaderMap, HeaderValue, Method, StatusCode, Version, header};
use bytes::Bytes;
use http_body::Frame;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Notify, mpsc};

use crate::message::{Body, BodyError, Io};
use crate::model::ServersTransport;
use crate::upstream::tests::servers::{Authority, Listening, listen, listen_tls, tls};
use crate::upstream::tests::{FORWARDING, endpoint, get, lenient, post, read, request, run, until};
use crate::upstream::{Pools, send};
use crate::value::GoDuration;

const STREAMS: u32 = 200;

/// Serves HTTP/2 until the client goes away or the future that stops it is done.
async fn serve<F>(
    stream: impl Io,
    streams_max: u32,
    service: impl Fn(hyper::Request<Incoming>) -> F,
    stop: impl Future<Output = ()>,
) where
    F: Future<Output = hyper::Response<Body>> + 'static,
{
    let service = service_fn(move |request| {
        let answer = service(request);
        async move { Ok::<_, std::convert::Infallible>(answer.await) }
    });
    let mut builder = http2::Builder::new(Tasks);
    builder.max_concurrent_streams(streams_max);
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        _ = connection.as_mut() => return,
        () = stop => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

#[derive(Clone, Copy)]
struct Tasks;

impl<F: Future + 'static> hyper::rt::Executor<F> for Tasks {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(async move {
            future.await;
        });
    }
}

/// Says what came.
async fn describe(request: hyper::Request<Incoming>) -> hyper::Response<Body> {
    let te = request.headers().get(header::TE).map(|te| te.to_str().unwrap().to_owned());
    let line = format!("{} {} te={te:?}", request.method(), request.uri());
    assert_eq!(request.version(), Version::HTTP_2);
    hyper::Response::new(Body::from(line))
}

async fn describing() -> Listening {
    listen(|stream, _| serve(stream, STREAMS, describe, std::future::pending())).await
}

#[test]
fn requests_share_a_connection() {
    run(async {
        let server = describing().await;
        let (pools, endpoint) = (Pools::new(), endpoint("h2c", server.address, &lenient()));
        let requests = (0..50).map(|_| {
            let (pools, endpoint) = (Rc::clone(&pools), Arc::clone(&endpoint));
            tokio::task::spawn_local(async move { read(get(&pools, &endpoint).await).await })
        });
        for request in requests.collect::<Vec<_>>() {
            let (status, body) = request.await.unwrap();
            assert_eq!(status, 200);
            assert_eq!(body, "GET http://client.test/x?y=1 te=None");
        }
        assert_eq!(server.connections.get(), 1);
        pools.sweep();
        assert_eq!(read(post(&pools, &endpoint, "x").await).await.0, 200);
        assert_eq!(server.connections.get(), 1);
    });
}

#[test]
fn http2_is_chosen_in_tls() {
    run(async {
        let identity = Authority::new("main").sign("backend.test", None);
        let server = listen_tls(tls(&identity, &["h2"], None), |stream, _| {
            serve(stream, STREAMS, describe, std::future::pending())
        })
        .await;
        let (pools, endpoint) = (Pools::new(), endpoint("https", server.address, &lenient()));
        let requests = (0..5).map(|_| {
            let (pools, endpoint) = (Rc::clone(&pools), Arc::clone(&endpoint));
            tokio::task::spawn_local(async move { read(get(&pools, &endpoint).await).await.1 })
        });
        for request in requests.collect::<Vec<_>>() {
            assert_eq!(request.await.unwrap(), "GET https://client.test/x?y=1 te=None");
        }
        assert_eq!(server.connections.get(), 1);
    });
}

/// Sends every frame back, trailers too.
async fn echo(request: hyper::Request<Incoming>) -> hyper::Response<Body> {
    assert_eq!(request.headers()[header::TE], "trailers");
    hyper::Response::new(Body::stream(Echo(request.into_body())))
}

struct Echo(Incoming);

impl http_body::Body for Echo {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        std::pin::Pin::new(&mut self.0).poll_frame(cx).map_err(|_| BodyError::Client)
    }
}

/// A body that a test feeds.
struct Fed(mpsc::Receiver<Result<Frame<Bytes>, BodyError>>);

impl http_body::Body for Fed {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.0.poll_recv(cx)
    }
}

#[test]
fn frames_and_trailers_go_both_ways_at_once() {
    run(async {
        let server = listen(|stream, _| serve(stream, STREAMS, echo, std::future::pending())).await;
        let endpoint = endpoint("h2c", server.address, &lenient());
        let (feed, fed) = mpsc::channel(1);
        let mut call = request(Method::POST, Body::stream(Fed(fed)));
        call.headers.insert(header::TE, HeaderValue::from_static("trailers"));
        let mut response = send(&Pools::new(), &endpoint, FORWARDING, call).await;
        assert_eq!(response.status, StatusCode::OK);
        for word in ["one", "two", "three"] {
            feed.send(Ok(Frame::data(Bytes::from(word)))).await.unwrap();
            let frame = response.body.frame().await.unwrap().unwrap();
            assert_eq!(frame.into_data().unwrap(), word);
        }
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static("0"));
        feed.send(Ok(Frame::trailers(trailers))).await.unwrap();
        let frame = response.body.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_trailers().unwrap()["grpc-status"], "0");
        assert!(response.body.frame().await.is_none());
    });
}

#[test]
fn a_broken_upload_is_the_clients_failure() {
    run(async {
        let server = listen(|stream, _| {
            let swallow = |request: hyper::Request<Incoming>| async {
                let all = Body::stream(Echo(request.into_body())).collect(1 << 20).await;
                let status = if all.is_ok() { StatusCode::OK } else { StatusCode::IM_A_TEAPOT };
                let mut response = hyper::Response::new(Body::Empty);
                *response.status_mut() = status;
                response
            };
            serve(stream, STREAMS, swallow, std::future::pending())
        })
        .await;
        let (pools, endpoint) = (Pools::new(), endpoint("h2c", server.address, &lenient()));
        for (error, expect) in [(BodyError::Client, 499), (BodyError::TooLarge, 413)] {
            let (feed, fed) = mpsc::channel(2);
            feed.send(Ok(Frame::data(Bytes::from("x")))).await.unwrap();
            feed.send(Err(error)).await.unwrap();
            let call = request(Method::POST, Body::stream(Fed(fed)));
            let response = send(&pools, &endpoint, FORWARDING, call).await;
            assert_eq!(response.status.as_u16(), expect);
        }
        assert_eq!(read(post(&pools, &endpoint, "x").await).await.0, 200);
    });
}

#[test]
fn a_second_connection_is_opened_when_streams_are_used_up() {
    run(async {
        let (inside, both) = (Rc::new(Cell::new(0)), Rc::new(Notify::new()));
        let (count, release) = (Rc::clone(&inside), Rc::clone(&both));
        let server = listen(move |stream, _| {
            let (inside, both) = (Rc::clone(&count), Rc::clone(&release));
            let service = move |_: hyper::Request<Incoming>| {
                let (inside, both) = (Rc::clone(&inside), Rc::clone(&both));
                async move {
                    let after_first = inside.get() > 0;
                    inside.set(inside.get() + 1);
                    if after_first {
                        both.notified().await;
                    }
                    hyper::Response::new(Body::from("ok"))
                }
            };
            serve(stream, 1, service, std::future::pending())
        })
        .await;
        let (pools, endpoint) = (Pools::new(), endpoint("h2c", server.address, &lenient()));
        assert_eq!(read(get(&pools, &endpoint).await).await.0, 200);
        let calls: Vec<_> = (0..2)
            .map(|_| {
                let (pools, endpoint) = (Rc::clone(&pools), Arc::clone(&endpoint));
                tokio::task::spawn_local(async move { read(get(&pools, &endpoint).await).await })
            })
            .collect();
        until(|| inside.get() == 3).await;
        both.notify_waiters();
        for call in calls {
            assert_eq!(call.await.unwrap().0, 200);
        }
        assert_eq!(server.connections.get(), 2);
    });
}

#[test]
fn a_server_that_says_goodbye_is_called_anew() {
    run(async {
        let stop = Rc::new(Notify::new());
        let word = Rc::clone(&stop);
        let server = listen(move |stream, _| {
            let stop = Rc::clone(&word);
            serve(stream, STREAMS, describe, async move { stop.notified().await })
        })
        .await;
        let (pools, endpoint) = (Pools::new(), endpoint("h2c", server.address, &lenient()));
        for round in 1..=5 {
            assert_eq!(read(post(&pools, &endpoint, "x").await).await.0, 200);
            assert_eq!(server.connections.get(), round);
            stop.notify_waiters();
            assert_eq!(read(get(&pools, &endpoint).await).await.0, 200);
        }
    });
}

#[test]
fn a_dead_connection_is_replaced() {
    run(async {
        let kill = Rc::new(Notify::new());
        let word = Rc::clone(&kill);
        let server = listen(move |stream, _| {
            let kill = Rc::clone(&word);
            async move {
                tokio::select! {
                    () = kill.notified() => {}
                    () = serve(stream, STREAMS, describe, std::future::pending()) => {}
                }
            }
        })
        .await;
        let (pools, endpoint) = (Pools::new(), endpoint("h2c", server.address, &lenient()));
        for _ in 0..5 {
            assert_eq!(read(get(&pools, &endpoint).await).await.0, 200);
            kill.notify_waiters();
        }
        assert_eq!(server.connections.get(), 5);
    });
}

/// A frame's header (RFC 9113, section 4.1).
fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    [&[0, 0, length, kind, flags, 0, 0, 0, stream], payload].concat()
}

const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const HEADERS: u8 = 1;
const GOAWAY: u8 = 7;
const ACK: u8 = 1;

/// Reads the preface and frames up to the first request, which has come then.
async fn first_request(stream: &mut impl Io) {
    let mut preface = [0; 24];
    stream.read_exact(&mut preface).await.unwrap();
    stream.write_all(&frame(SETTINGS, 0, 0, &[])).await.unwrap();
    next_request(stream).await;
}

async fn next_request(stream: &mut impl Io) {
    loop {
        let mut header = [0; 9];
        if stream.read_exact(&mut header).await.is_err() {
            return;
        }
        let length = u32::from_be_bytes([0, header[0], header[1], header[2]]);
        let mut payload = vec![0; length as usize];
        stream.read_exact(&mut payload).await.unwrap();
        match header[3] {
            SETTINGS if header[4] == 0 => {
                stream.write_all(&frame(SETTINGS, ACK, 0, &[])).await.unwrap();
            }
            HEADERS => return,
            _ => {}
        }
    }
}

#[test]
fn a_refused_request_is_sent_again_and_a_reset_one_is_not() {
    run(async {
        for (reason, expect, connections) in [(7, 200, 1), (2, 500, 1)] {
            let reasons = Rc::new(RefCell::new(vec![reason]));
            let server = listen(move |mut stream, _| {
                let reasons = Rc::clone(&reasons);
                async move {
                    first_request(&mut stream).await;
                    if let Some(reason) = reasons.borrow_mut().pop() {
                        let _ = stream.try_write(&frame(RST_STREAM, 0, 1, &[0, 0, 0, reason]));
                    }
                    // The second try, on stream 3, is answered with `:status: 200` and the end.
                    next_request(&mut stream).await;
                    let _ = stream.write_all(&frame(HEADERS, 5, 3, &[0x88])).await;
                    let mut some = [0; 256];
                    while stream.read(&mut some).await.is_ok_and(|n| n > 0) {}
                }
            })
            .await;
            let endpoint = endpoint("h2c", server.address, &lenient());
            let response = post(&Pools::new(), &endpoint, "x").await;
            assert_eq!(response.status.as_u16(), expect, "{reason}: {:?}", response.failure);
            assert_eq!(server.connections.get(), connections);
        }
    });
}

#[test]
fn a_request_after_the_last_one_is_sent_over_a_new_connection() {
    run(async {
        let server = listen(|mut stream, number| async move {
            first_request(&mut stream).await;
            match number {
                // Goodbye: stream 0 is the last one, and nothing is wrong.
                1 => stream.write_all(&frame(GOAWAY, 0, 0, &[0; 8])).await.unwrap(),
                _ => stream.write_all(&frame(HEADERS, 5, 1, &[0x88])).await.unwrap(),
            }
            let mut some = [0; 256];
            while stream.read(&mut some).await.is_ok_and(|n| n > 0) {}
        })
        .await;
        let endpoint = endpoint("h2c", server.address, &lenient());
        let response = post(&Pools::new(), &endpoint, "x").await;
        assert_eq!(response.status, StatusCode::OK, "{:?}", response.failure);
        assert_eq!(server.connections.get(), 2);
    });
}

#[test]
fn a_refused_upload_begins_anew() {
    run(async {
        let server = listen(|mut stream, number| async move {
            if number > 1 {
                return serve(stream, STREAMS, echo, std::future::pending()).await;
            }
            first_request(&mut stream).await;
            stream.write_all(&frame(GOAWAY, 0, 0, &[0; 8])).await.unwrap();
            let mut some = [0; 256];
            while stream.read(&mut some).await.is_ok_and(|n| n > 0) {}
        })
        .await;
        let endpoint = endpoint("h2c", server.address, &lenient());
        let (feed, fed) = mpsc::channel(4);
        feed.send(Ok(Frame::data(Bytes::from("one")))).await.unwrap();
        let mut call = request(Method::POST, Body::stream(Fed(fed)));
        call.headers.insert(header::TE, HeaderValue::from_static("trailers"));
        let pools = Pools::new();
        let sending = tokio::task::spawn_local(async move {
            read(send(&pools, &endpoint, FORWARDING, call).await).await
        });
        let connections = Rc::clone(&server.connections);
        until(move || connections.get() == 2).await;
        feed.send(Ok(Frame::data(Bytes::from("two")))).await.unwrap();
        drop(feed);
        assert_eq!(sending.await.unwrap(), (200, "onetwo".to_owned()));
    });
}

#[test]
fn an_upload_that_is_long_under_way_cannot_begin_anew() {
    run(async {
        let server = listen(|mut stream, _| async move {
            first_request(&mut stream).await;
            let mut left = 65_000;
            let mut some = [0; 4096];
            while left > 0 {
                left -= stream.read(&mut some).await.unwrap().min(left);
            }
            stream.write_all(&frame(GOAWAY, 0, 0, &[0; 8])).await.unwrap();
            while stream.read(&mut some).await.is_ok_and(|n| n > 0) {}
        })
        .await;
        let endpoint = endpoint("h2c", server.address, &lenient());
        let (feed, fed) = mpsc::channel(4);
        for _ in 0..2 {
            feed.send(Ok(Frame::data(Bytes::from(vec![b'x'; 40_000])))).await.unwrap();
        }
        let call = request(Method::POST, Body::stream(Fed(fed)));
        let response = send(&Pools::new(), &endpoint, FORWARDING, call).await;
        assert!(response.failure.is_some(), "{:?}", response.status);
        assert_eq!(server.connections.get(), 1);
    });
}

#[test]
fn a_server_that_answers_no_ping_is_given_up() {
    run(async {
        let server = listen(|mut stream, _| async move {
            first_request(&mut stream).await;
            let mut some = [0; 256];
            while stream.read(&mut some).await.is_ok_and(|n| n > 0) {}
        })
        .await;
        let mut options = lenient();
        options.forwarding_timeouts.read_idle_timeout = GoDuration::from_millis(30);
        options.forwarding_timeouts.ping_timeout = GoDuration::from_millis(30);
        let endpoint = endpoint("h2c", server.address, &options);
        let response = post(&Pools::new(), &endpoint, "x").await;
        assert_eq!(response.status.as_u16(), 502, "{:?}", response.failure);
    });
}

#[test]
fn a_server_of_http1_is_a_bad_answer_and_a_closed_one_no_connection() {
    run(async {
        let wrong = listen(|mut stream, _| async move {
            let answer = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
            let _ = stream.write_all(answer).await;
            let mut some = [0; 256];
            while stream.read(&mut some).await.is_ok_and(|n| n > 0) {}
        })
        .await;
        let address = endpoint("h2c", wrong.address, &lenient());
        let response = get(&Pools::new(), &address).await;
        assert_eq!(response.status.as_u16(), 500, "{:?}", response.failure);
        let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = closed.local_addr().unwrap();
        drop(closed);
        let (pools, endpoint) = (Pools::new(), endpoint("h2c", address, &lenient()));
        let calls = (0..10).map(|_| {
            let (pools, endpoint) = (Rc::clone(&pools), Arc::clone(&endpoint));
            tokio::task::spawn_local(async move { get(&pools, &endpoint).await.status })
        });
        for call in calls.collect::<Vec<_>>() {
            assert_eq!(call.await.unwrap(), StatusCode::BAD_GATEWAY);
        }
    });
}

#[test]
fn idle_connections_are_closed() {
    run(async {
        let server = describing().await;
        let mut options = ServersTransport { ..lenient() };
        options.forwarding_timeouts.idle_conn_timeout = GoDuration::parse("1ns").unwrap();
        let (pools, endpoint) = (Pools::new(), endpoint("h2c", server.address, &options));
        for round in 1..=3 {
            assert_eq!(read(get(&pools, &endpoint).await).await.0, 200);
            assert_eq!(server.connections.get(), round);
            pools.sweep();
        }
    });
}

#[test]
fn interim_answers_are_passed_over() {
    run(async {
        let server = listen(|mut stream, _| async move {
            first_request(&mut stream).await;
            // `:status: 103`, then `:status: 200` and the end.
            let early = frame(HEADERS, 4, 1, &[8, 3, b'1', b'0', b'3']);
            stream.write_all(&early).await.unwrap();
            stream.write_all(&frame(HEADERS, 5, 1, &[0x88])).await.unwrap();
            let mut some = [0; 256];
            while stream.read(&mut some).await.is_ok_and(|n| n > 0) {}
        })
        .await;
        let endpoint = endpoint("h2c", server.address, &lenient());
        assert_eq!(get(&Pools::new(), &endpoint).await.status, StatusCode::OK);
    });
}
