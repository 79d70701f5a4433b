//! A tree becomes text. Must not know what functions do.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::error::{Fault, TemplateError};
use super::functions::{Function, Run};
use super::tree::{Branch, Command, Node, Operand, Pipeline, Tree};
use super::value::{PIECE_BYTES, Value};
use super::{Environment, OUTPUT_BYTES_MAX};

/// Steps, each a piece of the tree or 64 bytes that a function makes.
const STEPS_MAX: usize = 20_000_000;
/// Templates in templates.
const CALLS_MAX: usize = 100;

/// What functions may use of the run.
pub(super) struct World<'a> {
    pub(super) environment: Environment<'a>,
    steps: usize,
}

impl World<'_> {
    /// Notes work.
    pub(super) fn charge(&mut self, steps: usize) -> Result<(), Fault> {
        self.steps = self.steps.saturating_add(steps);
        if self.steps > STEPS_MAX {
            return Err(Fault::Limit { what: "steps", max: STEPS_MAX });
        }
        Ok(())
    }

    /// Notes that a value is gone through; refuses one that is too large or too deep for that.
    fn measure(&mut self, value: &Value) -> Result<(), Fault> {
        let limit = OUTPUT_BYTES_MAX / PIECE_BYTES;
        let mut pieces = 0;
        if !value.measure(0, limit, &mut pieces) {
            return Err(Fault::Limit { what: "values in one value, or in each other", max: limit });
        }
        self.charge(pieces / 8)
    }

    /// Notes a text or a list before it is made.
    pub(super) fn room(&mut self, length: usize) -> Result<(), Fault> {
        if length > OUTPUT_BYTES_MAX {
            return Err(Fault::Limit { what: "bytes", max: OUTPUT_BYTES_MAX });
        }
        self.charge(length / 64)
    }
}

/// Makes the text.
pub(super) fn render(tree: &Tree, environment: Environment<'_>) -> Result<String, TemplateError> {
    let mut run = Evaluation {
        defined: &tree.defined,
        world: World { environment, steps: 0 },
        variables: vec![("$".into(), Value::Bool(false))],
        out: String::new(),
        calls: 0,
        line: 1,
    };
    match run.body(&tree.body, &Value::Bool(false)) {
        Ok(_) => Ok(run.out),
        Err(fault) => Err(TemplateError { line: run.line, fault }),
    }
}

struct Evaluation<'a> {
    defined: &'a BTreeMap<Rc<str>, Vec<Node>>,
    world: World<'a>,
    variables: Vec<(Rc<str>, Value)>,
    out: String,
    calls: usize,
    /// Of what runs now.
    line: usize,
}

/// Where a body goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    On,
    Break,
    Continue,
}

