//! `/api/support-dump`: what those who help want to see, in one file, as Traefik packs it.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

use super::redact;

/// Packs values as files of an archive.
///
/// # Errors
/// None but those of memory.
pub(super) fn pack(files: Vec<(&'static str, Value)>, now: u64) -> io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    for (name, mut value) in files {
        redact::anywhere(&mut value);
        let text = value.to_string();
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o600);
        header.set_mtime(now);
        archive.append_data(&mut header, name, text.as_bytes())?;
    }
    let mut packed = archive.into_inner()?;
    packed.flush()?;
    packed.finish()
}
