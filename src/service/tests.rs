//! Services over real sockets, and what tests of this module share.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::SET_COOKIE;
use http::{HeaderValue, Method, Version};
use http_body::Frame;
use parking_lot::Mutex;

use super::*;
use crate::headers::Headers;
use crate::message::{Body, BodyError, Client, Exchange, Parts, Target as Path};
use crate::model::Cookie;
use crate::upstream::{Endpoint, Forwarding, Hop, HostHeader, PathPrefix, Pools};

/// Runs a future as a worker would.
pub(super) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, future)
}

/// A request of a client at 127.0.0.1, with a body that comes in one frame.
pub(super) fn request(target: &'static str, body: &'static str) -> Request {
    let address = SocketAddr::from(([127, 0, 0, 1], 1));
    let client = Client {
        peer: address,
        local: address,
        ip: HeaderValue::from_static("127.0.0.1"),
        entrypoint: "web".into(),
        adds_address: false,
        tls: None,
        guard: Rc::new(()),
    };
    Request::from(Parts {
        method: if body.is_empty() { Method::GET } else { Method::POST },
        target: Path::parse(Bytes::from_static(target.as_bytes())).unwrap(),
        version: Version::HTTP_11,
        host: Bytes::from_static(b"h"),
        headers: Headers::new(),
        body: if body.is_empty() { Body::Empty } else { chunks(&[body]) },
        upgrade: None,
        exchange: Rc::new(Exchange::new(Rc::new(client))),
    })
}

