//! Prints what one run of a hook costs, in nanoseconds: the least of several rounds, since the
//! machine may be busy with other things.

use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context as Waker, Poll};
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version};
use moongate::lua::{
    Connected, Context, Destination, FetchError, Flow, Host, HttpClient, InstanceId, InstanceSpec,
    Limits, OnError, ScriptSource, Vm, builtins,
};
use moongate::message::{Body, Client, Exchange, LocalFuture, Parts, Request, Response, Target};
use serde_json::{Value, json};

const ROUNDS: u32 = 1_000;
const RUNS: u32 = 100;

const TWO_HEADERS: &str = "return { request = function(req, ctx) \
    req.headers['X-One'] = 'a' req.headers['X-Two'] = 'b' end }";
const NOTHING: &str = "return { request = function(req, ctx) end }";

fn main() {
    let scheme = builtins().find(|s| s.kind() == "redirectScheme").map(|s| s.text);
    let options = json!({
        "scheme": "https", "port": "", "permanent": false, "forcePermanentRedirect": false
    });
    measure("no call at all", None, json!({}));
    measure("nothing", Some(NOTHING.into()), json!({}));
    measure("two headers", Some(TWO_HEADERS.into()), json!({}));
    measure("redirectScheme", scheme, options);
    if let Some(path) = std::env::args().nth(1)
        && let Ok(text) = std::fs::read_to_string(path)
    {
        measure("the script given", Some(text.into()), json!({"key": "secret", "percent": 10}));
    }
}

fn measure(name: &str, text: Option<Arc<str>>, options: Value) {
    // One case alone can be looked at with a profiler.
    if std::env::var("ONLY").is_ok_and(|only| !name.contains(&only)) {
        return;
    }
    let Ok(vm) = Vm::new() else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let Ok(runtime) = runtime else { return };
    let local = tokio::task::LocalSet::new();
    let instance = text.map(|text| {
        let spec = InstanceSpec {
            id: InstanceId(0),
            name: "m@file".into(),
            source: Arc::new(ScriptSource { name: "t.lua".into(), text }),
            options: Arc::new(options),
            limits: Limits::default(),
            on_error: OnError::Fail,
        };
        local.block_on(&runtime, vm.instance(&Arc::new(spec)))
    });
    let client = Rc::new(client());
    let (mut least, mut answered) = (f64::MAX, 0);
    for _ in 0..ROUNDS {
        let requests: Vec<_> = (0..RUNS).map(|_| request(&client)).collect();
        let contexts: Vec<_> = requests.iter().map(|r| context(&r.exchange)).collect();
        let mut flows = Vec::with_capacity(requests.len());
        let began = Instant::now();
        for (request, cx) in requests.into_iter().zip(&contexts) {
            flows.push(match &instance {
                Some(Ok(instance)) => at_once(instance.request(cx, 0, request)),
                _ => Some(Flow::Next(request)),
            });
        }
        least = least.min(began.elapsed().as_secs_f64() * 1e9 / f64::from(RUNS));
        answered += flows.iter().filter(|flow| matches!(flow, Some(Flow::Done(_)))).count();
    }
    let share = 100 * answered / (ROUNDS * RUNS) as usize;
    #[allow(clippy::print_stdout, reason = "the result is what this program is for")]
    {
        println!("{least:8.0} ns  {name} ({share}% answered)");
    }
}

fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = std::pin::pin!(future);
    match future.as_mut().poll(&mut Waker::from_waker(std::task::Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

struct Nowhere;

impl Host for Nowhere {
    fn next(&self, _: usize, _: Request) -> LocalFuture<'static, Response> {
        Box::pin(async { Response::new(StatusCode::OK) })
    }

    fn service(&self, _: &str, _: Request) -> Option<LocalFuture<'static, Response>> {
        None
    }

    fn fetch(
        &self,
        _: &HttpClient,
        _: &str,
        _: Request,
    ) -> Result<LocalFuture<'static, Response>, FetchError> {
        Ok(Box::pin(async { Response::new(StatusCode::OK) }))
    }

    fn connect(&self, _to: &Destination) -> LocalFuture<'static, Connected> {
        let reason = "nowhere".to_owned();
        Box::pin(ready(Err(FetchError::Client { reason })))
    }
}

fn context(exchange: &Rc<Exchange>) -> Rc<Context> {
    Rc::new(Context::new(Rc::clone(exchange), Rc::new(Nowhere)))
}

fn client() -> Client {
    Client {
        peer: ([127, 0, 0, 1], 1000).into(),
        local: ([127, 0, 0, 1], 80).into(),
        ip: HeaderValue::from_static("127.0.0.1"),
        entrypoint: "web".into(),
        is_forwarded: false,
        tls: None,
        guard: Rc::new(()),
    }
}

fn request(client: &Rc<Client>) -> Request {
    let mut headers = HeaderMap::with_capacity(16);
    for (name, value) in [
        ("accept", "*/*"),
        ("accept-encoding", "gzip"),
        ("user-agent", "curl/8"),
        // The signature of "u1.4102444800" under the key "secret" is checked, and wrong.
        ("cookie", "theme=dark; session=u1.4102444800|c2lnbmF0dXJl; ab=a"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", "www.example.com"),
        ("x-real-ip", "127.0.0.1"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let target = Target::parse(Bytes::from_static(b"/shop/items/42?lang=en"));
    Request::from(Parts {
        method: Method::GET,
        target: target.unwrap_or_else(|_| std::process::exit(1)),
        version: Version::HTTP_11,
        host: Bytes::from_static(b"www.example.com"),
        headers: headers.into(),
        body: Body::Empty,
        upgrade: None,
        exchange: Rc::new(Exchange::new(Rc::clone(client))),
    })
}
