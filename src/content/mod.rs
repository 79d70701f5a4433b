//! What a body's bytes are: guessed from how they begin, and compressed or not.
//!
//! Pure: knows bytes and nothing of messages.

mod codec;
mod sniff;

pub use codec::{Codec, CodecError, Coding};
pub use sniff::sniff;
