//! `trace`: what scripts add to the trace of a request.

use std::rc::Rc;
use std::sync::Arc;

use serde_json::json;

use super::support::*;
use crate::lua::{Context, Vm};
use crate::message::{AttributeValue, Span, Trace, Tracing};

/// The spans of a request that a hook has looked at, and what it answered.
fn spans(hook: &str, sampled: bool) -> (Vec<Span>, String) {
    let text = format!("return {{ request = function(req) {hook} end }}");
    let vm = Vm::new().unwrap();
    block_on(async {
        let instance = vm.instance(&Arc::new(spec(&text, json!({})))).await.unwrap();
        let cx: Rc<Context> = context();
        let trace = Trace::new(None, Tracing::Detailed, Arc::default(), |_| sampled);
        let whole = trace.open("whole", crate::message::SpanKind::Server);
        assert!(cx.exchange.trace.set(Box::new(trace)).is_ok());
        let flow = instance.request(&cx, 0, request("GET h/", &[])).await;
        let trace = cx.exchange.trace.get().unwrap();
        trace.close(whole);
        let body = answered(flow).body.collect(1000).await.unwrap();
        (trace.take(), String::from_utf8_lossy(&body).into_owned())
    })
}

fn said(span: &Span) -> Vec<(String, AttributeValue)> {
    let said = span.attributes.iter();
    said.map(|(name, value)| (name.clone().into_owned(), value.clone())).collect()
}

#[test]
fn attributes_and_spans_are_where_they_belong() {
    let (spans, answer) = spans(
        "trace.attr('tenant', 'a')
         local two, three = trace.span('outer', function()
             trace.attr('n', 2)
             trace.span('inner', function()
                 time.sleep('1ms')
                 trace.attr('flag', true)
             end)
             trace.attr('part', 0.5)
             return 2, 3
         end)
         trace.attr('after', 1)
         return respond(200, two + three .. ' ' .. #trace.id())",
        true,
    );
    assert_eq!(answer, "5 32");
    let text = |text: &str| AttributeValue::from(text.to_owned());
    let number = AttributeValue::Number;
    let expect = [
        ("whole", 0, vec![("tenant", text("a")), ("after", number(1))]),
        ("outer", spans[0].id, vec![("n", number(2)), ("part", text("0.5"))]),
        ("inner", spans[1].id, vec![("flag", text("true"))]),
    ];
    assert_eq!(spans.len(), expect.len());
    for (span, (name, parent, attributes)) in spans.iter().zip(expect) {
        assert_eq!((&*span.name, span.parent), (name, parent));
        let attributes: Vec<_> =
            attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        assert_eq!(said(span), attributes, "{name}");
        assert!(span.ended.is_some(), "{name}");
    }
}

#[test]
fn a_failure_is_said_and_goes_on() {
    let (spans, answer) = spans(
        "local ok, why = pcall(trace.span, 'fails', function() error('on purpose', 0) end)
         return respond(200, tostring(ok) .. ' ' .. why)",
        true,
    );
    assert_eq!(answer, "false on purpose");
    assert_eq!(spans[1].failure.as_deref(), Some("on purpose"));
    assert!(spans[1].ended.is_some());
}

#[test]
fn what_is_not_traced_stays_the_same() {
    let hook = "trace.attr('a', 1)
        local v = trace.span('s', function() return 'v' end)
        return respond(200, v .. tostring(trace.id()))";
    let (spans, answer) = spans(hook, false);
    assert_eq!((spans.len(), answer.as_str()), (0, "vnil"));
    let text = format!("return {{ request = function(req) {hook} end }}");
    let untraced = answered(flow(spec(&text, json!({})), request("GET h/", &[])));
    assert_eq!(self::text(untraced), "vnil");
}

#[test]
fn there_is_not_too_much_of_it() {
    let (spans, _) = spans(
        "for n = 1, 1000 do trace.attr('a' .. n, string.rep('x', 5000)) end
         trace.attr('bad', 1)
         return respond(200, '')",
        true,
    );
    let said = said(&spans[0]);
    assert_eq!(said.len(), 128);
    assert_eq!(said[0].1, AttributeValue::from("x".repeat(1024)));
}
