//! A small server for demonstrations and prototypes: answers every request with what it got.
//!
//! It speaks just enough HTTP/1.1 for requests that come through Moongate.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::mpsc::Sender;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Requests longer than this are cut off.
const REQUEST_BYTES_MAX: usize = 64 * 1024;
const HEADERS_MAX: usize = 64;

/// A request that a server got.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The request line and the headers.
    pub head: String,
    /// The body.
    pub body: String,
}

/// Whom a server tells of its requests.
type Listener = Option<Sender<Seen>>;

/// Starts a server on a free port of the loopback address, on a thread of its own that ends with
/// the process.
///
/// # Errors
/// When no port or no thread is to be had.
pub fn start(name: String, listener: Option<Sender<Seen>>) -> io::Result<SocketAddr> {
    let told = listener;
    let listener = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name(format!("echo-{name}")).spawn(move || {
        let local = tokio::task::LocalSet::new();
        local.block_on(&runtime, accept(listener, name.into(), told))
    })?;
    Ok(address)
}

async fn accept(listener: std::net::TcpListener, name: Rc<str>, told: Listener) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        // A client that breaks off is nobody's loss.
        tokio::task::spawn_local(serve(stream, Rc::clone(&name), told.clone()));
    }
}

async fn serve(mut stream: TcpStream, name: Rc<str>, told: Listener) -> io::Result<()> {
    let mut buffer = BytesMut::new();
    loop {
        let Some((head, body)) = read(&mut stream, &mut buffer).await? else { return Ok(()) };
        let body = String::from_utf8_lossy(&body).into_owned();
        let text = format!("Name: {name}\n{}\n{body}", head.trim_end());
        if let Some(told) = &told {
            // Nobody may be left to hear it.
            let _ = told.send(Seen { head, body });
        }
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nX-Server: {name}\r\n\
             Content-Length: {}\r\n\r\n{text}",
            text.len()
        );
        stream.write_all(answer.as_bytes()).await?;
    }
}

/// The next request's head as text, and its body; `None` when the connection ends.
async fn read(
    stream: &mut TcpStream,
    buffer: &mut BytesMut,
) -> io::Result<Option<(String, BytesMut)>> {
    let (head, length) = loop {
        if let Some(found) = head(buffer) {
            break found;
        }
        if buffer.len() > REQUEST_BYTES_MAX || stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    };
    while buffer.len() < length {
        if length > REQUEST_BYTES_MAX || stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
    Ok(Some((head, buffer.split_to(length))))
}

/// Takes a complete head off the buffer, with the length of the body that follows.
fn head(buffer: &mut BytesMut) -> Option<(String, usize)> {
    let mut fields = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut fields);
    let Ok(httparse::Status::Complete(end)) = request.parse(buffer) else { return None };
    let length = request
        .headers
        .iter()
        .find(|field| field.name.eq_ignore_ascii_case("content-length"))
        .and_then(|field| std::str::from_utf8(field.value).ok()?.parse().ok())
        .unwrap_or(0);
    let text = String::from_utf8_lossy(&buffer[..end]).replace("\r\n", "\n");
    buffer.advance(end);
    Some((text, length))
}
