//! The media type that bytes look like, as Go's `http.DetectContentType` tells it (WHATWG MIME
//! Sniffing).

/// Bytes that are looked at; what follows changes nothing.
const BYTES_MAX: usize = 512;

/// How bytes of a type begin.
enum Signature {
    /// With a tag of HTML in any case, after space, that is followed by a space or `>`.
    Tag(&'static [u8]),
    /// With these bytes after space.
    AfterSpace(&'static [u8]),
    /// With these bytes.
    Exact(&'static [u8]),
    /// With these bytes, four others, and these.
    Chunk(&'static [u8], &'static [u8]),
    /// With two bytes after so many that are anything.
    At(usize, &'static [u8]),
    /// As boxes of MP4 do.
    Mp4,
}

use Signature::{AfterSpace, At, Chunk, Exact, Mp4, Tag};

const HTML: &str = "text/html; charset=utf-8";

/// In the order they are tried.
const TYPES: &[(Signature, &str)] = &[
    (Tag(b"<!DOCTYPE HTML"), HTML),
    (Tag(b"<HTML"), HTML),
    (Tag(b"<HEAD"), HTML),
    (Tag(b"<SCRIPT"), HTML),
    (Tag(b"<IFRAME"), HTML),
    (Tag(b"<H1"), HTML),
    (Tag(b"<DIV"), HTML),
    (Tag(b"<FONT"), HTML),
    (Tag(b"<TABLE"), HTML),
    (Tag(b"<A"), HTML),
    (Tag(b"<STYLE"), HTML),
    (Tag(b"<TITLE"), HTML),
    (Tag(b"<B"), HTML),
    (Tag(b"<BODY"), HTML),
    (Tag(b"<BR"), HTML),
    (Tag(b"<P"), HTML),
    (Tag(b"<!--"), HTML),
    (AfterSpace(b"<?xml"), "text/xml; charset=utf-8"),
    (Exact(b"%PDF-"), "application/pdf"),
    (Exact(b"%!PS-Adobe-"), "application/postscript"),
    (Exact(b"\xfe\xff"), "text/plain; charset=utf-16be"),
    (Exact(b"\xff\xfe"), "text/plain; charset=utf-16le"),
    (Exact(b"\xef\xbb\xbf"), "text/plain; charset=utf-8"),
    (Exact(b"\x00\x00\x01\x00"), "image/x-icon"),
    (Exact(b"\x00\x00\x02\x00"), "image/x-icon"),
    (Exact(b"BM"), "image/bmp"),
    (Exact(b"GIF87a"), "image/gif"),
    (Exact(b"GIF89a"), "image/gif"),
    (Chunk(b"RIFF", b"WEBPVP"), "image/webp"),
    (Exact(b"\x89PNG\r\n\x1a\n"), "image/png"),
    (Exact(b"\xff\xd8\xff"), "image/jpeg"),
    (Chunk(b"FORM", b"AIFF"), "audio/aiff"),
    (Exact(b"ID3"), "audio/mpeg"),
    (Exact(b"OggS\x00"), "application/ogg"),
    (Exact(b"MThd\x00\x00\x00\x06"), "audio/midi"),
    (Chunk(b"RIFF", b"AVI "), "video/avi"),
    (Chunk(b"RIFF", b"WAVE"), "audio/wave"),
    (Mp4, "video/mp4"),
    (Exact(b"\x1a\x45\xdf\xa3"), "video/webm"),
    (At(34, b"LP"), "application/vnd.ms-fontobject"),
    (Exact(b"\x00\x01\x00\x00"), "font/ttf"),
    (Exact(b"OTTO"), "font/otf"),
    (Exact(b"ttcf"), "font/collection"),
    (Exact(b"wOFF"), "font/woff"),
    (Exact(b"wOF2"), "font/woff2"),
    (Exact(b"\x1f\x8b\x08"), "application/x-gzip"),
    (Exact(b"PK\x03\x04"), "application/zip"),
    (Exact(b"Rar!\x1a\x07\x00"), "application/x-rar-compressed"),
    (Exact(b"Rar!\x1a\x07\x01\x00"), "application/x-rar-compressed"),
    (Exact(b"\x00asm"), "application/wasm"),
];

/// The media type that the bytes look like; text or anything when nothing else fits.
#[must_use]
pub fn sniff(bytes: &[u8]) -> &'static str {
    let bytes = bytes.get(..BYTES_MAX).unwrap_or(bytes);
    let blank = |b: &&u8| matches!(b, b'\t' | b'\n' | 0x0c | b'\r' | b' ');
    let text = bytes.get(bytes.iter().take_while(blank).count()..).unwrap_or_default();
    let found = TYPES.iter().find(|(signature, _)| signature.fits(bytes, text));
    match found {
        Some((_, name)) => name,
        None if text.iter().copied().any(is_binary) => "application/octet-stream",
        None => "text/plain; charset=utf-8",
    }
}

impl Signature {
    fn fits(&self, bytes: &[u8], text: &[u8]) -> bool {
        match self {
            Tag(tag) => {
                let head = text.get(..tag.len());
                let end = text.get(tag.len());
                head.is_some_and(|head| head.eq_ignore_ascii_case(tag))
                    && end.is_some_and(|end| matches!(end, b' ' | b'>'))
            }
            AfterSpace(start) => text.starts_with(start),
            Exact(start) => bytes.starts_with(start),
            Chunk(start, kind) => {
                bytes.starts_with(start) && bytes.get(8..).is_some_and(|b| b.starts_with(kind))
            }
            At(place, part) => bytes.get(*place..).is_some_and(|b| b.starts_with(part)),
            Mp4 => is_mp4(bytes),
        }
    }
}

/// A box `ftyp` with a brand that begins with `mp4`; what stands in the version's place counts not.
fn is_mp4(bytes: &[u8]) -> bool {
    let Some(size) = bytes.first_chunk::<4>() else { return false };
    let size = usize::try_from(u32::from_be_bytes(*size)).unwrap_or(usize::MAX);
    if bytes.len() < 12 || size % 4 != 0 || bytes.get(4..8) != Some(b"ftyp") {
        return false;
    }
    let Some(brands) = bytes.get(8..size) else { return false };
    let mut brands = brands.chunks(4).enumerate();
    brands.any(|(place, brand)| place != 1 && brand.starts_with(b"mp4"))
}

fn is_binary(byte: u8) -> bool {
    matches!(byte, 0..=8 | 0x0b | 0x0e..=0x1a | 0x1c..=0x1f)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], expect: &str) {
        assert_eq!(sniff(bytes), expect, "{}", String::from_utf8_lossy(bytes));
    }

    #[test]
    fn tells_types() {
        check(b"", "text/plain; charset=utf-8");
        check(b"hello", "text/plain; charset=utf-8");
        check(b"\x01\x02", "application/octet-stream");
        check(b"   <!doctype HTML>x", HTML);
        check(b"\r\n<html>", HTML);
        check(b"<b >", HTML);
        check(b"<base>", "text/plain; charset=utf-8");
        check(b"<p", "text/plain; charset=utf-8");
        check(b"<?xml version=\"1.0\"?>", "text/xml; charset=utf-8");
        check(b" %PDF-", "text/plain; charset=utf-8");
        check(b"%PDF-1.7", "application/pdf");
        check(b"GIF89a...", "image/gif");
        check(b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp");
        check(b"RIFF\x00\x00\x00\x00WAVE", "audio/wave");
        check(b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom", "video/mp4");
        check(b"\x00\x00\x00\x18ftypisom\x00\x00\x00\x00mp4", "application/octet-stream");
        check(b"\x00\x00\x00\x10ftypisommp42", "application/octet-stream");
        check(b"\x1f\x8b\x08\x00", "application/x-gzip");
        check(b"\x00asm\x01", "application/wasm");
        check(&[[0; 34].as_slice(), b"LP"].concat(), "application/vnd.ms-fontobject");
        check(&[[b'a'; 600].as_slice(), b"\x00"].concat(), "text/plain; charset=utf-8");
    }
}
