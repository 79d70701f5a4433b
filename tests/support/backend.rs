//! Servers behind Moongate: each answers as the test says and notes what it got.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::sync::{Arc, atomic::AtomicUsize, atomic::Ordering};
use std::thread;

use parking_lot::Mutex;

/// What a server does with a request.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// 200 with its name and the request.
    Echo,
    /// These bytes, then the connection stays open.
    Raw(Vec<u8>),
    /// These bytes, then the connection is closed.
    RawThenClose(Vec<u8>),
    /// Nothing, ever.
    Silence,
}

/// A request as a server got it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// The head as text.
    pub(crate) head: String,
    /// The body, chunks as they came.
    pub(crate) body: Vec<u8>,
    /// The connection's number.
    pub(crate) connection: usize,
}

impl Seen {
    /// The first value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        lines.filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }

    /// The request's first line.
    pub(crate) fn line(&self) -> &str {
        self.head.lines().next().unwrap_or_default()
    }
}

/// A server.
pub(crate) struct Backend {
    name: String,
    address: SocketAddr,
    state: Arc<State>,
}

struct State {
    answer: Mutex<Answer>,
    seen: Mutex<Vec<Seen>>,
    count: AtomicUsize,
    connections: AtomicUsize,
}

impl Backend {
    /// A server that echoes.
    pub(crate) fn echo(name: &str) -> Self {
        Self::start(name, Answer::Echo)
    }

    pub(crate) fn start(name: &str, answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            answer: Mutex::new(answer),
            seen: Mutex::default(),
            count: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
        });
        let (shared, label) = (Arc::clone(&state), name.to_owned());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (shared, label) = (Arc::clone(&shared), label.clone());
                thread::spawn(move || serve(stream, &label, &shared));
            }
        });
        Self { name: name.to_owned(), address, state }
    }

    /// An address where nobody listens.
    pub(crate) fn closed() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// How many requests it got.
    pub(crate) fn count(&self) -> usize {
        self.state.count.load(Ordering::SeqCst)
    }

    /// How many connections it got.
    pub(crate) fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// The last request.
    pub(crate) fn last(&self) -> Seen {
        self.state.seen.lock().last().cloned().expect("a request")
    }

    /// Answers differently from now on.
    pub(crate) fn answer(&self, answer: Answer) {
        *self.state.answer.lock() = answer;
    }
}

fn serve(mut stream: TcpStream, name: &str, state: &State) {
    let connection = state.connections.fetch_add(1, Ordering::SeqCst);
    let mut buffer = Vec::new();
    while let Some((head, body)) = request(&mut stream, &mut buffer) {
        state.count.fetch_add(1, Ordering::SeqCst);
        let is_head = head.starts_with("HEAD ");
        let text = format!("{name}\n{head}");
        let mut seen = state.seen.lock();
        if seen.len() > 1000 {
            seen.clear();
        }
        seen.push(Seen { head, body, connection });
        drop(seen);
        let answer = state.answer.lock().clone();
        let written = match answer {
            Answer::Echo => {
                let body = if is_head { "" } else { &text };
                let length = text.len();
                let head = format!(
                    "HTTP/1.1 200 OK\r\nX-Backend: {name}\r\nContent-Length: {length}\r\n\r\n{body}"
                );
                stream.write_all(head.as_bytes())
            }
            Answer::Raw(bytes) => stream.write_all(&bytes),
            Answer::RawThenClose(bytes) => {
                let _ = stream.write_all(&bytes);
                return;
            }
            Answer::Silence => {
                // Held until the other side gives up.
                let _ = stream.read(&mut [0]);
                return;
            }
        };
        if written.is_err() {
            return;
        }
    }
}

/// The next request: its head and its body.
fn request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<(String, Vec<u8>)> {
    let end = loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        more(stream, buffer)?;
    };
    let head: Vec<u8> = buffer.drain(..end).collect();
    let head = String::from_utf8_lossy(&head).into_owned();
    let field = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
    };
    if field("transfer-encoding").is_some() {
        let end = loop {
            if let Some(end) = buffer.windows(5).position(|window| window == b"0\r\n\r\n") {
                break end + 5;
            }
            more(stream, buffer)?;
        };
        return Some((head.clone(), buffer.drain(..end).collect()));
    }
    let length = field("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    while buffer.len() < length {
        more(stream, buffer)?;
    }
    Some((head.clone(), buffer.drain(..length).collect()))
}

fn more(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<()> {
    let mut piece = [0; 16 * 1024];
    let length = stream.read(&mut piece).ok().filter(|length| *length > 0)?;
    buffer.extend_from_slice(&piece[..length]);
    Some(())
}

/// A channel that tests wait on with a limit.
pub(crate) fn wait<T>(receiver: &mpsc::Receiver<T>) -> T {
    receiver.recv_timeout(super::SOON).expect("it happens soon")
}
