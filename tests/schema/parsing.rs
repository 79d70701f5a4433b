//! Schemas themselves: wrong ones, and none.

use moongate::schema::{Schema, Source};
use serde_json::{Value, json};

#[test]
fn no_schema_takes_everything_and_an_empty_one_nothing() {
    let options = json!({"anything": [1]});
    let free = Schema::parse(&Value::Null).unwrap();
    assert_eq!(free.decode(&options, Source::File).unwrap().options, options);
    assert!(free.decode(&json!(5), Source::File).is_err());
    for declared in [json!({}), json!([])] {
        let empty = Schema::parse(&declared).unwrap();
        assert!(empty.decode(&options, Source::File).is_err());
        assert_eq!(empty.decode(&json!(null), Source::File).unwrap().options, json!({}));
    }
}

#[test]
fn schemas_that_are_wrong() {
    for (declared, expect) in [
        (json!({"a": {"type": "strin"}}), "a: there is no type `strin`, did you mean `string`?"),
        (json!({"a": {}}), "a: `type` is missing"),
        (json!({"a": "string"}), "a: expected a table with a `type`"),
        (json!({"a": 5}), "a: expected the name of a type, or a table with a `type`"),
        (json!([1]), ": expected a table of options by name"),
        (json!({"standalone": "no"}), "standalone: expected a table with a `type`"),
        (
            json!({"a": {"type": "string", "requird": true}}),
            "a: `requird` means nothing here, did you mean `required`?",
        ),
        (json!({"a": {"type": "boolean", "min": 1}}), "a: `min` means nothing here"),
        (json!({"a": {"type": "string", "required": 1}}), "a: `required` must be true or false"),
        (
            json!({"a": {"type": "integer", "default": "x"}}),
            "a: the default does not fit: expected a whole number, got \"x\"",
        ),
        (
            json!({"a": {"type": "integer", "default": 1, "required": true}}),
            "a: a required option has no default",
        ),
        (json!({"a": {"type": "secret", "default": "x"}}), "a: a secret has no default"),
        (json!({"a": {"type": "list"}}), "a: `of` is missing"),
        (
            json!({"a": {"type": "list", "of": {"type": "list", "of": "strng"}}}),
            "a.of.of: there is no type `strng`, did you mean `string`?",
        ),
        (json!({"a": {"type": "union", "of": ["string"]}}), "a: `of` must be a list of types"),
        (json!({"a": {"type": "enum"}}), "a: `values` must name at least one word"),
        (
            json!({"a": {"type": "string", "pattern": "^[%w-]+$"}}),
            "a: `pattern` is a regular expression: write \\w, not %w",
        ),
        (json!({"a": {"type": "number", "min": 2, "max": 1}}), "a: `min` is more than `max`"),
        (json!({"a": {"type": "duration", "min": "x"}}), "a: `min` is no value of the type"),
        (
            json!({"ab": {"type": "any"}, "x": {"type": "any", "aliases": ["AB"]}}),
            ": two options are called `AB`",
        ),
        (
            json!({"a": {"type": "any", "crd": {"name": "b"}}, "b": {"type": "any"}}),
            ": two options are called `b`",
        ),
    ] {
        assert_eq!(Schema::parse(&declared).unwrap_err().to_string(), expect, "{declared}");
    }
    let nest = |inner| json!({"type": "object", "fields": {"a": inner}});
    let deep = (0..40).fold(json!({"type": "any"}), |inner, _| nest(inner));
    let error = Schema::parse(&json!({"a": deep})).unwrap_err();
    assert_eq!(error.reason, "options are nested deeper than 16");
}
