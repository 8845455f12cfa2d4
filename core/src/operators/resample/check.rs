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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{dtype::Element, tensor::TensorSpec};

    fn times<E: Element>(samples: usize, times: &[E]) -> HostTensor {
        HostTensor::from_slice(TensorSpec::new("ts", E::DTYPE, [times.len() / samples, samples]).unwrap(), times)
    }

    #[test]
    fn equal_and_infinite_times_are_legal() {
        let seconds = times(3, &[f32::NEG_INFINITY, -0.0, 0.0, 1.0, f32::INFINITY, f32::INFINITY]);
        assert_eq!(check_source_times(&seconds, TimeKind::F32Seconds), Ok(()));
        let nanoseconds = times(2, &[i64::MIN, i64::MAX, 5, 5]);
        assert_eq!(check_source_times(&nanoseconds, TimeKind::I64Nanoseconds), Ok(()));
        assert_eq!(check_source_times(&times::<i64>(1, &[3, 2, 1]), TimeKind::I64Nanoseconds), Ok(()));
    }

    #[test]
    fn disorder_is_found_wherever_it_is_planted() {
        for place in (1..600).step_by(7).filter(|place| place % 20 != 0) {
            let mut planted: Vec<i64> = (0..600).collect();
            planted[place] = planted[place - 1] - 1;
            let error = check_source_times(&times(20, &planted), TimeKind::I64Nanoseconds).unwrap_err();
            assert_eq!((error.tensor.as_str(), error.index), ("ts", vec![place / 20, place % 20]));
        }
    }

    #[test]
    fn the_first_of_several_faults_is_named_with_its_values() {
        let error = check_source_times(&times(3, &[1.0_f32, 2.0, 3.0, 2.5, 2.0, 1.0]), TimeKind::F32Seconds);
        let error = error.unwrap_err();
        assert_eq!(error.to_string(), "`ts` at [1, 1]: 2.0 after 2.5, but times may not decrease within a sequence");
    }

    #[test]
    fn nan_is_refused_among_sources_and_targets() {
        let planted = times(2, &[0.0, 1.0, 2.0, f32::NAN, f32::NAN, 3.0]);
        let source = check_source_times(&planted, TimeKind::F32Seconds).unwrap_err();
        let target = check_target_times(&planted, TimeKind::F32Seconds).unwrap_err();
        assert_eq!((&source.index, source.value.as_str()), (&vec![1, 1], "NaN"));
        assert_eq!(source, target);
        let unordered = times(3, &[3.0_f32, 1.0, 2.0]);
        assert_eq!(check_target_times(&unordered, TimeKind::F32Seconds), Ok(()));
    }
}
