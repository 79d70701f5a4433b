//! Numbers.

use super::{ANY, Arguments, Function, entry};
use crate::template::error::Fault;
use crate::template::eval::World;
use crate::template::lex;
use crate::template::value::Value;

pub(super) const FUNCTIONS: &[Function] = &[
    entry("add", "numbers...", (0, ANY), "The sum.", |_, a| {
        Ok(Value::Int(a.from(0).iter().map(whole).fold(0, i64::wrapping_add)))
    }),
    entry("add1", "number", (1, 1), "One more.", |_, a| {
        Ok(Value::Int(whole(a.any(0)).wrapping_add(1)))
    }),
    entry("sub", "number other", (2, 2), "The difference.", |_, a| {
        Ok(Value::Int(whole(a.any(0)).wrapping_sub(whole(a.any(1)))))
    }),
    entry("mul", "number others...", (1, ANY), "The product.", |_, a| {
        Ok(Value::Int(a.from(0).iter().map(whole).fold(1, i64::wrapping_mul)))
    }),
    entry("div", "number other", (2, 2), "The quotient without its fraction.", |_, a| {
        let (number, other) = (whole(a.any(0)), whole(a.any(1)));
        number.checked_div(other).map(Value::Int).ok_or(Fault::Zero)
    }),
    entry("mod", "number other", (2, 2), "The rest of a division.", |_, a| {
        let (number, other) = (whole(a.any(0)), whole(a.any(1)));
        number.checked_rem(other).map(Value::Int).ok_or(Fault::Zero)
    }),
    entry("addf", "numbers...", (0, ANY), "The sum, with fractions.", |_, a| {
        Ok(Value::Float(a.from(0).iter().map(real).sum()))
    }),
    entry("subf", "number others...", (1, ANY), "The difference, with fractions.", |_, a| {
        Ok(Value::Float(a.from(1).iter().map(real).fold(real(a.any(0)), |a, b| a - b)))
    }),
    entry("mulf", "number others...", (1, ANY), "The product, with fractions.", |_, a| {
        Ok(Value::Float(a.from(0).iter().map(real).product()))
    }),
    entry("divf", "number others...", (1, ANY), "The quotient, with fractions.", |_, a| {
        Ok(Value::Float(a.from(1).iter().map(real).fold(real(a.any(0)), |a, b| a / b)))
    }),
    entry("max", "number others...", (1, ANY), "The greatest.", |_, a| {
        Ok(Value::Int(a.from(0).iter().map(whole).max().unwrap_or_default()))
    }),
    entry("biggest", "number others...", (1, ANY), "The greatest.", |_, a| {
        Ok(Value::Int(a.from(0).iter().map(whole).max().unwrap_or_default()))
    }),
    entry("min", "number others...", (1, ANY), "The least.", |_, a| {
        Ok(Value::Int(a.from(0).iter().map(whole).min().unwrap_or_default()))
    }),
    entry("maxf", "number others...", (1, ANY), "The greatest, with fractions.", |_, a| {
        Ok(Value::Float(a.from(1).iter().map(real).fold(real(a.any(0)), f64::max)))
    }),
    entry("minf", "number others...", (1, ANY), "The least, with fractions.", |_, a| {
        Ok(Value::Float(a.from(1).iter().map(real).fold(real(a.any(0)), f64::min)))
    }),
    entry("ceil", "number", (1, 1), "The next whole number upwards.", |_, a| {
        Ok(Value::Float(real(a.any(0)).ceil()))
    }),
    entry("floor", "number", (1, 1), "The next whole number downwards.", |_, a| {
        Ok(Value::Float(real(a.any(0)).floor()))
    }),
    entry(
        "round",
        "number digits [from]",
        (2, 3),
        "Rounds to so many digits, halves upwards.",
        round,
    ),
    entry("int", "value", (1, 1), "A whole number; 0 for what is none.", |_, a| {
        Ok(Value::Int(whole(a.any(0))))
    }),
    entry("int64", "value", (1, 1), "A whole number; 0 for what is none.", |_, a| {
        Ok(Value::Int(whole(a.any(0))))
    }),
    entry("atoi", "text", (1, 1), "A whole number; 0 for what is none.", |_, a| {
        Ok(Value::Int(a.text(0)?.parse().unwrap_or_default()))
    }),
    entry("float64", "value", (1, 1), "A number with a fraction; 0 for what is none.", |_, a| {
        Ok(Value::Float(real(a.any(0))))
    }),
    entry("toDecimal", "value", (1, 1), "Reads octal digits.", |_, a| {
        let digits = a.any(0).print();
        Ok(Value::Int(i64::from_str_radix(&digits, 8).unwrap_or_default()))
    }),
    entry("until", "count", (1, 1), "The numbers from 0 up to a count, without it.", |world, a| {
        let end = a.int(0)?;
        steps(world, 0, end, if end < 0 { -1 } else { 1 })
    }),
    entry(
        "untilStep",
        "from to step",
        (3, 3),
        "The numbers from one to another, without it.",
        |world, a| steps(world, a.int(0)?, a.int(1)?, a.int(2)?),
    ),
    entry(
        "seq",
        "[from [step]] to",
        (0, 3),
        "Numbers with spaces between, the last one included.",
        seq,
    ),
];

