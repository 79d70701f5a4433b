//! The chunked coding (RFC 9112, section 7.1), decoded in place.

use bytes::{Buf, Bytes, BytesMut};
use http::header::{HeaderMap, HeaderName, HeaderValue};

/// Where in the coding the reader is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decoder {
    /// Before a chunk's size.
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

impl Decoder {
    /// Takes the next piece off the buffer.
    ///
    /// # Errors
    /// When the coding is broken; nothing can be read after that.
    pub fn step(&mut self, buffer: &mut BytesMut) -> Result<Step, Broken> {
        loop {
            match *self {
                Self::Size => match line(buffer, SIZE_LINE_BYTES_MAX)? {
                    None => return Ok(Step::More),
                    Some(size_line) => {
                        let size = size(&size_line)?;
                        *self = if size == 0 { Self::Trailers } else { Self::Data(size) };
                    }
                },
                Self::Data(left) => {
                    if buffer.is_empty() {
                        return Ok(Step::More);
                    }
                    let take = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                    let left = left - take as u64;
                    *self = if left == 0 { Self::DataEnd } else { Self::Data(left) };
                    return Ok(Step::Data(buffer.split_to(take).freeze()));
                }
                Self::DataEnd => {
                    if buffer.len() < 2 {
                        return Ok(Step::More);
                    }
                    if &buffer[..2] != b"\r\n" {
                        return Err(Broken);
                    }
                    buffer.advance(2);
                    *self = Self::Size;
                }
                Self::Trailers => {
                    let Some(trailers) = trailers(buffer)? else {
                        return Ok(Step::More);
                    };
                    *self = Self::Done;
                    return Ok(Step::End((!trailers.is_empty()).then_some(trailers)));
                }
                Self::Done => return Ok(Step::End(None)),
            }
        }
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
    if digits.is_empty() || digits.len() > 15 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return Err(Broken);
    }
    let text = std::str::from_utf8(digits).map_err(|_| Broken)?;
    u64::from_str_radix(text, 16).map_err(|_| Broken)
}

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
                trailers.append(name, value);
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
        let (mut decoder, mut buffer) = (Decoder::Size, BytesMut::new());
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
        ] {
            assert_eq!(decode(text, 1), Err(Broken), "{text}");
        }
    }
}
