//! Reads the arguments of a problem, one typed value at a time, each failure naming argument, value and rule.

use std::fmt::Display;

use crate::{
    dtype::DType,
    operators::times::TimeKind,
    parameters::{InvalidParameter, ParameterSpec, Parameters, Value},
    tensor::TensorSpec,
};

/// The arguments of one problem of one operator.
pub(crate) struct Arguments<'a> {
    operator: &'static str,
    parameters: &'a Parameters,
}

impl<'a> Arguments<'a> {
    /// Arguments of which every name is among `specs`: a misspelled optional argument must not mean its default.
    pub(crate) fn new(
        operator: &'static str,
        specs: &[ParameterSpec],
        parameters: &'a Parameters,
    ) -> Result<Self, InvalidParameter> {
        let arguments = Self { operator, parameters };
        match parameters.iter().find(|(name, _)| specs.iter().all(|spec| spec.name != *name)) {
            None => Ok(arguments),
            Some((name, value)) => {
                let known: Vec<_> = specs.iter().map(|spec| spec.name).collect();
                Err(arguments.invalid(name, value, format!("only {} are arguments", known.join(", "))))
            }
        }
    }

    /// The error of an argument that breaks a rule.
    pub(crate) fn invalid(&self, argument: &str, value: impl Display, rule: impl Into<String>) -> InvalidParameter {
        InvalidParameter {
            operator: self.operator.to_owned(),
            argument: argument.to_owned(),
            value: value.to_string(),
            rule: rule.into(),
        }
    }

    /// The error of an element type that is not among `legal`.
    pub(crate) fn check_dtype(&self, dtype: DType, legal: &[DType]) -> Result<(), InvalidParameter> {
        if legal.contains(&dtype) {
            return Ok(());
        }
        let names: Vec<_> = legal.iter().map(|dtype| dtype.name()).collect();
        Err(self.invalid("dtype", dtype, format!("must be one of {}", names.join(", "))))
    }

