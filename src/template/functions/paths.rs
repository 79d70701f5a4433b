//! Paths, and variables of the environment.

use super::{Function, entry};
use crate::template::value::Value;

pub(super) const FUNCTIONS: &[Function] = &[
    entry(
        "env",
        "name",
        (1, 1),
        "A variable of the environment, else an empty text.",
        |world, a| Ok(Value::text((world.environment)(a.text(0)?).unwrap_or_default())),
    ),
    entry(
        "expandenv",
        "text",
        (1, 1),
        "The text with `$NAME` and `${NAME}` replaced.",
        |world, a| {
            let text = expand(a.text(0)?, world.environment);
            world.room(text.len())?;
            Ok(Value::text(text))
        },
    ),
    entry("base", "path", (1, 1), "The last element of a path.", |_, a| {
        let path = a.text(0)?;
        let trimmed = path.trim_end_matches('/');
        Ok(Value::text(match (path.is_empty(), trimmed.is_empty()) {
            (true, _) => ".",
            (false, true) => "/",
            _ => trimmed.rsplit('/').next().unwrap_or_default(),
        }))
    }),
    entry("dir", "path", (1, 1), "All but the last element of a path.", |_, a| {
        let path = a.text(0)?;
        Ok(Value::text(clean(path.rfind('/').map_or("", |at| path.get(..=at).unwrap_or_default()))))
    }),
    entry("clean", "path", (1, 1), "The shortest path of the same meaning.", |_, a| {
        Ok(Value::text(clean(a.text(0)?)))
    }),
    entry("ext", "path", (1, 1), "The ending of a path, with its dot.", |_, a| {
        let name = a.text(0)?.rsplit('/').next().unwrap_or_default();
        Ok(Value::text(name.rfind('.').and_then(|at| name.get(at..)).unwrap_or_default()))
    }),
    entry("isAbs", "path", (1, 1), "Whether a path begins at the root.", |_, a| {
        Ok(Value::Bool(a.text(0)?.starts_with('/')))
    }),
];

fn clean(path: &str) -> String {
    let absolute = path.starts_with('/');
    let mut kept: Vec<&str> = Vec::new();
    for element in path.split('/') {
        match element {
            "" | "." => {}
            ".." if kept.last().is_some_and(|last| *last != "..") => drop(kept.pop()),
            ".." if absolute => {}
            element => kept.push(element),
        }
    }
    let joined = kept.join("/");
    match (absolute, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}

fn expand(text: &str, environment: &dyn Fn(&str) -> Option<String>) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let (name, next) = match after.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
            Some(braced) => braced,
            None => {
                let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
                after.split_at(after.find(|c| !is_name(c)).unwrap_or(after.len()))
            }
        };
        match name.is_empty() {
            true => out.push('$'),
            false => out.push_str(&environment(name).unwrap_or_default()),
        }
        rest = next;
    }
    out + rest
}
