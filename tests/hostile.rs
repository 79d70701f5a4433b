//! Clients that mean harm: whatever they do is bounded in memory and time, and others are served.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its scene has failed")]

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use support::{Backend, Client, SOON, to, until};

/// A Moongate in a process of its own, so that its memory and its descriptors are its own.
struct Process {
    child: Child,
    web: SocketAddr,
    tcp: SocketAddr,
    _folder: tempfile::TempDir,
    backend: Backend,
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&address, SOON).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream.set_write_timeout(Some(SOON)).unwrap();
    stream
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Process {
    /// Reads heads, bodies and handshakes for half a second; has so many descriptors.
    fn start(descriptors: usize) -> Self {
        let backend = Backend::echo("s");
        let folder = tempfile::tempdir().unwrap();
        let routers = to(&backend).replace(
            "  services:",
            "    tls: {rule: 'PathPrefix(`/`)', service: all, tls: {}}\n  services:",
        );
        let streams = format!(
            "tcp:\n  routers:\n    t: {{rule: 'HostSNI(`x.test`)', service: t, entryPoints: [tc], \
             tls: {{}}}}\n  services:\n    t: {{loadBalancer: {{servers: [{{address: '{}'}}]}}}}\n",
            backend.url().trim_start_matches("http://")
        );
        std::fs::write(folder.path().join("d.yaml"), routers + &streams).unwrap();
        let [web, tcp] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let [web, tcp] = [web, tcp].map(|listener| listener.local_addr().unwrap());
        let script = format!("ulimit -n {descriptors}; exec \"$0\" \"$@\"");
        let mut command = Command::new("sh");
        command.args(["-c", &script, env!("CARGO_BIN_EXE_moongate")]);
        for (name, address) in [("web", web), ("tc", tcp)] {
            let option = format!("--entryPoints.{name}");
            command.arg(format!("{option}.address={address}"));
            command.arg(format!("{option}.transport.respondingTimeouts.readTimeout=500ms"));
            command.arg(format!("{option}.proxyProtocol.insecure=true"));
        }
        command.arg(format!("--providers.file.filename={}/d.yaml", folder.path().display()));
        command.args(["--workers=2", "--log.level=FATAL"]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        until("Moongate listens", || TcpStream::connect(web).ok());
        Self { child, web, tcp, _folder: folder, backend }
    }

    /// Another client is served.
    fn serves(&self) {
        let reply = Client::connect(self.web).send("GET", "h", "/", &[], b"");
        assert_eq!(reply.status, 200);
    }

    fn resident_kib(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }
}

/// Waits for the end of the connection, whatever comes before it.
fn is_ended(mut stream: &TcpStream) -> bool {
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }
}

/// What is sent first and then, again and again, a piece every few milliseconds.
fn dribble(process: &Process, address: SocketAddr, first: &[u8], piece: &[u8]) {
    let mut stream = connect(address);
    stream.write_all(first).unwrap();
    let reader = stream.try_clone().unwrap();
    let ended = std::thread::spawn(move || is_ended(&reader));
    until("a slow client is cut off", || {
        process.serves();
        let gone = !piece.is_empty() && stream.write_all(piece).is_err();
        (gone || ended.is_finished()).then_some(())
    });
    assert!(ended.join().unwrap());
}

