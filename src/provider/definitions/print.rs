//! Printing definitions: one document of `apiextensions.k8s.io/v1` for every kind.
//!
//! A schema must be structural: every value has one type, and nothing is said of it elsewhere.
//! The option schemas see to that; here the head of an object is put around them.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::declared::{Declared, Scripts, declared};
use super::{DefinitionError, Middlewares, Options};
use crate::schema::Schema;
use crate::schema::print::crd;

/// The definitions of a group as YAML, one document for every kind.
///
/// # Errors
/// When a declaration that is part of the binary is wrong.
pub fn print(group: &str, middlewares: &Middlewares) -> Result<String, DefinitionError> {
    let mut text = format!(
        "# The kinds of {group}, printed by `moongate crds {group}`. Apply them with\n\
         # `kubectl apply --server-side`, since some are too long for kubectl's annotation.\n"
    );
    for kind in declared()? {
        let spec = spec(&kind, middlewares)?;
        let document = serde_yaml::to_string(&definition(group, &kind, &spec))?;
        // Writing to a string cannot fail.
        let _ = write!(text, "---\n{document}");
    }
    Ok(text)
}

fn definition(group: &str, kind: &Declared, spec: &Value) -> Value {
    let Declared { kind: name, plural, doc, columns, .. } = kind;
    let singular = name.to_ascii_lowercase();
    let age = json!({"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"});
    let columns: Vec<&Value> = columns.iter().chain([&age]).collect();
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{group}")},
        "spec": {
            "group": group,
            "names": {
                "kind": name,
                "listKind": format!("{name}List"),
                "plural": plural,
                "singular": singular,
                "categories": ["traefik"],
            },
            "scope": "Namespaced",
            "versions": [{
                "name": "v1alpha1",
                "served": true,
                "storage": true,
                "additionalPrinterColumns": columns,
                "schema": {"openAPIV3Schema": {
                    "description": doc,
                    "type": "object",
                    "required": ["spec"],
                    "properties": {
                        "apiVersion": {"type": "string", "description": "The version of the kind."},
                        "kind": {"type": "string", "description": "The kind."},
                        "metadata": {"type": "object"},
                        "spec": spec,
                    },
                }},
            }],
        },
    })
}

/// The schema of a kind's `spec`.
fn spec(kind: &Declared, middlewares: &Middlewares) -> Result<Value, DefinitionError> {
    let wrong = |cause| DefinitionError::Schema { kind: kind.kind.clone(), cause };
    let mut schema = crd(&Schema::parse(&kind.spec).map_err(wrong)?);
    let of_scripts: &Options = match kind.scripts {
        Some(Scripts::Http) => &middlewares.http,
        Some(Scripts::Tcp) => &middlewares.tcp,
        None => return Ok(schema),
    };
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        let mut all: Vec<_> = of_scripts.iter().map(|(name, of)| (name.clone(), crd(of))).collect();
        all.extend(std::mem::take(properties));
        all.sort_by(|a, b| a.0.cmp(&b.0));
        properties.extend(Map::from_iter(all));
    }
    Ok(schema)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::definitions::GROUPS;

    /// What is wrong with a schema by the rules of structural schemas.
    fn unstructural(at: &str, schema: &Value, found: &mut Vec<String>) {
        let keeps = schema.get("x-kubernetes-preserve-unknown-fields").is_some();
        let either = schema.get("x-kubernetes-int-or-string").is_some();
        match (schema.get("type"), either, keeps) {
            (Some(_), false, _) | (None, true, false) | (None, false, true) => {}
            _ => found.push(format!("{at}: {schema}")),
        }
        let inner = |name: &str| schema.get(name).and_then(Value::as_object);
        if inner("properties").is_some() && inner("additionalProperties").is_some() {
            found.push(format!("{at}: both named and other fields"));
        }
        for (name, inner) in inner("properties").into_iter().flatten() {
            unstructural(&format!("{at}.{name}"), inner, found);
        }
        for name in ["items", "additionalProperties"] {
            if let Some(inner) = schema.get(name) {
                unstructural(&format!("{at}.{name}"), inner, found);
            }
        }
    }

    #[test]
    fn schemas_are_structural() {
        let of = |name: &str, declared: Value| {
            (name.to_owned(), std::sync::Arc::new(Schema::parse(&declared).unwrap()))
        };
        let http = vec![of("first", json!({"a": {"type": "duration"}})), of("any", Value::Null)];
        let middlewares =
            Middlewares { http, tcp: vec![of("second", json!({"b": {"type": "any"}}))] };
        for group in GROUPS {
            let text = print(group, &middlewares).unwrap();
            let mut kinds = Vec::new();
            for document in serde_yaml::Deserializer::from_str(&text) {
                let document: Value = serde::Deserialize::deserialize(document).unwrap();
                let schema = &document["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
                let mut found = Vec::new();
                unstructural("", schema, &mut found);
                assert_eq!(found, [] as [&str; 0]);
                kinds.push(document["spec"]["names"]["kind"].as_str().unwrap().to_owned());
                assert_eq!(document["spec"]["group"], group);
            }
            assert_eq!(kinds.len(), 10, "{kinds:?}");
            assert!(text.contains("            first:\n"), "{text}");
        }
    }

    #[test]
    fn a_wrong_declaration_is_told_with_its_kind() {
        let mut kind = declared().unwrap().remove(0);
        kind.spec = json!({"a": {"type": "colour"}});
        let error = spec(&kind, &Middlewares::default()).unwrap_err().to_string();
        assert!(error.starts_with("IngressRoute.a: "), "{error}");
    }
}
