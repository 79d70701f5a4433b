//! Small values that configuration is made of, and the decoder every configuration goes through.
//!
//! Knows no file, socket or runtime.

mod decode;
mod der;
mod document;
mod duration;
mod pattern;
mod size;
mod spki;
mod suggest;
mod x509;

pub use decode::{DecodeError, decode, decode_at, section};
pub use document::{DocumentError, Format};
pub use duration::{DurationError, GoDuration};
pub use pattern::{PatternError, go_regex};
pub use size::{SizeError, parse_size};
pub use spki::PublicKey;
pub use suggest::nearest;
pub use x509::{Alternative, Attribute, Certificate};