impl Evaluation<'_> {
    fn body(&mut self, nodes: &[Node], dot: &Value) -> Result<Way, Fault> {
        for node in nodes {
            let way = self.node(node, dot)?;
            if way != Way::On {
                return Ok(way);
            }
        }
        Ok(Way::On)
    }

    fn node(&mut self, node: &Node, dot: &Value) -> Result<Way, Fault> {
        self.world.charge(1)?;
        match node {
            Node::Text(text) => self.write(|out| out.push_str(text))?,
            Node::Action(pipeline) => {
                let value = self.pipeline(pipeline, dot)?;
                if pipeline.binding.is_none() {
                    self.world.measure(&value)?;
                    self.write(|out| value.print_to(out, "<no value>"))?;
                }
            }
            Node::If(branch) | Node::With(branch) => {
                let known = self.variables.len();
                let value = self.pipeline(&branch.subject, dot)?;
                let inner = if matches!(node, Node::With(_)) { &value } else { dot };
                let way = match value.truth() {
                    true => self.body(&branch.body, inner)?,
                    false => self.body(&branch.otherwise, dot)?,
                };
                self.variables.truncate(known);
                return Ok(way);
            }
            Node::Range(branch) => return self.range(branch, dot),
            Node::Template { line, name, value } => {
                self.line = *line;
                self.template(name, value.as_ref(), dot)?;
            }
            Node::Break => return Ok(Way::Break),
            Node::Continue => return Ok(Way::Continue),
        }
        Ok(Way::On)
    }

    fn write(&mut self, write: impl FnOnce(&mut String)) -> Result<(), Fault> {
        let before = self.out.len();
        write(&mut self.out);
        if self.out.len() > OUTPUT_BYTES_MAX {
            return Err(Fault::Limit { what: "bytes", max: OUTPUT_BYTES_MAX });
        }
        self.world.charge((self.out.len() - before) / 64)
    }

    fn template(
        &mut self,
        name: &Rc<str>,
        value: Option<&Pipeline>,
        dot: &Value,
    ) -> Result<(), Fault> {
        let value = value.map(|value| self.pipeline(value, dot)).transpose()?;
        let value = value.unwrap_or(Value::Nil);
        let body = self.defined.get(name).ok_or_else(|| Fault::Template(name.to_string()))?;
        if self.calls >= CALLS_MAX {
            return Err(Fault::Limit { what: "templates in templates", max: CALLS_MAX });
        }
        let outer = std::mem::replace(&mut self.variables, vec![("$".into(), value.clone())]);
        self.calls += 1;
        self.body(body, &value)?;
        self.calls -= 1;
        self.variables = outer;
        Ok(())
    }

    fn range(&mut self, branch: &Branch, dot: &Value) -> Result<Way, Fault> {
        let known = self.variables.len();
        let value = self.commands(&branch.subject, dot)?;
        let items: Vec<(Value, Value)> = match &value {
            Value::List(items) => (0..).map(Value::Int).zip(items.iter().cloned()).collect(),
            Value::Dict(fields) => {
                let fields = fields.borrow();
                fields.iter().map(|(name, item)| (Value::text(&**name), item.clone())).collect()
            }
            Value::Int(count) => {
                let count = usize::try_from(*count).unwrap_or_default();
                self.world.room(count)?;
                (0..).take(count).map(|place| (Value::Int(place), Value::Int(place))).collect()
            }
            Value::Nil => Vec::new(),
            other => return Err(Fault::Iterate(other.kind())),
        };
        if items.is_empty() {
            self.bind_item(&branch.subject, value.clone(), &value);
            let way = self.body(&branch.otherwise, dot)?;
            self.variables.truncate(known);
            return Ok(way);
        }
        for (key, item) in items {
            self.world.charge(1)?;
            self.bind_item(&branch.subject, key, &item);
            let within = self.variables.len();
            let way = self.body(&branch.body, &item)?;
            self.variables.truncate(within);
            if branch.subject.binding.as_ref().is_some_and(|binding| binding.declares) {
                self.variables.truncate(known);
            }
            if way == Way::Break {
                break;
            }
        }
        Ok(Way::On)
    }

    /// Gives a loop's variables what they hold this time.
    fn bind_item(&mut self, subject: &Pipeline, key: Value, item: &Value) {
        let Some(binding) = &subject.binding else { return };
        let values = match binding.names.as_slice() {
            [_] => vec![item.clone()],
            _ => vec![key, item.clone()],
        };
        for (name, value) in binding.names.iter().zip(values) {
            self.bind(name, value, binding.declares);
        }
    }

    fn bind(&mut self, name: &Rc<str>, value: Value, declares: bool) {
        let held = self.variables.iter_mut().rev().find(|(known, _)| known == name);
        match held {
            Some((_, held)) if !declares => *held = value,
            _ => self.variables.push((Rc::clone(name), value)),
        }
    }

    fn pipeline(&mut self, pipeline: &Pipeline, dot: &Value) -> Result<Value, Fault> {
        let value = self.commands(pipeline, dot)?;
        if let Some(binding) = &pipeline.binding {
            for name in &binding.names {
                self.bind(name, value.clone(), binding.declares);
            }
        }
        Ok(value)
    }

    /// The value of a pipeline, before it is bound.
    fn commands(&mut self, pipeline: &Pipeline, dot: &Value) -> Result<Value, Fault> {
        self.line = pipeline.line;
        let mut piped = None;
        for command in &pipeline.commands {
            piped = Some(self.command(command, piped, dot)?);
        }
        Ok(piped.unwrap_or(Value::Nil))
    }

    fn command(
        &mut self,
        command: &Command,
        piped: Option<Value>,
        dot: &Value,
    ) -> Result<Value, Fault> {
        self.world.charge(1)?;
        self.line = command.line;
        let Some((first, rest)) = command.operands.split_first() else { return Ok(Value::Nil) };
        if let Operand::Function(function) = first {
            return self.call(function, rest, piped, dot);
        }
        if !rest.is_empty() || piped.is_some() {
            let value = self.operand(first, dot)?;
            return Err(Fault::Arguments(value.kind().to_owned()));
        }
        self.operand(first, dot)
    }

    fn call(
        &mut self,
        function: &'static Function,
        operands: &[Operand],
        piped: Option<Value>,
        dot: &Value,
    ) -> Result<Value, Fault> {
        function.check(operands.len() + usize::from(piped.is_some()))?;
        if let Run::Until(stop) = function.run {
            // Go stops at the first argument that decides.
            let mut last = Value::Nil;
            for operand in operands {
                last = self.operand(operand, dot)?;
                if last.truth() == stop {
                    return Ok(last);
                }
            }
            return Ok(piped.unwrap_or(last));
        }
        let mut arguments = Vec::with_capacity(operands.len() + 1);
        for operand in operands {
            arguments.push(self.operand(operand, dot)?);
        }
        arguments.extend(piped);
        for argument in &arguments {
            self.world.measure(argument)?;
        }
        function.call(&mut self.world, arguments)
    }

    fn operand(&mut self, operand: &Operand, dot: &Value) -> Result<Value, Fault> {
        match operand {
            Operand::Dot => Ok(dot.clone()),
            Operand::Literal(value) => Ok(value.clone()),
            Operand::Variable(name) => {
                let held = self.variables.iter().rev().find(|(known, _)| known == name);
                held.map(|(_, value)| value.clone())
                    .ok_or_else(|| Fault::Variable(name.to_string()))
            }
            Operand::Function(function) => self.call(function, &[], None, dot),
            Operand::Pipeline(pipeline) => self.pipeline(pipeline, dot),
            Operand::Fields(inner, names) => {
                let mut value = self.operand(inner, dot)?;
                for name in names {
                    value = match &value {
                        Value::Dict(fields) => {
                            fields.borrow().get(name).cloned().unwrap_or(Value::Nil)
                        }
                        other => {
                            let kind = other.kind();
                            return Err(Fault::Field { kind, name: name.clone() });
                        }
                    };
                }
                Ok(value)
            }
        }
    }
}
