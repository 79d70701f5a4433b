//! Regular expressions, in Go's syntax.

use regex::{NoExpand, Regex};

use super::{Arguments, Function, entry};
use crate::template::error::Fault;
use crate::template::eval::World;
use crate::template::value::Value;
use crate::value::go_regex;

type Answer = Result<Value, Fault>;

pub(super) const FUNCTIONS: &[Function] = &[
    entry(
        "regexMatch",
        "expression text",
        (2, 2),
        "Whether the expression matches anywhere.",
        matches,
    ),
    entry(
        "mustRegexMatch",
        "expression text",
        (2, 2),
        "Whether the expression matches anywhere.",
        matches,
    ),
    entry("regexFind", "expression text", (2, 2), "The first match, else an empty text.", find),
    entry("mustRegexFind", "expression text", (2, 2), "The first match, else an empty text.", find),
    entry(
        "regexFindAll",
        "expression text count",
        (3, 3),
        "At most so many matches; all with -1.",
        find_all,
    ),
    entry(
        "mustRegexFindAll",
        "expression text count",
        (3, 3),
        "At most so many matches; all with -1.",
        find_all,
    ),
    entry(
        "regexReplaceAll",
        "expression text replacement",
        (3, 3),
        "Replaces every match; `${1}` and `${name}` stand for groups.",
        replace,
    ),
    entry(
        "mustRegexReplaceAll",
        "expression text replacement",
        (3, 3),
        "Replaces every match; `${1}` and `${name}` stand for groups.",
        replace,
    ),
    entry(
        "regexReplaceAllLiteral",
        "expression text replacement",
        (3, 3),
        "Replaces every match by the text itself.",
        literally,
    ),
    entry(
        "mustRegexReplaceAllLiteral",
        "expression text replacement",
        (3, 3),
        "Replaces every match by the text itself.",
        literally,
    ),
    entry(
        "regexSplit",
        "expression text count",
        (3, 3),
        "At most so many parts between matches; all with -1.",
        split,
    ),
    entry(
        "mustRegexSplit",
        "expression text count",
        (3, 3),
        "At most so many parts between matches; all with -1.",
        split,
    ),
    entry(
        "regexQuoteMeta",
        "text",
        (1, 1),
        "An expression that matches the text alone.",
        |_, a| Ok(Value::text(regex::escape(a.text(0)?))),
    ),
];

/// The expression; reading one is work.
fn expression(world: &mut World<'_>, a: &Arguments) -> Result<Regex, Fault> {
    world.charge(2_000 + a.text(1)?.len() / 8)?;
    Ok(go_regex(a.text(0)?)?)
}

fn matches(world: &mut World<'_>, a: &Arguments) -> Answer {
    Ok(Value::Bool(expression(world, a)?.is_match(a.text(1)?)))
}

fn find(world: &mut World<'_>, a: &Arguments) -> Answer {
    let expression = expression(world, a)?;
    Ok(Value::text(expression.find(a.text(1)?).map_or("", |found| found.as_str())))
}

fn count(a: &Arguments) -> Result<usize, Fault> {
    Ok(usize::try_from(a.int(2)?).unwrap_or(usize::MAX))
}

fn find_all(world: &mut World<'_>, a: &Arguments) -> Answer {
    let expression = expression(world, a)?;
    let found = expression.find_iter(a.text(1)?).take(count(a)?);
    Ok(Value::texts(found.map(|found| found.as_str())))
}

fn split(world: &mut World<'_>, a: &Arguments) -> Answer {
    let expression = expression(world, a)?;
    Ok(Value::texts(expression.splitn(a.text(1)?, count(a)?)))
}

fn replace(world: &mut World<'_>, a: &Arguments) -> Answer {
    let expression = expression(world, a)?;
    let (text, replacement) = (a.text(1)?, a.text(2)?);
    // A group may stand in the replacement as often as it has room for `$1`.
    let longest = replacement.len().saturating_mul(text.len().saturating_add(1));
    world.room(longest.saturating_add(text.len()).min(expansion(
        &expression,
        text,
        replacement,
    )))?;
    Ok(Value::text(&*expression.replace_all(text, replacement)))
}

fn literally(world: &mut World<'_>, a: &Arguments) -> Answer {
    let expression = expression(world, a)?;
    let (text, replacement) = (a.text(1)?, a.text(2)?);
    let count = expression.find_iter(text).count();
    world.room(text.len().saturating_add(replacement.len().saturating_mul(count)))?;
    Ok(Value::text(&*expression.replace_all(text, NoExpand(replacement))))
}

/// No more than this comes of replacing all matches.
fn expansion(expression: &Regex, text: &str, replacement: &str) -> usize {
    let groups = replacement.matches('$').count();
    let per_match = |length: usize| replacement.len().saturating_add(groups.saturating_mul(length));
    let all = expression.find_iter(text).map(|found| per_match(found.len()));
    all.fold(text.len(), usize::saturating_add)
}
