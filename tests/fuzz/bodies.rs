//! What must hold for every parser, whatever it is given: the bodies of the fuzz targets in
//! `fuzz/`, which `tests/fuzz.rs` runs over mutated seeds on every build.
//!
//! A target is an entry of the catalogue. Its body says whether the input was what it looks for, so
//! that a run in which nothing ever is can be told from a good one.

use std::cell::OnceCell;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};
use moongate::config::{Address, System, load};
use moongate::entrypoint::{HeadReading, read_head};
use moongate::headers::Headers;
use moongate::lua::{
    Connected, Context, Destination, FetchError, Flow, Host, HttpClient, Instance, InstanceId,
    InstanceSpec, Limits, OnError, ScriptSource, Vm, builtins,
};
use moongate::message::chunked::{Decoder, Step};
use moongate::message::proxy::{ProxyHeader, ProxyVersion};
use moongate::message::{
    Body, Client, Exchange, LocalFuture, Parts, Request, Response, Target as Uri,
};
use moongate::model::{Dynamic, SignedDuration};
use moongate::predicate::{Kind, Predicate, Signature, Value};
use moongate::rule::{Facts, Matcher, NoScripts, Syntax, parse};
use moongate::service::Statuses;
use moongate::template::Template;
use moongate::tls::{ja4, opening};
use moongate::upstream::{Endpoint, is_address, read_answer_head};
use moongate::value::{Certificate, Format, GoDuration, decode, go_regex, parse_size};

/// A parser with what it is tried with.
pub(crate) struct Target {
    /// The name of its file in `fuzz/fuzz_targets`.
    pub(crate) name: &'static str,
    /// Inputs that mutations begin with.
    pub(crate) seeds: &'static [&'static [u8]],
    /// What must hold; whether the input was what it looks for.
    pub(crate) body: fn(&[u8]) -> bool,
    /// How many times fewer cases it gets in seconds.
    pub(crate) cost: usize,
}

const fn target(
    name: &'static str,
    body: fn(&[u8]) -> bool,
    seeds: &'static [&'static [u8]],
) -> Target {
    Target { name, seeds, body, cost: 1 }
}

/// All of them.
pub(crate) const TARGETS: &[Target] = &[
    target("rule_parse", |bytes| rule(&text(bytes)), RULES),
    target(
        "rule_match",
        rule_match,
        &[b"GET a.test /x?a=b&c Cookie: a=1; b=\"2\"", b"P  // Cookie:;"],
    ),
    target("connection_opening", connection_opening, OPENINGS),
    target("request_head", request_head, HEADS),
    target("answer_head", answer_head, ANSWERS),
    target("chunked", chunked, CHUNKS),
    target("uri", uri, &[b"/a/../b//%2e%2E/c?d=e;f%20", b"/%C3%A9%2F?", b"*", b"/a%", b"/?%zz&&="]),
    target("duration", duration, &[b"1h2m3.5s", b"300ms", b"10", b"1.5us", b"-2s", b"\xc2\xb5s"]),
    target("size", |bytes| parse_size(&text(bytes)).is_ok(), &[b"64MiB", b"1.5kb", b"10", b"1 G"]),
    target(
        "predicate",
        predicate,
        &[
            b"NetworkErrorRatio() > 0.30 || ResponseCodeRatio(500, 600, 0, 600) > 0.25",
            b"!(IsNetworkError() && Attempts() <= 2) || Method() == \"GET\"",
            b"LatencyAtQuantileMS(50.0) >= 1e2",
        ],
    ),
    Target { cost: 20, ..target("template", template, TEMPLATES) },
    Target { cost: 8, ..target("dynamic_file", dynamic_file, DOCUMENTS) },
    Target {
        cost: 20,
        ..target(
            "static_flags",
            static_flags,
            &[
                b"--entryPoints.web.address=:80 --api --providers.file.filename=a.yaml",
                b"--entrypoints.web.http.timeouts.request=1s --log.level DEBUG -ping",
                b"--entryPoints.a.forwardedHeaders.trustedIPs[0]=10.0.0.0/8",
            ],
        )
    },
    target("addresses", addresses, &[b"127.0.0.1:80/tcp", b":80", b"[::1]:8/udp", b"a.test:1"]),
    target("server_url", server_url, &[b"http://a.test:80/x?y", b"h2c://[::1]:1", b"https://u@h/"]),
    target("statuses", statuses, &[b"500", b"500-504", b"404 - 410", b"999"]),
    Target {
        cost: 4,
        ..target("expression", expression, &[b"^/(a|b)[0-9]{2}$", b"\\Q.\\E(?i)x", b"\\pL"])
    },
    target("certificate", |bytes| Certificate::read(bytes).is_some(), &[CERTIFICATE]),
    Target {
        cost: 8,
        ..target(
            "accept_encoding",
            accept_encoding,
            &[b"gzip, br;q=0.9, *;q=0", b"zstd;q=1.0,identity", b"x-gzip;Q=0.001", b";q=,", b"*"],
        )
    },
    Target {
        cost: 8,
        ..target(
            "script_views",
            script_views,
            &[b"a=1; b=\"2\"\n/x?a=1&b=%20&c", b"=;;\n/?&=&%", b"a\n/\xC3\xA9?x[]=1"],
        )
    },
];

