//! The tree of a template. Must not know how it is read or what it renders.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::functions::Function;
use super::value::Value;

/// A whole file: its own text, and the templates it defines.
pub(super) struct Tree {
    pub(super) body: Vec<Node>,
    pub(super) defined: BTreeMap<Rc<str>, Vec<Node>>,
}

/// A piece of a template.
pub(super) enum Node {
    Text(String),
    Action(Pipeline),
    If(Branch),
    With(Branch),
    Range(Branch),
    Template { line: usize, name: Rc<str>, value: Option<Pipeline> },
    Break,
    Continue,
}

/// A condition and its two ways.
pub(super) struct Branch {
    pub(super) subject: Pipeline,
    pub(super) body: Vec<Node>,
    pub(super) otherwise: Vec<Node>,
}

/// Commands, each of which gets the result of the one before it.
pub(super) struct Pipeline {
    pub(super) line: usize,
    pub(super) binding: Option<Binding>,
    pub(super) commands: Vec<Command>,
}

/// `$name :=`, `$name =` or, for `range`, two names.
pub(super) struct Binding {
    pub(super) names: Vec<Rc<str>>,
    pub(super) declares: bool,
}

/// An operand and its arguments.
pub(super) struct Command {
    pub(super) line: usize,
    pub(super) operands: Vec<Operand>,
}

/// What a command is made of.
pub(super) enum Operand {
    Dot,
    Literal(Value),
    Variable(Rc<str>),
    Function(&'static Function),
    Pipeline(Pipeline),
    /// Fields of another operand.
    Fields(Box<Operand>, Vec<String>),
}
