//! The `ClientHello` of a TLS handshake, as far as it tells where a connection is meant to go
//! (RFC 8446, section 4.1.2; RFC 6066, section 3; RFC 7301).
//!
//! Pure: reads bytes that are there and takes none away, so that whoever ends TLS sees them all.
//! What it does not look at may be wrong; that is found out by the one who ends TLS.

mod ja4;

pub use ja4::ja4;

/// What a client says before TLS begins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hello {
    /// The server's name in lower case.
    pub server_name: Option<String>,
    /// The protocols it offers, in its order.
    pub protocols: Vec<Vec<u8>>,
}

/// What the first bytes of a connection are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opening {
    /// The beginning of a `ClientHello`; more is needed.
    Partial,
    /// A `ClientHello`.
    Hello(Hello),
    /// Something else.
    Other,
    /// TLS, with a `ClientHello` that is broken or too long.
    Broken,
}

/// Bytes of a `ClientHello`; the largest of today, with keys of post-quantum exchanges and
/// pre-shared ones, have some 4,000.
pub const HELLO_BYTES_MAX: usize = 32 * 1024;

const RECORD_HEAD_BYTES: usize = 5;
/// The longest record that is in order, in plain text.
const RECORD_BYTES_MAX: usize = 1 << 14;
const HANDSHAKE: u8 = 0x16;
const CLIENT_HELLO: u8 = 1;
const SERVER_NAME: u16 = 0;
const PROTOCOLS: u16 = 16;
const HOST_NAME: u8 = 0;
/// A DNS name has no more bytes.
const NAME_BYTES_MAX: usize = 255;

/// Looks at the first bytes of a connection.
#[must_use]
pub fn opening(bytes: &[u8]) -> Opening {
    match bytes {
        [] | [HANDSHAKE] => return Opening::Partial,
        [HANDSHAKE, 3, ..] => {}
        _ => return Opening::Other,
    }
    let message = match message(bytes) {
        Ok(message) => message,
        Err(other) => return other,
    };
    match hello(&mut Reader(&message)) {
        Some(hello) => Opening::Hello(hello),
        None => Opening::Broken,
    }
}

/// Looks at the first handshake message where no records hold it, as in QUIC (RFC 9001, section
/// 4.1.3).
pub(super) fn bare(message: &[u8]) -> Opening {
    let Some((head, body)) = message.split_at_checked(4) else { return Opening::Partial };
    let length = usize::from(head[1]) << 16 | usize::from(head[2]) << 8 | usize::from(head[3]);
    if head[0] != CLIENT_HELLO || length > HELLO_BYTES_MAX {
        return Opening::Broken;
    }
    let Some(body) = body.get(..length) else { return Opening::Partial };
    hello(&mut Reader(body)).map_or(Opening::Broken, Opening::Hello)
}

/// The first handshake message without its head, put together from records.
fn message(bytes: &[u8]) -> Result<Vec<u8>, Opening> {
    let mut rest = bytes;
    let mut message = Vec::new();
    loop {
        let Some((head, after)) = rest.split_at_checked(RECORD_HEAD_BYTES) else {
            // A record of another type cannot become one of ours.
            let is_ours = rest.first().is_none_or(|kind| *kind == HANDSHAKE);
            return Err(if is_ours { Opening::Partial } else { Opening::Broken });
        };
        let length = usize::from(u16::from_be_bytes([head[3], head[4]]));
        if head[0] != HANDSHAKE || length == 0 || length > RECORD_BYTES_MAX {
            return Err(Opening::Broken);
        }
        let part = after.get(..length).unwrap_or(after);
        message.extend_from_slice(part);
        if let Some((head, body)) = message.split_at_checked(4) {
            let length = usize::from(head[1]) << 16 | usize::from(head[2]) << 8 | head[3] as usize;
            if head[0] != CLIENT_HELLO || length > HELLO_BYTES_MAX {
                return Err(Opening::Broken);
            }
            if let Some(whole) = body.get(..length) {
                return Ok(whole.to_vec());
            }
        }
        if part.len() < length {
            return Err(Opening::Partial);
        }
        rest = after.get(length..).unwrap_or_default();
    }
}

fn hello(body: &mut Reader<'_>) -> Option<Hello> {
    let mut hello = Hello::default();
    walk(body, |kind, mut extension| {
        match kind {
            SERVER_NAME => hello.server_name = server_name(&mut Reader(extension.long()?))?,
            PROTOCOLS => hello.protocols = protocols(&mut Reader(extension.long()?))?,
            _ => {}
        }
        Some(())
    })?;
    Some(hello)
}

/// Walks through a `ClientHello` and shows each extension with its number: the version that the
/// client says outside of them, and its cipher suites.
fn walk<'a>(
    body: &mut Reader<'a>,
    mut each: impl FnMut(u16, Reader<'a>) -> Option<()>,
) -> Option<(u16, Reader<'a>)> {
    let version = body.number()?;
    let _random = body.take(32)?;
    let _session = body.short()?;
    let suites = Reader(body.long()?);
    let _compressions = body.short()?;
    // A `ClientHello` may end here.
    if !body.is_empty() {
        let mut extensions = Reader(body.long()?);
        while !extensions.is_empty() {
            let kind = extensions.number()?;
            each(kind, Reader(extensions.long()?))?;
        }
    }
    Some((version, suites))
}

/// The host name of a list of names, if it has one.
#[allow(clippy::option_option, reason = "no name is no error")]
fn server_name(names: &mut Reader<'_>) -> Option<Option<String>> {
    let mut found = None;
    while !names.is_empty() {
        let kind = names.take(1)?;
        let name = names.long()?;
        if kind == [HOST_NAME] && found.is_none() {
            if name.is_empty()
                || name.len() > NAME_BYTES_MAX
                || !name.iter().all(u8::is_ascii_graphic)
            {
                return None;
            }
            found = Some(String::from_utf8(name.to_ascii_lowercase()).ok()?);
        }
    }
    Some(found)
}

fn protocols(list: &mut Reader<'_>) -> Option<Vec<Vec<u8>>> {
    let mut all = Vec::new();
    while !list.is_empty() {
        all.push(list.short().filter(|protocol| !protocol.is_empty())?.to_vec());
    }
    Some(all)
}

/// Bytes that are read from the front.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u16> {
        let bytes = self.take(2)?;
        Some(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    /// Bytes behind their number, which has one byte.
    fn short(&mut self) -> Option<&'a [u8]> {
        let count = usize::from(*self.take(1)?.first()?);
        self.take(count)
    }

    /// Bytes behind their number, which has two bytes.
    fn long(&mut self) -> Option<&'a [u8]> {
        let count = usize::from(self.number()?);
        self.take(count)
    }
}

#[cfg(test)]
mod tests;
