//! The chunked coding (RFC 9112, section 7.1), decoded in place.

use bytes::{Buf, Bytes, BytesMut};
use http::header::{
    CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue, TRAILER, TRANSFER_ENCODING,
};

/// Reads one body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Decoder {
    state: State,
    /// Bytes that were neither data nor what data of that length needs.
    overhead_bytes: u64,
}

/// Where in the coding the reader is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    /// Before a chunk's size.
    #[default]
    Size,
    /// Inside a chunk with that many bytes left.
    Data(u64),
    /// Before the line end that closes a chunk.
    DataEnd,
    /// In the trailers.
    Trailers,
    /// After the last line.
    Done,
}

/// What the decoder found.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Bytes of the body.
    Data(Bytes),
    /// The end, with trailers if there are any.
    End(Option<HeaderMap>),
    /// More input is needed.
    More,
}

/// The coding is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Broken;

const SIZE_LINE_BYTES_MAX: usize = 1024;
const TRAILER_BYTES_MAX: usize = 64 * 1024;
/// Extensions and small chunks must not make a body much more than its data: Go's limit too.
const OVERHEAD_BYTES_MAX: u64 = 16 * 1024;
/// What a chunk may cost beside twice its data.
const CHUNK_BYTES_FREE: u64 = 16;

impl Decoder {
    /// Takes the next piece off the buffer.
    ///
    /// # Errors
    /// When the coding is broken; nothing can be read after that.
    pub fn step(&mut self, buffer: &mut BytesMut) -> Result<Step, Broken> {
        loop {
            match self.state {
                State::Size => match line(buffer, SIZE_LINE_BYTES_MAX)? {
                    None => return Ok(Step::More),
                    Some(size_line) => {
                        let size = size(&size_line)?;
                        self.count(size_line.len() as u64 + 2, size)?;
                        self.state = if size == 0 { State::Trailers } else { State::Data(size) };
                    }
                },
                State::Data(left) => {
                    if buffer.is_empty() {
                        return Ok(Step::More);
                    }
                    let take = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                    let left = left - take as u64;
                    self.state = if left == 0 { State::DataEnd } else { State::Data(left) };
                    return Ok(Step::Data(buffer.split_to(take).freeze()));
                }
                State::DataEnd => {
                    if buffer.len() < 2 {
                        return Ok(Step::More);
                    }
                    if &buffer[..2] != b"\r\n" {
                        return Err(Broken);
                    }
                    buffer.advance(2);
                    self.state = State::Size;
                }
                State::Trailers => {
                    let Some(trailers) = trailers(buffer)? else {
                        return Ok(Step::More);
                    };
                    self.state = State::Done;
                    return Ok(Step::End((!trailers.is_empty()).then_some(trailers)));
                }
                State::Done => return Ok(Step::End(None)),
            }
        }
    }
}

impl Decoder {
    /// Counts what a chunk costs beside its data.
    fn count(&mut self, line_bytes: u64, data_bytes: u64) -> Result<(), Broken> {
        let free = data_bytes.saturating_mul(2).saturating_add(CHUNK_BYTES_FREE);
        self.overhead_bytes = (self.overhead_bytes + line_bytes).saturating_sub(free);
        if self.overhead_bytes > OVERHEAD_BYTES_MAX { Err(Broken) } else { Ok(()) }
    }
}

/// A line without its CRLF, taken off the buffer; `None` while it is incomplete.
fn line(buffer: &mut BytesMut, max: usize) -> Result<Option<BytesMut>, Broken> {
    match buffer.iter().position(|&b| b == b'\n') {
        Some(end) if end > 0 && buffer[end - 1] == b'\r' && end <= max => {
            let mut line = buffer.split_to(end + 1);
            line.truncate(end - 1);
            Ok(Some(line))
        }
        Some(_) => Err(Broken),
        None if buffer.len() > max => Err(Broken),
        None => Ok(None),
    }
}

/// A chunk's size; extensions are passed over.
fn size(line: &[u8]) -> Result<u64, Broken> {
    let digits = line.split(|&b| b == b';').next().unwrap_or_default().trim_ascii_end();
    if line.iter().any(|b| b.is_ascii_control() && *b != b'\t') {
        return Err(Broken);
    }
    if digits.is_empty() || digits.len() > 15 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return Err(Broken);
    }
    let text = std::str::from_utf8(digits).map_err(|_| Broken)?;
    u64::from_str_radix(text, 16).map_err(|_| Broken)
}

/// What must not come after a body, since it says where the body ends or whose it is.
const FRAMING: [HeaderName; 4] = [CONTENT_LENGTH, HOST, TRAILER, TRANSFER_ENCODING];

fn trailers(buffer: &mut BytesMut) -> Result<Option<HeaderMap>, Broken> {
    if buffer.starts_with(b"\r\n") {
        buffer.advance(2);
        return Ok(Some(HeaderMap::new()));
    }
    let mut fields = [httparse::EMPTY_HEADER; 64];
    match httparse::parse_headers(buffer, &mut fields) {
        Err(_) => Err(Broken),
        Ok(httparse::Status::Partial) if buffer.len() > TRAILER_BYTES_MAX => Err(Broken),
        Ok(httparse::Status::Partial) => Ok(None),
        Ok(httparse::Status::Complete((len, fields))) => {
            let mut trailers = HeaderMap::new();
            for field in fields {
                let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| Broken)?;
                let value = HeaderValue::from_bytes(field.value).map_err(|_| Broken)?;
                if !FRAMING.contains(&name) {
                    trailers.append(name, value);
                }
            }
            buffer.advance(len);
            Ok(Some(trailers))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds the text in pieces of `step` bytes.
    fn decode(text: &str, step: usize) -> Result<(String, Option<HeaderMap>, usize), Broken> {
        let (mut decoder, mut buffer) = (Decoder::default(), BytesMut::new());
        let mut body = String::new();
        let mut fed = 0;
        loop {
            match decoder.step(&mut buffer)? {
                Step::Data(data) => body.push_str(std::str::from_utf8(&data).unwrap()),
                Step::End(trailers) => {
                    return Ok((body, trailers, buffer.len() + text.len() - fed));
                }
                Step::More => {
                    let end = text.len().min(fed + step);
                    if end == fed {
                        return Err(Broken);
                    }
                    buffer.extend_from_slice(&text.as_bytes()[fed..end]);
                    fed = end;
                }
            }
        }
    }

    #[test]
    fn decodes_in_pieces_of_any_size() {
        let text = "3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nX-T: v\r\n\r\nrest";
        for step in 1..text.len() {
            let (body, trailers, rest) = decode(text, step).unwrap();
            assert_eq!(body, "abc0123456789", "{step}");
            assert_eq!(trailers.unwrap()["x-t"], "v");
            assert_eq!(rest, 4);
        }
    }

    #[test]
    fn refuses_what_is_broken() {
        for text in [
            "3\nabc\r\n0\r\n\r\n",
            "g\r\n",
            "-1\r\n",
            "\r\n",
            "3\r\nabcd\r\n",
            "fffffffffffffffff\r\n",
            " 3\r\nabc\r\n0\r\n\r\n",
            "3;a\rb\r\nabc\r\n0\r\n\r\n",
        ] {
            assert_eq!(decode(text, 1), Err(Broken), "{text}");
        }
    }
}
