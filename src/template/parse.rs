//! Pieces of a template become its tree. What is unknown is told here, before anything is rendered.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::error::{Fault, TemplateError};
use super::functions;
use super::lex::{Kind, Piece, Token, pieces};
use super::tree::{Binding, Branch, Command, Node, Operand, Pipeline, Tree};
use super::value::Value;

/// Blocks in blocks, and parentheses in parentheses.
const DEPTH_MAX: usize = 100;

/// Words that are no functions.
const KEYWORDS: &[&str] =
    &["block", "break", "continue", "define", "else", "end", "if", "range", "template", "with"];

/// Reads a template.
pub(super) fn parse(text: &str) -> Result<Tree, TemplateError> {
    let pieces = pieces(text)?;
    let mut parser = Parser {
        pieces: pieces.into_iter(),
        variables: vec!["$".into()],
        defined: BTreeMap::new(),
        ranges: 0,
        depth: 0,
    };
    let (body, end) = parser.body()?;
    if let Some(end) = end {
        let found = end.word.to_owned();
        let fault = Fault::Expected { expected: "the end of the file", found };
        return Err(TemplateError { line: end.line, fault });
    }
    Ok(Tree { body, defined: parser.defined })
}

struct Parser {
    pieces: std::vec::IntoIter<Piece>,
    /// Those that are visible, outer ones first.
    variables: Vec<Rc<str>>,
    defined: BTreeMap<Rc<str>, Vec<Node>>,
    /// Loops around the place.
    ranges: usize,
    depth: usize,
}

/// What ended a body: `end` or `else`, with what follows the latter.
struct End {
    line: usize,
    word: &'static str,
    rest: Vec<Token>,
}

impl Parser {
    fn body(&mut self) -> Result<(Vec<Node>, Option<End>), TemplateError> {
        let mut nodes = Vec::new();
        while let Some(piece) = self.pieces.next() {
            let (line, tokens) = match piece {
                Piece::Text(text) => {
                    nodes.push(Node::Text(text));
                    continue;
                }
                Piece::Action { line, tokens } => (line, tokens),
            };
            let mut words = Words { tokens: tokens.into_iter().peekable(), line };
            let keyword = words.keyword();
            match keyword {
                Some(word @ "end") => {
                    words.finish()?;
                    return Ok((nodes, Some(End { line, word, rest: Vec::new() })));
                }
                Some(word @ "else") => {
                    let rest = words.tokens.collect();
                    return Ok((nodes, Some(End { line, word, rest })));
                }
                Some("define") => self.define(&mut words)?,
                Some(word) => nodes.push(self.keyword(word, words)?),
                None => {
                    let pipeline = self.pipeline(&mut words, 1)?;
                    words.finish()?;
                    nodes.push(Node::Action(pipeline));
                }
            }
        }
        Ok((nodes, None))
    }

    fn keyword(&mut self, word: &str, mut words: Words) -> Result<Node, TemplateError> {
        let line = words.line;
        match word {
            "if" | "with" | "range" => self.branch(word, words),
            "block" => {
                let name = words.name()?;
                let value = self.pipeline(&mut words, 1)?;
                words.finish()?;
                self.definition(line, &name)?;
                Ok(Node::Template { line, name, value: Some(value) })
            }
            "template" => {
                let name = words.name()?;
                let value = words.tokens.peek().is_some();
                let value = value.then(|| self.pipeline(&mut words, 1)).transpose()?;
                words.finish()?;
                Ok(Node::Template { line, name, value })
            }
            _ => {
                words.finish()?;
                if self.ranges == 0 {
                    let expected = "`break` and `continue` within `range` only";
                    return Err(at(line, Fault::Expected { expected, found: word.to_owned() }));
                }
                Ok(if word == "break" { Node::Break } else { Node::Continue })
            }
        }
    }

    fn define(&mut self, words: &mut Words) -> Result<(), TemplateError> {
        let line = words.line;
        let name = words.name()?;
        words.finish()?;
        if self.depth > 0 {
            let expected = "`define` outside of other blocks";
            return Err(at(line, Fault::Expected { expected, found: name.to_string() }));
        }
        self.definition(line, &name)
    }

    /// Reads the body of a template, which sees none of the variables around it.
    fn definition(&mut self, line: usize, name: &Rc<str>) -> Result<(), TemplateError> {
        let outer = std::mem::replace(&mut self.variables, vec!["$".into()]);
        let ranges = std::mem::take(&mut self.ranges);
        self.enter(line)?;
        let (nodes, end) = self.body()?;
        self.depth -= 1;
        closed(line, end)?;
        (self.variables, self.ranges) = (outer, ranges);
        self.defined.insert(Rc::clone(name), nodes);
        Ok(())
    }

