//! Texts.

use super::{ANY, Arguments, Function, entry};
use crate::template::error::Fault;
use crate::template::eval::World;
use crate::template::format;
use crate::template::value::Value;

pub(super) const FUNCTIONS: &[Function] = &[
    entry(
        "print",
        "values...",
        (0, ANY),
        "The values as one text; spaces stand between those that are no texts.",
        |_, a| Ok(Value::text(sprint(a.from(0)))),
    ),
    entry(
        "println",
        "values...",
        (0, ANY),
        "The values with spaces between, and an end of line.",
        |_, a| Ok(Value::text(joined(a.from(0)) + "\n")),
    ),
    entry(
        "printf",
        "format values...",
        (1, ANY),
        "Go's formatting: `%s`, `%v`, `%d`, `%q`, `%05.2f` and so on.",
        |world, a| format::printf(world, a.text(0)?, a.from(1)).map(Value::text),
    ),
    entry("trim", "text", (1, 1), "Without spaces around it.", |_, a| {
        Ok(Value::text(a.text(0)?.trim()))
    }),
    entry(
        "trimAll",
        "characters text",
        (2, 2),
        "Without any of the characters around it.",
        |_, a| {
            let characters = a.text(0)?;
            Ok(Value::text(a.text(1)?.trim_matches(|c| characters.contains(c))))
        },
    ),
    entry("trimPrefix", "prefix text", (2, 2), "Without the prefix, if it is there.", |_, a| {
        let (prefix, text) = (a.text(0)?, a.text(1)?);
        Ok(Value::text(text.strip_prefix(prefix).unwrap_or(text)))
    }),
    entry("trimSuffix", "suffix text", (2, 2), "Without the suffix, if it is there.", |_, a| {
        let (suffix, text) = (a.text(0)?, a.text(1)?);
        Ok(Value::text(text.strip_suffix(suffix).unwrap_or(text)))
    }),
    entry("upper", "text", (1, 1), "In upper case.", |_, a| {
        Ok(Value::text(a.text(0)?.to_uppercase()))
    }),
    entry("lower", "text", (1, 1), "In lower case.", |_, a| {
        Ok(Value::text(a.text(0)?.to_lowercase()))
    }),
    entry("title", "text", (1, 1), "Every word with an upper-case first letter.", |_, a| {
        Ok(Value::text(words(a.text(0)?, |c| c.to_uppercase().collect())))
    }),
    entry("untitle", "text", (1, 1), "Every word with a lower-case first letter.", |_, a| {
        Ok(Value::text(words(a.text(0)?, |c| c.to_lowercase().collect())))
    }),
    entry("swapcase", "text", (1, 1), "Upper case becomes lower case, and the reverse.", |_, a| {
        Ok(Value::text(a.text(0)?.chars().map(swap).collect::<String>()))
    }),
    entry("camelcase", "text", (1, 1), "`http_server` becomes `HttpServer`.", |_, a| {
        let parts = parts(a.text(0)?);
        let part = |part: &String| words(part, |c| c.to_uppercase().collect());
        Ok(Value::text(parts.iter().map(part).collect::<String>()))
    }),
    entry("snakecase", "text", (1, 1), "`HttpServer` becomes `http_server`.", |_, a| {
        Ok(Value::text(parts(a.text(0)?).join("_")))
    }),
    entry("kebabcase", "text", (1, 1), "`HttpServer` becomes `http-server`.", |_, a| {
        Ok(Value::text(parts(a.text(0)?).join("-")))
    }),
    entry("repeat", "count text", (2, 2), "The text so many times.", |world, a| {
        let (count, text) = (a.count(0)?, a.text(1)?);
        world.room(text.len().saturating_mul(count))?;
        Ok(Value::text(text.repeat(count)))
    }),
    entry(
        "substr",
        "from to text",
        (3, 3),
        "The bytes from one place up to another, without it.",
        |_, a| {
            let (from, to, text) = (a.count(0)?, a.int(1)?, a.text(2)?);
            let to = usize::try_from(to).ok().filter(|to| *to <= text.len()).unwrap_or(text.len());
            Ok(Value::text(part(text, from, to)))
        },
    ),
    entry(
        "trunc",
        "length text",
        (2, 2),
        "At most so many bytes; the last ones with a negative length.",
        |_, a| {
            let (length, text) = (a.int(0)?, a.text(1)?);
            let bytes =
                usize::try_from(length.unsigned_abs()).unwrap_or(usize::MAX).min(text.len());
            Ok(Value::text(match length < 0 {
                true => part(text, text.len() - bytes, text.len()),
                false => part(text, 0, bytes),
            }))
        },
    ),
    entry(
        "abbrev",
        "width text",
        (2, 2),
        "At most so many bytes, with `...` in place of the rest.",
        |_, a| {
            let (width, text) = (a.count(0)?, a.text(1)?);
            match width < 4 || text.len() <= width {
                true => Ok(Value::text(text)),
                false => Ok(Value::text(format!("{}...", part(text, 0, width - 3)))),
            }
        },
    ),
    entry("nospace", "text", (1, 1), "Without any spaces.", |_, a| {
        Ok(Value::text(a.text(0)?.split_whitespace().collect::<String>()))
    }),
    entry("contains", "part text", (2, 2), "Whether the text has the part.", |_, a| {
        Ok(Value::Bool(a.text(1)?.contains(a.text(0)?)))
    }),
    entry("hasPrefix", "prefix text", (2, 2), "Whether the text begins so.", |_, a| {
        Ok(Value::Bool(a.text(1)?.starts_with(a.text(0)?)))
    }),
    entry("hasSuffix", "suffix text", (2, 2), "Whether the text ends so.", |_, a| {
        Ok(Value::Bool(a.text(1)?.ends_with(a.text(0)?)))
    }),
    entry("quote", "values...", (0, ANY), "Each in double quotes, with escapes.", |_, a| {
        let quoted: Vec<String> = given(a).map(|value| format::quote(&value.print())).collect();
        Ok(Value::text(quoted.join(" ")))
    }),
    entry("squote", "values...", (0, ANY), "Each in single quotes.", |_, a| {
        let quoted: Vec<String> = given(a).map(|value| format!("'{}'", value.print())).collect();
        Ok(Value::text(quoted.join(" ")))
    }),
    entry("cat", "values...", (0, ANY), "The values with spaces between.", |_, a| {
        let texts: Vec<String> = given(a).map(Value::print).collect();
        Ok(Value::text(texts.join(" ")))
    }),
    entry(
        "indent",
        "spaces text",
        (2, 2),
        "Every line with so many spaces in front.",
        |world, a| indent(world, a).map(Value::text),
    ),
    entry("nindent", "spaces text", (2, 2), "The same, after an end of line.", |world, a| {
        Ok(Value::text(format!("\n{}", indent(world, a)?)))
    }),
    entry("replace", "old new text", (3, 3), "Every old part becomes the new one.", |world, a| {
        let (old, new, text) = (a.text(0)?, a.text(1)?, a.text(2)?);
        world
            .room(text.len().saturating_add(new.len().saturating_mul(text.matches(old).count())))?;
        Ok(Value::text(text.replace(old, new)))
    }),
    entry(
        "plural",
        "one many count",
        (3, 3),
        "The first text for a count of one, else the second.",
        |_, a| Ok(a.any(usize::from(a.int(2)? != 1)).clone()),
    ),
    entry(
        "split",
        "text separator",
        (2, 2),
        "The parts of a text. As in Traefik, the text comes first.",
        |world, a| split(world, a.text(0)?, a.text(1)?),
    ),
    entry("splitList", "separator text", (2, 2), "The parts of a text.", |world, a| {
        split(world, a.text(1)?, a.text(0)?)
    }),
    entry(
        "splitn",
        "separator count text",
        (3, 3),
        "A map of at most so many parts, `_0`, `_1` and so on.",
        |_, a| {
            let parts = a.text(2)?.splitn(a.count(1)?, a.text(0)?).enumerate();
            Ok(Value::dict(parts.map(|(place, part)| (format!("_{place}"), Value::text(part)))))
        },
    ),
    entry(
        "normalize",
        "text",
        (1, 1),
        "Letters and digits, with `-` in place of what is between them.",
        |_, a| {
            let parts = a.text(0)?.split(|c: char| !c.is_alphanumeric());
            let parts: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
            Ok(Value::text(parts.join("-")))
        },
    ),
    entry("toString", "value", (1, 1), "The value as a text.", |_, a| {
        Ok(Value::text(a.any(0).print()))
    }),
    entry("html", "values...", (0, ANY), "The values, escaped for HTML.", |_, a| {
        Ok(Value::text(escaped(&sprint(a.from(0)), |c| match c {
            '"' => Some("&#34;"),
            '\'' => Some("&#39;"),
            '&' => Some("&amp;"),
            '<' => Some("&lt;"),
            '>' => Some("&gt;"),
            '\0' => Some("\u{fffd}"),
            _ => None,
        })))
    }),
    entry("js", "values...", (0, ANY), "The values, escaped for a text of JavaScript.", |_, a| {
        Ok(Value::text(escaped(&sprint(a.from(0)), |c| match c {
            '\\' => Some("\\\\"),
            '\'' => Some("\\'"),
            '"' => Some("\\\""),
            '<' => Some("\\u003C"),
            '>' => Some("\\u003E"),
            '&' => Some("\\u0026"),
            '=' => Some("\\u003D"),
            '\n' => Some("\\u000A"),
            '\r' => Some("\\u000D"),
            '\t' => Some("\\u0009"),
            _ => None,
        })))
    }),
    entry(
        "urlquery",
        "values...",
        (0, ANY),
        "The values, escaped for the query of a URL.",
        |_, a| {
            let mut out = String::new();
            for byte in sprint(a.from(0)).bytes() {
                match byte {
                    b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                        out.push(char::from(byte));
                    }
                    b' ' => out.push('+'),
                    byte => out.push_str(&format!("%{byte:02X}")),
                }
            }
            Ok(Value::text(out))
        },
    ),
];