/// Runs the body of that name.
#[allow(dead_code, reason = "the fuzzer's way in")]
pub(crate) fn run(name: &str, bytes: &[u8]) {
    for target in TARGETS.iter().filter(|target| target.name == name) {
        (target.body)(bytes);
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

const RULES: &[&[u8]] = &[
    b"",
    b"Host(`example.com`)",
    b"Host(`a.test`) || Host(`b.test`) && Path(`/x`)",
    b"!(Host(`c.test`) || Host(`d.test`)) && !Path(`/y`) && Method(`DELETE`)",
    b"  Host( `a.test` )   &&\n    Path(`/x`)\n",
    b"Host(\"b.test\") && Path(\"/y\\x41\\u00e9\\n\\\"\")",
    b"HostRegexp(`^[a-z]+\\.example\\.com$`) && PathRegexp(`(?i)\\.(png|jpe?g)$`)",
    b"Header(`X-A`, `1`) && HeaderRegexp(`X-B`, `^\\d+$`) && ClientIP(`10.0.0.0/8`)",
    b"Query(`a`) || Query(`a`, `b`,) || QueryRegexp(`c`, `^$`)",
    b"((((!!!!Host(`a`)))))",
    b"Host(`a.test`, `b.test`) || HostRegexp(`a.test`, `{sub:[a-z]+}.a.test`)",
    b"Path(`/x/{id:[0-9]{2}}`, `/y`) && PathPrefix(`/{a}/{b:.*}`) && Method(`GET`, `PUT`)",
    b"Headers(`X-A`, `1`) && HeadersRegexp(`X-B`, `^\\d+$`) && Query(`a=b`, `c={d}`)",
    b"Cookie(`a`) || CookieRegexp(`b`, `^c$`) || Lua(`c`)",
];

/// Reading never panics; what is printed reads as the same rule.
pub(crate) fn rule(text: &str) -> bool {
    let Ok(tree) = parse(text) else { return false };
    let printed = tree.to_string();
    assert_eq!(parse(&printed).as_ref(), Ok(&tree), "{text:?} is printed as {printed:?}");
    for syntax in Syntax::ALL {
        let _ = syntax.compile(&tree);
    }
    true
}

const MATCHED: [&str; 12] = [
    "Host(`a.test`)",
    "HostRegexp(`^[a-z.]+$`)",
    "Path(`/x`)",
    "PathPrefix(`/`)",
    "PathRegexp(`x`)",
    "Method(`GET`)",
    "Query(`a`, `b`)",
    "QueryRegexp(`c`, `^$`)",
    "Cookie(`a`)",
    "Cookie(`b`, `2`)",
    "CookieRegexp(`a`, `^1$`)",
    "!Header(`X-A`, `1`)",
];

/// Matching never panics, and a rule and its negation never agree.
fn rule_match(bytes: &[u8]) -> bool {
    thread_local! {
        static RULES: Vec<(Matcher, Matcher)> = MATCHED.iter().map(|rule| {
            let compile = |rule: &str| Syntax::V3.compile(&parse(rule).unwrap()).unwrap();
            (compile(rule), compile(&format!("!({rule})")))
        }).collect();
    }
    let line = text(bytes);
    let mut words = line.splitn(4, ' ');
    let method = words.next().and_then(|word| Method::from_bytes(word.as_bytes()).ok());
    let (host, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (path, query) = target.split_once('?').map_or((target, None), |(p, q)| (p, Some(q)));
    let mut headers = Headers::new();
    if let Some((name, value)) = words.next().and_then(|line| line.split_once(": "))
        && let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value))
    {
        headers.append(name, value);
    }
    let facts = Facts {
        method: &method.unwrap_or_default(),
        host,
        path,
        query,
        headers: &headers,
        client_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
        scripts: &NoScripts,
    };
    RULES.with(|rules| {
        let matches = rules.iter().map(|(rule, negated)| {
            assert_ne!(rule.matches(&facts), negated.matches(&facts), "{rule:?} {line:?}");
            rule.matches(&facts)
        });
        matches.filter(|matches| *matches).count() > 2
    })
}

const OPENINGS: &[&[u8]] = &[
    b"\x16\x03\x01\x00\x33\x01\x00\x00\x2f\x03\x03",
    b"\x00\x00\x00\x0a\x00\x08\x00\x00\x05hello\x00\x10\x00\x05\x00\x03\x02h2",
    b"\x16\x03\x01\x00\x01\x01\x16\x03\x01\x00\x01\x00",
    b"PROXY TCP4 10.1.2.3 10.0.0.1 5555 80\r\nGET / HTTP/1.1",
    b"PROXY TCP6 2001:db8::1 ::2 5555 80\r\n",
    b"PROXY UNKNOWN\r\n",
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\x7f\0\0\x01\x7f\0\0\x02\0\x50\0\x51",
    b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00",
    b"",
];

/// Reading never panics; a header that is there has no more bytes than there are, and no beginning
/// of it is anything but a beginning.
fn connection_opening(bytes: &[u8]) -> bool {
    let _ = opening(bytes);
    let _ = ja4(bytes);
    let ProxyHeader::Present { length, ends } = ProxyHeader::read(bytes) else { return false };
    assert!(length <= bytes.len(), "{}", bytes.escape_ascii());
    for end in 0..length {
        let part = ProxyHeader::read(&bytes[..end]);
        assert_eq!(part, ProxyHeader::Partial, "{}", bytes.escape_ascii());
    }
    if let Some(ends) = ends {
        let again = ProxyHeader::read(&ends.header(ProxyVersion::V2));
        assert!(matches!(again, ProxyHeader::Present { ends: Some(_), .. }), "{ends:?}");
    }
    true
}

const HEADS: &[&[u8]] = &[
    b"GET / HTTP/1.1\r\nHost: h\r\n\r\n",
    b"POST http://a.test/x?y HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc",
    b"PUT * HTTP/1.0\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n",
    b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\nHost: h\r\n\r\n",
    b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\nX-A: \tb \r\n\r\n",
    b"GET / HTTP/1.1\nHost: h\n\n",
];

/// Reading never panics; a head has no more bytes than there are, and more bytes behind it change
/// nothing of it.
fn request_head(bytes: &[u8]) -> bool {
    let read = read_head(bytes);
    let HeadReading::Head { bytes: length, .. } = read else { return false };
    assert!(length <= bytes.len(), "{}", bytes.escape_ascii());
    assert_eq!(read_head(&bytes[..length]), read, "{}", bytes.escape_ascii());
    let begun = read_head(&bytes[..length - 1]);
    assert_eq!(begun, HeadReading::Partial, "{}", bytes.escape_ascii());
    true
}

const ANSWERS: &[&[u8]] = &[
    b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
    b"HTTP/1.0 404 \r\nConnection: keep-alive\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
    b"HTTP/1.1 999\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n\r\n",
];

/// The same for answers.
fn answer_head(bytes: &[u8]) -> bool {
    let Ok(Some(length)) = read_answer_head(bytes) else { return false };
    assert!(length <= bytes.len(), "{}", bytes.escape_ascii());
    assert_eq!(read_answer_head(&bytes[..length]), Ok(Some(length)), "{}", bytes.escape_ascii());
    assert_eq!(read_answer_head(&bytes[..length - 1]), Ok(None), "{}", bytes.escape_ascii());
    true
}

const CHUNKS: &[&[u8]] = &[
    b"3\r\nabc\r\n0\r\n\r\nrest",
    b"A;x=\"y\"\r\n0123456789\r\n0\r\nX-T: v\r\nHost: h\r\n\r\n",
    b"1\r\na\r\n1\r\nb\r\n1\r\nc\r\n000\r\n\r\n",
    b"3 \r\nabc\r\n0;e\r\n\r\n",
];

/// The bytes and trailers of a body, and how many bytes are left behind it.
type Decoded = Option<(Vec<u8>, Option<HeaderMap>, usize)>;

fn decoded(bytes: &[u8], step: usize) -> Decoded {
    let (mut decoder, mut buffer, mut body) = (Decoder::default(), BytesMut::new(), Vec::new());
    let mut fed = 0;
    loop {
        match decoder.step(&mut buffer).ok()? {
            Step::Data(data) => body.extend_from_slice(&data),
            Step::End(trailers) => return Some((body, trailers, buffer.len() + bytes.len() - fed)),
            Step::More if fed == bytes.len() => return None,
            Step::More => {
                let end = bytes.len().min(fed + step);
                buffer.extend_from_slice(&bytes[fed..end]);
                fed = end;
            }
        }
    }
}

/// A body is the same in whatever pieces it comes.
fn chunked(bytes: &[u8]) -> bool {
    let whole = decoded(bytes, usize::MAX / 2);
    for step in [1, 2, 7] {
        assert_eq!(decoded(bytes, step), whole, "{step}: {}", bytes.escape_ascii());
    }
    whole.is_some()
}

/// Reading never panics; what is cleaned stays clean, and is a target still.
fn uri(bytes: &[u8]) -> bool {
    let Ok(mut target) = Uri::parse(Bytes::copy_from_slice(bytes)) else { return false };
    let _ = (target.routing_path(), target.decoded_path(), target.query());
    let _ = target.holds_escaped(b"/;\0");
    target.replace_semicolons("&");
    target.sanitize();
    let clean = target.as_str().to_owned();
    target.sanitize();
    assert_eq!(target.as_str(), clean, "{}", bytes.escape_ascii());
    assert!(Uri::parse(Bytes::from(clean.clone())).is_ok(), "{clean:?}");
    true
}

/// What is printed reads as the same duration.
fn duration(bytes: &[u8]) -> bool {
    let text = text(bytes);
    let signed = serde_json::from_value::<SignedDuration>(serde_json::Value::String(text.clone()));
    let Ok(duration) = GoDuration::parse(&text) else { return false };
    assert!(signed.is_ok(), "{text:?} is a duration, and none with a sign");
    let printed = serde_json::to_value(duration).unwrap();
    let again = serde_json::from_value::<GoDuration>(printed.clone());
    assert_eq!(again.ok(), Some(duration), "{text:?} is printed as {printed}");
    true
}

/// Reading and testing never panic.
fn predicate(bytes: &[u8]) -> bool {
    let signature = |name: &str, arguments, returns| {
        let name = name.to_owned();
        Signature { name, arguments, returns }
    };
    let functions = [
        signature("NetworkErrorRatio", 0, Kind::Number),
        signature("ResponseCodeRatio", 4, Kind::Number),
        signature("LatencyAtQuantileMS", 1, Kind::Number),
        signature("IsNetworkError", 0, Kind::Boolean),
        signature("Attempts", 0, Kind::Number),
        signature("Method", 0, Kind::Text),
    ];
    let Ok(predicate) = Predicate::parse(&text(bytes), &functions) else { return false };
    let mut call = |name: &str, _: &[Value]| match name {
        "Method" => Ok(Value::Text("GET".to_owned())),
        "IsNetworkError" => Ok(Value::Boolean(true)),
        _ => Err(()),
    };
    let _ = predicate.test(&mut call);
    true
}

/// Reading and rendering a template never panic, and end.
fn template(bytes: &[u8]) -> bool {
    let Ok(template) = Template::parse(&text(bytes)) else { return false };
    template.render(&|name| (name != "NONE").then(|| name.to_owned())).is_ok()
}

const TEMPLATES: &[&[u8]] = &[
    b"{{ $l := list \"a\" 1 2.5 }}{{ range $i, $e := $l }}{{ if $i }},{{ end }}{{ $e }}{{ end }}",
    b"{{- define \"t\" -}} <{{ .a | default 1 }}> {{- end -}}{{ template \"t\" (dict \"a\" 2) }}",
    b"{{ with env \"X\" }}{{ printf \"%05d|%-8s|%q\" 7 . \"b\" | indent 2 }}{{ else }}n{{ end }}",
    b"{{ range until 3 }}{{ break }}{{ end }}{{ block \"b\" 3 }}{{ . }}{{ end }}{{/* c */}}",
    b"{{ $d := dict }}{{ $_ := set $d \"k\" (split \"a,b\" \",\") }}{{ index $d \"k\" 1 }}",
    b"{{ regexReplaceAll \"(a)\" \"banana\" \"${1}x\" | trunc -3 | upper }}{{ slice \"abc\" 1 2 }}",
];

const DOCUMENTS: &[&[u8]] = &[
    b"http:\n  routers:\n    r: {rule: 'Path(`/`)', service: s, timeouts: {request: 1s}}\n",
    b"http: {services: {s: {loadBalancer: {servers: [{url: 'http://a'}], hashBy: {lua: x}}}}}",
    b"[http.routers.r]\nrule = \"Path(`/`)\"\npriority = 5\n\
      [tls.options.default]\nminVersion = \"x\"",
    b"{\"tcp\": {\"routers\": {\"r\": {\"rule\": \"HostSNI(`*`)\", \"tls\": {}}}}}",
    b"a: &a [1, 2]\nb: [*a, *a]\nc: |\n  text\n",
];

/// Reading never panics, whatever the language.
fn dynamic_file(bytes: &[u8]) -> bool {
    let text = text(bytes);
    let mut is_any = false;
    for format in [Format::Yaml, Format::Toml, Format::Json] {
        if let Ok(value) = format.parse(&text) {
            is_any |= decode::<Dynamic>(&value).is_ok();
        }
    }
    is_any
}

/// Reading never panics.
fn static_flags(bytes: &[u8]) -> bool {
    let text = text(bytes);
    let words = text.split_ascii_whitespace().map(str::to_owned);
    // A file of that name is none of this test's.
    let words = words.filter(|word| !word.to_ascii_lowercase().contains("configfile"));
    load(&words.collect::<Vec<_>>(), &System::default()).is_ok()
}

/// Reading never panics.
fn addresses(bytes: &[u8]) -> bool {
    let text = text(bytes);
    let _ = is_address(&text);
    text.parse::<Address>().is_ok()
}

/// Reading never panics; what is shown of a server is a server.
fn server_url(bytes: &[u8]) -> bool {
    let Ok(endpoint) = Endpoint::parse(&text(bytes), Arc::default()) else { return false };
    let again = Endpoint::parse(endpoint.url(), Arc::default());
    assert!(again.is_ok(), "{:?}", endpoint.url());
    true
}

/// Reading never panics.
fn statuses(bytes: &[u8]) -> bool {
    Statuses::parse(&[text(bytes)], 0).is_ok()
}

/// Reading and matching never panic.
fn expression(bytes: &[u8]) -> bool {
    let text = text(bytes);
    let Ok(expression) = go_regex(&text) else { return false };
    let _ = expression.is_match(&text);
    true
}

/// A certificate in the X.509 encoding, of which fields are read.
const CERTIFICATE: &[u8] = include_bytes!("certificate.der");

/// A worker's runtime with a script, made once for each thread.
struct Scripted {
    runtime: tokio::runtime::Runtime,
    instance: Rc<Instance>,
    _vm: Vm,
}

impl Scripted {
    fn new(source: ScriptSource, options: serde_json::Value) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let vm = Vm::new().unwrap();
        let spec = Arc::new(InstanceSpec {
            id: InstanceId(0),
            name: "fuzz@file".into(),
            source: Arc::new(source),
            options: Arc::new(options),
            limits: Limits::default(),
            on_error: OnError::Fail,
        });
        let instance = runtime.block_on(vm.instance(&spec)).unwrap();
        Self { runtime, instance, _vm: vm }
    }

    /// What the script answers to a request.
    fn ask(&self, request: Request) -> Option<Response> {
        let context = Context::new(Rc::clone(&request.exchange), Rc::new(Answers));
        let context = Rc::new(context);
        let flow = self.instance.request(&context, 0, request);
        match tokio::task::LocalSet::new().block_on(&self.runtime, flow) {
            Flow::Next(_) => None,
            Flow::Done(response) => Some(response),
        }
    }
}

