//! `staticFiles`: a folder, and nothing beside it.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "tests may fail")]

mod support;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use support::{Backend, Moongate, Reply, through};

struct Scene {
    folder: tempfile::TempDir,
    moongate: Moongate,
    _backend: Backend,
}

impl Scene {
    fn new(options: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("www");
        fs::create_dir_all(root.join("docs")).unwrap();
        let write = |name: &str, text: &[u8]| fs::write(root.join(name), text).unwrap();
        write("index.html", b"<p>home</p>");
        write("docs/index.html", b"<p>docs</p>");
        write("docs/a b.txt", b"0123456789");
        write("app.js", b"let plain");
        write("app.js.gz", b"(gzip)");
        write("app.js.br", b"(br)");
        write("404.html", b"<p>lost</p>");
        write(".env", b"SECRET=1");
        write("big.bin", &vec![b'x'; 1_000_000]);
        write("empty", b"");
        fs::write(folder.path().join("secret"), "s").unwrap();
        symlink(folder.path().join("secret"), root.join("out")).unwrap();
        symlink(folder.path(), root.join("up")).unwrap();
        symlink("docs/index.html", root.join("in.html")).unwrap();
        let backend = Backend::echo("a");
        let middleware = format!("staticFiles: {{root: '{}'{options}}}", root.display());
        let moongate = Moongate::start(&through(&middleware, &backend.url()));
        Self { folder, moongate, _backend: backend }
    }

    fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Reply {
        self.moongate.client().send(method, "h", path, headers, b"")
    }

    fn get(&self, path: &str) -> (u16, String) {
        let reply = self.ask("GET", path, &[]);
        assert!(reply.complete, "{path}");
        (reply.status, reply.text())
    }

    fn root(&self) -> std::path::PathBuf {
        Path::new(self.folder.path()).join("www")
    }
}

#[test]
fn files_and_folders() {
    let scene = Scene::new("");
    for (path, status, body) in [
        ("/", 200, "<p>home</p>"),
        ("/index.html", 200, "<p>home</p>"),
        ("/docs/", 200, "<p>docs</p>"),
        ("/docs/a%20b.txt", 200, "0123456789"),
        ("/in.html", 200, "<p>docs</p>"),
        ("/empty", 200, ""),
        ("/none", 404, "404 page not found\n"),
        ("/docs/none/", 404, "404 page not found\n"),
        ("/index.html/", 404, "404 page not found\n"),
    ] {
        assert_eq!(scene.get(path), (status, body.to_owned()), "{path}");
    }
    let folder = scene.ask("GET", "/docs?x=1", &[]);
    assert_eq!((folder.status, folder.header("location")), (301, Some("/docs/?x=1")));
    let text = scene.ask("GET", "/docs/a%20b.txt", &[]);
    assert_eq!(text.header("content-type"), Some("text/plain; charset=utf-8"));
    let head = scene.ask("HEAD", "/app.js", &[]);
    assert_eq!((head.status, head.header("content-length")), (200, Some("9")));
    assert_eq!(scene.get("/big.bin").1.len(), 1_000_000);
    let refused = scene.ask("POST", "/app.js", &[]);
    assert_eq!((refused.status, refused.header("allow")), (405, Some("GET, HEAD")));
    // What is deployed by renaming is seen at once.
    fs::write(scene.root().join("new"), "new home").unwrap();
    fs::rename(scene.root().join("new"), scene.root().join("index.html")).unwrap();
    assert_eq!(scene.get("/").1, "new home");
}

#[test]
fn nothing_beside_the_folder() {
    let scene = Scene::new("");
    for path in [
        "/out",
        "/up/secret",
        "/../secret",
        "/%2e%2e/secret",
        "/docs/..%2f..%2fsecret",
        "/docs/%2e%2e/%2e%2e/secret",
        "/..%5csecret",
        "//etc/passwd",
        "/%2fetc%2fpasswd",
        "/.env",
        "/docs/../.env",
        "/index.html%00.txt",
    ] {
        let (status, body) = scene.get(path);
        assert!(status == 404 || status == 400, "{path}: {status}");
        assert!(!body.contains("SECRET") && body != "s" && !body.contains("root:"), "{path}");
    }
    let open = Scene::new(", hidden: true");
    assert_eq!(open.get("/.env").1, "SECRET=1");
    assert_eq!(open.get("/out").0, 404);
}

