//! Arguments of every operator: each rule has its error, and nothing that a matrix can say makes a panic.

use proptest::prelude::*;
use robocache_core::{
    dtype::DType,
    operators::registry,
    parameters::{InvalidParameter, Parameters, Value},
};

fn list<const N: usize>(values: [i64; N]) -> Value {
    Value::List(values.map(Value::Integer).to_vec())
}

fn word(word: &str) -> Value {
    Value::Word(word.to_owned())
}

/// Legal arguments of an operator.
fn legal(operator: &str) -> Parameters {
    let arguments = match operator {
        "resample" => vec![("b", 2), ("s", 3), ("d", 4), ("t", 5)],
        "fuse" => vec![("b", 2), ("t", 5)],
        "voxelize" => vec![("n", 10), ("f", 2)],
        other => panic!("no arguments are known for {other}"),
    };
    let named = arguments.into_iter().map(|(name, value)| (name.to_owned(), Value::Integer(value)));
    let mut parameters = Parameters::new(named);
    match operator {
        "fuse" => parameters.set("streams", Value::List(vec![list([3, 4]), list([1, 2])])),
        "voxelize" => {
            parameters.set("grid", list([4, 5, 6]));
            parameters.set("mode", word("mean"));
        }
        _ => {}
    }
    parameters
}

fn refusal(operator: &str, dtype: DType, argument: &str, value: Option<Value>) -> InvalidParameter {
    let all = legal(operator);
    let others = all.iter().filter(|(name, _)| *name != argument);
    let mut parameters = Parameters::new(others.map(|(name, value)| (name.to_owned(), value.clone())));
    if let Some(value) = value {
        parameters.set(argument, value);
    }
    let Err(error) = registry().get(operator).unwrap().problem(dtype, &parameters) else {
        panic!("{operator} takes {parameters:?}");
    };
    error
}

#[test]
fn legal_arguments_make_problems_of_every_dtype_listed() {
    for operator in registry().iter() {
        for &dtype in operator.dtypes() {
            let problem = operator.problem(dtype, &legal(operator.name())).unwrap();
            assert!(problem.outputs().iter().all(|output| output.bytes() > 0));
        }
    }
}

#[test]
fn every_rule_names_argument_value_and_rule() {
    let integer = Value::Integer;
    let huge = integer(i64::MAX);
    let cases = [
        ("resample", "b", Some(integer(-1)), "-1", "at least 0"),
        ("resample", "s", Some(integer(0)), "0", "at least 1"),
        ("resample", "d", Some(Value::Number(1.5)), "1.5", "integer"),
        ("resample", "t", None, "missing", "required"),
        ("resample", "times", Some(word("f64")), "f64", "one of f32, i64"),
        ("resample", "times", Some(integer(3)), "3", "one of f32, i64"),
        ("resample", "tt", Some(integer(3)), "3", "b, s, d, t, times"),
        ("resample", "s", Some(huge.clone()), "9223372036854775807", "`x` must be addressable"),
        ("resample", "t", Some(huge.clone()), "9223372036854775807", "`tt` must be addressable"),
        ("fuse", "streams", Some(Value::List(vec![])), "", "1 to 16 pairs"),
        ("fuse", "streams", Some(Value::List(vec![list([1, 1]); 17])), "1x1x1", "1 to 16 pairs"),
        ("fuse", "streams", Some(Value::List(vec![list([1, 2, 3])])), "1x2x3", "a list of 2"),
        ("fuse", "streams", Some(Value::List(vec![list([0, 2])])), "0", "at least 1"),
        ("fuse", "streams", Some(Value::List(vec![list([1, i64::MAX]); 3])), "", "addressable"),
        ("voxelize", "n", Some(integer(1 << 31)), "2147483648", "between 0 and 2147483647"),
        ("voxelize", "f", None, "missing", "required"),
        ("voxelize", "f", Some(integer(0)), "0", "between 1 and 2147483647"),
        ("voxelize", "grid", Some(list([1, 2])), "1x2", "a list of 3"),
        ("voxelize", "grid", Some(list([1, 0, 2])), "0", "between 1 and"),
        ("voxelize", "grid", Some(list([i64::from(i32::MAX); 3])), "2147483647x", "`voxels` must be addressable"),
        ("voxelize", "mode", Some(word("sum")), "sum", "count, occupancy, mean, max"),
        ("voxelize", "origin", Some(list([1, 2])), "1x2", "a list of 3"),
        ("voxelize", "origin", Some(Value::List(vec![Value::Number(1e39); 3])), "1", "finite in f32"),
        ("voxelize", "voxel_size", Some(integer(0)), "0", "positive"),
        ("voxelize", "voxel_size", Some(Value::Number(-0.5)), "-0.5", "positive"),
        ("voxelize", "voxel_size", Some(Value::Number(1e-60)), "0.0", "positive"),
        ("voxelize", "voxel_size", Some(Value::Number(f64::NAN)), "NaN", "finite in f32"),
    ];
    for (operator, argument, value, shown, rule) in cases {
        let error = refusal(operator, DType::F32, argument, value);
        assert_eq!((error.operator.as_str(), error.argument.as_str()), (operator, argument), "{error}");
        assert!(error.value.contains(shown) && error.rule.contains(rule), "{error}");
    }
}

