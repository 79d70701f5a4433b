//! Content codings: gzip, Brotli and Zstandard, both ways, piece by piece.

use std::io::{self, Write};

use bytes::Bytes;

/// Bytes that a codec may make of one piece; a few bytes can say as much as gigabytes.
const OUT_BYTES_MAX: usize = 16 << 20;

/// The window of Brotli, as a power of two; larger ones take megabytes per answer.
const BROTLI_WINDOW: u32 = 19;
/// Bytes that Brotli's halves keep for what comes out.
const BROTLI_BUFFER_BYTES: usize = 4096;

/// A content coding (RFC 9110, section 8.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// `gzip`
    Gzip,
    /// `br`
    Brotli,
    /// `zstd`
    Zstd,
}

/// Why bytes cannot be coded.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// The level is none of the coding's.
    #[error("{coding} has levels 1 to {max}, not {level}")]
    Level {
        /// The coding.
        coding: &'static str,
        /// What was asked for.
        level: u32,
        /// The highest.
        max: u32,
    },
    /// What should be decoded is broken, or too small for what is in it.
    #[error("the bytes are no valid {coding}: {cause}")]
    Broken {
        /// The coding.
        coding: &'static str,
        /// The coder's words.
        cause: io::Error,
    },
}

impl Coding {
    /// By its name in `Content-Encoding`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let all = [Self::Gzip, Self::Brotli, Self::Zstd];
        let name = if name.eq_ignore_ascii_case("x-gzip") { "gzip" } else { name };
        all.into_iter().find(|coding| coding.name().eq_ignore_ascii_case(name))
    }

    /// Its name in `Content-Encoding`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
        }
    }

    /// The level that is used unless another is asked for, and the highest.
    fn levels(self) -> (u32, u32) {
        match self {
            Self::Gzip => (6, 9),
            Self::Brotli => (5, 11),
            Self::Zstd => (3, 19),
        }
    }
}

/// Codes a stream of bytes.
pub struct Codec {
    coding: Coding,
    coder: Box<dyn Coder>,
    /// Largest pieces that are given to the coder at once.
    piece_bytes: usize,
}

impl std::fmt::Debug for Codec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Codec").field("coding", &self.coding).finish_non_exhaustive()
    }
}

impl Codec {
    /// Compresses; without a level, at one that suits answers made on the way.
    ///
    /// # Errors
    /// When the level is none of the coding's.
    pub fn encoder(coding: Coding, level: Option<u32>) -> Result<Self, CodecError> {
        let (usual, max) = coding.levels();
        let level = level.unwrap_or(usual);
        if !(1..=max).contains(&level) {
            return Err(CodecError::Level { coding: coding.name(), level, max });
        }
        let out = Out::default();
        let coder: Box<dyn Coder> = match coding {
            Coding::Gzip => {
                let level = flate2::Compression::new(level);
                Box::new(flate2::write::GzEncoder::new(out, level))
            }
            Coding::Brotli => {
                let (size, window) = (BROTLI_BUFFER_BYTES, BROTLI_WINDOW);
                let inner = brotli::CompressorWriter::new(out, size, level, window);
                Box::new(BrotliEncoder { inner: Some(inner), out: Out::default() })
            }
            Coding::Zstd => {
                let level = i32::try_from(level).unwrap_or_default();
                let inner = zstd::stream::write::Encoder::new(out, level);
                Box::new(inner.map_err(|cause| CodecError::Broken { coding: "zstd", cause })?)
            }
        };
        Ok(Self { coding, coder, piece_bytes: 16 * 1024 })
    }

    /// Decompresses.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub fn decoder(coding: Coding) -> Result<Self, CodecError> {
        let out = Out { bytes: Vec::new(), max: OUT_BYTES_MAX };
        let coder: Box<dyn Coder> = match coding {
            Coding::Gzip => Box::new(flate2::write::MultiGzDecoder::new(out)),
            Coding::Brotli => Box::new(brotli::DecompressorWriter::new(out, BROTLI_BUFFER_BYTES)),
            Coding::Zstd => {
                let inner = zstd::stream::write::Decoder::new(out);
                Box::new(inner.map_err(|cause| CodecError::Broken { coding: "zstd", cause })?)
            }
        };
        // Small pieces, so that little can come out of each.
        Ok(Self { coding, coder, piece_bytes: 128 })
    }

    /// Takes a piece off the front of `bytes`.
    ///
    /// # Errors
    /// When what should be decoded is broken.
    pub fn write(&mut self, bytes: &mut Bytes) -> Result<(), CodecError> {
        let piece = bytes.split_to(bytes.len().min(self.piece_bytes));
        let written = self.coder.write_all(&piece);
        written.map_err(|cause| self.broken(cause))
    }

    /// Lets all come out that has gone in.
    ///
    /// # Errors
    /// When what should be decoded is broken.
    pub fn flush(&mut self) -> Result<(), CodecError> {
        let flushed = self.coder.flush();
        flushed.map_err(|cause| self.broken(cause))
    }

    /// Ends the stream.
    ///
    /// # Errors
    /// When what should be decoded is broken or has no end.
    pub fn finish(&mut self) -> Result<(), CodecError> {
        let finished = self.coder.finish();
        finished.map_err(|cause| self.broken(cause))
    }

    /// How many bytes have come out and were not taken.
    pub fn ready_bytes(&mut self) -> usize {
        self.coder.out().bytes.len()
    }

    /// What has come out.
    pub fn take(&mut self) -> Bytes {
        std::mem::take(&mut self.coder.out().bytes).into()
    }

    fn broken(&self, cause: io::Error) -> CodecError {
        CodecError::Broken { coding: self.coding.name(), cause }
    }
}

