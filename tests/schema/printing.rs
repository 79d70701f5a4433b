//! Reference pages, CRD schemas and editor types against golden files.

use moongate::schema::print;
use serde_json::Value;

use super::{SCHEMAS, in_tests, schema};

#[test]
fn prints_are_the_golden_ones() {
    for name in SCHEMAS {
        let schema = schema(name);
        let crd = serde_json::to_string_pretty(&print::crd(&schema)).unwrap();
        golden(&format!("{name}.md"), &print::markdown(&schema));
        golden(&format!("{name}.crd.json"), &format!("{crd}\n"));
        golden(&format!("{name}.lua"), &print::editor_types(&schema, &format!("{name}.options")));
    }
    golden("types.md", &print::types());
}

/// Compares a text with a file; `UPDATE_GOLDEN=1` writes the file.
fn golden(file: &str, text: &str) {
    let path = in_tests("golden/schema").join(file);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let expect = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, expect, "{file}: run with UPDATE_GOLDEN=1 if the change is meant");
}

/// Every object of a structural schema has a type or says that it has none.
fn assert_structural(schema: &Value, path: &str) {
    let untyped = ["x-kubernetes-preserve-unknown-fields", "x-kubernetes-int-or-string"];
    let typed = schema.get("type").is_some_and(Value::is_string);
    assert!(typed || untyped.iter().any(|mark| schema.get(*mark).is_some()), "{path}: {schema}");
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        assert_structural(inner, &format!("{path}.{name}"));
    }
    for inner in ["items", "additionalProperties"] {
        if let Some(schema) = schema.get(inner) {
            assert_structural(schema, &format!("{path}.{inner}"));
        }
    }
}

#[test]
fn crd_schemas_are_structural() {
    for name in SCHEMAS {
        assert_structural(&print::crd(&schema(name)), name);
    }
}
