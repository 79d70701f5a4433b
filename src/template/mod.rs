//! Templates as users of Traefik write them into configuration files: the language of Go's
//! `text/template` and the functions of sprig that give the same answer every time.
//!
//! Must not know files, the environment (it is handed in), or what the text becomes.

mod error;
mod eval;
mod format;
mod functions;
mod lex;
mod parse;
mod reference;
mod tree;
mod value;

use std::fmt;

pub use error::TemplateError;
pub use functions::Function;
pub use reference::reference;

/// Looks an environment variable up.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The text a template makes, at most.
pub const OUTPUT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A template that has been read.
pub struct Template {
    tree: tree::Tree,
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Template").finish_non_exhaustive()
    }
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// When the text is no template, or names a function or a variable that there is not.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        Ok(Self { tree: parse::parse(text)? })
    }

    /// Whether the text has no action, so that it renders to itself.
    #[must_use]
    pub fn is_plain(text: &str) -> bool {
        !text.contains(lex::OPEN)
    }

    /// Makes the text. As in Traefik, the value it is made of (`.`) is `false`.
    ///
    /// # Errors
    /// When a function refuses what it is given, or a limit is reached.
    pub fn render(&self, environment: Environment<'_>) -> Result<String, TemplateError> {
        eval::render(&self.tree, environment)
    }
}

/// All functions, by name.
#[must_use]
pub fn catalogue() -> Vec<&'static Function> {
    functions::all().collect()
}

#[cfg(test)]
mod tests;
