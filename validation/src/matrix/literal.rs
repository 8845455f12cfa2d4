//! Arguments of operators as the matrix writes them.

use std::{borrow::Cow, fmt};

use robocache_core::parameters::Value;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer,
    de::{Error, SeqAccess, Visitor},
};

/// An argument of an operator as it is written. Unlike [`Value`]'s own reading, which tries one kind after another, this
/// one keeps the place of an error.
#[derive(Clone, Debug)]
pub(crate) struct Literal(pub(crate) Value);

impl<'de> Deserialize<'de> for Literal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Literally;

        impl<'de> Visitor<'de> for Literally {
            type Value = Literal;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a number, a word or a list of them")
            }

            fn visit_i64<E: Error>(self, integer: i64) -> Result<Literal, E> {
                Ok(Literal(Value::Integer(integer)))
            }

            fn visit_u64<E: Error>(self, integer: u64) -> Result<Literal, E> {
                let integer = integer.try_into().map_err(|_| E::custom("an integer may be at most 2^63 - 1"))?;
                Ok(Literal(Value::Integer(integer)))
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<Literal, E> {
                if number.is_finite() {
                    Ok(Literal(Value::Number(number)))
                } else {
                    Err(E::custom("a number must be finite"))
                }
            }

            fn visit_str<E: Error>(self, word: &str) -> Result<Literal, E> {
                Ok(Literal(Value::Word(word.to_owned())))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Literal, A::Error> {
                let mut values = Vec::new();
                while let Some(Literal(value)) = sequence.next_element()? {
                    values.push(value);
                }
                Ok(Literal(Value::List(values)))
            }
        }

        deserializer.deserialize_any(Literally)
    }
}

impl JsonSchema for Literal {
    fn schema_name() -> Cow<'static, str> {
        "Literal".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let elements = generator.subschema_for::<Self>();
        json_schema!({
            "anyOf": [{ "type": "number" }, { "type": "string" }, { "type": "array", "items": elements }],
        })
    }
}
