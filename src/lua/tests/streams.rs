//! The hook `stream`, and the middlewares of TCP routers.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use http::HeaderValue;
use serde_json::{Value, json};

use super::support::*;
use crate::lua::{Admittance, Context, InstanceSpec, OnError, Vm, inspect, tcp_builtins};
use crate::message::{Client, Exchange, TlsFacts};
use crate::schema::Source;

fn connection(ip: &str, sni: Option<&str>) -> Rc<Context> {
    let client = Client {
        peer: SocketAddr::new(ip.parse().unwrap(), 1000),
        local: "127.0.0.1:80".parse().unwrap(),
        ip: HeaderValue::from_str(ip).unwrap(),
        entrypoint: "tc".into(),
        adds_address: false,
        tls: sni.map(|sni| TlsFacts { sni: Some(sni.into()), ..TlsFacts::default() }),
        guard: Rc::new(()),
    };
    let exchange = Rc::new(Exchange::new(Rc::new(client)));
    Rc::new(Context::new(exchange, context().host.clone()))
}

/// The middleware that comes with Moongate and takes those options, as they are written.
fn built(options: &Value) -> InstanceSpec {
    let found = tcp_builtins().find_map(|source| {
        let schema = inspect(&source).unwrap().schema;
        let decoded = schema.decode(options, Source::File).ok()?;
        Some((source, decoded.options))
    });
    let (source, options) = found.unwrap();
    InstanceSpec { source: Arc::new(source), ..spec("", options) }
}

fn ask(spec: InstanceSpec, cx: &Rc<Context>) -> Admittance {
    let vm = Vm::new().unwrap();
    let instance = load(&vm, spec).unwrap();
    block_on(instance.stream(cx))
}

#[test]
fn scripts_see_the_connection() {
    let check = |body: &str, expect: Admittance| {
        let script = format!("return {{ stream = function(conn, ctx) {body} end }}");
        let cx = connection("192.0.2.1", Some("a.test"));
        assert_eq!(ask(spec(&script, json!({})), &cx), expect, "{body}");
    };
    check("", Admittance::Granted);
    check("conn:close()", Admittance::Closed);
    check("if conn.remote_ip == '192.0.2.1' then conn:close() end", Admittance::Closed);
    check("if conn.sni ~= 'a.test' then conn:close() end", Admittance::Granted);
    check("return 1", Admittance::Closed);
    check("error('x')", Admittance::Closed);
    let skip = InstanceSpec {
        on_error: OnError::Skip,
        ..spec("return { stream = function() error('x') end }", json!({}))
    };
    assert_eq!(ask(skip, &connection("::1", None)), Admittance::Granted);
    let none =
        spec("return { stream = function(conn) if conn.sni then conn:close() end end }", json!({}));
    assert_eq!(ask(none, &connection("127.0.0.1", None)), Admittance::Granted);
}

#[test]
fn a_connection_ends_with_its_hook() {
    let script = "local kept
        return { stream = function(conn)
            if kept then return kept.remote_ip end
            kept = conn
        end }";
    let vm = Vm::new().unwrap();
    let instance = load(&vm, spec(script, json!({}))).unwrap();
    let cx = connection("127.0.0.1", None);
    assert_eq!(block_on(instance.stream(&cx)), Admittance::Granted);
    assert_eq!(block_on(instance.stream(&cx)), Admittance::Closed);
}

#[test]
fn addresses_are_let_in() {
    let options = json!({"sourceRange": ["10.0.0.0/8", "192.0.2.1", "2001:db8::/32"]});
    for (ip, expect) in [
        ("10.1.2.3", Admittance::Granted),
        ("192.0.2.1", Admittance::Granted),
        ("192.0.2.2", Admittance::Closed),
        ("::ffff:10.0.0.1", Admittance::Granted),
        ("2001:db8::9", Admittance::Granted),
        ("::1", Admittance::Closed),
    ] {
        let got = ask(built(&options), &connection(ip, None));
        assert_eq!(got, expect, "{ip}");
    }
    let vm = Vm::new().unwrap();
    let error = load(&vm, built(&json!({"sourceRange": []}))).unwrap_err().to_string();
    assert!(error.contains("sourceRange"), "{error}");
}

#[test]
fn connections_are_counted_while_they_are_held() {
    let vm = Vm::new().unwrap();
    let instance = load(&vm, built(&json!({"amount": 1}))).unwrap();
    let ask = |cx: &Rc<Context>| block_on(instance.stream(cx));
    let (first, second) = (connection("10.0.0.1", None), connection("10.0.0.1", None));
    assert_eq!(ask(&first), Admittance::Granted);
    assert_eq!(ask(&second), Admittance::Closed);
    assert_eq!(ask(&connection("10.0.0.2", None)), Admittance::Granted);
    drop(first);
    assert_eq!(ask(&second), Admittance::Granted);
}