/// What stands behind the script.
struct Answers;

impl Host for Answers {
    fn next(&self, _position: usize, _request: Request) -> LocalFuture<'static, Response> {
        let mut response = Response::new(StatusCode::OK);
        response.headers.insert("content-type", HeaderValue::from_static("text/plain"));
        response.body = "x".repeat(2000).into();
        Box::pin(std::future::ready(response))
    }

    fn service(&self, _name: &str, _request: Request) -> Option<LocalFuture<'static, Response>> {
        None
    }

    fn fetch(
        &self,
        _client: &HttpClient,
        _origin: &str,
        _request: Request,
    ) -> Result<LocalFuture<'static, Response>, FetchError> {
        Err(FetchError::Client { reason: "there is nobody".to_owned() })
    }

    fn connect(&self, _to: &Destination) -> LocalFuture<'static, Connected> {
        let reason = "there is nobody".to_owned();
        Box::pin(std::future::ready(Err(FetchError::Client { reason })))
    }
}

fn request(target: Uri, name: &'static str, value: &[u8]) -> Option<Request> {
    let client = Client {
        peer: "127.0.0.1:1000".parse().ok()?,
        local: "127.0.0.1:80".parse().ok()?,
        ip: HeaderValue::from_static("127.0.0.1"),
        entrypoint: "web".into(),
        adds_address: false,
        tls: None,
        guard: Rc::new(()),
    };
    let mut headers = HeaderMap::new();
    headers.insert(name, HeaderValue::from_bytes(value).ok()?);
    Some(Request::from(Parts {
        method: Method::GET,
        target,
        version: Version::HTTP_11,
        host: Bytes::from_static(b"h"),
        headers: headers.into(),
        body: Body::Empty,
        upgrade: None,
        exchange: Rc::new(Exchange::new(Rc::new(client))),
    }))
}