/// A whole number of anything, as sprig casts it: fractions are cut, what is no number is 0.
#[expect(clippy::cast_possible_truncation, reason = "Go cuts too")]
pub(super) fn whole(value: &Value) -> i64 {
    match value {
        Value::Int(number) => *number,
        Value::Float(number) => *number as i64,
        Value::Bool(value) => i64::from(*value),
        Value::Text(text) => lex::int(text).unwrap_or_default(),
        Value::Nil | Value::List(_) | Value::Dict(_) => 0,
    }
}

#[expect(clippy::cast_precision_loss, reason = "Go loses it too")]
fn real(value: &Value) -> f64 {
    match value {
        Value::Int(number) => *number as f64,
        Value::Float(number) => *number,
        Value::Bool(value) => f64::from(u8::from(*value)),
        Value::Text(text) => text.parse().unwrap_or_default(),
        Value::Nil | Value::List(_) | Value::Dict(_) => 0.0,
    }
}

fn round(_: &mut World<'_>, a: &Arguments) -> Result<Value, Fault> {
    let digits = i32::try_from(a.int(1)?).unwrap_or(i32::MAX).clamp(-300, 300);
    let from = if a.len() == 3 { real(a.any(2)) } else { 0.5 };
    let scale = 10_f64.powi(digits);
    let scaled = real(a.any(0)) * scale;
    let rounded = if scaled.fract() >= from { scaled.ceil() } else { scaled.floor() };
    Ok(Value::Float(rounded / scale))
}

fn steps(world: &mut World<'_>, from: i64, to: i64, step: i64) -> Result<Value, Fault> {
    let leads = if step > 0 { from < to } else { step < 0 && from > to };
    if !leads {
        return Ok(Value::list([]));
    }
    let count = from.abs_diff(to).div_ceil(step.unsigned_abs());
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    world.room(count.saturating_mul(64))?;
    let numbers = std::iter::successors(Some(from), |number| number.checked_add(step));
    Ok(Value::list(numbers.take(count).map(Value::Int)))
}

fn seq(world: &mut World<'_>, a: &Arguments) -> Result<Value, Fault> {
    let (from, step, to) = match a.len() {
        0 => return Ok(Value::text("")),
        1 => (1, if a.int(0)? < 1 { -1 } else { 1 }, a.int(0)?),
        2 => (a.int(0)?, if a.int(1)? < a.int(0)? { -1 } else { 1 }, a.int(1)?),
        _ => (a.int(0)?, a.int(1)?, a.int(2)?),
    };
    let list = steps(world, from, to.saturating_add(step.signum()), step)?;
    let text = list.print();
    Ok(Value::text(text.trim_matches(['[', ']'])))
}
