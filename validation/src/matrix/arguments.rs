//! From arguments as they are written to the problems that they mean.

use std::collections::BTreeMap;

use robocache_core::{
    dtype::DType,
    operator::{Operator, Problem},
    parameters::{InvalidParameter, ParameterKind, ParameterSpec, Parameters, Value},
};

use super::{Diagnostic, entries::Entries, literal::Literal, place::Place, source::Source, suggestion::one_of};

/// The most problems that one set of arguments may stand for.
const COMBINATION_LIMIT: usize = 10_000;

/// The arguments of one problem, and where each was written.
#[derive(Clone, Debug)]
pub(crate) struct Arguments {
    pub(crate) parameters: Parameters,
    pub(crate) place: Place,
    places: BTreeMap<String, Place>,
}

impl Arguments {
    /// Every combination of the values that `written` lists, in the order in which they are written.
    pub(crate) fn combinations(
        written: &Entries<Literal>,
        place: Place,
        operator: &dyn Operator,
        source: &Source,
    ) -> Result<Vec<Self>, Diagnostic> {
        let none = Self { parameters: Parameters::default(), place, places: BTreeMap::new() };
        let mut combinations = vec![none];
        for entry in written.iter() {
            let name = entry.key.value.as_str();
            let spec = operator.parameters().iter().find(|spec| spec.name == name).ok_or_else(|| {
                let names: Vec<_> = operator.parameters().iter().map(|spec| spec.name).collect();
                let message = format!("`{}` has no argument `{name}`", operator.name());
                source.diagnostic(entry.key.place, message).label(one_of(name, &names))
            })?;
            let values = values(spec, &entry.value.value.0).map_err(|rule| {
                source.diagnostic(entry.value.place, format!("invalid argument `{name}`")).label(rule).help(help(spec))
            })?;
            if combinations.len().saturating_mul(values.len()) > COMBINATION_LIMIT {
                let message = format!("these arguments stand for more than {COMBINATION_LIMIT} problems");
                return Err(source.diagnostic(place, message));
            }
            combinations = combinations
                .into_iter()
                .flat_map(|combination| {
                    values.iter().map(move |value| {
                        let mut combination = combination.clone();
                        combination.parameters.set(name, value.clone());
                        combination.places.insert(name.to_owned(), entry.value.place);
                        combination
                    })
                })
                .collect();
        }
        Ok(combinations)
    }

    /// The problem of these arguments; a rule of the operator that they break is shown at the argument that breaks it.
    pub(crate) fn problem(
        &self,
        operator: &dyn Operator,
        dtype: DType,
        source: &Source,
    ) -> Result<Box<dyn Problem>, Diagnostic> {
        operator.problem(dtype, &self.parameters).map_err(|invalid| self.diagnostic(operator, &invalid, source))
    }

    /// Checks the arguments of a recorded input, of which the recording decides some: those that the operator requires
    /// and that were not written get the least legal value for the check.
    ///
    /// Returns a problem made with those values, if there is one.
    pub(crate) fn partial_problem(
        &self,
        operator: &dyn Operator,
        dtype: DType,
        source: &Source,
    ) -> Result<Option<Box<dyn Problem>>, Diagnostic> {
        let mut parameters = self.parameters.clone();
        for spec in operator.parameters().iter().filter(|spec| self.parameters.get(spec.name).is_none()) {
            if spec.required {
                parameters.set(spec.name, least(spec.kind));
            }
        }
        match operator.problem(dtype, &parameters) {
            Ok(problem) => Ok(Some(problem)),
            Err(invalid) if self.places.contains_key(&invalid.argument) => {
                Err(self.diagnostic(operator, &invalid, source))
            }
            // Something that the recording will decide: it is checked again when the recording is read.
            Err(_) => Ok(None),
        }
    }

    fn diagnostic(&self, operator: &dyn Operator, invalid: &InvalidParameter, source: &Source) -> Diagnostic {
        let InvalidParameter { operator: _, argument, value, rule } = invalid;
        let message = format!("invalid argument `{argument}` of `{}`", operator.name());
        let place = self.places.get(argument).copied().unwrap_or(self.place);
        let diagnostic = source.diagnostic(place, message).label(format!("`{argument}` is {value}, but {rule}"));
        match operator.parameters().iter().find(|spec| spec.name == argument) {
            Some(spec) => diagnostic.help(help(spec)),
            None if argument == "dtype" => {
                diagnostic.help("name the element types that it has with `dtypes` beside it")
            }
            None => diagnostic,
        }
    }
}

fn help(spec: &ParameterSpec) -> String {
    format!("`{}`: {}", spec.name, spec.description)
}

/// One value, or each of a list of values: a list is one of values if it is one level deeper than the kind itself is.
fn values(spec: &ParameterSpec, written: &Value) -> Result<Vec<Value>, String> {
    match written {
        Value::List(values) if depth(written) > kind_depth(spec.kind) => match values.as_slice() {
            [] => Err("an empty list stands for no problem".to_owned()),
            values => values.iter().map(|value| conform(spec.kind, value)).collect(),
        },
        Value::Integer(_) | Value::Number(_) | Value::Word(_) | Value::List(_) => {
            Ok(vec![conform(spec.kind, written)?])
        }
    }
}

/// How deep lists are nested, by the first element of each.
fn depth(value: &Value) -> usize {
    match value {
        Value::List(values) => 1 + values.first().map_or(0, depth),
        Value::Integer(_) | Value::Number(_) | Value::Word(_) => 0,
    }
}

