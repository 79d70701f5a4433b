//! The trace of one request: its place among others' (W3C Trace Context) and the spans of its way.
//!
//! Spans are opened and closed in the order of the request; one that is opened while another is
//! open is inside of it. Must not know where traces go.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Instant;

use http::{HeaderName, HeaderValue};

use super::Tracing;
use crate::headers::Headers;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Spans of one request; what comes beyond them is left out.
const SPANS_MAX: usize = 128;

/// Attributes of one span; what comes beyond them from scripts is left out.
const ATTRIBUTES_MAX: usize = 128;

/// A trace, as a header tells of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceParent {
    /// The trace.
    pub trace: [u8; 16],
    /// The span that the request comes from.
    pub span: u64,
    /// Whether it is recorded.
    pub sampled: bool,
}

impl TraceParent {
    /// Reads the header `traceparent`; nothing when it is malformed, or there is more than one.
    #[must_use]
    pub fn of(headers: &Headers) -> Option<Self> {
        match headers.values(&TRACEPARENT).as_slice() {
            [value] => Self::parse(value),
            _ => None,
        }
    }

    /// Reads `version-trace-span-flags`. Of versions to come, what is known is read.
    fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?.trim();
        let mut parts = text.split('-');
        let mut part = |digits: usize| {
            let part = parts.next()?;
            let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
            (part.len() == digits && part.bytes().all(hex)).then_some(part)
        };
        let (version, trace, span, flags) = (part(2)?, part(32)?, part(16)?, part(2)?);
        if version == "ff" || (version == "00" && parts.next().is_some()) {
            return None;
        }
        let trace = u128::from_str_radix(trace, 16).ok().filter(|id| *id != 0)?;
        let span = u64::from_str_radix(span, 16).ok().filter(|id| *id != 0)?;
        let flags = u8::from_str_radix(flags, 16).ok()?;
        Some(Self { trace: trace.to_be_bytes(), span, sampled: flags & 1 == 1 })
    }
}

