//! Small values that configuration is made of, and the decoder every configuration goes through.
//!
//! Knows no file, socket or runtime.

mod duration;

pub use duration::{DurationError, GoDuration};
