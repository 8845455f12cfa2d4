//! A small bundle, always the same.

use std::borrow::Cow;

use robocache_core::{
    dtype::DType,
    parameters::{Parameters, Value},
    tensor::{HostTensor, TensorSpec},
};
use validation::{
    bundle::{self, Held, Manifest, Role, TensorEntry},
    cell::Cell,
    verdict::Verdict,
};
use validation_testing::fixture::{cell, fixed_environment, record};

pub(crate) fn tensor(name: &str, dtype: DType, extents: &[usize], first: u8) -> HostTensor {
    let mut tensor = HostTensor::zeros(TensorSpec::new(name, dtype, extents).unwrap());
    for (number, byte) in tensor.bytes_mut().iter_mut().enumerate() {
        *byte = first.wrapping_add(number as u8);
    }
    tensor
}

/// Of one point in a grid of two voxels.
pub(crate) fn tensors() -> Vec<Held<'static>> {
    let stored = |role, tensor: HostTensor| Held {
        entry: TensorEntry::of(role, &tensor, true),
        payload: Some(Cow::Owned(tensor)),
    };
    vec![
        stored(Role::Input, tensor("points", DType::F32, &[1, 3], 0)),
        stored(Role::Input, tensor("features", DType::F32, &[1, 2], 0)),
        stored(Role::Expected, tensor("voxels", DType::F32, &[2, 1, 1, 2], 1)),
        stored(Role::Expected, tensor("dropped", DType::I64, &[1], 0)),
        stored(Role::Actual, tensor("voxels", DType::F32, &[2, 1, 1, 2], 2)),
        stored(Role::Actual, tensor("dropped", DType::I64, &[1], 0)),
    ]
}

pub(crate) fn manifest() -> Manifest {
    let tensors = tensors();
    let record = record("n1_f2_2x1x1", Verdict::Fail { reason: "broken at rung repeat: run 1 differs".to_owned() });
    let integers = |values: [i64; 3]| Value::List(values.map(Value::Integer).to_vec());
    let parameters = Parameters::new([
        ("mode".to_owned(), Value::Word("mean".to_owned())),
        ("n".to_owned(), Value::Integer(1)),
        ("f".to_owned(), Value::Integer(2)),
        ("grid".to_owned(), integers([2, 1, 1])),
    ]);
    let cell = Cell { parameters, ..cell("n1_f2_2x1x1") };
    Manifest {
        replay: cell.clone(),
        cell,
        subject: None,
        kernels: None,
        attempt: 1,
        verdict: record.verdict,
        outcome: record.outcome.unwrap(),
        environment: fixed_environment(),
        minimized_from: None,
        tensors: tensors.iter().map(|held| held.entry.clone()).collect(),
    }
}

/// The file.
pub(crate) fn bytes() -> Vec<u8> {
    bundle::encode(&manifest(), &tensors()).unwrap()
}
