//! `printf`, as Go formats: verbs, flags, widths, and the marks of what does not fit.

use data_encoding::{HEXLOWER, HEXUPPER};

use super::error::Fault;
use super::eval::World;
use super::value::{Value, print_float};

/// Widths and precisions that count.
const WIDTH_MAX: usize = 1_000_000;

/// What stands between `%` and the verb.
#[derive(Debug, Default)]
struct Spec {
    minus: bool,
    plus: bool,
    zero: bool,
    space: bool,
    sharp: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

/// Formats.
pub(super) fn printf(
    world: &mut World<'_>,
    format: &str,
    values: &[Value],
) -> Result<String, Fault> {
    let mut out = String::new();
    let mut values = values.iter();
    let mut rest = format.chars().peekable();
    while let Some(c) = rest.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let spec = Spec::read(&mut rest, &mut values);
        world.room(spec.width.unwrap_or_default().max(spec.precision.unwrap_or_default()))?;
        match rest.next() {
            None => out.push_str("%!(NOVERB)"),
            Some('%') => out.push('%'),
            Some(verb) => match values.next() {
                None => out.push_str(&format!("%!{verb}(MISSING)")),
                Some(value) => spec.value(&mut out, verb, value),
            },
        }
    }
    let extra: Vec<String> =
        values.map(|value| format!("{}={}", name(value), value.print())).collect();
    if !extra.is_empty() {
        out.push_str(&format!("%!(EXTRA {})", extra.join(", ")));
    }
    Ok(out)
}

impl Spec {
    fn read<'a>(
        rest: &mut std::iter::Peekable<std::str::Chars<'_>>,
        values: &mut impl Iterator<Item = &'a Value>,
    ) -> Self {
        let mut spec = Self::default();
        while let Some(flag) = rest.next_if(|c| matches!(c, '-' | '+' | '0' | ' ' | '#')) {
            match flag {
                '-' => spec.minus = true,
                '+' => spec.plus = true,
                '0' => spec.zero = true,
                ' ' => spec.space = true,
                _ => spec.sharp = true,
            }
        }
        spec.width = number(rest, values);
        if rest.next_if_eq(&'.').is_some() {
            spec.precision = Some(number(rest, values).unwrap_or_default());
        }
        spec
    }

    fn value(&self, out: &mut String, verb: char, value: &Value) {
        if let (Value::List(items), false) = (value, verb == 'v') {
            out.push('[');
            for (place, item) in items.iter().enumerate() {
                out.push_str(if place > 0 { " " } else { "" });
                self.value(out, verb, item);
            }
            out.push(']');
            return;
        }
        match self.text(verb, value) {
            Some((text, is_number)) => self.pad(out, &text, is_number),
            None => {
                let shown = match value {
                    Value::Nil => "<nil>".to_owned(),
                    value => format!("{}={}", name(value), value.print()),
                };
                out.push_str(&format!("%!{verb}({shown})"));
            }
        }
    }

    /// The text of a value, and whether zeros may fill it; nothing when the verb does not fit.
    fn text(&self, verb: char, value: &Value) -> Option<(String, bool)> {
        match (verb, value) {
            ('v', Value::Text(text)) if self.sharp => Some((quote(text), false)),
            ('s' | 'v', Value::Text(text)) => Some((self.cut(text), false)),
            ('q', Value::Text(text)) => Some((quote(&self.cut(text)), false)),
            ('x', Value::Text(text)) => Some((HEXLOWER.encode(text.as_bytes()), false)),
            ('X', Value::Text(text)) => Some((HEXUPPER.encode(text.as_bytes()), false)),
            ('T', value) => Some((name(value).to_owned(), false)),
            ('t' | 'v', Value::Bool(value)) => Some((value.to_string(), false)),
            ('d' | 'v', Value::Int(number)) => {
                Some((self.signed(*number, &number.unsigned_abs().to_string()), true))
            }
            ('x' | 'X' | 'o' | 'b', Value::Int(number)) => {
                let bits = number.unsigned_abs();
                let (prefix, digits) = match verb {
                    'x' => ("0x", format!("{bits:x}")),
                    'X' => ("0X", format!("{bits:X}")),
                    'o' => ("0", format!("{bits:o}")),
                    _ => ("0b", format!("{bits:b}")),
                };
                let prefix = if self.sharp { prefix } else { "" };
                Some((self.signed(*number, &format!("{prefix}{digits}")), true))
            }
            ('c', Value::Int(number)) => Some((character(*number).to_string(), false)),
            ('q', Value::Int(number)) => {
                Some((format!("'{}'", character(*number).escape_default()), false))
            }
            ('U', Value::Int(number)) => Some((format!("U+{number:04X}"), false)),
            ('v' | 'g' | 'G' | 'f' | 'F' | 'e' | 'E', Value::Float(number)) => {
                Some((self.float(verb, *number), number.is_finite()))
            }
            ('v', value) => Some((value.print(), false)),
            _ => None,
        }
    }

    fn cut(&self, text: &str) -> String {
        text.chars().take(self.precision.unwrap_or(usize::MAX)).collect()
    }

    fn signed(&self, number: i64, digits: &str) -> String {
        let zeros = self.precision.unwrap_or_default().saturating_sub(digits.len());
        format!("{}{}{digits}", self.sign(number < 0), "0".repeat(zeros))
    }

    fn sign(&self, negative: bool) -> &'static str {
        match (negative, self.plus, self.space) {
            (true, ..) => "-",
            (_, true, _) => "+",
            (_, _, true) => " ",
            _ => "",
        }
    }

    fn float(&self, verb: char, number: f64) -> String {
        let size = number.abs();
        let text = match (verb, self.precision) {
            _ if !number.is_finite() => print_float(size).trim_start_matches('+').to_owned(),
            ('v' | 'g' | 'G', None) => print_float(size),
            ('v' | 'g' | 'G', Some(precision)) => significant(size, precision.max(1)),
            ('e' | 'E', precision) => exponent(size, precision.unwrap_or(6)),
            (_, precision) => format!("{size:.*}", precision.unwrap_or(6)),
        };
        let text = if verb.is_ascii_uppercase() { text.to_uppercase() } else { text };
        format!("{}{text}", self.sign(number.is_sign_negative()))
    }

    fn pad(&self, out: &mut String, text: &str, is_number: bool) {
        let missing = self.width.unwrap_or_default().saturating_sub(text.chars().count());
        if self.minus {
            out.push_str(text);
            out.push_str(&" ".repeat(missing));
        } else if self.zero && is_number && (self.precision.is_none() || text.contains('.')) {
            let (sign, digits) = text.split_at(usize::from(text.starts_with(['-', '+', ' '])));
            out.push_str(sign);
            out.push_str(&"0".repeat(missing));
            out.push_str(digits);
        } else {
            out.push_str(&" ".repeat(missing));
            out.push_str(text);
        }
    }
}

