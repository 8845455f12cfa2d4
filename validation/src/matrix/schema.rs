//! The matrix's JSON Schema: the shape of the file, and the arguments of every registered operator.

use robocache_core::{
    operator::Operator,
    parameters::{ParameterKind, ParameterSpec},
    registry::Registry,
};
use serde_json::{Map, Value, json};

use super::{document::Document, problem::DTYPES_KEY};

/// JSON Schema (2020-12) of a matrix for these operators, for editors and other tools.
///
/// It says all that can be said without looking names up: that a profile's groups and datasets exist, that arguments
/// fit together and that patterns match something is checked when the matrix is read.
pub fn schema(registry: &Registry) -> Value {
    let mut schema = schemars::schema_for!(Document).to_value();
    let section = schema.pointer("/$defs/OperatorSection").cloned().unwrap_or_default();
    let operators: Map<_, _> =
        registry.iter().map(|operator| (operator.name().to_owned(), with_problems(&section, &**operator))).collect();
    let names: Vec<_> = registry.iter().map(|operator| operator.name()).collect();
    let parameters: Vec<_> = registry
        .iter()
        .map(|operator| {
            json!({
                "if": { "properties": { "operator": { "const": operator.name() } } },
                "then": { "properties": { "parameters": arguments(&**operator, &[]) } },
            })
        })
        .collect();
    if let Some(place) = schema.pointer_mut("/properties/operators") {
        place["properties"] = Value::Object(operators);
        place["additionalProperties"] = json!(false);
    }
    if let Some(place) = schema.pointer_mut("/$defs/DatasetSection") {
        place["properties"]["operator"]["enum"] = json!(names);
        place["allOf"] = json!(parameters);
    }
    schema
}

/// The section of one operator, with its dtypes and its arguments.
fn with_problems(section: &Value, operator: &dyn Operator) -> Value {
    let required: Vec<_> = operator.parameters().iter().filter(|spec| spec.required).map(|spec| spec.name).collect();
    let dtypes: Vec<_> = operator.dtypes().iter().map(|dtype| dtype.name()).collect();
    let mut section = section.clone();
    section["description"] = json!(operator.summary());
    let dtypes = json!([{ "const": "all" }, { "type": "array", "items": { "enum": dtypes } }]);
    let mut problem = arguments(operator, &required);
    problem["properties"][DTYPES_KEY] = json!({ "anyOf": dtypes });
    section["properties"]["dtypes"]["anyOf"] = dtypes;
    section["properties"]["problems"]["additionalProperties"] =
        json!({ "type": "array", "minItems": 1, "items": problem });
    section
}

/// The arguments of one problem, or of several: each is one value or a list of values.
fn arguments(operator: &dyn Operator, required: &[&str]) -> Value {
    let properties: Map<_, _> =
        operator.parameters().iter().map(|spec| (spec.name.to_owned(), argument(spec))).collect();
    json!({ "type": "object", "additionalProperties": false, "properties": properties, "required": required })
}

fn argument(spec: &ParameterSpec) -> Value {
    let one = kind(spec.kind);
    json!({
        "description": spec.description,
        "anyOf": [one, { "type": "array", "minItems": 1, "items": one }],
    })
}

fn kind(kind_of: ParameterKind) -> Value {
    match kind_of {
        // JSON has no integer of i64's range that all readers agree on; `minimum` is left out where there is none.
        ParameterKind::Integer { minimum: i64::MIN } => json!({ "type": "integer" }),
        ParameterKind::Integer { minimum } => json!({ "type": "integer", "minimum": minimum }),
        ParameterKind::Number => json!({ "type": "number" }),
        ParameterKind::Word(words) => json!({ "enum": words }),
        ParameterKind::Integers { length } => list(length, &kind(ParameterKind::Integer { minimum: i64::MIN })),
        ParameterKind::Numbers { length } => list(length, &kind(ParameterKind::Number)),
        ParameterKind::IntegerPairs => {
            json!({ "type": "array", "items": kind(ParameterKind::Integers { length: 2 }) })
        }
    }
}

fn list(length: usize, element: &Value) -> Value {
    json!({ "type": "array", "minItems": length, "maxItems": length, "items": element })
}
