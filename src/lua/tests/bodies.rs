//! Bodies in scripts, and the built-in scripts that work on bodies.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{self, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body::Frame;
use serde_json::{Value, json};

use super::support::*;
use crate::content::{Codec, Coding};
use crate::lua::{
    Connected, Context, Destination, FetchError, Flow, Host, HttpClient, InstanceSpec, Limits,
    OnError, Vm, builtins, inspect,
};
use crate::message::{Body, BodyError, Failure, LocalFuture, Request, Response, rescue};

/// Frames that come one by one, each after a pause.
struct Slow {
    frames: VecDeque<Frame<Bytes>>,
    pauses: bool,
}

impl http_body::Body for Slow {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut task::Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.pauses = !self.pauses;
        if self.pauses {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(self.frames.pop_front().map(Ok))
    }
}

fn slow(pieces: &[&'static str]) -> Body {
    let frames = pieces.iter().map(|piece| Frame::data(Bytes::from_static(piece.as_bytes())));
    Body::stream(Slow { frames: frames.collect(), pauses: false })
}

fn with_trailers(pieces: &[&'static str], trailers: &[(&'static str, &'static str)]) -> Body {
    let frames = pieces.iter().map(|piece| Frame::data(Bytes::from_static(piece.as_bytes())));
    let mut map = HeaderMap::new();
    for (name, value) in trailers {
        map.append(*name, HeaderValue::from_static(value));
    }
    let frames = frames.chain([Frame::trailers(map)]).collect();
    Body::stream(Slow { frames, pauses: false })
}

/// What follows the script: answers in their order, and what was asked.
#[derive(Default)]
struct Server {
    answers: RefCell<VecDeque<Response>>,
    asked: RefCell<Vec<String>>,
}

impl Server {
    fn answer(&self, mut request: Request, from: &str) -> LocalFuture<'static, Response> {
        let refuses = self.answers.borrow().front().is_some_and(|a| a.failure.is_some());
        let answer = self.answers.borrow_mut().pop_front();
        let line = format!("{from}{} {}", request.method, request.target.as_str());
        self.asked.borrow_mut().push(line);
        let answer = answer.unwrap_or_else(|| Response::new(StatusCode::OK));
        Box::pin(async move {
            // A server that cannot be reached reads nothing.
            if !refuses {
                let body = std::mem::take(&mut request.body).collect(1 << 20).await.unwrap();
                let length = HeaderValue::from(body.len());
                let mut answer = answer;
                answer.headers.insert("x-got", length);
                if matches!(answer.body, Body::Empty) {
                    answer.body = body.into();
                }
                return answer;
            }
            answer
        })
    }
}

impl Host for Server {
    fn next(&self, _: usize, request: Request) -> LocalFuture<'static, Response> {
        self.answer(request, "")
    }

    fn service(&self, name: &str, request: Request) -> Option<LocalFuture<'static, Response>> {
        (name == "page@file").then(|| self.answer(request, "page "))
    }

    fn fetch(
        &self,
        _: &HttpClient,
        _: &str,
        _: Request,
    ) -> Result<LocalFuture<'static, Response>, FetchError> {
        Err(FetchError::Client { reason: "there is none".to_owned() })
    }

    fn connect(&self, _: &Destination) -> LocalFuture<'static, Connected> {
        Box::pin(async { Err(FetchError::Client { reason: "there is none".to_owned() }) })
    }
}

fn answer(status: u16, kind: &str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(StatusCode::from_u16(status).unwrap());
    if !kind.is_empty() {
        response.headers.insert("content-type", HeaderValue::from_str(kind).unwrap());
    }
    response.body = body.into();
    response
}

fn refused() -> Response {
    rescue(Failure::Connect { server: "s".to_owned(), cause: "refused".to_owned() })
}

/// Runs a script's whole way: down, through the server and back up.
fn run(spec: InstanceSpec, request: Request, answers: Vec<Response>) -> (Response, Vec<String>) {
    let vm = Vm::new().unwrap();
    let server = Rc::new(Server { answers: RefCell::new(answers.into()), ..Server::default() });
    let host = Rc::clone(&server) as Rc<dyn Host>;
    let cx = Rc::new(Context::new(Rc::clone(&request.exchange), host));
    let response = block_on(async {
        let instance = vm.instance(&Arc::new(spec)).await.unwrap();
        let mut response = match instance.request(&cx, 0, request).await {
            Flow::Done(response) => return response,
            Flow::Next(request) => server.answer(request, "").await,
        };
        if instance.hooks().response {
            response = instance.response(&cx, response).await;
        }
        response.body = response
            .body
            .collect(1 << 20)
            .await
            .map_or_else(|error| format!("cut: {error}").into(), Body::from);
        response
    });
    let asked = server.asked.take();
    (response, asked)
}

