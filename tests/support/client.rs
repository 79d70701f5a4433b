//! A client that writes what it is told and reads one answer at a time.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::SOON;

/// A connection.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    buffer: Vec<u8>,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Whether the body ended as its framing says.
    pub(crate) complete: bool,
}

impl Reply {
    /// The first value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&address, SOON).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream.set_write_timeout(Some(SOON)).unwrap();
        Self { stream, buffer: Vec::new() }
    }

    /// Writes bytes as they are.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Sends a request and reads its answer.
    pub(crate) fn send(
        &mut self,
        method: &str,
        host: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Reply {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        self.write(head.as_bytes());
        self.write(body);
        self.reply(method == "HEAD")
    }

    /// Reads one answer; a connection that ends early is an incomplete one.
    pub(crate) fn reply(&mut self, is_head: bool) -> Reply {
        let head = loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                let head = self.buffer.drain(..end + 4).collect::<Vec<_>>();
                break String::from_utf8_lossy(&head).into_owned();
            }
            if !self.read() {
                return Reply { status: 0, headers: vec![], body: vec![], complete: false };
            }
        };
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap_or_default();
        let status = status.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
        // The space is usual, and nobody must send it.
        let headers = lines.filter_map(|line| line.split_once(':'));
        let headers = headers.map(|(n, v)| (n.to_owned(), v.trim_start().to_owned())).collect();
        let mut reply = Reply { status, headers, body: vec![], complete: true };
        if !is_head && !matches!(status, 100..=199 | 204 | 304) {
            self.body(&mut reply);
        }
        reply
    }

    fn body(&mut self, reply: &mut Reply) {
        if reply.header("transfer-encoding").is_some() {
            return self.chunks(reply);
        }
        match reply.header("content-length").map(|length| length.parse::<usize>().unwrap()) {
            Some(length) => {
                while self.buffer.len() < length && self.read() {}
                reply.complete = self.buffer.len() >= length;
                let take = length.min(self.buffer.len());
                reply.body = self.buffer.drain(..take).collect();
            }
            None => {
                while self.read() {}
                reply.body = std::mem::take(&mut self.buffer);
            }
        }
    }

    fn chunks(&mut self, reply: &mut Reply) {
        loop {
            let Some(line) = self.line() else {
                reply.complete = false;
                return;
            };
            let size = line.split(';').next().unwrap_or_default();
            let size = usize::from_str_radix(size.trim(), 16).unwrap();
            while self.buffer.len() < size + 2 {
                if size == 0 {
                    break;
                }
                if !self.read() {
                    reply.complete = false;
                    return;
                }
            }
            if size == 0 {
                while let Some(line) = self.line() {
                    let Some((name, value)) = line.split_once(": ") else { return };
                    reply.headers.push((name.to_owned(), value.to_owned()));
                }
                reply.complete = false;
                return;
            }
            reply.body.extend(self.buffer.drain(..size + 2).take(size));
        }
    }

    fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n") {
                let line = self.buffer.drain(..end + 2).take(end).collect::<Vec<_>>();
                return Some(String::from_utf8_lossy(&line).into_owned());
            }
            if !self.read() {
                return None;
            }
        }
    }

    /// Reads more; `false` at the end.
    fn read(&mut self) -> bool {
        let mut piece = [0; 16 * 1024];
        match self.stream.read(&mut piece) {
            Ok(length @ 1..) => {
                self.buffer.extend_from_slice(&piece[..length]);
                true
            }
            _ => false,
        }
    }

    /// Reads exactly so many bytes.
    pub(crate) fn take(&mut self, length: usize) -> Vec<u8> {
        while self.buffer.len() < length && self.read() {}
        self.buffer.drain(..length.min(self.buffer.len())).collect()
    }

    /// Whether the other side has closed the connection; silence is no end.
    pub(crate) fn is_closed(&mut self) -> bool {
        let since = std::time::Instant::now();
        !self.read() && since.elapsed() < SOON
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
