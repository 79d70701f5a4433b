//! The configuration as a file: as it was typed, or as Kubernetes manifests.
//!
//! Must not know what is served.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value};

use super::ReplError;
use super::import::SECTIONS;
use super::manifests;
use crate::value::Format;

/// What a file says of itself.
const OPENING: &str = "# Made with moongate repl.\n";

/// Writes a file of the file provider. Files that end in `.json` are JSON.
pub(super) fn file(path: &Path, document: &Value) -> Result<(), ReplError> {
    let failed = |reason: String| ReplError::Place { place: path.display().to_string(), reason };
    let text = match Format::of(path) {
        Some(Format::Json) => serde_json::to_string_pretty(document).map(|text| text + "\n"),
        Some(Format::Yaml) => {
            let text = yaml(document).map_err(|error| failed(error.to_string()))?;
            Ok(format!("{OPENING}{}", quoted(&text)))
        }
        Some(Format::Toml) | None => {
            return Err(failed("its name must end in .yaml, .yml or .json".to_owned()));
        }
    };
    let text = text.map_err(|error| failed(error.to_string()))?;
    fs::write(path, text).map_err(|error| failed(error.to_string()))
}

/// Writes manifests; what was left out.
pub(super) fn objects(
    path: &Path,
    namespace: &str,
    document: &Value,
) -> Result<Vec<String>, ReplError> {
    let failed = |reason: String| ReplError::Place { place: path.display().to_string(), reason };
    let written = manifests::write(document, namespace).map_err(ReplError::Element)?;
    let mut text = OPENING.to_owned();
    for object in &written.objects {
        let object = yaml(object).map_err(|error| failed(error.to_string()))?;
        text.push_str(&format!("---\n{object}"));
    }
    fs::write(path, text).map_err(|error| failed(error.to_string()))?;
    Ok(written.left_out)
}

/// YAML without empty sections.
pub(super) fn yaml(document: &Value) -> Result<String, serde_yaml::Error> {
    serde_yaml::to_string(&pruned(document))
}

fn pruned(document: &Value) -> Value {
    let mut document = document.clone();
    for (section, kinds) in SECTIONS {
        let Some(fields) = document.get_mut(section).and_then(Value::as_object_mut) else {
            continue;
        };
        for kind in *kinds {
            if fields.get(*kind).and_then(Value::as_object).is_some_and(Map::is_empty) {
                fields.remove(*kind);
            }
        }
        if fields.is_empty()
            && let Some(all) = document.as_object_mut()
        {
            all.remove(*section);
        }
    }
    document
}

/// A file of the file provider is a template, so what would begin an action is written otherwise.
fn quoted(text: &str) -> String {
    text.replace("{{", "{{ \"{{\" }}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::template::Template;

    #[test]
    fn what_is_written_reads_back() {
        let document = json!({"http": {
            "routers": {"a": {"rule": "HostRegexp(`{{x}}`)", "service": "s", "tls": {}}},
            "services": {}, "middlewares": {"m": {"stripPrefix": {"prefixes": ["/a"]}}},
        }, "tcp": {"routers": {}}});
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.yaml");
        file(&path, &document).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let text = Template::parse(&text).unwrap().render(&|_| None).unwrap();
        let expect = json!({"http": {
            "routers": document["http"]["routers"], "middlewares": document["http"]["middlewares"],
        }});
        assert_eq!(Format::Yaml.parse(&text).unwrap(), expect);
        assert!(file(&folder.path().join("a.toml"), &document).is_err());
    }
}