fn given(a: &Arguments) -> impl Iterator<Item = &Value> {
    a.from(0).iter().filter(|value| !matches!(value, Value::Nil))
}

/// As Go's `Sprint`: a space between two values that are no texts.
fn sprint(values: &[Value]) -> String {
    let mut out = String::new();
    let mut after_text = true;
    for value in values {
        let is_text = matches!(value, Value::Text(_));
        if !is_text && !after_text {
            out.push(' ');
        }
        value.print_to(&mut out, "<nil>");
        after_text = is_text;
    }
    out
}

fn joined(values: &[Value]) -> String {
    values.iter().map(Value::print).collect::<Vec<_>>().join(" ")
}

fn swap(c: char) -> char {
    match c.is_uppercase() {
        true => c.to_lowercase().next().unwrap_or(c),
        false => c.to_uppercase().next().unwrap_or(c),
    }
}

/// Changes the first letter of every word.
fn words(text: &str, first: fn(char) -> String) -> String {
    let mut out = String::with_capacity(text.len());
    let mut between = true;
    for c in text.chars() {
        match between {
            true => out.push_str(&first(c)),
            false => out.push(c),
        }
        between = !(c.is_alphanumeric() || matches!(c, '_' | '\''));
    }
    out
}

/// The words of a name, in lower case.
fn parts(name: &str) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    let mut before = ' ';
    let mut characters = name.chars().peekable();
    while let Some(c) = characters.next() {
        let ends_run = before.is_uppercase() && characters.peek().is_some_and(|c| c.is_lowercase());
        let begins =
            !before.is_alphanumeric() || (c.is_uppercase() && (!before.is_uppercase() || ends_run));
        if c.is_alphanumeric() {
            let lower = c.to_lowercase();
            match parts.last_mut() {
                Some(part) if !begins => part.extend(lower),
                _ => parts.push(lower.collect()),
            }
        }
        before = c;
    }
    parts
}

/// Bytes of a text, less those of characters that would be cut.
fn part(text: &str, from: usize, to: usize) -> &str {
    let bound = |place: usize| {
        (0..=place.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default()
    };
    text.get(bound(from)..bound(to)).unwrap_or_default()
}

fn indent(world: &mut World<'_>, a: &Arguments) -> Result<String, Fault> {
    let (spaces, text) = (a.count(0)?, a.text(1)?);
    let lines = text.matches('\n').count() + 1;
    world.room(spaces.saturating_mul(lines).saturating_add(text.len()))?;
    let spaces = " ".repeat(spaces);
    Ok(format!("{spaces}{}", text.replace('\n', &format!("\n{spaces}"))))
}

fn split(world: &mut World<'_>, text: &str, separator: &str) -> Result<Value, Fault> {
    world.charge(text.len() / 8)?;
    // Without a separator every character is a part, as in Go.
    Ok(match separator.is_empty() {
        true => Value::texts(text.chars().map(String::from)),
        false => Value::texts(text.split(separator)),
    })
}

fn escaped(text: &str, escape: fn(char) -> Option<&'static str>) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match escape(c) {
            Some(escaped) => out.push_str(escaped),
            None => out.push(c),
        }
    }
    out
}
