//! What the tests of scripts are made with.

use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};
use serde_json::Value;

use super::server;
use crate::lua::{
    Connected, Context, Destination, FetchError, Flow, Host, HttpClient, Instance, InstanceId,
    InstanceSpec, Limits, OnError, ScriptError, ScriptSource, Vm,
};
use crate::message::{Body, Client, Exchange, Io, LocalFuture, Parts, Request, Response, Target};

/// Runs a test on a worker's kind of runtime; its clock stands still unless something waits.
pub(super) fn block_on<T>(test: impl Future<Output = T>) -> T {
    // What a failing script says stands beside the test that fails. Only the first call counts.
    let _ = tracing_subscriber::fmt().with_ansi(false).with_test_writer().try_init();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, test)
}

pub(super) fn source(text: &str) -> ScriptSource {
    ScriptSource { name: "t.lua".into(), text: text.into() }
}

pub(super) fn spec(text: &str, options: Value) -> InstanceSpec {
    InstanceSpec {
        id: InstanceId(0),
        name: "m@file".into(),
        source: Arc::new(source(text)),
        options: Arc::new(options),
        limits: Limits::default(),
        on_error: OnError::Fail,
    }
}

pub(super) fn exchange() -> Rc<Exchange> {
    let client = Client {
        peer: "127.0.0.1:1000".parse().unwrap(),
        local: "127.0.0.1:80".parse().unwrap(),
        ip: HeaderValue::from_static("127.0.0.1"),
        entrypoint: "web".into(),
        is_forwarded: false,
        tls: None,
        guard: Rc::new(()),
    };
    Rc::new(Exchange::new(Rc::new(client)))
}

/// A request written as `GET host/path?query`, with headers.
pub(super) fn request(line: &str, headers: &[(&str, &str)]) -> Request {
    let (method, rest) = line.split_once(' ').unwrap();
    let (host, path) = rest.split_at(rest.find('/').unwrap());
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        map.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    Request::from(Parts {
        method: Method::from_bytes(method.as_bytes()).unwrap(),
        target: Target::parse(Bytes::copy_from_slice(path.as_bytes())).unwrap(),
        version: Version::HTTP_11,
        host: Bytes::copy_from_slice(host.as_bytes()),
        headers: map.into(),
        body: Body::Empty,
        upgrade: None,
        exchange: exchange(),
    })
}

/// A service that answers with what it was asked, at once or after a while.
pub(super) struct Echo {
    pub(super) after: Duration,
}

impl Host for Echo {
    fn next(&self, position: usize, request: Request) -> LocalFuture<'static, Response> {
        let after = self.after;
        Box::pin(async move {
            if !after.is_zero() {
                tokio::time::sleep(after).await;
            }
            let mut response = Response::new(StatusCode::OK);
            let uri = HeaderValue::from_str(request.target.as_str()).unwrap();
            response.headers.insert("x-uri", uri);
            response.headers.insert("x-position", HeaderValue::from(position));
            response.body = "echo".into();
            response
        })
    }

    fn service(&self, name: &str, request: Request) -> Option<LocalFuture<'static, Response>> {
        (name == "echo@file").then(|| self.next(0, request))
    }

    fn fetch(
        &self,
        client: &HttpClient,
        origin: &str,
        request: Request,
    ) -> Result<LocalFuture<'static, Response>, FetchError> {
        server::answer(client, origin, request)
    }

    fn connect(&self, to: &Destination) -> LocalFuture<'static, Connected> {
        let address = to.address.clone();
        Box::pin(async move {
            let stream = tokio::net::TcpStream::connect(address).await;
            let failed = |error: std::io::Error| FetchError::Connect { reason: error.to_string() };
            Ok(Box::new(stream.map_err(failed)?) as Box<dyn Io>)
        })
    }
}

pub(super) fn context() -> Rc<Context> {
    context_with(Duration::ZERO)
}

pub(super) fn context_with(after: Duration) -> Rc<Context> {
    Rc::new(Context::new(exchange(), Rc::new(Echo { after })))
}

pub(super) fn load(vm: &Vm, spec: InstanceSpec) -> Result<Rc<Instance>, ScriptError> {
    block_on(vm.instance(&Arc::new(spec)))
}

/// Runs the `request` hook of a script once.
pub(super) fn flow(spec: InstanceSpec, request: Request) -> Flow {
    let vm = Vm::new().unwrap();
    block_on(async {
        let instance = vm.instance(&Arc::new(spec)).await.unwrap();
        instance.request(&context(), 0, request).await
    })
}

pub(super) fn passed(flow: Flow) -> Request {
    match flow {
        Flow::Next(request) => request,
        Flow::Done(response) => panic!("answered: {response:?}"),
    }
}

pub(super) fn answered(flow: Flow) -> Response {
    match flow {
        Flow::Done(response) => response,
        Flow::Next(request) => panic!("passed: {request:?}"),
    }
}

pub(super) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap())
}

pub(super) fn text(response: Response) -> String {
    let bytes = block_on(response.body.collect(1 << 20)).unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}
