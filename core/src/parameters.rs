//! The arguments of a problem as the matrix writes them, before an operator gives them their meaning.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

/// One argument's value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// An extent or a count.
    Integer(i64),
    /// A physical quantity.
    Number(f64),
    /// One of a few names, such as a mode.
    Word(String),
    /// Several values, such as the extents of a grid.
    List(Vec<Value>),
}

impl fmt::Display for Value {
    /// As it stands in a cell's name: lists are joined with `x`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(value) => write!(formatter, "{value}"),
            Self::Number(value) => write!(formatter, "{value}"),
            Self::Word(word) => formatter.write_str(word),
            Self::List(values) => {
                for (position, value) in values.iter().enumerate() {
                    let separator = if position == 0 { "" } else { "x" };
                    write!(formatter, "{separator}{value}")?;
                }
                Ok(())
            }
        }
    }
}

/// Named arguments. A map, so that the order in which a matrix writes them means nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Parameters(BTreeMap<String, Value>);

impl Parameters {
    /// These arguments.
    pub fn new(arguments: impl IntoIterator<Item = (String, Value)>) -> Self {
        Self(arguments.into_iter().collect())
    }

    /// Adds or replaces one argument.
    pub fn set(&mut self, name: impl Into<String>, value: Value) {
        self.0.insert(name.into(), value);
    }

    /// The value of `name`, if it was given.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// Names and values, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }
}

/// What kind of value an argument takes; the matrix's JSON Schema is made from it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ParameterKind {
    /// An integer of at least this much.
    Integer {
        /// The least value allowed.
        minimum: i64,
    },
    /// A finite number.
    Number,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A list of this many integers.
    Integers {
        /// How many integers.
        length: usize,
    },
    /// A list of this many numbers.
    Numbers {
        /// How many numbers.
        length: usize,
    },
    /// A list of pairs of integers.
    IntegerPairs,
}

/// One argument that an operator takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ParameterSpec {
    /// The key in the matrix.
    pub name: &'static str,
    /// What it may hold.
    pub kind: ParameterKind,
    /// Whether a problem can be made without it.
    pub required: bool,
    /// One sentence: what it means, in which unit, and the default where it is not required.
    pub description: &'static str,
}

/// An argument that breaks a rule of its operator.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{operator}: `{argument}` is {value}, but {rule}")]
pub struct InvalidParameter {
    /// The operator.
    pub operator: String,
    /// The argument's name.
    pub argument: String,
    /// Its value, or `missing`.
    pub value: String,
    /// The rule that it breaks.
    pub rule: String,
}
