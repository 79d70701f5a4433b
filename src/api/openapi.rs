//! The `OpenAPI` description of the API, made of the catalogue of paths and of `schemas.yaml`.

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::catalogue::{ENDPOINTS, Endpoint, Parameter, Shape};
use crate::value::{DocumentError, Format};

/// The description; `base` stands in front of all paths.
///
/// # Errors
/// When the schemas are no YAML: a slip of ours, which a test catches.
pub fn openapi(base: &str) -> Result<Value, DocumentError> {
    let schemas = Format::Yaml.parse(include_str!("schemas.yaml"))?;
    let paths = ENDPOINTS
        .iter()
        .map(|endpoint| (endpoint.path.to_owned(), json!({ "get": operation(endpoint) })));
    Ok(json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Moongate",
            "description": "What Moongate serves, and why.",
            "license": { "name": "Apache-2.0 OR MIT", "identifier": "Apache-2.0 OR MIT" },
            "version": env!("CARGO_PKG_VERSION"),
        },
        "servers": [{ "url": if base.is_empty() { "/" } else { base } }],
        "paths": paths.collect::<Map<_, _>>(),
        "components": { "schemas": schemas },
    }))
}

fn operation(endpoint: &Endpoint) -> Value {
    let mut answers = Map::new();
    answers.insert("200".to_owned(), success(endpoint.shape));
    let has_name = endpoint.path.contains('{');
    let failures = [
        (StatusCode::BAD_REQUEST, "The query is wrong.", !endpoint.parameters.is_empty()),
        (StatusCode::NOT_FOUND, "There is none of that name.", has_name),
        (StatusCode::SERVICE_UNAVAILABLE, "Too many questions at once.", true),
    ];
    for (status, words, _) in failures.into_iter().filter(|(.., may)| *may) {
        let reference = json!({ "schema": { "type": "string" } });
        let body = json!({ "description": words, "content": { "text/plain": reference } });
        answers.insert(status.as_u16().to_string(), body);
    }
    let mut parameters: Vec<Value> = endpoint.parameters.iter().map(parameter).collect();
    if has_name {
        parameters.push(json!({
            "name": "name", "in": "path", "required": true, "schema": { "type": "string" },
            "description": "The name, with its provider where it has one; a slash as %2F.",
        }));
    }
    json!({
        "operationId": id(endpoint.path),
        "summary": endpoint.doc,
        "parameters": parameters,
        "responses": answers,
    })
}

fn success(shape: Shape) -> Value {
    let to = |name: &str| json!({ "$ref": format!("#/components/schemas/{name}") });
    let many = |name| json!({ "type": "array", "items": to(name) });
    let (kind, schema) = match shape {
        Shape::One(name) => ("application/json", to(name)),
        Shape::Page(name) | Shape::All(name) => ("application/json", many(name)),
        Shape::File(kind) => (kind, json!({ "type": "string", "format": "binary" })),
    };
    let mut answer = json!({ "description": "The answer.", "content": {} });
    answer["content"][kind] = json!({ "schema": schema });
    if matches!(shape, Shape::Page(_)) {
        answer["headers"] = json!({ "X-Next-Page": {
            "description": "The page after this one; 1 after the last.",
            "schema": { "type": "integer" },
        }, "X-Total-Count": {
            "description": "How many there are on all pages.",
            "schema": { "type": "integer" },
        }});
    }
    answer
}

fn parameter(parameter: &Parameter) -> Value {
    let mut schema = json!({ "type": parameter.kind });
    if parameter.kind == "integer" {
        schema["minimum"] = 1.into();
    }
    if parameter.is_repeated {
        schema = json!({ "type": "array", "items": schema });
    }
    json!({
        "name": parameter.name,
        "in": "query",
        "required": parameter.is_required,
        "description": parameter.doc,
        "schema": schema,
    })
}

/// A path as a name: `httpRouters`, `httpRoutersName`.
fn id(path: &str) -> String {
    let words = path.trim_start_matches("/api/").split(|c: char| !c.is_ascii_alphanumeric());
    let mut id = String::new();
    for word in words.filter(|word| !word.is_empty()) {
        let (first, rest) = word.split_at(1);
        let first = if id.is_empty() { first.to_owned() } else { first.to_uppercase() };
        id.push_str(&first);
        id.push_str(rest);
    }
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_has_a_schema_and_every_path_an_id() {
        let whole = openapi("").unwrap();
        let schemas = &whole["components"]["schemas"];
        let mut ids = Vec::new();
        for endpoint in ENDPOINTS {
            if let Shape::One(name) | Shape::Page(name) | Shape::All(name) = endpoint.shape {
                assert!(schemas.get(name).is_some(), "{name}");
            }
            ids.push(id(endpoint.path));
        }
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), ENDPOINTS.len());
        assert_eq!(id("/api/http/routers/{name}"), "httpRoutersName");
    }
}
