//! `assets.read`: files that are shipped with a script.

use std::fs;
use std::sync::Arc;

use serde_json::json;

use super::support::*;
use crate::lua::{InstanceSpec, ScriptSource, Vm};

const TEXT: &str = "return {
    setup = function(options)
        local bytes, why = assets.read(options.path)
        return bytes or 'no: ' .. why
    end,
    request = function(req, ctx) return respond(200, ctx.state) end,
}";

#[test]
fn a_script_reads_its_own_folder_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::create_dir_all(path("gate/more")).unwrap();
    fs::write(path("gate/page.html"), "page").unwrap();
    fs::write(path("gate/more/raw"), b"\x00\xff").unwrap();
    fs::write(path("gate/long"), vec![b'x'; 1024 * 1024 + 1]).unwrap();
    fs::write(path("secret"), "secret").unwrap();
    std::os::unix::fs::symlink(path("secret"), path("gate/link")).unwrap();
    let name = path("gate.lua").display().to_string();
    let vm = Vm::new().unwrap();
    let check = |asked: &str, expect: &[u8]| {
        let source = Arc::new(ScriptSource { name: name.as_str().into(), text: TEXT.into() });
        let spec = InstanceSpec { source, ..spec(TEXT, json!({"path": asked})) };
        block_on(async {
            let instance = vm.instance(&Arc::new(spec)).await.unwrap();
            let flow = instance.request(&context(), 0, request("GET h/", &[])).await;
            let body = answered(flow).body.collect(100).await.unwrap();
            assert_eq!(body, expect, "{asked}");
        });
    };
    check("page.html", b"page");
    check("more/raw", b"\x00\xff");
    for nothing in ["none", "more", "../secret", "link", "/../secret"] {
        check(nothing, b"no: nothing");
    }
    check("long", b"no: longer than 1048576 bytes");
    // Without its folder, too.
    fs::remove_dir_all(path("gate")).unwrap();
    check("page.html", b"no: nothing");
}

#[test]
fn others_have_none() {
    let vm = Vm::new().unwrap();
    let inline = spec(TEXT, json!({"path": "x"}));
    let inline = InstanceSpec {
        source: Arc::new(ScriptSource { name: "inline".into(), text: TEXT.into() }),
        ..inline
    };
    let error = load(&vm, inline).unwrap_err().to_string();
    assert!(error.contains("this script is in no file"), "{error}");
    let hook = "return { request = function() assets.read('x') end }";
    let told = answered(flow(spec(hook, json!({})), request("GET h/", &[])));
    assert_eq!(told.status.as_u16(), 500);
}