#[test]
fn ranges() {
    let scene = Scene::new("");
    let check = |range: &str, status: u16, told: Option<&str>, body: &str| {
        let reply = scene.ask("GET", "/docs/a%20b.txt", &[("Range", range)]);
        let got = (reply.status, reply.header("content-range"), reply.text());
        assert_eq!(got, (status, told, body.to_owned()), "{range}");
    };
    check("bytes=0-3", 206, Some("bytes 0-3/10"), "0123");
    check("bytes=7-", 206, Some("bytes 7-9/10"), "789");
    check("bytes=-2", 206, Some("bytes 8-9/10"), "89");
    check("bytes=-20", 206, Some("bytes 0-9/10"), "0123456789");
    check("bytes=5-500", 206, Some("bytes 5-9/10"), "56789");
    check("bytes=10-", 416, Some("bytes */10"), "");
    check("bytes=-0", 416, Some("bytes */10"), "");
    check("bytes=3-1", 200, None, "0123456789");
    check("bytes=0-1,3-4", 200, None, "0123456789");
    check("lines=0-1", 200, None, "0123456789");
    let tag = scene.ask("HEAD", "/docs/a%20b.txt", &[]).header("etag").unwrap().to_owned();
    for (condition, status) in [(&*tag, 206), ("\"other\"", 200)] {
        let headers = [("Range", "bytes=0-3"), ("If-Range", condition)];
        assert_eq!(scene.ask("GET", "/docs/a%20b.txt", &headers).status, status, "{condition}");
    }
}

#[test]
fn conditions() {
    let scene = Scene::new(", cacheControl: 'max-age=60'");
    let first = scene.ask("GET", "/app.js", &[]);
    let (tag, date) = (first.header("etag").unwrap(), first.header("last-modified").unwrap());
    let old = "Thu, 01 Jan 1970 00:00:00 GMT";
    for (headers, status) in [
        (vec![("If-None-Match", tag)], 304),
        (vec![("If-None-Match", "*")], 304),
        (vec![("If-None-Match", "\"x\"")], 200),
        (vec![("If-Modified-Since", date)], 304),
        (vec![("If-Modified-Since", old)], 200),
        (vec![("If-None-Match", "\"x\""), ("If-Modified-Since", date)], 200),
    ] {
        let reply = scene.ask("GET", "/app.js", &headers);
        assert_eq!(reply.status, status, "{headers:?}");
        assert_eq!(reply.header("cache-control"), Some("max-age=60"));
        assert_eq!(reply.header("etag"), Some(tag));
    }
    fs::write(scene.root().join("app.js"), "let other").unwrap();
    assert_eq!(scene.ask("GET", "/app.js", &[("If-None-Match", tag)]).status, 200);
}

#[test]
fn options() {
    let scene =
        Scene::new(", precompressed: [br, gzip], mimeTypes: {js: text/x}, notFound: 404.html");
    for (accepted, coding, body) in [
        ("gzip, br", Some("br"), "(br)"),
        ("gzip;q=1, br;q=0", Some("gzip"), "(gzip)"),
        ("identity", None, "let plain"),
    ] {
        let reply = scene.ask("GET", "/app.js", &[("Accept-Encoding", accepted)]);
        assert_eq!((reply.header("content-encoding"), reply.text().as_str()), (coding, body));
        assert_eq!(reply.header("content-type"), Some("text/x"));
        assert_eq!(reply.header("vary"), Some("Accept-Encoding"));
    }
    let lost = scene.ask("GET", "/none", &[]);
    assert_eq!((lost.status, lost.text().as_str()), (404, "<p>lost</p>"));
    assert_eq!(lost.header("content-type"), Some("text/html; charset=utf-8"));
    let app = Scene::new(", stripPrefix: /app, fallback: index.html");
    assert_eq!(app.get("/app/some/page").1, "<p>home</p>");
    assert_eq!(app.get("/app/docs/").1, "<p>docs</p>");
    let mixed = Scene::new(", stripPrefix: /app, passMissing: true");
    assert_eq!(mixed.get("/app/docs/").1, "<p>docs</p>");
    assert!(mixed.get("/application").1.starts_with("a\nGET /application"));
    assert!(mixed.ask("POST", "/app/docs/", &[]).text().starts_with("a\nPOST /app/docs/"));
}