    /// The value of an argument that may be left out.
    pub(crate) fn optional(&self, name: &str) -> Option<&'a Value> {
        self.parameters.get(name)
    }

    fn required(&self, name: &str) -> Result<&'a Value, InvalidParameter> {
        self.optional(name).ok_or_else(|| self.invalid(name, "missing", "it is required"))
    }

    /// A required extent of at least `minimum` and at most `maximum`.
    pub(crate) fn extent(&self, name: &str, minimum: i64, maximum: i64) -> Result<usize, InvalidParameter> {
        self.as_extent(name, self.required(name)?, minimum, maximum)
    }

    /// A required list of `N` extents.
    pub(crate) fn extents<const N: usize>(
        &self,
        name: &str,
        minimum: i64,
        maximum: i64,
    ) -> Result<[usize; N], InvalidParameter> {
        let values = self.as_list::<N>(name, self.required(name)?)?;
        let mut extents = [0; N];
        for (extent, value) in extents.iter_mut().zip(values) {
            *extent = self.as_extent(name, value, minimum, maximum)?;
        }
        Ok(extents)
    }

    /// A required list of at least one and at most `maximum_length` pairs of extents, each at least 1.
    pub(crate) fn extent_pairs(&self, name: &str, maximum_length: usize) -> Result<Vec<[usize; 2]>, InvalidParameter> {
        let value = self.required(name)?;
        let rule = || format!("must be a list of 1 to {maximum_length} pairs of integers");
        let pairs = match value {
            Value::List(pairs) if (1..=maximum_length).contains(&pairs.len()) => pairs,
            Value::List(_) | Value::Integer(_) | Value::Number(_) | Value::Word(_) => {
                return Err(self.invalid(name, value, rule()));
            }
        };
        pairs
            .iter()
            .map(|pair| {
                let [first, second] = self.as_list::<2>(name, pair)?;
                Ok([self.as_extent(name, first, 1, i64::MAX)?, self.as_extent(name, second, 1, i64::MAX)?])
            })
            .collect()
    }

    /// A required word; the place of the word among `words` is given.
    pub(crate) fn word(&self, name: &str, words: &[&str]) -> Result<usize, InvalidParameter> {
        let value = self.required(name)?;
        let place = match value {
            Value::Word(word) => words.iter().position(|known| known == word),
            Value::Integer(_) | Value::Number(_) | Value::List(_) => None,
        };
        place.ok_or_else(|| self.invalid(name, value, format!("must be one of {}", words.join(", "))))
    }

    /// The optional argument `times`; f32 seconds if it is not given.
    pub(crate) fn times(&self) -> Result<TimeKind, InvalidParameter> {
        if self.optional("times").is_none() {
            return Ok(TimeKind::F32Seconds);
        }
        let kinds = [TimeKind::F32Seconds, TimeKind::I64Nanoseconds];
        Ok(kinds[self.word("times", TimeKind::WORDS)?])
    }

    /// A number that is finite in f32, or `default` if it is not given.
    pub(crate) fn number(&self, name: &str, default: f32) -> Result<f32, InvalidParameter> {
        self.optional(name).map_or(Ok(default), |value| self.as_number(name, value))
    }

    /// A list of `N` numbers that are finite in f32, or `default` if it is not given.
    pub(crate) fn numbers<const N: usize>(&self, name: &str, default: [f32; N]) -> Result<[f32; N], InvalidParameter> {
        let Some(value) = self.optional(name) else { return Ok(default) };
        let mut numbers = default;
        for (number, value) in numbers.iter_mut().zip(self.as_list::<N>(name, value)?) {
            *number = self.as_number(name, value)?;
        }
        Ok(numbers)
    }

    /// The spec of one tensor, or the error that its size cannot be addressed; `argument` takes the blame.
    pub(crate) fn tensor(
        &self,
        argument: &str,
        name: impl Into<String>,
        dtype: DType,
        extents: impl Into<Vec<usize>>,
    ) -> Result<TensorSpec, InvalidParameter> {
        let name = name.into();
        TensorSpec::new(name.clone(), dtype, extents).map_err(|error| {
            let value = self.parameters.get(argument).map_or_else(|| "missing".to_owned(), ToString::to_string);
            self.invalid(argument, value, format!("`{name}` must be addressable: {error}"))
        })
    }

    fn as_extent(&self, name: &str, value: &Value, minimum: i64, maximum: i64) -> Result<usize, InvalidParameter> {
        let rule = || {
            if maximum == i64::MAX {
                format!("must be an integer of at least {minimum}")
            } else {
                format!("must be an integer between {minimum} and {maximum}")
            }
        };
        match value {
            Value::Integer(extent) if (minimum..=maximum).contains(extent) => {
                usize::try_from(*extent).map_err(|_| self.invalid(name, value, rule()))
            }
            Value::Integer(_) | Value::Number(_) | Value::Word(_) | Value::List(_) => {
                Err(self.invalid(name, value, rule()))
            }
        }
    }

    fn as_list<const N: usize>(&self, name: &str, value: &'a Value) -> Result<&'a [Value; N], InvalidParameter> {
        let list: Option<&[Value; N]> = match value {
            Value::List(values) => values.as_slice().try_into().ok(),
            Value::Integer(_) | Value::Number(_) | Value::Word(_) => None,
        };
        list.ok_or_else(|| self.invalid(name, value, format!("must be a list of {N} numbers")))
    }

    fn as_number(&self, name: &str, value: &Value) -> Result<f32, InvalidParameter> {
        let number = match value {
            Value::Integer(number) => *number as f32,
            Value::Number(number) => *number as f32,
            Value::Word(_) | Value::List(_) => f32::NAN,
        };
        if number.is_finite() { Ok(number) } else { Err(self.invalid(name, value, "must be a number, finite in f32")) }
    }
}