    fn enter(&mut self, line: usize) -> Result<(), TemplateError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(at(line, Fault::Limit { what: "blocks in blocks", max: DEPTH_MAX }));
        }
        Ok(())
    }

    fn branch(&mut self, word: &str, mut words: Words) -> Result<Node, TemplateError> {
        let line = words.line;
        self.enter(line)?;
        let known = self.variables.len();
        let is_range = word == "range";
        let subject = self.pipeline(&mut words, if is_range { 2 } else { 1 })?;
        words.finish()?;
        self.ranges += usize::from(is_range);
        let within = self.variables.len();
        let (body, end) = self.body()?;
        self.ranges -= usize::from(is_range);
        self.variables.truncate(within);
        let end = end.ok_or_else(|| at(line, Fault::Unclosed("the block")))?;
        let otherwise = match (end.word, end.rest.is_empty()) {
            ("else", true) => {
                let (otherwise, end) = self.body()?;
                closed(line, end)?;
                otherwise
            }
            ("else", false) => {
                // `else if` stands for a block within `else` that ends with this one.
                let mut words = Words { tokens: end.rest.into_iter().peekable(), line: end.line };
                match words.keyword() {
                    Some(inner @ ("if" | "with")) if inner == word => {
                        vec![self.branch(inner, words)?]
                    }
                    _ => {
                        let found = words
                            .tokens
                            .next()
                            .map_or_else(|| "another block".to_owned(), |token| token.kind.show());
                        let expected = "`else`, or `else` with the word of its block";
                        return Err(at(end.line, Fault::Expected { expected, found }));
                    }
                }
            }
            _ => Vec::new(),
        };
        self.variables.truncate(known);
        self.depth -= 1;
        let branch = Branch { subject, body, otherwise };
        Ok(match word {
            "if" => Node::If(branch),
            "with" => Node::With(branch),
            _ => Node::Range(branch),
        })
    }

    fn pipeline(&mut self, words: &mut Words, names_max: usize) -> Result<Pipeline, TemplateError> {
        let line = words.line;
        let binding = self.binding(words, names_max)?;
        let mut commands = Vec::new();
        loop {
            let command = self.command(words)?;
            let literal =
                matches!(command.operands.first(), Some(Operand::Literal(_) | Operand::Dot));
            if literal && !commands.is_empty() {
                let expected = "a function after `|`";
                return Err(at(
                    command.line,
                    Fault::Expected { expected, found: "a value".into() },
                ));
            }
            commands.push(command);
            if words.tokens.next_if(|token| token.kind == Kind::Pipe).is_none() {
                break;
            }
        }
        // A variable is not visible in the pipeline that makes it.
        if let Some(binding) = binding.as_ref().filter(|binding| binding.declares) {
            self.variables.extend(binding.names.iter().cloned());
        }
        Ok(Pipeline { line, binding, commands })
    }

    /// The names in front of `:=` or `=`.
    fn binding(
        &self,
        words: &mut Words,
        names_max: usize,
    ) -> Result<Option<Binding>, TemplateError> {
        let ahead: Vec<Kind> = words.tokens.clone().take(4).map(|token| token.kind).collect();
        let (names, sign) = match ahead.as_slice() {
            [Kind::Variable(a), sign @ (Kind::Declare | Kind::Assign), ..] => (vec![a], sign),
            [Kind::Variable(a), Kind::Comma, Kind::Variable(b), sign] if names_max == 2 => {
                (vec![a, b], sign)
            }
            _ => return Ok(None),
        };
        let declares = match sign {
            Kind::Declare => true,
            Kind::Assign => false,
            _ => return Ok(None),
        };
        let names: Vec<Rc<str>> = names.iter().map(|name| name.as_str().into()).collect();
        for name in &names {
            if !declares && !self.variables.contains(name) {
                return Err(at(words.line, Fault::Variable(name.to_string())));
            }
        }
        let count = names.len() * 2;
        words.tokens.by_ref().take(count).for_each(drop);
        Ok(Some(Binding { names, declares }))
    }

    fn command(&mut self, words: &mut Words) -> Result<Command, TemplateError> {
        let line = words.tokens.peek().map_or(words.line, |token| token.line);
        let mut operands = Vec::new();
        while let Some(token) =
            words.tokens.next_if(|t| !matches!(t.kind, Kind::Pipe | Kind::Close))
        {
            let operand = self.operand(token, words)?;
            operands.push(operand);
        }
        if operands.is_empty() {
            return Err(at(line, words.unexpected("a value")));
        }
        Ok(Command { line, operands })
    }

    fn operand(&mut self, token: Token, words: &mut Words) -> Result<Operand, TemplateError> {
        let line = token.line;
        let mut fields = Vec::new();
        let operand = match token.kind {
            Kind::Dot => Operand::Dot,
            Kind::Field(name) => {
                fields.push(name);
                Operand::Dot
            }
            Kind::Variable(name) => {
                let known = self.variables.iter().find(|known| ***known == *name);
                let known = known.ok_or_else(|| at(line, Fault::Variable(name)))?;
                Operand::Variable(Rc::clone(known))
            }
            Kind::Text(text) => Operand::Literal(Value::text(text)),
            Kind::Int(number) => Operand::Literal(Value::Int(number)),
            Kind::Float(number) => Operand::Literal(Value::Float(number)),
            Kind::Word(word) => self::word(&word).map_err(|fault| at(line, fault))?,
            Kind::Open => {
                self.enter(line)?;
                let inner = self.pipeline(words, 1)?;
                self.depth -= 1;
                if words.tokens.next_if(|token| token.kind == Kind::Close).is_none() {
                    return Err(at(line, words.unexpected("`)`")));
                }
                Operand::Pipeline(inner)
            }
            kind => {
                return Err(at(line, Fault::Expected { expected: "a value", found: kind.show() }));
            }
        };
        while let Some(Token { kind: Kind::Field(name), .. }) =
            words.tokens.next_if(|token| token.glued && matches!(token.kind, Kind::Field(_)))
        {
            fields.push(name);
        }
        Ok(match fields.is_empty() {
            true => operand,
            false => Operand::Fields(Box::new(operand), fields),
        })
    }
}

