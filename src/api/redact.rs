//! Nothing secret leaves the API: what schemas call a secret, what names speak of, passwords in
//! URLs, private keys.

use serde_json::{Map, Value};

use crate::lua::ScriptInfo;
use crate::schema::{STARS, conceal_by_name, conceal_everything};

/// Conceals the secrets in a middleware's options as they are written. Without a script nobody
/// knows which they are, so that all is concealed.
pub(super) fn middleware<'a>(
    fields: &mut Map<String, Value>,
    kinds: impl Iterator<Item = &'a String>,
    info: Option<&ScriptInfo>,
) {
    for kind in kinds {
        let Some(written) = fields.get_mut(kind) else { continue };
        let Some(options) = own_options(kind, written) else { continue };
        match info {
            Some(info) => info.schema.conceal(options),
            None => conceal_everything(options),
        }
    }
}

/// The part of a middleware's section that is the script's.
fn own_options<'a>(kind: &str, written: &'a mut Value) -> Option<&'a mut Value> {
    if kind.eq_ignore_ascii_case("plugin") {
        let plugins = written.as_object_mut()?;
        let (name, options) = plugins.iter_mut().next()?;
        return if name.eq_ignore_ascii_case("lua") {
            own_options(name, options)
        } else {
            Some(options)
        };
    }
    if !kind.eq_ignore_ascii_case("lua") {
        return Some(written);
    }
    let mut fields = written.as_object_mut()?.iter_mut();
    fields.find(|(name, _)| name.eq_ignore_ascii_case("options")).map(|(_, options)| options)
}

/// Conceals what is secret wherever it stands.
pub(super) fn anywhere(value: &mut Value) {
    conceal_by_name(value);
    texts(value);
}

fn texts(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(texts),
        Value::Object(fields) => {
            if fields.keys().any(|key| without_password(key).is_some()) {
                let all = std::mem::take(fields).into_iter();
                fields
                    .extend(all.map(|(key, value)| (without_password(&key).unwrap_or(key), value)));
            }
            fields.values_mut().for_each(texts);
        }
        Value::String(text) if text.contains("PRIVATE KEY-----") => STARS.clone_into(text),
        Value::String(text) => {
            if let Some(shown) = without_password(text) {
                *text = shown;
            }
        }
        _ => {}
    }
}

/// The text with stars in the place of every URL's user information; none where there is none.
fn without_password(text: &str) -> Option<String> {
    let mut shown = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        shown.push_str(before);
        shown.push_str("://");
        let end = after.find(|c: char| "/?# \"'`".contains(c)).unwrap_or(after.len());
        let at = after.get(..end).and_then(|authority| authority.rfind('@'));
        rest = match at.and_then(|at| after.get(at..)) {
            Some(host) => {
                shown.push_str(STARS);
                host
            }
            None => after,
        };
    }
    if shown.is_empty() || !shown.contains(STARS) {
        return None;
    }
    shown.push_str(rest);
    Some(shown)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn passwords_keys_and_named_secrets_are_concealed() {
        let mut value = json!({
            "url": "http://me:word@host/a@b",
            "status": {"https://me:word@host": "UP"},
            "text": "dial http://u@h: refused; see https://docs/@x",
            "key": "-----BEGIN EC PRIVATE KEY-----\nabc",
            "headers": {"Authorization": "Basic abc", "X-Api-Key": "k", "Accept": "*/*"},
        });
        anywhere(&mut value);
        let expect = json!({
            "url": "http://xxxx@host/a@b",
            "status": {"https://xxxx@host": "UP"},
            "text": "dial http://xxxx@h: refused; see https://docs/@x",
            "key": "xxxx",
            "headers": {"Authorization": "xxxx", "X-Api-Key": "xxxx", "Accept": "*/*"},
        });
        assert_eq!(value, expect);
    }
}
