//! The two syntaxes of rules, which differ in their matchers and not in how these are combined.

use super::matcher::{self, Kind, Matcher};
use super::{RuleError, Tree};

/// A syntax of rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Syntax {
    /// The older one, which Traefik calls deprecated.
    V2,
    /// The present one.
    #[default]
    V3,
}

impl Syntax {
    /// Both.
    pub const ALL: [Self; 2] = [Self::V2, Self::V3];

    /// A syntax by its name in configuration.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|syntax| syntax.name() == name)
    }

    /// Its name in configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::V2 => "v2",
            Self::V3 => "v3",
        }
    }

    /// Its matchers.
    #[must_use]
    pub fn catalogue(self) -> &'static [Kind] {
        match self {
            Self::V2 => matcher::v2::CATALOGUE,
            Self::V3 => matcher::CATALOGUE,
        }
    }

    /// Checks a tree's matchers and makes it ready to match requests.
    ///
    /// # Errors
    /// When a matcher is unknown or its arguments are wrong; with the position.
    pub fn compile(self, tree: &Tree) -> Result<Matcher, RuleError> {
        Matcher::new(tree, self.catalogue())
    }
}
