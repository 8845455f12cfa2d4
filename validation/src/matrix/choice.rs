//! `all`, or some.

use std::{borrow::Cow, fmt, marker::PhantomData};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer,
    de::{Error, SeqAccess, Visitor},
};

use super::place::Located;

/// `all`, or some of them by name.
#[derive(Clone, Debug)]
pub(crate) enum Choice<T> {
    /// All that there are.
    All,
    /// These.
    Only(Vec<Located<T>>),
}

impl<T> Choice<T> {
    /// None at all.
    pub(crate) const fn none() -> Self {
        Self::Only(Vec::new())
    }

    /// All that there are.
    pub(crate) const fn all() -> Self {
        Self::All
    }

    /// Whether `name` is among the chosen.
    pub(crate) fn contains<N: ?Sized>(&self, name: &N) -> bool
    where
        T: PartialEq<N>,
    {
        match self {
            Self::All => true,
            Self::Only(names) => names.iter().any(|chosen| chosen.value == *name),
        }
    }

    /// Those that were named one by one.
    pub(crate) fn named(&self) -> &[Located<T>] {
        match self {
            Self::All => &[],
            Self::Only(names) => names,
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Choice<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Chosen<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Chosen<T> {
            type Value = Choice<T>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("`all` or a list of names")
            }

            fn visit_str<E: Error>(self, word: &str) -> Result<Choice<T>, E> {
                match word {
                    "all" => Ok(Choice::All),
                    _ => Err(E::invalid_value(serde::de::Unexpected::Str(word), &self)),
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Choice<T>, A::Error> {
                let mut names = Vec::new();
                while let Some(name) = sequence.next_element()? {
                    names.push(name);
                }
                Ok(Choice::Only(names))
            }
        }

        deserializer.deserialize_any(Chosen(PhantomData))
    }
}

impl<T: JsonSchema> JsonSchema for Choice<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("choice_of_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let names = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [{ "const": "all" }, { "type": "array", "items": names }] })
    }
}
