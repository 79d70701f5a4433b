//! The decoder every configuration goes through: plain serde structs with Traefik's rules.
//!
//! Field names match whatever their case; an unknown one is an error with its path and the
//! nearest known name. Text becomes a number or a switch where one is wanted, a number becomes
//! text. A section is a switch: `true` and nothing at all mean its defaults. A list may be text
//! with commas, or a map of indices as flags write it.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::StrDeserializer;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, IntoDeserializer, MapAccess, SeqAccess, Visitor,
};
use serde_json::{Map, Value};

use super::nearest;

/// Why a value is not what is wanted, with the path of the element.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// A field that is not known.
    #[error("{path}: unknown option{}", hint(nearest.as_deref()))]
    Unknown {
        /// The element.
        path: String,
        /// The known name that is nearest.
        nearest: Option<String>,
    },
    /// The same field twice, in different spelling.
    #[error("{path}: given twice")]
    Twice {
        /// The element.
        path: String,
    },
    /// Another type than wanted, or a value that the type refuses.
    #[error("{path}: {reason}")]
    Invalid {
        /// The element.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
}

fn hint(nearest: Option<&str>) -> String {
    nearest.map(|name| format!(", did you mean {name:?}?")).unwrap_or_default()
}

impl DecodeError {
    /// The element's path.
    #[must_use]
    pub fn path(&self) -> &str {
        match self {
            Self::Unknown { path, .. } | Self::Twice { path } | Self::Invalid { path, .. } => path,
        }
    }

    fn within(mut self, parent: &str) -> Self {
        let (Self::Unknown { path, .. } | Self::Twice { path } | Self::Invalid { path, .. }) =
            &mut self;
        *path = match path.as_str() {
            "" => parent.to_owned(),
            inner if inner.starts_with('[') => format!("{parent}{inner}"),
            inner => format!("{parent}.{inner}"),
        };
        self
    }
}

impl de::Error for DecodeError {
    fn custom<T: fmt::Display>(reason: T) -> Self {
        Self::Invalid { path: String::new(), reason: reason.to_string() }
    }
}

/// Decodes a value.
///
/// # Errors
/// When a field is unknown or a value does not fit; with its path.
pub fn decode<T: DeserializeOwned>(value: &Value) -> Result<T, DecodeError> {
    T::deserialize(Decoder { value })
}

/// Decodes a value whose own path is `path`.
///
/// # Errors
/// As [`decode`].
pub fn decode_at<T: DeserializeOwned>(value: &Value, path: &str) -> Result<T, DecodeError> {
    decode(value).map_err(|error| error.within(path))
}

/// For an optional section, with `#[serde(deserialize_with = "section")]`: nothing and `true`
/// switch it on with its defaults, `false` leaves it out.
///
/// # Errors
/// When the section does not fit.
pub fn section<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: de::Deserializer<'de>,
    T: de::Deserialize<'de>,
{
    struct Section<T>(PhantomData<T>);

    impl<'de, T: de::Deserialize<'de>> Visitor<'de> for Section<T> {
        type Value = Option<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a section, true or false")
        }

        fn visit_none<E: de::Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_some<D: de::Deserializer<'de>>(self, inner: D) -> Result<Self::Value, D::Error> {
            T::deserialize(inner).map(Some)
        }
    }

    deserializer.deserialize_newtype_struct(SWITCH, Section(PhantomData))
}

/// The name under which an optional section asks for its switch.
const SWITCH: &str = "$section";

#[derive(Clone, Copy)]
struct Decoder<'a> {
    value: &'a Value,
}

fn wrong(expected: &str, value: &Value) -> DecodeError {
    let got = match value {
        Value::Null => "nothing".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a section".to_owned(),
        other => other.to_string(),
    };
    de::Error::custom(format!("expected {expected}, got {got}"))
}

impl<'a> Decoder<'a> {
    fn text(self) -> Option<&'a str> {
        self.value.as_str().map(str::trim)
    }

    fn signed(self) -> Result<i64, DecodeError> {
        let number = self.value.as_i64().or_else(|| self.text()?.parse().ok());
        number.ok_or_else(|| wrong("a whole number", self.value))
    }

    fn unsigned(self) -> Result<u64, DecodeError> {
        let number = self.value.as_u64().or_else(|| self.text()?.parse().ok());
        number.ok_or_else(|| wrong("a whole number that is not negative", self.value))
    }

    fn float(self) -> Result<f64, DecodeError> {
        let number = self.value.as_f64().or_else(|| self.text()?.parse().ok());
        number.filter(|n| n.is_finite()).ok_or_else(|| wrong("a number", self.value))
    }

    fn switch(self) -> Result<bool, DecodeError> {
        match (self.value, self.text().map(str::to_ascii_lowercase).as_deref()) {
            (Value::Bool(switch), _) => Ok(*switch),
            (_, Some("true" | "1" | "t")) => Ok(true),
            (_, Some("false" | "0" | "f")) => Ok(false),
            _ => Err(wrong("true or false", self.value)),
        }
    }

    /// Whether a section is switched off.
    fn is_off(self) -> bool {
        matches!(self.value, Value::Bool(false)) || self.text() == Some("false")
    }

    /// The fields of a section; none for a section that is only switched on.
    fn section(self) -> Result<Option<&'a Map<String, Value>>, DecodeError> {
        match (self.value, self.text()) {
            (Value::Object(fields), _) => Ok(Some(fields)),
            (Value::Null | Value::Bool(true), _) | (_, Some("" | "true")) => Ok(None),
            _ => Err(wrong("a section", self.value)),
        }
    }
}