#[test]
fn dtypes_are_checked_against_the_mode() {
    let refused = refusal("resample", DType::I32, "times", None);
    assert_eq!((refused.argument.as_str(), refused.value.as_str()), ("dtype", "i32"));
    let registry = registry();
    let voxelize = registry.get("voxelize").unwrap();
    let mut count = Parameters::default();
    count.set("mode", word("count"));
    count.set("n", Value::Integer(3));
    count.set("grid", list([2, 2, 2]));
    assert!(voxelize.problem(DType::F32, &count).is_ok());
    assert_eq!(voxelize.problem(DType::F16, &count).err().unwrap().argument, "dtype");
    count.set("f", Value::Integer(3));
    assert_eq!(voxelize.problem(DType::F32, &count).err().unwrap().argument, "f");
}

fn any_value() -> impl Strategy<Value = Value> {
    let integers = prop_oneof![
        Just(i64::MIN),
        Just(-1),
        0_i64..20,
        Just(i64::from(i32::MAX)),
        Just(1 << 31),
        Just(1 << 40),
        Just(i64::MAX),
        any::<i64>()
    ];
    let words = prop_oneof![Just("f32"), Just("i64"), Just("mean"), Just("count"), Just("max"), Just("")];
    let leaf = prop_oneof![
        4 => integers.prop_map(Value::Integer),
        1 => any::<f64>().prop_map(Value::Number),
        1 => words.prop_map(|word| Value::Word(word.to_owned())),
    ];
    leaf.prop_recursive(2, 40, 18, |inner| prop::collection::vec(inner, 0..18).prop_map(Value::List))
}

proptest! {
    /// Whatever a matrix says of one or two arguments, there is a problem whose tensors can be described, or an error.
    #[test]
    fn absurd_arguments_never_panic(
        operator in prop::sample::select(vec!["resample", "fuse", "voxelize"]),
        dtype in prop::sample::select(DType::ALL.to_vec()),
        changes in prop::collection::vec((0_usize..6, any_value()), 1..4),
    ) {
        let registry = registry();
        let operator = registry.get(operator).unwrap();
        let mut parameters = legal(operator.name());
        for (argument, value) in changes {
            let specs = operator.parameters();
            parameters.set(specs[argument % specs.len()].name, value);
        }
        match operator.problem(dtype, &parameters) {
            Ok(problem) => {
                prop_assert!(!problem.name().contains("::"));
                for tensor in problem.inputs().iter().chain(&problem.outputs()) {
                    prop_assert!(tensor.bytes() < usize::MAX / 2);
                }
            }
            Err(error) => prop_assert!(!error.rule.is_empty()),
        }
    }

    #[test]
    fn absurd_extents_are_described_or_refused(extents in prop::array::uniform4(prop_oneof![
        0_i64..4, Just(1_i64 << 20), Just(1 << 31), Just(1 << 61), Just(i64::MAX), any::<i64>()
    ])) {
        let names = ["b", "s", "d", "t"];
        let arguments = names.iter().zip(extents).map(|(name, extent)| ((*name).to_owned(), Value::Integer(extent)));
        let problem = registry().get("resample").unwrap().problem(DType::F16, &Parameters::new(arguments));
        if let Ok(problem) = problem {
            prop_assert!(problem.outputs()[0].bytes() < usize::MAX / 2);
        }
    }
}