fn kind_depth(kind: ParameterKind) -> usize {
    match kind {
        ParameterKind::Integer { .. } | ParameterKind::Number | ParameterKind::Word(_) => 0,
        ParameterKind::Integers { .. } | ParameterKind::Numbers { .. } => 1,
        ParameterKind::IntegerPairs => 2,
    }
}

/// `value` as its kind has it, or what the kind demands. An integer stands for the number of the same value.
fn conform(kind: ParameterKind, value: &Value) -> Result<Value, String> {
    let list = |length: Option<usize>, element: ParameterKind| match value {
        Value::List(values) if length.is_none_or(|length| length == values.len()) => {
            let elements: Result<_, _> = values.iter().map(|value| conform(element, value)).collect();
            elements.map(Value::List).map_err(|_| demand(kind))
        }
        Value::Integer(_) | Value::Number(_) | Value::Word(_) | Value::List(_) => Err(demand(kind)),
    };
    match (kind, value) {
        (ParameterKind::Integer { minimum }, Value::Integer(integer)) if *integer >= minimum => Ok(value.clone()),
        (ParameterKind::Number, Value::Integer(integer)) => Ok(Value::Number(*integer as f64)),
        (ParameterKind::Number, Value::Number(number)) if number.is_finite() => Ok(value.clone()),
        (ParameterKind::Word(words), Value::Word(word)) => match words.contains(&word.as_str()) {
            true => Ok(value.clone()),
            false => Err(one_of(word, words)),
        },
        (ParameterKind::Integer { .. } | ParameterKind::Number | ParameterKind::Word(_), _) => Err(demand(kind)),
        (ParameterKind::Integers { length }, _) => list(Some(length), ParameterKind::Integer { minimum: i64::MIN }),
        (ParameterKind::Numbers { length }, _) => list(Some(length), ParameterKind::Number),
        (ParameterKind::IntegerPairs, _) => list(None, ParameterKind::Integers { length: 2 }),
    }
}

/// What a kind of argument must be.
fn demand(kind: ParameterKind) -> String {
    match kind {
        ParameterKind::Integer { minimum: i64::MIN } => "must be an integer".to_owned(),
        ParameterKind::Integer { minimum } => format!("must be an integer of at least {minimum}"),
        ParameterKind::Number => "must be a finite number".to_owned(),
        ParameterKind::Word(words) => format!("must be one of {}", words.join(", ")),
        ParameterKind::Integers { length } => format!("must be a list of {length} integers"),
        ParameterKind::Numbers { length } => format!("must be a list of {length} numbers"),
        ParameterKind::IntegerPairs => "must be a list of pairs of integers".to_owned(),
    }
}

/// The least value of a kind that is not degenerate.
fn least(kind: ParameterKind) -> Value {
    match kind {
        ParameterKind::Integer { minimum } => Value::Integer(minimum.max(1)),
        ParameterKind::Number => Value::Number(1.0),
        ParameterKind::Word(words) => Value::Word(words.first().copied().unwrap_or_default().to_owned()),
        ParameterKind::Integers { length } => Value::List(vec![Value::Integer(1); length]),
        ParameterKind::Numbers { length } => Value::List(vec![Value::Number(1.0); length]),
        ParameterKind::IntegerPairs => Value::List(vec![Value::List(vec![Value::Integer(1); 2])]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn integers(values: &[i64]) -> Value {
        Value::List(values.iter().copied().map(Value::Integer).collect())
    }

    fn read(kind: ParameterKind, written: &Value) -> Result<Vec<Value>, String> {
        values(&ParameterSpec { name: "a", kind, required: true, description: "" }, written)
    }

    #[test]
    fn a_list_is_an_axis_only_where_it_is_deeper_than_its_kind() {
        let pair = integers(&[1, 2]);
        let pairs = Value::List(vec![pair.clone(), pair.clone()]);
        let integer = ParameterKind::Integer { minimum: 0 };
        assert_eq!(read(integer, &pair), Ok(vec![Value::Integer(1), Value::Integer(2)]));
        let two = ParameterKind::Integers { length: 2 };
        assert_eq!(read(two, &pair), Ok(vec![pair.clone()]));
        assert_eq!(read(two, &pairs), Ok(vec![pair.clone(), pair.clone()]));
        assert_eq!(read(ParameterKind::IntegerPairs, &pairs), Ok(vec![pairs.clone()]));
        let axis = Value::List(vec![pairs.clone()]);
        assert_eq!(read(ParameterKind::IntegerPairs, &axis), Ok(vec![pairs.clone()]));
        // Neither deep enough nor too deep is taken for something else.
        assert!(read(two, &Value::Integer(1)).is_err());
        assert!(read(integer, &pairs).is_err());
        assert!(read(ParameterKind::IntegerPairs, &pair).is_err());
    }

    #[test]
    fn no_argument_is_infinite_or_nan() {
        for number in [f64::INFINITY, f64::NEG_INFINITY, f64::NAN] {
            assert!(read(ParameterKind::Number, &Value::Number(number)).is_err(), "{number}");
        }
    }

    #[test]
    fn the_least_value_of_a_kind_is_of_that_kind() {
        for kind in [
            ParameterKind::Integer { minimum: 0 },
            ParameterKind::Integer { minimum: 7 },
            ParameterKind::Number,
            ParameterKind::Word(&["x"]),
            ParameterKind::Integers { length: 3 },
            ParameterKind::Numbers { length: 3 },
            ParameterKind::IntegerPairs,
        ] {
            assert_eq!(conform(kind, &least(kind)), Ok(least(kind)), "{kind:?}");
        }
    }
}