/// A body that comes in these frames.
pub(super) fn chunks(chunks: &[&'static str]) -> Body {
    Body::stream(Chunks(chunks.iter().map(|chunk| Bytes::from_static(chunk.as_bytes())).collect()))
}

struct Chunks(VecDeque<Bytes>);

impl http_body::Body for Chunks {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Poll::Ready(self.0.pop_front().map(|chunk| Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }
}

struct Lent(Rc<Pools>);

impl Means for Lent {
    fn balance(
        &self,
        _script: &str,
        _request: &Request,
        _servers: &[crate::lua::Candidate<'_>],
    ) -> Option<crate::lua::Pick> {
        None
    }

    fn pools(&self) -> &Rc<Pools> {
        &self.0
    }

    fn copied(&self, _: &Copied<'_>) {}

    fn keep(&self) -> Rc<dyn Means> {
        Rc::new(Self(Rc::clone(&self.0)))
    }

    fn pass(
        &self,
        _: &Arc<[InstanceId]>,
        service: &Arc<Service>,
        mut request: Request,
    ) -> LocalFuture<'static, Response> {
        let (means, service) = (self.keep(), Arc::clone(service));
        Box::pin(async move {
            request.headers.insert("x-passed", HeaderValue::from_static("yes"));
            service.serve(&*means, request).await
        })
    }
}

/// A server that closes after each answer; its name is the answer's body.
pub(super) struct Backend {
    pub(super) address: SocketAddr,
    /// Requests with their bodies.
    seen: Arc<Mutex<Vec<String>>>,
    /// What it answers, after `HTTP/1.1 `.
    answer: Arc<Mutex<String>>,
}

impl Backend {
    pub(super) fn start(answer: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let answer = Arc::new(Mutex::new(answer.to_owned()));
        let (log, text) = (Arc::clone(&seen), Arc::clone(&answer));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let request = read(&mut stream);
                log.lock().push(request);
                let text = text.lock().clone();
                let end = "Connection: close\r\nContent-Length: 0\r\n\r\n";
                let _ = write!(stream, "HTTP/1.1 {text}\r\n{end}");
            }
        });
        Self { address, seen, answer }
    }

    pub(super) fn answers(&self, answer: &str) {
        answer.clone_into(&mut self.answer.lock());
    }

    pub(super) fn seen(&self) -> Vec<String> {
        self.seen.lock().clone()
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn servers(&self) -> Arc<Service> {
        service("s@file", &[self])
    }
}

fn read(stream: &mut impl Read) -> String {
    let mut text = Vec::new();
    let mut byte = [0];
    let is_whole = |text: &[u8]| {
        let text = String::from_utf8_lossy(text);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
        match length {
            Some(length) => body.len() >= length.parse().unwrap(),
            None if head.contains("chunked") => body.ends_with("0\r\n\r\n"),
            None => true,
        }
    };
    while !is_whole(&text) && stream.read(&mut byte).unwrap_or(0) == 1 {
        text.push(byte[0]);
    }
    String::from_utf8(text).unwrap()
}

/// Waits until something holds, without blocking the runtime.
pub(super) async fn until(what: &str, holds: impl Fn() -> bool) {
    let since = Instant::now();
    while !holds() {
        assert!(since.elapsed() < Duration::from_secs(10), "never: {what}");
        tokio::task::yield_now().await;
    }
}

fn servers(backends: &[&Backend]) -> Servers {
    let forwarding =
        Forwarding { host: HostHeader::Client, path: PathPrefix::Ignored, hop: Hop::Told };
    let servers = backends.iter().map(|backend| Server {
        endpoint: Arc::new(Endpoint::parse(&backend.url(), Arc::default()).unwrap()),
        forwarding,
        weight: 1,
        fenced: false,
        member: Arc::default(),
    });
    Servers {
        servers: servers.collect(),
        strategy: Strategy::Turns(Arc::new(Turn::new(&vec![1; backends.len()]))),
        sticky: None,
        passive: None,
        check: None,
        timeouts: crate::message::Timeouts::default(),
    }
}

fn service(name: &str, backends: &[&Backend]) -> Arc<Service> {
    named(name, Kind::Servers(servers(backends)))
}

fn named(name: &str, kind: Kind) -> Arc<Service> {
    Arc::new(Service { name: name.into(), kind })
}

async fn ask(service: &Service, request: Request) -> Response {
    service.serve(&Lent(Pools::new()), request).await
}

fn cookie(name: &str) -> Cookie {
    Cookie { name: name.to_owned(), ..Cookie::default() }
}

#[test]
fn cookies_of_all_layers_are_set() {
    let backend = Backend::start("200 OK\r\nSet-Cookie: own=1");
    let mut inner = servers(&[&backend]);
    let sticky = Sticky::new("s", &cookie("inner"), &[(&backend.url(), 1)]).unwrap();
    inner.sticky = Some(Arc::new(sticky));
    let sticky = Sticky::new("w", &cookie("outer"), &[("s", 1)]).unwrap();
    let outer = Children {
        services: vec![Child { service: named("s@file", Kind::Servers(inner)), weight: 1 }],
        order: Order::Turns(Arc::new(Turn::new(&[1]))),
        sticky: Some(Arc::new(sticky)),
        health: Propagation::Off,
    };
    let outer = named("w@file", Kind::Children(outer));
    let names = |response: &Response| -> Vec<String> {
        let all = response.headers.get_all(SET_COOKIE).iter();
        all.map(|c| c.to_str().unwrap().split('=').next().unwrap().to_owned()).collect()
    };
    block_on(async {
        let first = ask(&outer, request("/", "")).await;
        assert_eq!(names(&first), ["own", "inner", "outer"]);
        let mut again = request("/", "");
        for cookie in first.headers.get_all(SET_COOKIE) {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            again.headers.append("cookie", pair.parse().unwrap());
        }
        assert_eq!(names(&ask(&outer, again).await), ["own"]);
    });
}

#[test]
fn mirrors_get_bodies_up_to_the_limit() {
    for (limit, body, expect) in [
        (Some(5), "hello", Some("hello")),
        (Some(4), "hello", None),
        (Some(-1), "hello", Some("hello")),
        (None, "hello", Some("")),
        (Some(0), "", Some("")),
    ] {
        let (main, mirror) = (Backend::start("200 OK"), Backend::start("500 No"));
        let mirroring = Mirroring {
            service: main.servers(),
            mirrors: vec![mirror.servers()],
            shares: Arc::new(Shares::new(vec![100])),
            body_limit: limit,
            health: Propagation::Off,
        };
        let service = named("m@file", Kind::Mirroring(mirroring));
        block_on(async {
            let response = ask(&service, request("/p?q", body)).await;
            assert_eq!(response.status, 200);
            assert!(main.seen()[0].contains(body));
            let Some(expect) = expect else { return };
            until("the mirror is asked", || !mirror.seen().is_empty()).await;
            let seen = mirror.seen();
            let (head, body) = seen[0].split_once("\r\n\r\n").unwrap();
            assert!(head.contains(" /p?q HTTP/1.1\r\nHost: h"), "{head}");
            assert_eq!(body, expect, "{limit:?}");
        });
        if expect.is_none() {
            assert!(mirror.seen().is_empty());
        }
    }
}

#[test]
fn fallbacks_answer_for_errors_and_get_the_body() {
    for (status, limit, expect) in
        [("200 OK", -1, 200), ("503 Busy", 5, 201), ("503 Busy", 4, 503), ("500 No", -1, 500)]
    {
        let (main, fallback) = (Backend::start(status), Backend::start("201 Made"));
        let failover = Failover {
            service: main.servers(),
            fallback: fallback.servers(),
            errors: Some(Statuses::parse(&["502-504".to_owned()], limit).unwrap()),
            health: Propagation::Off,
        };
        let service = named("f@file", Kind::Failover(failover));
        let response = block_on(ask(&service, request("/", "hello")));
        assert_eq!(response.status, expect, "{status} {limit}");
        if expect == 201 {
            assert!(fallback.seen()[0].contains("hello"), "{:?}", fallback.seen());
        }
    }
}

#[test]
fn health_decides_and_is_told_upwards() {
    let (a, b) = (Backend::start("200 OK\r\nX-Name: a"), Backend::start("200 OK\r\nX-Name: b"));
    let watched = |backend: &Backend| {
        let mut servers = servers(&[backend]);
        let member = Arc::clone(&servers.servers[0].member);
        let (window, attempts) = (Duration::from_secs(9), 1);
        let recovery = Recovery::ByCheck;
        servers.passive = Some(Passive { service: "s".into(), window, attempts, recovery });
        (named("s@file", Kind::Servers(servers)), member)
    };
    let ((main, main_state), (fallback, fallback_state)) = (watched(&a), watched(&b));
    let failover = Failover { service: main, fallback, errors: None, health: Propagation::On };
    let failover = named("f@file", Kind::Failover(failover));
    let outer = Children {
        services: vec![
            Child { service: Arc::clone(&failover), weight: 1 },
            Child { service: service("c@file", &[&b]), weight: 0 },
        ],
        order: Order::Turns(Arc::new(Turn::new(&[1, 0]))),
        sticky: None,
        health: Propagation::On,
    };
    let outer = named("w@file", Kind::Children(outer));
    for (main_up, fallback_up, expect) in
        [(true, true, Some("a")), (false, true, Some("b")), (false, false, None)]
    {
        main_state.set_up(main_up);
        fallback_state.set_up(fallback_up);
        let response = block_on(ask(&outer, request("/", "")));
        let name = response.headers.get("x-name").map(|name| name.to_str().unwrap());
        assert_eq!(name, expect);
        assert_eq!(outer.is_up(), expect.is_some());
        assert_eq!(response.status, if expect.is_some() { 200 } else { 503 });
    }
}

#[test]
fn a_service_may_stand_behind_scripts() {
    let backend = Backend::start("200 OK");
    let behind = Behind { steps: Arc::from([]), service: backend.servers() };
    let service = named("s@file", Kind::Behind(behind));
    assert_eq!(block_on(ask(&service, request("/", ""))).status, 200);
    assert!(backend.seen()[0].contains("x-passed: yes"));
}

#[test]
fn every_strategy_serves_and_spares_those_that_are_down() {
    let (a, b) = (Backend::start("200 OK"), Backend::start("200 OK"));
    let names = [a.url(), b.url()];
    let named_members = || names.iter().map(|name| (name.as_str(), 1));
    for strategy in [
        Strategy::Turns(Arc::new(Turn::new(&[1, 1]))),
        Strategy::Two(Arc::new(Two::new(1))),
        Strategy::Rendezvous(Arc::new(Rendezvous::new(named_members())), HashBy::ClientAddress),
        Strategy::LeastTime(Arc::new(LeastTime::new(&[1, 1]))),
    ] {
        let mut all = servers(&[&a, &b]);
        all.strategy = strategy;
        let (window, attempts) = (Duration::from_secs(9), 1);
        let recovery = Recovery::ByTime;
        all.passive = Some(Passive { service: "s".into(), window, attempts, recovery });
        let members: Vec<_> = all.servers.iter().map(|s| Arc::clone(&s.member)).collect();
        let service = named("s@file", Kind::Servers(all));
        members[0].set_up(false);
        let before = (a.seen().len(), b.seen().len());
        block_on(async {
            for _ in 0..5 {
                assert_eq!(ask(&service, request("/", "")).await.status, 200);
            }
            members[1].set_up(false);
            assert_eq!(ask(&service, request("/", "")).await.status, 503);
        });
        assert_eq!((a.seen().len(), b.seen().len()), (before.0, before.1 + 5));
        assert!(members.iter().all(|member| member.in_flight() == 0));
    }
}
