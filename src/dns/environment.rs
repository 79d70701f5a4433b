//! Variables of the environment as the options of a script.
//!
//! Must not know any provider.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::schema::{Held, Schema, Source};

/// A file that a variable names is at most this long.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

type Look = dyn Fn(&str) -> Option<String> + Send + Sync;

/// Where variables are looked up.
#[derive(Clone)]
pub struct Environment(Arc<Look>);

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Environment").finish_non_exhaustive()
    }
}

impl Environment {
    /// Looks variables up in a function.
    #[must_use]
    pub fn new(look: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(look))
    }

    /// The variables of this process.
    #[must_use]
    pub fn of_process() -> Self {
        Self::new(|name| std::env::var(name).ok())
    }

    /// The options that a schema declares, from variables of their names. The text of `NAME` is
    /// also looked for in the file that `NAME_FILE` names, without the line break at its end, as
    /// Traefik does. Empty is as good as missing. Waits for the disk.
    ///
    /// # Errors
    /// All that is missing or wrong; each names its variable.
    pub(super) fn options(&self, schema: &Schema) -> Result<Value, Vec<String>> {
        let (mut given, mut problems) = (Map::new(), Vec::new());
        for names in schema.names() {
            let Some(current) = names.first() else { continue };
            match self.first(&names) {
                Ok(Some(text)) => drop(given.insert((*current).to_owned(), Value::String(text))),
                Ok(None) => {}
                Err(problem) => problems.push(problem),
            }
        }
        // A variable that could not be read is not missing as well.
        if !problems.is_empty() {
            return Err(problems);
        }
        let decoded = schema.decode(&Value::Object(given), Source::File).map_err(|problems| {
            problems.iter().map(|p| format!("{}: {}", p.path, p.reason)).collect::<Vec<_>>()
        })?;
        let mut options = decoded.options;
        schema.visit(&mut options, Source::File, &mut |held, value| {
            let path = value.get("file").and_then(Value::as_str);
            if let (Held::Secret, Some(path)) = (held, path) {
                match read(path) {
                    Ok(text) => *value = Value::String(text),
                    Err(problem) => problems.push(problem),
                }
            }
        });
        if problems.is_empty() { Ok(options) } else { Err(problems) }
    }

    /// The text of the first of some names that has one.
    fn first(&self, names: &[&str]) -> Result<Option<String>, String> {
        for name in names {
            if let Some(text) = self.text(name) {
                return Ok(Some(text));
            }
            let from = format!("{name}_FILE");
            if let Some(path) = self.text(&from) {
                return read(&path).map(Some).map_err(|problem| format!("{from}: {problem}"));
            }
        }
        Ok(None)
    }

    fn text(&self, name: &str) -> Option<String> {
        (self.0)(name).filter(|text| !text.is_empty())
    }
}

/// The secrets among options, so that they can be kept out of what is told.
pub(super) fn secrets(schema: &Schema, options: &Value) -> Vec<String> {
    let (mut options, mut found) = (options.clone(), Vec::new());
    schema.visit(&mut options, Source::File, &mut |held, value| {
        if let (Held::Secret, Some(text)) = (held, value.as_str()) {
            found.push(text.to_owned());
        }
    });
    found
}

fn read(path: &str) -> Result<String, String> {
    let wrong = |error: std::io::Error| format!("{path}: {error}");
    if std::fs::metadata(path).map_err(wrong)?.len() > FILE_BYTES_MAX {
        return Err(format!("{path}: longer than {FILE_BYTES_MAX} bytes"));
    }
    let mut text = std::fs::read_to_string(path).map_err(wrong)?;
    text.truncate(text.trim_end_matches(['\r', '\n']).len());
    Ok(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema() -> Schema {
        Schema::parse(&json!({
            "X_KEY": {"type": "secret", "required": true, "aliases": ["OLD_KEY"]},
            "X_TTL": {"type": "integer", "default": 120},
            "X_WAIT": {"type": "duration", "default": 60},
            "X_CERT": {"type": "file"},
        }))
        .unwrap()
    }

    fn options(variables: &[(&str, &str)]) -> Result<Value, Vec<String>> {
        let owned: Vec<(String, String)> =
            variables.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let look = move |name: &str| {
            owned.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
        };
        Environment::new(look).options(&schema())
    }

    #[test]
    fn variables_and_their_files_become_options() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key").display().to_string();
        std::fs::write(&path, "from file\n").unwrap();
        let check = |variables: &[(&str, &str)], expect: Value| {
            assert_eq!(options(variables), Ok(expect), "{variables:?}");
        };
        check(&[("X_KEY", "k")], json!({"X_KEY": "k", "X_TTL": 120, "X_WAIT": 60}));
        check(
            &[("OLD_KEY", "k"), ("X_TTL", "5"), ("X_WAIT", "90")],
            json!({"X_KEY": "k", "X_TTL": 5, "X_WAIT": 90}),
        );
        check(
            &[("X_KEY", ""), ("X_KEY_FILE", &path), ("X_CERT", &path), ("X_WAIT", "1m30s")],
            json!({"X_KEY": "from file", "X_CERT": "from file", "X_TTL": 120, "X_WAIT": 90}),
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        let check = |variables: &[(&str, &str)], expect: &str| {
            let problems = options(variables).unwrap_err();
            assert!(problems.iter().any(|p| p.contains(expect)), "{problems:?}");
        };
        check(&[], "X_KEY: is required");
        check(&[("X_KEY_FILE", "/none")], "X_KEY_FILE: /none: No such file");
        check(&[("X_KEY", "k"), ("X_TTL", "long")], "X_TTL: expected");
        check(&[("X_KEY", "k"), ("X_CERT", "/none")], "/none: No such file");
    }

    #[test]
    fn secrets_are_known() {
        let options = options(&[("X_KEY", "k")]).unwrap();
        assert_eq!(secrets(&schema(), &options), ["k"]);
    }
}