fn word(word: &str) -> Result<Operand, Fault> {
    match word {
        "true" => Ok(Operand::Literal(Value::Bool(true))),
        "false" => Ok(Operand::Literal(Value::Bool(false))),
        "nil" => Ok(Operand::Literal(Value::Nil)),
        word if KEYWORDS.contains(&word) => {
            Err(Fault::Expected { expected: "a value", found: word.to_owned() })
        }
        word => functions::find(word).map(Operand::Function),
    }
}

/// Fails when a body did not end with `end`.
fn closed(line: usize, end: Option<End>) -> Result<(), TemplateError> {
    match end {
        None => Err(at(line, Fault::Unclosed("the block"))),
        Some(end) if end.word == "else" => {
            let fault = Fault::Expected { expected: "`end`", found: "else".into() };
            Err(at(end.line, fault))
        }
        Some(_) => Ok(()),
    }
}

fn at(line: usize, fault: Fault) -> TemplateError {
    TemplateError { line, fault }
}

/// The words of one action.
struct Words {
    tokens: std::iter::Peekable<std::vec::IntoIter<Token>>,
    line: usize,
}

impl Words {
    /// Takes a keyword.
    fn keyword(&mut self) -> Option<&'static str> {
        let Some(Token { kind: Kind::Word(word), .. }) = self.tokens.peek() else { return None };
        let keyword = KEYWORDS.iter().find(|keyword| *keyword == word).copied();
        if keyword.is_some() {
            self.tokens.next();
        }
        keyword
    }

    /// Takes the name of a template.
    fn name(&mut self) -> Result<Rc<str>, TemplateError> {
        match self.tokens.next() {
            Some(Token { kind: Kind::Text(name), .. }) => Ok(name.into()),
            Some(token) => {
                let expected = "a template's name in quotes";
                Err(at(token.line, Fault::Expected { expected, found: token.kind.show() }))
            }
            None => Err(at(self.line, self.unexpected("a template's name in quotes"))),
        }
    }

    fn finish(&mut self) -> Result<(), TemplateError> {
        match self.tokens.next() {
            None => Ok(()),
            Some(token) => {
                let fault = Fault::Expected { expected: "`}}`", found: token.kind.show() };
                Err(at(token.line, fault))
            }
        }
    }

    fn unexpected(&self, expected: &'static str) -> Fault {
        let found = self.tokens.clone().next().map_or_else(|| "`}}`".into(), |t| t.kind.show());
        Fault::Expected { expected, found }
    }
}