/// The script that compresses reads any header, and never fails of it.
fn accept_encoding(bytes: &[u8]) -> bool {
    thread_local!(static SCRIPT: OnceCell<Scripted> = const { OnceCell::new() });
    let target = Uri::parse(Bytes::from_static(b"/")).unwrap();
    let Some(request) = request(target, "accept-encoding", bytes) else { return false };
    SCRIPT.with(|script| {
        let script = script.get_or_init(|| {
            let source = builtins().find(|source| source.kind() == "compress").unwrap();
            let info = moongate::lua::inspect(&source).unwrap();
            let options = info.schema.decode(&serde_json::json!({}), SCHEMA_SOURCE);
            Scripted::new(source, options.unwrap().options)
        });
        match script.ask(request) {
            Some(response) => assert_eq!(response.status, 200, "{}", bytes.escape_ascii()),
            None => return false,
        }
        true
    })
}

const SCHEMA_SOURCE: moongate::schema::Source = moongate::schema::Source::File;

/// A script that reads all there is to read of a request.
const READER: &str = "return { request = function(req)
  local seen = { req.path, req.raw_path, req.uri, req.url, req.hostname, req.cookies['a'] }
  for name, value in pairs(url.parse_query(req.query or '')) do seen[#seen + 1] = name end
  return respond(200, tostring(#seen))
end }";

/// Cookies and queries are read by scripts, which never fail of them.
fn script_views(bytes: &[u8]) -> bool {
    thread_local!(static SCRIPT: OnceCell<Scripted> = const { OnceCell::new() });
    let (cookie, target) = match bytes.iter().position(|&b| b == b'\n') {
        Some(end) => (&bytes[..end], &bytes[end + 1..]),
        None => (bytes, &b"/"[..]),
    };
    let Ok(target) = Uri::parse(Bytes::copy_from_slice(target)) else { return false };
    let Some(request) = request(target, "cookie", cookie) else { return false };
    SCRIPT.with(|script| {
        let source = || ScriptSource { name: "reader.lua".into(), text: READER.into() };
        let script = script.get_or_init(|| Scripted::new(source(), serde_json::json!({})));
        let response = script.ask(request);
        let status = response.map(|response| response.status.as_u16());
        assert_eq!(status, Some(200), "{}", bytes.escape_ascii());
        true
    })
}