#[allow(clippy::needless_pass_by_value, reason = "calls read better")]
fn builtin(kind: &str, options: Value) -> InstanceSpec {
    let source = builtins().find(|source| source.kind() == kind).unwrap();
    let info = inspect(&source).unwrap();
    let options = info.schema.decode(&options, crate::schema::Source::File).unwrap().options;
    InstanceSpec { source: source.into(), ..spec("", options) }
}

fn post(body: Body) -> Request {
    let mut request = request("POST h/p?q=1", &[]);
    request.body = body;
    request
}

/// The request's hook, whose answer's status and body are looked at.
fn check(hook: &str, body: Body, expect: (u16, &str)) {
    let script = format!("return {{ request = function(req, ctx)\n{hook}\nend }}");
    let (response, _) = run(spec(&script, json!({})), post(body), Vec::new());
    let status = response.status.as_u16();
    assert_eq!((status, &*text(response)), expect, "{hook}");
}

#[test]
fn requests_are_read_and_changed() {
    let three = || slow(&["ab", "cd", "ef"]);
    check("return respond(200, req:body())", three(), (200, "abcdef"));
    check("local a = req:body(); return respond(200, a .. req:body())", "x".into(), (200, "xx"));
    check("req:body()", three(), (200, "abcdef"));
    check("req:body({ limit = 5 })", three(), (413, "Request Entity Too Large"));
    check("pcall(req.body, req, { limit = 5 })", three(), (200, "abcdef"));
    check("req:replace(tostring(req:buffer({ limit = 3 })))", three(), (200, "false"));
    check("req:replace(tostring(req:buffer({ memory = 1 })))", three(), (200, "true"));
    check("req:buffer({ memory = 1 })", three(), (200, "abcdef"));
    check(
        "local a, all = req:peek(4); return respond(200, a .. tostring(all))",
        three(),
        (200, "abfalse"),
    );
    check("req:peek(4)", three(), (200, "abcdef"));
    check("return respond(200, tostring(req.length))", three(), (200, "nil"));
    check("return respond(200, tostring(req.length))", "abc".into(), (200, "3"));
    check(
        "local n = 0; for c in req:chunks() do n = n + #c end; req:replace(n .. '')",
        three(),
        (200, "6"),
    );
    check("req:filter(function(c) return c and c:upper() end)", three(), (200, "ABCDEF"));
    check("req:filter(function(c) if c == 'cd' then return '' end end)", three(), (200, "abef"));
    check("req:filter(function(c) return c or '!' end)", three(), (200, "abcdef!"));
    check("req:filter(function(c) time.sleep('1ms'); return c end)", three(), (200, "abcdef"));
    check(
        "req:filter(function(c) return c and c .. c end); return respond(200, req:body())",
        three(),
        (200, "ababcdcdefef"),
    );
    check("req:encode('zstd'); req:decode()", three(), (200, "abcdef"));
    check("req:filter(function() end); req:replace('x')", three(), (200, "x"));
}

#[test]
fn the_limit_of_the_middleware_counts() {
    let script = spec("return { request = function(req) req:body() end }", json!({}));
    let limits = Limits { body_bytes: 3, ..Limits::default() };
    let (response, _) = run(InstanceSpec { limits, ..script }, post("abcd".into()), Vec::new());
    assert_eq!(response.status.as_u16(), 413);
}

#[test]
fn requests_are_sent_again() {
    let again = "req:keep(); ctx.next(); local res = ctx.next(); return res";
    check(again, "abc".into(), (200, "abc"));
    check(&format!("req:buffer(); {again}"), slow(&["a", "b"]), (200, "ab"));
    check(&format!("req:buffer({{ memory = 0 }}); {again}"), slow(&["a", "b"]), (200, "ab"));
    let read = "req:keep(); ctx.next(); return respond(200, tostring(pcall(ctx.next)))";
    check(read, slow(&["a"]), (200, "false"));
    check("ctx.next(); return respond(200, tostring(pcall(ctx.next)))", "".into(), (200, "false"));
    check("return respond(200, tostring(ctx.service('none')))", "".into(), (200, "nil"));
    let (response, asked) = run(
        spec("return { request = function(r, ctx) return ctx.service('page') end }", json!({})),
        post("abc".into()),
        Vec::new(),
    );
    assert_eq!((text(response), asked), ("abc".to_owned(), vec!["page POST /p?q=1".to_owned()]));
}