macro_rules! number {
    ($($method:ident $visit:ident $source:ident),*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
            visitor.$visit(self.$source()?)
        }
    )*};
}

impl<'de> de::Deserializer<'de> for Decoder<'_> {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(switch) => visitor.visit_bool(*switch),
            Value::Number(number) => match (number.as_u64(), number.as_i64()) {
                (Some(number), _) => visitor.visit_u64(number),
                (_, Some(number)) => visitor.visit_i64(number),
                _ => visitor.visit_f64(number.as_f64().unwrap_or_default()),
            },
            Value::String(text) => visitor.visit_str(text),
            Value::Array(items) => visitor.visit_seq(Items { items: items.iter(), index: 0 }),
            Value::Object(fields) => visitor.visit_map(Fields::all(Some(fields))),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_bool(self.switch()?)
    }

    number!(
        deserialize_i8 visit_i64 signed, deserialize_i16 visit_i64 signed,
        deserialize_i32 visit_i64 signed, deserialize_i64 visit_i64 signed,
        deserialize_u8 visit_u64 unsigned, deserialize_u16 visit_u64 unsigned,
        deserialize_u32 visit_u64 unsigned, deserialize_u64 visit_u64 unsigned,
        deserialize_f32 visit_f64 float, deserialize_f64 visit_f64 float
    );

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.value {
            Value::String(text) => visitor.visit_str(text),
            Value::Number(number) => visitor.visit_string(number.to_string()),
            Value::Bool(switch) => visitor.visit_str(if *switch { "true" } else { "false" }),
            Value::Null => visitor.visit_str(""),
            _ => Err(wrong("text", self.value)),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        if self.value.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        match name {
            SWITCH if self.is_off() => visitor.visit_none(),
            SWITCH => visitor.visit_some(self),
            _ => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match (self.value, self.text()) {
            (Value::Array(items), _) => visitor.visit_seq(Items { items: items.iter(), index: 0 }),
            (Value::Null, _) | (_, Some("")) => {
                visitor.visit_seq(Items { items: [].iter(), index: 0 })
            }
            (_, Some(text)) => {
                let parts = text.split(',').map(|part| Value::from(part.trim()));
                let parts: Vec<Value> = parts.collect();
                visitor.visit_seq(Items { items: parts.iter(), index: 0 })
            }
            (Value::Object(fields), _) => {
                let items = indexed(fields).ok_or_else(|| wrong("a list", self.value))?;
                visitor.visit_seq(Items { items: items.iter(), index: 0 })
            }
            _ => Err(wrong("a list", self.value)),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_map(Fields::all(self.section()?))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        visitor.visit_map(Fields { known: Some(fields), ..Fields::all(self.section()?) })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let text = self.text().ok_or_else(|| wrong(&format!("one of {variants:?}"), self.value))?;
        let found = variants.iter().find(|variant| variant.eq_ignore_ascii_case(text));
        let variant = found.ok_or_else(|| wrong(&variants.join(", "), self.value))?;
        visitor.visit_enum((*variant).into_deserializer())
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        i128 u128 bytes byte_buf unit unit_struct tuple tuple_struct identifier
    }
}

/// The items of a map whose keys are `0`, `1` or `[0]`, `[1]`, in their order.
fn indexed(fields: &Map<String, Value>) -> Option<Vec<Value>> {
    let index = |key: &str| -> Option<usize> {
        key.trim_start_matches('[').trim_end_matches(']').parse().ok()
    };
    let mut items = Vec::new();
    for (key, value) in fields {
        items.push((index(key)?, value.clone()));
    }
    items.sort_by_key(|(index, _)| *index);
    Some(items.into_iter().map(|(_, value)| value).collect())
}

struct Items<'a> {
    items: std::slice::Iter<'a, Value>,
    index: usize,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = DecodeError;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, DecodeError> {
        let Some(value) = self.items.next() else {
            return Ok(None);
        };
        let index = self.index;
        self.index += 1;
        seed.deserialize(Decoder { value })
            .map(Some)
            .map_err(|error| error.within(&format!("[{index}]")))
    }

    /// Known, so that lists take no more memory than they need.
    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

struct Fields<'a> {
    rest: Option<serde_json::map::Iter<'a>>,
    known: Option<&'static [&'static str]>,
    seen: Vec<&'static str>,
    current: Option<(&'a str, &'a Value)>,
}

