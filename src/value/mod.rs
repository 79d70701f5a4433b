//! Small values that configuration is made of, and the decoder every configuration goes through.
//!
//! Knows no file, socket or runtime.

mod decode;
mod der;
mod document;
mod duration;
mod fields;
mod ocsp;
mod pattern;
mod size;
mod spki;
mod statuses;
mod suggest;
mod x509;

pub use decode::{DecodeError, decode, decode_at, section};
pub use document::{DocumentError, Format};
pub use duration::{DurationError, GoDuration};
pub use fields::fields_of;
pub use ocsp::{Answer, Question, Status, key as public_key};
pub use pattern::{PatternError, go_regex};
pub use size::{SizeError, parse_size};
pub use spki::PublicKey;
pub use statuses::{StatusRangeError, StatusRanges};
pub use suggest::nearest;
pub use x509::{Alternative, Attribute, Certificate};