#[test]
fn body_hooks_see_chunks_and_trailers() {
    let script = "return {
        request_body = function(chunk) return chunk and chunk .. '.' end,
        response_body = function(chunk, ctx, trailers)
            if chunk then return '<' .. chunk .. '>' end
            return 'end ' .. tostring(trailers and trailers['x-sum'])
        end,
    }";
    let answers = || vec![answer(200, "", with_trailers(&["a", "b"], &[("x-sum", "5")]))];
    let (response, _) = run(spec(script, json!({})), post(slow(&["1", "2"])), answers());
    assert_eq!(header(&response.headers, "x-got"), Some("4"));
    assert_eq!(text(response), "<a><b>end 5");

    let fails =
        "return { response_body = function(chunk) if chunk == 'b' then error('x') end end }";
    let (response, _) = run(spec(fails, json!({})), post(Body::Empty), answers());
    assert_eq!(text(response), "cut: a script failed while it worked on the body");
    let skips = InstanceSpec { on_error: OnError::Skip, ..spec(fails, json!({})) };
    let (response, _) = run(skips, post(Body::Empty), answers());
    assert_eq!(text(response), "ab");
}

#[test]
fn what_a_skipped_script_did_to_a_body_is_undone() {
    let script = "return { response = function(res) res:encode('gzip'); error('x') end }";
    let skips = InstanceSpec { on_error: OnError::Skip, ..spec(script, json!({})) };
    let (response, _) = run(skips, post(Body::Empty), vec![answer(200, "", slow(&["a", "b"]))]);
    assert_eq!(header(&response.headers, "content-encoding"), None);
    assert_eq!(text(response), "ab");
}

#[test]
fn errors_of_answers_have_a_word() {
    let script = "return { request = function(req, ctx)
        return respond(200, tostring(ctx.next().error)) end }";
    let (response, _) = run(spec(script, json!({})), post(Body::Empty), vec![refused()]);
    assert_eq!(text(response), "connect");
    let (response, _) = run(spec(script, json!({})), post(Body::Empty), Vec::new());
    assert_eq!(text(response), "nil");
}

/// The coding of an answer, and its body decoded.
fn compressed(options: Value, accept: Option<&str>, response: Response) -> (String, String, bool) {
    let headers: Vec<_> = accept.map(|accept| ("Accept-Encoding", accept)).into_iter().collect();
    let request = request("GET h/", &headers);
    let (mut response, _) = run(builtin("compress", options), request, vec![response]);
    let coding = header(&response.headers, "content-encoding").unwrap_or("-").to_owned();
    let varies = header(&response.headers, "vary") == Some("Accept-Encoding");
    let body = std::mem::take(&mut response.body);
    let mut bytes = block_on(body.collect(1 << 20)).unwrap();
    if let Some(coding) = Coding::named(&coding) {
        let mut codec = Codec::decoder(coding).unwrap();
        while !bytes.is_empty() {
            codec.write(&mut bytes).unwrap();
        }
        codec.finish().unwrap();
        bytes = codec.take();
    }
    (coding, String::from_utf8(bytes.to_vec()).unwrap(), varies)
}

#[test]
fn compress_negotiates() {
    let long = "0123456789".repeat(200);
    let check = |options: Value, accept: Option<&str>, expect: &str, varies: bool| {
        let whole = answer(200, "text/plain", long.clone());
        let got = compressed(options, accept, whole);
        assert_eq!(got, (expect.to_owned(), long.clone(), varies), "{accept:?}");
    };
    let plain = || json!({});
    check(plain(), Some("gzip"), "gzip", true);
    check(plain(), Some("br, gzip, zstd"), "gzip", true);
    check(plain(), Some("gzip;q=0.5, br;q=0.9"), "br", true);
    check(plain(), Some("gzip; q=0.5, zstd"), "zstd", true);
    check(plain(), Some("*"), "-", true);
    check(plain(), Some("br, *"), "br", true);
    check(plain(), Some("gzip;q=0"), "-", false);
    check(plain(), Some("identity"), "-", false);
    check(plain(), Some("deflate"), "-", false);
    check(plain(), Some(""), "-", false);
    check(plain(), None, "-", false);
    check(json!({"defaultEncoding": "zstd"}), None, "zstd", true);
    check(json!({"encodings": ["zstd", "br"]}), Some("gzip, br, zstd"), "zstd", true);
    check(json!({"excludedContentTypes": ["Text/Plain; x=y"]}), Some("gzip"), "-", true);
    check(json!({"includedContentTypes": ["text/html"]}), Some("gzip"), "-", true);
    check(json!({"includedContentTypes": ["text/plain"]}), Some("gzip"), "gzip", true);
    check(json!({"minResponseBodyBytes": 2001}), Some("gzip"), "-", true);
}

