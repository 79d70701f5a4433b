//! Elements as they are typed: the short forms and YAML.
//!
//! Must not know what is served.

use serde_json::{Map, Value, json};

use super::{ReplError, line};
use crate::rule;
use crate::value::Format;

/// A router: `RULE -> SERVICE [MIDDLEWARE, ...]`, or YAML.
pub(super) fn router(text: &str) -> Result<Value, ReplError> {
    if text.starts_with('{') {
        return yaml(text);
    }
    let usage = ReplError::Usage("router NAME RULE -> SERVICE [MIDDLEWARE, ...] [priority N]");
    let Some((rule, target)) = text.rsplit_once("->") else { return Err(usage) };
    let rule = rule.trim();
    rule::parse(rule).map_err(|error| ReplError::Element(format!("rule: {error}")))?;
    let (service, rest) = line::first(target);
    if service.is_empty() || service.contains('[') {
        return Err(usage);
    }
    let mut router = json!({ "rule": rule, "service": service });
    let (list, rest) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((list, rest)) => (list, rest.trim()),
        None => ("", rest),
    };
    let middlewares = list.split(',').map(str::trim).filter(|name| !name.is_empty());
    let middlewares: Vec<_> = middlewares.collect();
    if !middlewares.is_empty() {
        router["middlewares"] = json!(middlewares);
    }
    match line::first(rest) {
        ("", _) => {}
        ("priority", number) => {
            router["priority"] = json!(number.parse::<i64>().map_err(|_| usage)?);
        }
        _ => return Err(usage),
    }
    Ok(router)
}

/// A service: URLs of servers, `NAME=WEIGHT` of other services, or YAML.
pub(super) fn service(text: &str) -> Result<Value, ReplError> {
    if text.starts_with('{') {
        return yaml(text);
    }
    let words = line::words(text);
    let usage = "service NAME URL... | NAME=WEIGHT... [sticky COOKIE] | echo | {YAML}";
    if words.is_empty() {
        return Err(ReplError::Usage(usage));
    }
    if words.iter().all(|word| word.contains("://")) {
        let servers: Vec<_> = words.iter().map(|url| json!({ "url": url })).collect();
        return Ok(json!({ "loadBalancer": { "servers": servers } }));
    }
    let (children, rest): (Vec<_>, Vec<_>) = words.iter().partition(|word| word.contains('='));
    let child = |word: &&String| {
        let (name, weight) = word.split_once('=')?;
        Some(json!({ "name": name, "weight": weight.parse::<u32>().ok()? }))
    };
    let children: Option<Vec<_>> = children.iter().map(child).collect();
    let children = children.filter(|children| !children.is_empty());
    let mut weighted = json!({ "services": children.ok_or(ReplError::Usage(usage))? });
    match rest.as_slice() {
        [] => {}
        [word, cookie] if *word == "sticky" => {
            weighted["sticky"] = json!({ "cookie": { "name": cookie } });
        }
        _ => return Err(ReplError::Usage(usage)),
    }
    Ok(json!({ "weighted": weighted }))
}

/// A middleware: `KIND {OPTIONS}`, or YAML with the kind in it.
pub(super) fn middleware(text: &str) -> Result<Value, ReplError> {
    if text.starts_with('{') {
        return yaml(text);
    }
    let (kind, options) = line::first(text);
    if kind.is_empty() {
        return Err(ReplError::Usage("middleware NAME KIND {OPTIONS}"));
    }
    let options = if options.is_empty() { json!({}) } else { yaml(options)? };
    Ok(Value::Object(Map::from_iter([(kind.to_owned(), options)])))
}

fn yaml(text: &str) -> Result<Value, ReplError> {
    Format::Yaml.parse(text).map_err(|error| ReplError::Element(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_forms_are_elements() {
        let text = |value: Result<Value, ReplError>| match value {
            Ok(value) => value.to_string(),
            Err(error) => error.to_string(),
        };
        for (typed, expect) in [
            ("Host(`a`) -> s", r#"{"rule":"Host(`a`)","service":"s"}"#),
            (
                "Host(`a`) -> s [m, n] priority 7",
                r#"{"rule":"Host(`a`)","service":"s","middlewares":["m","n"],"priority":7}"#,
            ),
            ("{rule: x, service: s}", r#"{"rule":"x","service":"s"}"#),
            ("Host(`a`)", "usage: router NAME RULE -> SERVICE [MIDDLEWARE, ...] [priority N]"),
            ("Hos(`a` -> s", "rule: "),
        ] {
            let got = text(router(typed));
            assert!(got.starts_with(expect), "{typed}: {got}");
        }
        for (typed, expect) in [
            (
                "http://a http://b",
                r#"{"loadBalancer":{"servers":[{"url":"http://a"},{"url":"http://b"}]}}"#,
            ),
            (
                "a=9 b=1 sticky c",
                "{\"weighted\":{\"services\":[{\"name\":\"a\",\"weight\":9},\
                 {\"name\":\"b\",\"weight\":1}],\"sticky\":{\"cookie\":{\"name\":\"c\"}}}}",
            ),
            ("a=x", "usage: service NAME"),
            ("a b", "usage: service NAME"),
        ] {
            let got = text(service(typed));
            assert!(got.starts_with(expect), "{typed}: {got}");
        }
        assert_eq!(text(middleware("addPrefix {prefix: /x}")), r#"{"addPrefix":{"prefix":"/x"}}"#);
        assert_eq!(text(middleware("compress")), r#"{"compress":{}}"#);
    }
}
