//! Options of an entrypoint about heads that servers may read differently.

use serde::{Deserialize, Serialize};

/// Which encoded characters paths may hold; a request with another one is answered with 400.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EncodedCharacters {
    /// `%2F`.
    pub allow_encoded_slash: bool,
    /// `%5C`.
    pub allow_encoded_back_slash: bool,
    /// `%00`.
    pub allow_encoded_null_character: bool,
    /// `%3B`.
    pub allow_encoded_semicolon: bool,
    /// `%25`.
    pub allow_encoded_percent: bool,
    /// `%3F`.
    pub allow_encoded_question_mark: bool,
    /// `%23`.
    pub allow_encoded_hash: bool,
}

impl Default for EncodedCharacters {
    fn default() -> Self {
        Self {
            allow_encoded_slash: true,
            allow_encoded_back_slash: true,
            allow_encoded_null_character: true,
            allow_encoded_semicolon: true,
            allow_encoded_percent: true,
            allow_encoded_question_mark: true,
            allow_encoded_hash: true,
        }
    }
}

impl EncodedCharacters {
    /// The characters that are refused when they come encoded.
    #[must_use]
    pub fn refused(&self) -> Vec<u8> {
        let characters = [
            (self.allow_encoded_slash, b'/'),
            (self.allow_encoded_back_slash, b'\\'),
            (self.allow_encoded_null_character, 0),
            (self.allow_encoded_semicolon, b';'),
            (self.allow_encoded_percent, b'%'),
            (self.allow_encoded_question_mark, b'?'),
            (self.allow_encoded_hash, b'#'),
        ];
        let refused = characters.into_iter().filter(|(is_allowed, _)| !is_allowed);
        refused.map(|(_, character)| character).collect()
    }
}

/// What is done with headers whose names hold an underscore.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnderscoreHeaders {
    /// They go on.
    #[default]
    Keep,
    /// They are removed.
    Delete,
    /// The request is answered with 400.
    Reject,
}
