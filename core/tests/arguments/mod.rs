//! Arguments of problems, as tests like to write them.

use robocache_core::parameters::{Parameters, Value};

fn integers(values: &[i64]) -> Value {
    Value::List(values.iter().map(|&value| Value::Integer(value)).collect())
}

fn parameters(arguments: &[(&str, Value)]) -> Parameters {
    Parameters::new(arguments.iter().map(|(name, value)| ((*name).to_owned(), value.clone())))
}

pub(crate) fn resample([batch, source, channels, target]: [i64; 4], times: &str) -> Parameters {
    parameters(&[
        ("b", Value::Integer(batch)),
        ("s", Value::Integer(source)),
        ("d", Value::Integer(channels)),
        ("t", Value::Integer(target)),
        ("times", Value::Word(times.to_owned())),
    ])
}

pub(crate) fn fuse(batch: i64, target: i64, streams: &[[i64; 2]], times: &str) -> Parameters {
    parameters(&[
        ("b", Value::Integer(batch)),
        ("t", Value::Integer(target)),
        ("streams", Value::List(streams.iter().map(|stream| integers(stream)).collect())),
        ("times", Value::Word(times.to_owned())),
    ])
}

pub(crate) fn voxelize(mode: &str, points: i64, features: i64, grid: [i64; 3]) -> Parameters {
    let mut arguments =
        parameters(&[("mode", Value::Word(mode.to_owned())), ("n", Value::Integer(points)), ("grid", integers(&grid))]);
    if matches!(mode, "mean" | "max") {
        arguments.set("f", Value::Integer(features));
    }
    arguments
}
