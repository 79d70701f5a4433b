//! `rewriteBody`, and what seals text.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};

use super::builtin::written;
use super::support::*;
use crate::content::{Codec, Coding};
use crate::lua::Vm;
use crate::message::{Body, Response};

fn coded(coding: Coding, text: &str) -> Bytes {
    let mut codec = Codec::encoder(coding, None).unwrap();
    let mut bytes = Bytes::copy_from_slice(text.as_bytes());
    while !bytes.is_empty() {
        codec.write(&mut bytes).unwrap();
    }
    codec.finish().unwrap();
    codec.take()
}

fn decoded(coding: Coding, mut bytes: Bytes) -> String {
    let mut codec = Codec::decoder(coding).unwrap();
    while !bytes.is_empty() {
        codec.write(&mut bytes).unwrap();
    }
    codec.finish().unwrap();
    String::from_utf8(codec.take().to_vec()).unwrap()
}

fn answer(options: &Value, headers: &[(&str, &str)], body: Body) -> Response {
    let vm = Vm::new().unwrap();
    let instance = load(&vm, written("rewriteBody", options)).unwrap();
    let mut response = Response::new(StatusCode::OK);
    for (name, value) in headers {
        let name: HeaderName = name.parse().unwrap();
        response.headers.insert(name, HeaderValue::from_str(value).unwrap());
    }
    response.body = body;
    block_on(instance.response(&context(), response))
}

fn rules() -> Value {
    json!({"rewrites": [
        {"regex": "http://([a-z]+)\\.local", "replacement": "https://${1}.example"},
        {"regex": "secret"},
    ]})
}

#[test]
fn answers_are_rewritten() {
    let page = "<a href=http://shop.local/x>secret shop</a>";
    let expect = "<a href=https://shop.example/x> shop</a>";
    let html = ("content-type", "text/html; charset=utf-8");
    let length = page.len().to_string();
    let plain = [html, ("content-length", &length), ("etag", "\"1\""), ("last-modified", "x")];
    let got = answer(&rules(), &plain, page.into());
    assert_eq!(header(&got.headers, "content-length"), None);
    assert_eq!(header(&got.headers, "etag"), Some("W/\"1\""));
    assert_eq!(header(&got.headers, "last-modified"), None);
    assert_eq!(text(got), expect);
    for (name, coding) in [("gzip", Coding::Gzip), ("br", Coding::Brotli), ("zstd", Coding::Zstd)] {
        let headers = [html, ("content-encoding", name)];
        let got = answer(&rules(), &headers, coded(coding, page).into());
        assert_eq!(header(&got.headers, "content-encoding"), Some(name));
        assert_eq!(got.headers.get_all("content-encoding").iter().count(), 1);
        let bytes = block_on(got.body.collect(1 << 20)).unwrap();
        assert_eq!(decoded(coding, bytes), expect, "{name}");
    }
}

#[test]
fn other_answers_stay_as_they_are() {
    let check = |more: Value, headers: &[(&str, &str)]| {
        let mut options = rules();
        options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        assert_eq!(text(answer(&options, headers, "secret".into())), "secret", "{more}");
    };
    check(json!({}), &[("content-type", "image/png")]);
    check(json!({}), &[]);
    check(json!({}), &[("content-type", "text/html"), ("content-encoding", "compress")]);
    check(json!({"contentTypes": ["text/css"]}), &[("content-type", "text/html")]);
    check(json!({"statuses": ["404", "500-599"]}), &[("content-type", "text/html")]);
}

#[test]
fn servers_are_asked_for_what_can_be_read() {
    let check = |accepted: &[(&str, &str)], expect: Option<&str>| {
        let got = passed(flow(written("rewriteBody", &rules()), request("GET h/", accepted)));
        assert_eq!(header(&got.headers, "accept-encoding"), expect, "{accepted:?}");
        assert_eq!(header(&got.headers, "range"), None);
    };
    check(
        &[("Accept-Encoding", "gzip, deflate, br;q=0.5"), ("Range", "bytes=0-1")],
        Some("gzip, br;q=0.5"),
    );
    check(&[("Accept-Encoding", "deflate")], None);
    check(&[], None);
}

#[test]
fn sealed_text() {
    let script = "return { request = function()
        local sealed = crypto.seal('key', 'text', 'a')
        local changed = sealed:sub(1, -2) .. string.char((sealed:byte(-1) + 1) % 256)
        local got = {
            crypto.open('key', sealed, 'a') or '-', crypto.open('other', sealed, 'a') or '-',
            crypto.open('key', sealed, 'b') or '-', crypto.open('key', sealed) or '-',
            crypto.open('key', changed, 'a') or '-', crypto.open('key', 'short') or '-',
            tostring(sealed ~= crypto.seal('key', 'text', 'a')),
        }
        return respond(200, table.concat(got, ' '))
    end }";
    let got = text(answered(flow(spec(script, json!({})), request("GET h/", &[]))));
    assert_eq!(got, "text - - - - - true");
}

#[test]
fn only_what_options_name_is_opened() {
    let script = |path: &str| {
        format!(
            "return {{ schema = {{ root = {{ type = 'path' }}, name = {{ type = 'string' }} }},
               setup = function(options) files.open({path}) end }}"
        )
    };
    let options = json!({"root": "/srv/a", "name": "/etc"});
    let open = |path: &str| {
        let vm = Vm::new().unwrap();
        load(&vm, spec(&script(path), options.clone())).map(drop).map_err(|error| error.to_string())
    };
    assert_eq!(open("options.root"), Ok(()));
    for path in ["options.name", "'/srv'", "'/srv/a/'"] {
        let error = open(path).unwrap_err();
        assert!(error.contains("is not the value of an option of the type path"), "{error}");
    }
}