impl<'a> Fields<'a> {
    fn all(fields: Option<&'a Map<String, Value>>) -> Self {
        Self { rest: fields.map(Map::iter), known: None, seen: Vec::new(), current: None }
    }
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, DecodeError> {
        let next = self.rest.as_mut().and_then(Iterator::next);
        let Some((key, value)) = next else { return Ok(None) };
        self.current = Some((key, value));
        let Some(known) = self.known else {
            return seed.deserialize(StrDeserializer::<DecodeError>::new(key)).map(Some);
        };
        let Some(name) = known.iter().copied().find(|name| name.eq_ignore_ascii_case(key)) else {
            let nearest = nearest(key, known.iter().copied()).map(str::to_owned);
            return Err(DecodeError::Unknown { path: key.clone(), nearest });
        };
        if self.seen.contains(&name) {
            return Err(DecodeError::Twice { path: key.clone() });
        }
        self.seen.push(name);
        seed.deserialize(StrDeserializer::<DecodeError>::new(name)).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<S::Value, DecodeError> {
        let Some((key, value)) = self.current.take() else {
            return Err(de::Error::custom("a value was asked for before its key"));
        };
        seed.deserialize(Decoder { value }).map_err(|error| error.within(key))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(rename_all = "camelCase", default)]
    struct Sample {
        entry_points: Vec<String>,
        port: u16,
        insecure: bool,
        name: String,
        weight: Option<u32>,
        #[serde(deserialize_with = "section")]
        ping: Option<Inner>,
        inner: Inner,
        map: BTreeMap<String, Inner>,
    }

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(rename_all = "camelCase", default)]
    struct Inner {
        entry_point: String,
    }

    fn check(value: &Value, expect: Sample) {
        assert_eq!(decode::<Sample>(value), Ok(expect), "{value}");
    }

    #[test]
    fn lists_take_no_more_than_they_need() {
        for count in 0..6 {
            let list: Vec<u64> = decode(&json!(vec![1; count])).unwrap();
            assert_eq!((list.len(), list.capacity()), (count, count));
        }
    }

    #[test]
    fn follows_traefiks_rules() {
        let ping = || Some(Inner::default());
        check(&json!(null), Sample::default());
        check(&json!({"PORT": "80"}), Sample { port: 80, ..Sample::default() });
        check(&json!({"insecure": "true"}), Sample { insecure: true, ..Sample::default() });
        check(&json!({"name": 8080}), Sample { name: "8080".into(), ..Sample::default() });
        check(&json!({"weight": null}), Sample::default());
        check(&json!({"ping": true}), Sample { ping: ping(), ..Sample::default() });
        check(&json!({"ping": null}), Sample { ping: ping(), ..Sample::default() });
        check(&json!({"ping": {}}), Sample { ping: ping(), ..Sample::default() });
        check(&json!({"ping": "false"}), Sample::default());
        let lists = [json!("a, b"), json!(["a", "b"]), json!({"[1]": "b", "[0]": "a"})];
        for list in lists {
            let entry_points = vec!["a".to_owned(), "b".to_owned()];
            check(&json!({"entrypoints": list}), Sample { entry_points, ..Sample::default() });
        }
    }

    #[test]
    fn errors_name_the_element() {
        for (value, expect) in [
            (json!({"prot": 1}), "prot: unknown option, did you mean \"port\"?"),
            (json!({"inner": {"banana": 1}}), "inner.banana: unknown option"),
            (json!({"map": {"Web": {"x": 1}}}), "map.Web.x: unknown option"),
            (json!({"port": "x"}), "port: expected a whole number that is not negative, got \"x\""),
            (json!({"insecure": "yes?"}), "insecure: expected true or false, got \"yes?\""),
            (json!({"entryPoints": [[1]]}), "entryPoints[0]: expected text, got a list"),
            (json!({"port": 1, "Port": 2}), "Port: given twice"),
            (json!({"inner": 5}), "inner: expected a section, got 5"),
            (json!([1]), ": expected a section, got a list"),
        ] {
            let error = decode::<Sample>(&value).unwrap_err();
            assert_eq!(error.to_string(), expect, "{value}");
        }
        let error = decode_at::<Sample>(&json!({"inner": {"x": 1}}), "http").unwrap_err();
        assert_eq!(error.path(), "http.inner.x");
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[a-z0-9,]{0,5}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 5, |inner| {
            let keys = prop_oneof![Just("inner"), Just("map"), Just("port"), Just("entryPoints")];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::hash_map(keys.prop_map(String::from), inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn never_panics(value in any_value()) {
            let _ = decode::<Sample>(&value);
        }
    }
}