#[test]
fn slow_clients_are_cut_off() {
    let process = Process::start(1024);
    let hello = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];
    for (address, first, piece) in [
        // Nothing, and heads, bodies and what comes before them, byte by byte.
        (process.web, &b""[..], &b""[..]),
        (process.web, b"GET / HTTP/1.1\r\nHost: h\r\n", b"X-A: b\r\n"),
        (process.web, b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n", b"a"),
        (process.web, b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", b"0"),
        (process.web, &hello, b"a"),
        (process.tcp, &hello, b"a"),
        (process.tcp, &hello, b""),
        (process.web, b"PROXY TCP4 ", b""),
        (process.tcp, b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\xff", b""),
        (process.web, b"PRI * HTTP/2.0\r\n", b""),
        (process.web, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b""),
    ] {
        dribble(&process, address, first, piece);
    }
}

/// Frames of HTTP/2.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// `:method: GET`, `:scheme: http`, `:path: /`, and `:authority: h`.
const HEAD: &[u8] = &[0x82, 0x86, 0x84, 0x41, 1, b'h'];

/// Sends frames until the connection is ended by the other side; how many bytes that took.
fn flood(process: &Process, mut next: impl FnMut(u32) -> Vec<u8>, bytes_max: usize) -> usize {
    let mut stream = connect(process.web);
    stream.write_all(PREFACE).unwrap();
    stream.write_all(&frame(SETTINGS, 0, 0, &[])).unwrap();
    let reader = stream.try_clone().unwrap();
    let ended = std::thread::spawn(move || is_ended(&reader));
    let mut sent = 0;
    for number in 0.. {
        let bytes = next(number);
        if stream.write_all(&bytes).is_err() || ended.is_finished() {
            return sent;
        }
        sent += bytes.len();
        if sent >= bytes_max {
            break;
        }
    }
    let _ = stream.shutdown(std::net::Shutdown::Both);
    ended.join().unwrap();
    sent
}

#[test]
fn floods_of_http2_end_with_their_connection() {
    const ENOUGH_BYTES: usize = 16 * 1024 * 1024;
    let process = Process::start(1024);
    process.serves();
    let before = process.resident_kib();
    let reset = |number: u32| {
        let stream = number * 2 + 1;
        let head = frame(HEADERS, END_HEADERS | END_STREAM, stream, HEAD);
        [head, frame(RESET, 0, stream, &8u32.to_be_bytes())].concat()
    };
    assert!(flood(&process, reset, ENOUGH_BYTES) < ENOUGH_BYTES);
    // What reached the server is bounded, too.
    assert!(process.backend.count() < 1000, "{}", process.backend.count());
    process.serves();
    let piece = [&[0, 1, b'x', 127, 0x81, 0x77], &[b'a'; 8000][..]].concat();
    let endless = |number| match number {
        0 => frame(HEADERS, END_STREAM, 1, HEAD),
        _ => frame(CONTINUATION, 0, 1, &piece),
    };
    assert!(flood(&process, endless, ENOUGH_BYTES) < ENOUGH_BYTES);
    process.serves();
    let empty = |number| match number {
        0 => frame(HEADERS, END_STREAM, 1, HEAD),
        _ => frame(CONTINUATION, 0, 1, &[]),
    };
    assert!(flood(&process, empty, ENOUGH_BYTES) < ENOUGH_BYTES);
    // Answers that nobody reads are not gathered.
    flood(&process, |_| frame(PING, 0, 0, &[7; 8]), 1024 * 1024);
    flood(&process, |_| frame(SETTINGS, 0, 0, &[]), 1024 * 1024);
    process.serves();
    let grown = process.resident_kib().saturating_sub(before);
    assert!(grown < 64 * 1024, "{grown} KiB more than before");
}

#[test]
fn handshakes_that_are_cut_short_leave_nothing() {
    let process = Process::start(1024);
    process.serves();
    let before = process.descriptors();
    let hello = [0x16, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3, 1, 2, 3, 4];
    for address in [process.web, process.tcp] {
        for length in (1..=hello.len()).cycle().take(300) {
            connect(address).write_all(&hello[..length]).unwrap();
        }
    }
    process.serves();
    let is_gone = || (process.descriptors() <= before + 8).then_some(());
    until("all of them are gone", is_gone);
}

#[test]
fn a_flood_of_connections_harms_no_one_that_is_served() {
    let process = Process::start(256);
    let mut served = Client::connect(process.web);
    let mut ask = move || served.send("GET", "h", "/", &[], b"").status;
    assert_eq!(ask(), 200);
    let flood: Vec<TcpStream> =
        (0..600).filter_map(|_| TcpStream::connect(process.web).ok()).collect();
    assert!(flood.len() > 256, "{}", flood.len());
    for _ in 0..20 {
        assert_eq!(ask(), 200);
    }
    // Those that say nothing are cut off, and those that wait come in.
    let mut late = Client::connect(process.web);
    assert_eq!(late.send("GET", "h", "/", &[], b"").status, 200);
    drop(flood);
    process.serves();
}
