//! The JSON Schema says of a matrix what the parser says, as far as a schema can.

use serde_json::Value;
use validation::matrix::schema;

use crate::{fixture, json_schema::misfits, operators};

fn as_json(text: &str) -> Value {
    serde_yaml::from_str(text).expect("the fixture is YAML")
}

#[test]
fn a_good_matrix_fits() {
    let schema = schema(&operators::registry());
    assert_eq!(misfits(&schema, &as_json(&fixture("good.yaml"))), [""; 0]);
}

#[test]
fn mistakes_that_a_schema_can_see_do_not_fit() {
    let schema = schema(&operators::registry());
    let visible = [
        "budget_unknown_key",
        "budget_wrong_type",
        "dataset_format",
        "dataset_rate",
        "empty_axis",
        "empty_devices",
        "empty_group",
        "empty_select",
        "exclude_without_reason",
        "invalid_parameter_length",
        "invalid_parameter_minimum",
        "invalid_parameter_pairs",
        "invalid_parameter_word",
        "missing_key",
        "missing_parameter",
        "unknown_device",
        "unknown_distribution",
        "unknown_dtype",
        "unknown_key",
        "unknown_key_nested",
        "unknown_operator",
        "unknown_parameter",
        "unknown_requirement",
        "unknown_setting",
        "unknown_suite",
        "unsupported_dtype",
        "version_missing",
        "version_newer",
        "version_zero",
        "wrong_type_choice",
        "wrong_type_limit",
        "wrong_type_list",
        "wrong_type_mapping",
        "wrong_type_parameter",
        "wrong_type_parameter_boolean",
        "wrong_type_scalar",
        "wrong_type_setting",
        "zero_repeats",
        "zero_repeats_set",
    ];
    for name in visible {
        let found = misfits(&schema, &as_json(&fixture(&format!("bad/{name}.yaml"))));
        assert!(!found.is_empty(), "{name} fits the schema");
    }
}

#[test]
fn the_schema_is_as_it_was() {
    insta::assert_json_snapshot!(schema(&operators::registry()));
}
