//! How bytes are read as the head of a request, for whoever looks at bytes alone.

use bytes::BytesMut;
use http::StatusCode;

use super::head::{self, Framing};

/// What the bytes at the front of a connection are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadReading {
    /// The beginning of a head, or nothing.
    Partial,
    /// No head: they are refused with this status, and the connection ends.
    Refused(StatusCode),
    /// A head.
    Head {
        /// Its bytes.
        bytes: usize,
        /// What follows it.
        body: BodyReading,
    },
}

/// How a body's end is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyReading {
    /// There is none.
    None,
    /// After so many bytes.
    Length(u64),
    /// By the chunked coding.
    Chunked,
}

/// Reads bytes as a connection does.
#[must_use]
pub fn read_head(bytes: &[u8]) -> HeadReading {
    let mut buffer = BytesMut::from(bytes);
    match head::read(&mut buffer) {
        Ok(None) => HeadReading::Partial,
        Err(refusal) => HeadReading::Refused(refusal.failure.status()),
        Ok(Some(heading)) => HeadReading::Head {
            bytes: bytes.len() - buffer.len(),
            body: match heading.framing {
                Framing::None => BodyReading::None,
                Framing::Length(length) => BodyReading::Length(length),
                Framing::Chunked => BodyReading::Chunked,
            },
        },
    }
}
