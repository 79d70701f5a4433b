//! The syntax tree of a rule, and its printing.

use std::fmt;

use super::Position;

/// A rule as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tree {
    /// All of them; two or more.
    And(Vec<Tree>),
    /// One of them; two or more.
    Or(Vec<Tree>),
    /// Not it.
    Not(Box<Tree>),
    /// A matcher with its arguments.
    Call(Call),
}

/// A matcher with its arguments, as written.
#[derive(Debug, Clone, Eq)]
pub struct Call {
    /// The matcher's name.
    pub name: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Where it stands.
    pub at: Position,
}

impl PartialEq for Call {
    /// Two calls are equal wherever they stand.
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.args == other.args
    }
}

impl Tree {
    /// All matchers, from left to right.
    pub fn calls(&self) -> Vec<&Call> {
        match self {
            Self::And(parts) | Self::Or(parts) => parts.iter().flat_map(Self::calls).collect(),
            Self::Not(inner) => inner.calls(),
            Self::Call(call) => vec![call],
        }
    }
}

impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let join = |f: &mut fmt::Formatter<'_>, parts: &[Self], operator: &str| {
            for (i, part) in parts.iter().enumerate() {
                if i > 0 {
                    write!(f, " {operator} ")?;
                }
                let needs_group =
                    matches!((self, part), (Self::And(_), Self::Or(_) | Self::And(_)))
                        || matches!((self, part), (Self::Or(_), Self::Or(_)));
                if needs_group { write!(f, "({part})")? } else { write!(f, "{part}")? }
            }
            Ok(())
        };
        match self {
            Self::And(parts) => join(f, parts, "&&"),
            Self::Or(parts) => join(f, parts, "||"),
            Self::Not(inner) => match &**inner {
                Self::And(_) | Self::Or(_) => write!(f, "!({inner})"),
                _ => write!(f, "!{inner}"),
            },
            Self::Call(call) => write!(f, "{call}"),
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(", self.name)?;
        for (i, arg) in self.args.iter().enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            // Raw strings hold neither backticks nor carriage returns.
            if arg.contains(['`', '\r']) { write_quoted(f, arg)? } else { write!(f, "`{arg}`")? }
        }
        f.write_str(")")
    }
}

fn write_quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("\"")?;
    for c in text.chars() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            c => write!(f, "{c}")?,
        }
    }
    f.write_str("\"")
}
