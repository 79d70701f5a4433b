//! The fields of a struct that is read with serde, without a value of it.

use serde::de::value::Error;
use serde::de::{DeserializeOwned, Error as _, Visitor};
use serde::{Deserializer, forward_to_deserialize_any};

/// The names that a struct's fields are read under; none of what is no struct.
#[must_use]
pub fn fields_of<T: DeserializeOwned>() -> Vec<&'static str> {
    let mut fields = Vec::new();
    // It ends with an error, once it has said what it is.
    let _ = T::deserialize(Asked(&mut fields));
    fields
}

/// Finds out which fields a struct asks for.
struct Asked<'a>(&'a mut Vec<&'static str>);

impl<'de> Deserializer<'de> for Asked<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::custom("no struct"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Error> {
        self.0.extend(fields);
        Err(Error::custom("a struct"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase", default)]
    #[derive(Default)]
    #[allow(dead_code, reason = "only its names count")]
    struct Sample {
        some_thing: u8,
        #[serde(rename = "other")]
        another: Option<String>,
    }

    #[test]
    fn names_are_those_that_are_read() {
        assert_eq!(fields_of::<Sample>(), ["someThing", "other"]);
        assert_eq!(fields_of::<BTreeMap<String, u8>>(), Vec::<&str>::new());
        assert_eq!(fields_of::<u8>(), Vec::<&str>::new());
    }
}
