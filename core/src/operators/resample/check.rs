//! The rules that times must keep.

use rayon::prelude::*;

use crate::{
    operator::InvalidInput,
    operators::times::{Time, TimeKind},
    tensor::HostTensor,
};

/// Fails unless the times of each sequence of `times[B,S]` are numbers and do not decrease.
pub(crate) fn check_source_times(times: &HostTensor, kind: TimeKind) -> Result<(), InvalidInput> {
    match kind {
        TimeKind::F32Seconds => check_order::<f32>(times),
        TimeKind::I64Nanoseconds => check_order::<i64>(times),
    }
}

fn check_order<T: Time>(tensor: &HostTensor) -> Result<(), InvalidInput> {
    check_numbers::<T>(tensor)?;
    let samples = tensor.shape().extents()[1];
    let times = tensor.as_slice::<T>();
    // `first`, so that the same place is named however many threads look.
    let decrease = times.par_chunks(samples.max(1)).enumerate().find_map_first(|(sequence, times)| {
        times.windows(2).position(|pair| pair[1] < pair[0]).map(|position| [sequence, position + 1])
    });
    let Some([sequence, sample]) = decrease else { return Ok(()) };
    let time = &times[sequence * samples + sample];
    let previous = &times[sequence * samples + sample - 1];
    Err(InvalidInput {
        tensor: tensor.name().to_owned(),
        index: vec![sequence, sample],
        value: format!("{time:?} after {previous:?}"),
        rule: "times may not decrease within a sequence".to_owned(),
    })
}

/// Fails unless the times of `targets[B,T]` are numbers; their order is free.
pub(crate) fn check_target_times(targets: &HostTensor, kind: TimeKind) -> Result<(), InvalidInput> {
    match kind {
        TimeKind::F32Seconds => check_numbers::<f32>(targets),
        TimeKind::I64Nanoseconds => check_numbers::<i64>(targets),
    }
}

fn check_numbers<T: Time>(tensor: &HostTensor) -> Result<(), InvalidInput> {
    // A time that does not equal itself is NaN; an i64 never is.
    #[expect(clippy::eq_op, reason = "only NaN differs from itself, for any type of time")]
    let found = tensor.as_slice::<T>().par_iter().position_first(|time| time != time);
    let Some(offset) = found else { return Ok(()) };
    Err(InvalidInput {
        tensor: tensor.name().to_owned(),
        index: tensor.shape().coordinates(offset),
        value: "NaN".to_owned(),
        rule: "a time must be a number".to_owned(),
    })
}
