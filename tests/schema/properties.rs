//! What holds for all options: decoding ends with a result, and decoding again changes nothing.

use moongate::schema::{Schema, Source};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use super::{SCHEMAS, declared, schema};

fn any_value() -> impl Strategy<Value = Value> {
    let words = "5m 0.3s 1MiB true false a,b http://a/ 10.0.0.0/8 gzip,BR 500-599 7";
    let words = words.split(' ').collect::<Vec<_>>();
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (0u8..200).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (0.0..1e10).prop_map(Value::from),
        "[a-z0-9,:({.-]{0,6}".prop_map(Value::from),
        prop::sample::select(words).prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        let keys = prop::sample::select(KEYS.split_whitespace().collect::<Vec<_>>());
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::hash_map(keys.prop_map(String::from), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Names inside options.
const KEYS: &str = "users realm service status middlewares address tls ca key name average period \
    sourceCriterion ipStrategy depth redis env file secret encodings text words share port mode \
    wait limits rules match to token free size 0 [1] unknown";

/// Options of which one is likely to decode.
fn any_options(name: &'static str) -> impl Strategy<Value = Value> {
    let declared = declared(name);
    let options = declared.as_object().unwrap().iter();
    let names: Vec<String> =
        options.filter(|(_, option)| option.is_object()).map(|(name, _)| name.clone()).collect();
    let option = (prop::sample::select(names), any_value());
    let options = prop::collection::vec(option, 0..3);
    let required = json!({"address": "http://a", "service": "s", "middlewares": "m"});
    options.prop_map(move |options| {
        let needed = required.as_object().unwrap().iter();
        let needed = needed.filter(|(name, _)| declared.get(name).is_some());
        let needed = needed.map(|(name, value)| (name.clone(), value.clone()));
        Value::Object(needed.chain(options).collect())
    })
}

/// A schema's name with options for it.
fn any_case() -> impl Strategy<Value = (&'static str, Value)> {
    prop::sample::select(SCHEMAS.to_vec())
        .prop_flat_map(|name| (Just(name), prop_oneof![9 => any_options(name), 1 => any_value()]))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn decoding_never_panics_and_is_stable((name, options) in any_case()) {
        let schema = schema(name);
        let _ = schema.decode(&options, Source::Crd);
        if let Ok(decoded) = schema.decode(&options, Source::File) {
            let again = schema.decode(&decoded.options, Source::File);
            prop_assert_eq!(again.map(|again| again.options), Ok(decoded.options));
        }
    }

    #[test]
    fn parsing_never_panics(declared in any_value()) {
        let _ = Schema::parse(&declared);
    }
}

/// The property says something only if many of the options decode.
#[test]
fn many_cases_decode() {
    let mut runner = TestRunner::deterministic();
    let cases = (0..1000).map(|_| any_case().new_tree(&mut runner).unwrap().current());
    let decoded =
        cases.filter(|(name, options)| schema(name).decode(options, Source::File).is_ok());
    let decoded = decoded.count();
    assert!(decoded > 250, "{decoded} of 1000");
}