/// Where coders write to.
struct Out {
    bytes: Vec<u8>,
    max: usize,
}

impl Default for Out {
    fn default() -> Self {
        Self { bytes: Vec::new(), max: usize::MAX }
    }
}

impl Write for Out {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + piece.len() > self.max {
            return Err(io::Error::other("it expands too much"));
        }
        self.bytes.extend_from_slice(piece);
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One coder of the crates that do the work.
trait Coder: Write {
    fn finish(&mut self) -> io::Result<()>;
    fn out(&mut self) -> &mut Out;
}

impl Coder for flate2::write::GzEncoder<Out> {
    fn finish(&mut self) -> io::Result<()> {
        self.try_finish()
    }

    fn out(&mut self) -> &mut Out {
        self.get_mut()
    }
}

impl Coder for flate2::write::MultiGzDecoder<Out> {
    fn finish(&mut self) -> io::Result<()> {
        self.try_finish()
    }

    fn out(&mut self) -> &mut Out {
        self.get_mut()
    }
}

/// Brotli's last bytes come when the coder is taken apart.
struct BrotliEncoder {
    inner: Option<brotli::CompressorWriter<Out>>,
    out: Out,
}

impl Write for BrotliEncoder {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        self.inner.as_mut().map_or(Ok(piece.len()), |inner| inner.write(piece))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.as_mut().map_or(Ok(()), Write::flush)
    }
}

impl Coder for BrotliEncoder {
    fn finish(&mut self) -> io::Result<()> {
        if let Some(inner) = self.inner.take() {
            self.out = inner.into_inner();
        }
        Ok(())
    }

    fn out(&mut self) -> &mut Out {
        match &mut self.inner {
            Some(inner) => inner.get_mut(),
            None => &mut self.out,
        }
    }
}

impl Coder for brotli::DecompressorWriter<Out> {
    fn finish(&mut self) -> io::Result<()> {
        self.close()
    }

    fn out(&mut self) -> &mut Out {
        self.get_mut()
    }
}

impl Coder for zstd::stream::write::Encoder<'static, Out> {
    fn finish(&mut self) -> io::Result<()> {
        self.do_finish()
    }

    fn out(&mut self) -> &mut Out {
        self.get_mut()
    }
}

impl Coder for zstd::stream::write::Decoder<'static, Out> {
    fn finish(&mut self) -> io::Result<()> {
        self.flush()
    }

    fn out(&mut self) -> &mut Out {
        self.get_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODINGS: [Coding; 3] = [Coding::Gzip, Coding::Brotli, Coding::Zstd];

    fn run(codec: &mut Codec, bytes: &[u8]) -> Result<Vec<u8>, CodecError> {
        let (mut bytes, mut all) = (Bytes::copy_from_slice(bytes), Vec::new());
        while !bytes.is_empty() {
            codec.write(&mut bytes)?;
            all.extend_from_slice(&codec.take());
        }
        codec.finish()?;
        all.extend_from_slice(&codec.take());
        Ok(all)
    }

    #[test]
    fn what_is_encoded_decodes() {
        let text = b"0123456789abcdef".repeat(8000);
        for coding in CODINGS {
            let encoded = run(&mut Codec::encoder(coding, None).unwrap(), &text).unwrap();
            assert!(encoded.len() < text.len() / 50, "{coding:?}: {}", encoded.len());
            let decoded = run(&mut Codec::decoder(coding).unwrap(), &encoded).unwrap();
            assert!(decoded == text, "{coding:?}");
        }
    }

    #[test]
    fn what_went_in_comes_out_when_flushed() {
        for coding in CODINGS {
            let mut encoder = Codec::encoder(coding, Some(1)).unwrap();
            encoder.write(&mut Bytes::from_static(b"event\n")).unwrap();
            encoder.flush().unwrap();
            let mut encoded = encoder.take();
            let mut decoder = Codec::decoder(coding).unwrap();
            while !encoded.is_empty() {
                decoder.write(&mut encoded).unwrap();
            }
            decoder.flush().unwrap();
            assert_eq!(&decoder.take()[..], b"event\n", "{coding:?}");
        }
    }

    #[test]
    fn what_is_broken_is_told() {
        for coding in CODINGS {
            let error = run(&mut Codec::decoder(coding).unwrap(), b"no such thing").unwrap_err();
            assert!(matches!(error, CodecError::Broken { .. }), "{coding:?}: {error}");
            let level = Codec::encoder(coding, Some(100)).unwrap_err();
            assert!(matches!(level, CodecError::Level { .. }), "{coding:?}: {level}");
        }
    }
}