fn number<'a>(
    rest: &mut std::iter::Peekable<std::str::Chars<'_>>,
    values: &mut impl Iterator<Item = &'a Value>,
) -> Option<usize> {
    if rest.next_if_eq(&'*').is_some() {
        let Some(Value::Int(number)) = values.next() else { return None };
        return usize::try_from(*number).ok().map(|number| number.min(WIDTH_MAX));
    }
    let mut number = None;
    while let Some(digit) = rest.next_if(char::is_ascii_digit).and_then(|c| c.to_digit(10)) {
        let digit = usize::try_from(digit).unwrap_or_default();
        number = Some((number.unwrap_or(0_usize) * 10 + digit).min(WIDTH_MAX));
    }
    number
}

fn name(value: &Value) -> &'static str {
    match value {
        Value::Nil => "<nil>",
        Value::List(_) => "[]interface {}",
        Value::Dict(_) => "map[string]interface {}",
        other => other.kind(),
    }
}

fn character(number: i64) -> char {
    u32::try_from(number).ok().and_then(char::from_u32).unwrap_or('\u{fffd}')
}

fn exponent(number: f64, precision: usize) -> String {
    let text = format!("{number:.precision$e}");
    let Some((digits, exponent)) = text.split_once('e') else { return text };
    let exponent: i32 = exponent.parse().unwrap_or_default();
    format!("{digits}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
}

/// So many digits that count, zeros at the end left out.
fn significant(number: f64, precision: usize) -> String {
    let text = exponent(number, precision - 1);
    let Some((digits, power)) = text.split_once('e') else { return text };
    let power: i32 = power.parse().unwrap_or_default();
    let bare = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    if power < -4 || power >= i32::try_from(precision).unwrap_or(i32::MAX) {
        let sign = if power < 0 { '-' } else { '+' };
        return format!("{}e{sign}{:02}", bare(digits), power.abs());
    }
    let decimals = i32::try_from(precision).unwrap_or(i32::MAX).saturating_sub(1 + power);
    bare(&format!("{number:.*}", usize::try_from(decimals).unwrap_or_default()))
}

/// A text in double quotes, as Go writes it.
pub(super) fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            c if c.is_ascii_control() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c if c.is_control() || (c.is_whitespace() && c != ' ') => {
                out.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
