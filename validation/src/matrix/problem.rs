//! The problems of an operator as the matrix writes them.

use std::{borrow::Cow, fmt};

use robocache_core::dtype::DType;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};

use super::{
    choice::Choice,
    entries::{Entries, Entry},
    literal::Literal,
    place::Located,
};

/// The key beside the arguments of a problem.
pub(crate) const DTYPES_KEY: &str = "dtypes";

/// The arguments of one problem, or of several where an argument is a list of values. Written by hand because serde's
/// `flatten`, which would say the same, loses the places of the arguments.
#[derive(Clone, Debug)]
pub(crate) struct ProblemSection {
    /// Element types, where the problem does not have all of its operator.
    pub(crate) dtypes: Choice<DType>,
    /// The operator's arguments.
    pub(crate) arguments: Entries<Literal>,
}

impl<'de> Deserialize<'de> for ProblemSection {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Problem;

        impl<'de> Visitor<'de> for Problem {
            type Value = ProblemSection;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("the arguments of a problem")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ProblemSection, A::Error> {
                let mut dtypes = Choice::All;
                let mut arguments = Vec::new();
                while let Some(key) = map.next_key::<Located<String>>()? {
                    if key.value == DTYPES_KEY {
                        dtypes = map.next_value()?;
                    } else {
                        arguments.push(Entry { key, value: map.next_value()? });
                    }
                }
                Ok(ProblemSection { dtypes, arguments: arguments.into_iter().collect() })
            }
        }

        deserializer.deserialize_map(Problem)
    }
}

impl JsonSchema for ProblemSection {
    fn schema_name() -> Cow<'static, str> {
        "ProblemSection".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        // Of an unknown operator; `schema` puts the registered operators' arguments in its place.
        let arguments = generator.subschema_for::<Literal>();
        json_schema!({ "type": "object", "additionalProperties": arguments })
    }
}