/// Whose part a span is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanKind {
    /// Of answering a client.
    Server,
    /// Of asking a server.
    Client,
    /// Of our own.
    Internal,
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttributeValue {
    /// Text.
    Text(Cow<'static, str>),
    /// Text that is shared.
    Shared(Arc<str>),
    /// A number.
    Number(i64),
    /// Texts.
    Texts(Vec<String>),
}

impl From<String> for AttributeValue {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<&'static str> for AttributeValue {
    fn from(text: &'static str) -> Self {
        Self::Text(text.into())
    }
}

impl From<Arc<str>> for AttributeValue {
    fn from(text: Arc<str>) -> Self {
        Self::Shared(text)
    }
}

impl From<i64> for AttributeValue {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

/// One step of a request.
#[derive(Debug, Clone)]
pub struct Span {
    /// Its identity.
    pub id: u64,
    /// The span it is inside of; 0 for none.
    pub parent: u64,
    /// What it is.
    pub name: Cow<'static, str>,
    /// Whose part it is.
    pub kind: SpanKind,
    /// Its beginning.
    pub started: Instant,
    /// Its end; none while it is open.
    pub ended: Option<Instant>,
    /// What is known of it.
    pub attributes: Vec<(Cow<'static, str>, AttributeValue)>,
    /// Why it is a failure; empty where only the status says it.
    pub failure: Option<Cow<'static, str>>,
    /// The place of the span it is inside of.
    outer: Option<usize>,
}

impl Span {
    /// How much memory it takes, roughly.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let text = |value: &AttributeValue| match value {
            AttributeValue::Text(text) => text.len(),
            AttributeValue::Shared(_) | AttributeValue::Number(_) => 0,
            AttributeValue::Texts(texts) => texts.iter().map(|text| text.len() + 24).sum(),
        };
        let attributes = self.attributes.iter();
        size_of::<Self>() + attributes.map(|(_, value)| 56 + text(value)).sum::<usize>()
    }
}

/// What is said of spans in traces.
#[derive(Debug, Clone, Default)]
pub struct TraceRules {
    /// Headers of requests that are told.
    pub request_headers: Vec<HeaderName>,
    /// Headers of answers that are told.
    pub response_headers: Vec<HeaderName>,
    /// Parameters of queries whose values are told.
    pub safe_params: Vec<String>,
}

/// The trace of one request.
#[derive(Debug)]
pub struct Trace {
    id: [u8; 16],
    /// Who made the ids of its spans.
    random: RefCell<fastrand::Rng>,
    sampled: bool,
    detail: Tracing,
    rules: Arc<TraceRules>,
    spans: RefCell<Vec<Span>>,
    current: Cell<Option<usize>>,
    /// The span that came with the request, and where nothing is recorded the one that goes on.
    parent: u64,
}

/// A span that is open; none where it is not recorded.
#[derive(Debug, Clone, Copy)]
#[must_use]
pub struct Opened(Option<usize>);

impl Trace {
    /// A trace that goes on from a parent, or begins.
    #[must_use]
    pub fn new(
        parent: Option<TraceParent>,
        detail: Tracing,
        rules: Arc<TraceRules>,
        sample: impl FnOnce(&[u8; 16]) -> bool,
    ) -> Self {
        let mut random = fastrand::Rng::new();
        let id = parent.map_or_else(|| random.u128(1..).to_be_bytes(), |parent| parent.trace);
        let sampled = parent.map_or_else(|| sample(&id), |parent| parent.sampled);
        let parent = parent.map_or(0, |parent| parent.span);
        let (spans, current) = Default::default();
        let random = RefCell::new(random);
        Self { id, random, sampled, detail, rules, spans, current, parent }
    }

    /// The trace's identity.
    #[must_use]
    pub fn id(&self) -> [u8; 16] {
        self.id
    }

    /// Whether it is recorded.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.sampled
    }

    /// Whether every step is recorded.
    #[must_use]
    pub fn is_detailed(&self) -> bool {
        self.sampled && self.detail == Tracing::Detailed
    }

    /// What is said of spans.
    #[must_use]
    pub fn rules(&self) -> &TraceRules {
        &self.rules
    }

    /// The ids of the trace and of its first span, as hexadecimal digits.
    #[must_use]
    pub fn names(&self) -> (String, String) {
        let first = self.spans.borrow().first().map_or(self.parent, |span| span.id);
        (format!("{:032x}", u128::from_be_bytes(self.id)), format!("{first:016x}"))
    }

    /// Opens a span inside of the one that is open.
    pub fn open(&self, name: impl Into<Cow<'static, str>>, kind: SpanKind) -> Opened {
        self.open_at(name, kind, Instant::now())
    }

    /// Opens a span that began at a time.
    pub fn open_at(
        &self,
        name: impl Into<Cow<'static, str>>,
        kind: SpanKind,
        started: Instant,
    ) -> Opened {
        let mut spans = self.spans.borrow_mut();
        if !self.sampled || spans.len() >= SPANS_MAX {
            return Opened(None);
        }
        let outer = self.current.get();
        let parent = outer.and_then(|place| spans.get(place)).map_or(self.parent, |span| span.id);
        let id = self.random.borrow_mut().u64(1..);
        let (name, attributes) = (name.into(), Vec::new());
        let (ended, failure) = (None, None);
        spans.push(Span { id, parent, name, kind, started, ended, attributes, failure, outer });
        let place = spans.len() - 1;
        self.current.set(Some(place));
        Opened(Some(place))
    }

    /// Says something of a span.
    pub fn say(&self, span: Opened, name: &'static str, value: impl Into<AttributeValue>) {
        self.with(span, |span| span.attributes.push((name.into(), value.into())));
    }

    /// Says something of the span that is open, unless enough is said of it.
    pub fn note(&self, name: String, value: impl Into<AttributeValue>) {
        self.with(Opened(self.current.get()), |span| {
            if span.attributes.len() < ATTRIBUTES_MAX {
                span.attributes.push((name.into(), value.into()));
            }
        });
    }

    /// Says why a span is a failure.
    pub fn fail(&self, span: Opened, reason: String) {
        self.with(span, |span| span.failure = Some(reason.into()));
    }

    /// Says of a span what headers hold, as far as the trace may tell it.
    pub fn say_headers(&self, span: Opened, prefix: &str, names: &[HeaderName], all: &Headers) {
        self.with(span, |span| {
            for name in names {
                let values = all.values(name);
                if !values.is_empty() {
                    let values = values.iter().map(|v| String::from_utf8_lossy(v).into_owned());
                    let value = AttributeValue::Texts(values.collect());
                    span.attributes.push((format!("{prefix}.{name}").into(), value));
                }
            }
        });
    }

    /// Says of a span what its answer was; statuses from `failing` on are failures.
    pub fn answer(&self, span: Opened, status: u16, failing: u16) {
        self.with(span, |span| {
            if status > 0 {
                let value = AttributeValue::Number(status.into());
                span.attributes.push(("http.response.status_code".into(), value));
            }
            if !(100..600).contains(&status) {
                span.failure = Some(format!("invalid HTTP status {status}").into());
            } else if status >= failing {
                span.failure = Some(Cow::Borrowed(""));
            }
        });
    }

    /// Closes a span; the one it is inside of is the one that is open from now on.
    pub fn close(&self, span: Opened) {
        let Opened(Some(_)) = span else { return };
        let mut outer = None;
        self.with(span, |span| {
            span.ended = Some(Instant::now());
            outer = span.outer;
        });
        self.current.set(outer);
    }

    /// All spans, once the request is over.
    #[must_use]
    pub fn take(&self) -> Vec<Span> {
        self.current.set(None);
        self.spans.take()
    }

    /// The span of a server that is asked, if it is the one that is open.
    #[must_use]
    pub fn client(&self) -> Option<Opened> {
        let place = self.current.get()?;
        let kind = self.spans.borrow().get(place)?.kind;
        (kind == SpanKind::Client).then_some(Opened(Some(place)))
    }

    /// The first span, which is the whole request.
    pub fn whole(&self) -> Opened {
        Opened((!self.spans.borrow().is_empty()).then_some(0))
    }

    /// Tells a server of the trace, in place of what the client told.
    pub fn tell(&self, headers: &mut Headers) {
        let spans = self.spans.borrow();
        let open = self.current.get().and_then(|place| spans.get(place));
        let span = open.map_or(self.parent, |span| span.id);
        let span = if span == 0 { self.random.borrow_mut().u64(1..) } else { span };
        let mut text = String::with_capacity(55);
        let (id, flags) = (u128::from_be_bytes(self.id), u8::from(self.sampled));
        // Writing to a string cannot fail.
        let _ = write!(text, "00-{id:032x}-{span:016x}-{flags:02x}");
        if headers.holds(&TRACEPARENT) {
            headers.remove(TRACEPARENT);
        }
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.push(TRACEPARENT, value);
        }
        // The state of a trace that does not go on is not this one's.
        if self.parent == 0 && headers.holds(&TRACESTATE) {
            headers.remove(TRACESTATE);
        }
    }

    /// A query, with the values of all parameters hidden that are not known to be safe.
    #[must_use]
    pub fn safe_query(&self, query: &str) -> String {
        let hidden = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let name = pair.split('=').next().unwrap_or_default();
            match self.rules.safe_params.iter().any(|safe| safe == name) {
                true => pair.to_owned(),
                false => format!("{name}=REDACTED"),
            }
        });
        hidden.collect::<Vec<_>>().join("&")
    }

    fn with(&self, span: Opened, change: impl FnOnce(&mut Span)) {
        let Opened(Some(place)) = span else { return };
        if let Some(span) = self.spans.borrow_mut().get_mut(place) {
            change(span);
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    const GIVEN: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn told(trace: &Trace, headers: &mut Headers) -> String {
        trace.tell(headers);
        headers["traceparent"].to_str().unwrap().to_owned()
    }

    fn trace(parent: Option<TraceParent>, sampled: bool) -> Trace {
        let rules = TraceRules { safe_params: vec!["page".into()], ..TraceRules::default() };
        Trace::new(parent, Tracing::Detailed, Arc::new(rules), |_| sampled)
    }

    #[test]
    fn parents_are_read_strictly() {
        let read = |text: &str| TraceParent::parse(text.as_bytes());
        let parent = read(GIVEN).unwrap();
        assert_eq!((parent.span, parent.sampled), (0xb7ad_6b71_6920_3331, true));
        assert!(!read(&GIVEN.replace("-01", "-00")).unwrap().sampled);
        assert!(read(&format!("cc{}-more", &GIVEN[2..])).is_some());
        for bad in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            &format!("{GIVEN}-more"),
            &GIVEN.to_ascii_uppercase(),
            &format!("ff{}", &GIVEN[2..]),
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn spans_are_inside_of_each_other() {
        let trace = trace(TraceParent::parse(GIVEN.as_bytes()), false);
        let whole = trace.open("GET", SpanKind::Server);
        let router = trace.open("Router", SpanKind::Internal);
        let client = trace.open("ReverseProxy", SpanKind::Client);
        let mut headers = Headers::from(HeaderMap::new());
        headers.push(TRACEPARENT, HeaderValue::from_static("old"));
        headers.push(TRACESTATE, HeaderValue::from_static("a=b"));
        let told = told(&trace, &mut headers);
        assert_eq!(headers["tracestate"], "a=b");
        trace.answer(client, 404, 400);
        trace.close(client);
        let second = trace.open("ReverseProxy", SpanKind::Client);
        trace.close(second);
        trace.close(router);
        trace.answer(whole, 404, 500);
        trace.close(whole);
        let spans = trace.take();
        let ids: Vec<u64> = spans.iter().map(|span| span.id).collect();
        let parents: Vec<u64> = spans.iter().map(|span| span.parent).collect();
        assert_eq!(parents, [0xb7ad_6b71_6920_3331, ids[0], ids[1], ids[1]]);
        assert_eq!(told, format!("00-0af7651916cd43dd8448eb211c80319c-{:016x}-01", ids[2]));
        assert_eq!((spans[2].failure.as_deref(), spans[0].failure.as_deref()), (Some(""), None));
        assert!(spans.iter().all(|span| span.ended.is_some()));
    }

    #[test]
    fn what_is_not_recorded_is_told_on() {
        let trace = trace(None, false);
        let whole = trace.open("GET", SpanKind::Server);
        trace.say(whole, "a", 1);
        let mut headers = Headers::from(HeaderMap::new());
        headers.push(TRACESTATE, HeaderValue::from_static("a=b"));
        let told = told(&trace, &mut headers);
        assert!(told.ends_with("-00") && told.len() == 55, "{told}");
        assert!(!headers.contains_key("tracestate"));
        assert!(trace.take().is_empty());
    }

    #[test]
    fn queries_hide_what_is_not_safe() {
        let trace = trace(None, true);
        assert_eq!(trace.safe_query("page=2&token=x&flag"), "page=2&token=REDACTED&flag=REDACTED");
    }
}