fn set(headers: &mut HeaderMap, name: &'static str, value: &'static str) {
    headers.insert(name, HeaderValue::from_static(value));
}

#[test]
fn compress_leaves_answers_alone() {
    let long = "0123456789".repeat(200);
    let check = |change: fn(&mut Response), expect: &str| {
        let mut response = answer(200, "text/plain", long.clone());
        change(&mut response);
        let body = match &response.body {
            Body::Full(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
            _ => "onetwo".to_owned(),
        };
        let coding = response.headers.get("content-encoding").is_some();
        let got = compressed(json!({}), Some("gzip"), response);
        assert_eq!(got.0, expect);
        if !coding {
            assert_eq!(got.1, body);
        }
    };
    check(|_| {}, "gzip");
    check(|response| response.status = StatusCode::PARTIAL_CONTENT, "-");
    check(|response| response.body = "short".into(), "-");
    check(|response| response.body = slow(&["onetwo"]), "gzip");
    check(|response| response.body = slow(&["one", "two"]), "gzip");
    check(|response| set(&mut response.headers, "content-type", "application/grpc+proto"), "-");
    check(|response| set(&mut response.headers, "content-range", "bytes 0-1/2"), "-");
    check(|response| set(&mut response.headers, "content-encoding", "deflate"), "deflate");
}

#[test]
fn retry_tries_again() {
    let check = |options: Value, method: &str, answers: Vec<Response>, expect: (u16, usize)| {
        let mut request = request(&format!("{method} h/"), &[]);
        request.body = slow(&["ab", "cd"]);
        let exchange = Rc::clone(&request.exchange);
        let told = options.to_string();
        let (response, asked) = run(builtin("retry", options), request, answers);
        assert_eq!((response.status.as_u16(), asked.len()), expect, "{told} {method}");
        let again = u32::try_from(asked.len() - 1).unwrap();
        assert_eq!(exchange.record.borrow().retry_attempts, again, "{told}");
    };
    let busy = || answer(503, "", "busy");
    check(json!({"attempts": 3}), "POST", vec![refused(), refused()], (200, 3));
    check(json!({"attempts": 2}), "POST", vec![refused(), refused()], (502, 2));
    check(json!({"attempts": 3}), "GET", vec![busy()], (503, 1));
    let status = json!({"attempts": 3, "status": ["500-599"], "initialInterval": "1ms"});
    check(status.clone(), "GET", vec![busy(), refused()], (200, 3));
    check(status, "POST", vec![busy()], (503, 1));
    let all = json!({"attempts": 3, "status": ["503"], "retryNonIdempotentMethod": true});
    check(all, "POST", vec![busy(), busy()], (200, 3));
    let small = json!({"attempts": 3, "status": ["503"], "maxRequestBodyBytes": 3});
    check(small, "PUT", vec![refused(), busy()], (503, 2));
    let network = json!({"attempts": 3, "status": ["500"], "disableRetryOnNetworkError": true});
    check(network, "GET", vec![refused()], (502, 1));
}

#[test]
fn errors_fetches_pages() {
    let check = |options: Value, answers: Vec<Response>, expect: (u16, &str), asked: &[&str]| {
        let (response, got) = run(builtin("errors", options), post("abc".into()), answers);
        assert_eq!(got, asked);
        let status = response.status.as_u16();
        assert_eq!((status, &*text(response)), expect);
    };
    let options = || {
        json!({"status": ["500-599", "404,410"], "service": "page",
            "query": "/{status}.html?o={originalStatus}&u={url}",
            "statusRewrites": {"502-504": 500}})
    };
    let page = || answer(200, "text/html", "sorry");
    let to = "page GET /404.html?o=404&u=http%3A%2F%2Fh%2Fp%3Fq%3D1";
    check(options(), vec![answer(404, "", "x"), page()], (404, "sorry"), &["POST /p?q=1", to]);
    let to = "page GET /500.html?o=503&u=http%3A%2F%2Fh%2Fp%3Fq%3D1";
    check(options(), vec![answer(503, "", "x"), page()], (500, "sorry"), &["POST /p?q=1", to]);
    check(options(), vec![answer(403, "", "x")], (403, "x"), &["POST /p?q=1"]);
}

#[test]
fn buffering_limits_and_repeats() {
    let check = |options: Value, body: Body, answers: Vec<Response>, expect: (u16, &str, usize)| {
        let told = options.to_string();
        let (response, asked) = run(builtin("buffering", options), post(body), answers);
        let status = response.status.as_u16();
        assert_eq!((status, &*text(response), asked.len()), expect, "{told}");
    };
    let small = || json!({"maxRequestBodyBytes": 3, "maxResponseBodyBytes": 4});
    let too_large = "Request Entity Too Large";
    check(small(), slow(&["ab", "c"]), vec![], (200, "abc", 1));
    check(small(), slow(&["ab", "cd"]), vec![], (413, too_large, 0));
    check(small(), "abcd".into(), vec![], (413, too_large, 0));
    // A client that asks for an upgrade gets no other limit.
    let mut upgrades = post("abcd".into());
    set(&mut upgrades.headers, "upgrade", "x");
    let (response, asked) = run(builtin("buffering", small()), upgrades, vec![]);
    assert_eq!((response.status.as_u16(), asked.len()), (413, 0));
    let long = || vec![answer(200, "", slow(&["abc", "de"]))];
    check(small(), Body::Empty, long(), (500, "Internal Server Error", 1));
    check(json!({"memRequestBodyBytes": 1}), slow(&["ab", "cd"]), vec![], (200, "abcd", 1));
    let again = json!({"retryExpression": "IsNetworkError() && Attempts() < 3"});
    check(again.clone(), slow(&["a", "b"]), vec![answer(502, "", "x")], (200, "ab", 2));
    let never = (0..9).map(|_| answer(504, "", "x")).collect();
    check(again, slow(&["a", "b"]), never, (504, "x", 3));
    let code = json!({"retryExpression": "ResponseCode() == 500 && RequestMethod() == `GET`"});
    check(code, Body::Empty, vec![answer(500, "", "x")], (500, "x", 1));
}

#[test]
fn content_type_tells_what_is_missing() {
    let check = |response: Response, expect: Option<&str>| {
        let spec = builtin("contentType", json!({}));
        let (response, _) = run(spec, post(Body::Empty), vec![response]);
        assert_eq!(header(&response.headers, "content-type"), expect);
    };
    check(answer(200, "", "<html><p>"), Some("text/html; charset=utf-8"));
    check(answer(200, "", slow(&["%PDF-1", ".7"])), Some("application/pdf"));
    check(answer(200, "text/x", "<html>"), Some("text/x"));
    check(answer(204, "", Body::Empty), None);
}

#[test]
fn grpc_web_translates() {
    let check = |kind: &str, body: &'static str, expect: (&str, &[u8])| {
        let mut request = request(
            "POST h/svc/M",
            &[("Content-Type", kind), ("Origin", "https://x"), ("X-Grpc-Web", "1")],
        );
        request.body = slow(&[body]);
        let trailers = [("grpc-status", "0")];
        let came = answer(200, "application/grpc+proto", with_trailers(&["abc"], &trailers));
        let spec = builtin("grpcWeb", json!({"allowOrigins": ["*"]}));
        let (response, _) = run(spec, request, vec![came]);
        assert_eq!(header(&response.headers, "x-got"), Some("4"));
        assert_eq!(header(&response.headers, "access-control-allow-origin"), Some("https://x"));
        let kind = header(&response.headers, "content-type").unwrap().to_owned();
        let bytes = block_on(response.body.collect(1 << 20)).unwrap();
        assert_eq!((&*kind, &bytes[..]), expect);
    };
    let last = b"abc\x80\x00\x00\x00\x10grpc-status: 0\r\n";
    let binary = "application/grpc-web+proto";
    check(binary, "wxyz", (binary, last));
    let text = "application/grpc-web-text+proto";
    check(text, "d3g=eXo=", (text, b"YWJjgAAAABBncnBjLXN0YXR1czogMA0K"));
}
