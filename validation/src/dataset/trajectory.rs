//! A recorded trajectory and the resample problem that it makes.

use robocache_core::{
    dtype::DType,
    operators::times::TimeKind,
    parameters::{Parameters, Value},
    tensor::{HostTensor, TensorSpec},
};

use super::{
    error::{Fault, Flaw, Place},
    loaded::LoadedInputs,
    rounding::rounded_tensor,
    seconds,
    timeline::Timeline,
};

/// Samples of several channels at increasing times.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trajectory {
    /// `S` times in nanoseconds, such as nanoseconds since 1970; they never decrease.
    pub times: Vec<i64>,
    /// `D`: values of each sample.
    pub channels: usize,
    /// `S * D` values, sample by sample, as the f64 nearest to what the file says.
    pub values: Vec<f64>,
    /// For each sample its line in the file, counted from 1.
    pub lines: Vec<u64>,
}

impl Trajectory {
    /// The inputs `x[1,S,D]`, `ts[1,S]` and `tt[1,T]` of `resample`, where `tt` runs at `rate_hz` from the first
    /// sample to the last, and the arguments `b`, `s`, `d`, `t` and `times` beside those of the matrix.
    ///
    /// `times` is `i64` unless the matrix says otherwise, because recorded times are usually epoch times.
    pub(super) fn resample_inputs(
        &self,
        matrix: &Parameters,
        rate_hz: Option<f64>,
        dtype: DType,
    ) -> Result<LoadedInputs, Flaw> {
        let wrong = |message: &str| Place::File.holds(Fault::WrongSpecification(message.into()));
        let times = match matrix.get("times") {
            None => TimeKind::I64Nanoseconds,
            Some(Value::Word(word)) if word == "i64" => TimeKind::I64Nanoseconds,
            Some(Value::Word(word)) if word == "f32" => TimeKind::F32Seconds,
            Some(Value::Word(_) | Value::Integer(_) | Value::Number(_) | Value::List(_)) => {
                return Err(wrong("`times` must be `i64` or `f32`"));
            }
        };
        let rate_hz = rate_hz.ok_or_else(|| wrong("a trajectory needs `rate_hz`, the rate of its targets"))?;
        let [Some(&first), Some(&last)] = [self.times.first(), self.times.last()] else {
            return Err(Place::File.holds(Fault::Empty));
        };
        let targets = Timeline::new(rate_hz).and_then(|timeline| timeline.between(first, last));
        let targets = targets.map_err(|fault| Place::File.holds(fault))?;

        let mut parameters = matrix.clone();
        for (name, extent) in [("b", 1), ("s", self.times.len()), ("d", self.channels), ("t", targets.len())] {
            parameters.set(name, Value::Integer(extent as i64));
        }
        parameters.set("times", Value::Word(TimeKind::WORDS[times as usize].into()));

        let spec = |name: &str, dtype: DType, extents: &[usize]| {
            // Limits of the file and of the targets keep every extent far below what can be addressed.
            TensorSpec::new(name, dtype, extents).expect("a recording within its limits is addressable")
        };
        let source = spec("ts", times.dtype(), &[1, self.times.len()]);
        let target = spec("tt", times.dtype(), &[1, targets.len()]);
        let (source, target) = match times {
            TimeKind::I64Nanoseconds => {
                (HostTensor::from_slice(source, &self.times), HostTensor::from_slice(target, &targets))
            }
            TimeKind::F32Seconds => (
                HostTensor::from_slice(source, &seconds::of_samples(&self.times, &self.lines)?),
                HostTensor::from_slice(target, &seconds::of_targets(&targets)?),
            ),
        };
        let x = rounded_tensor(spec("x", dtype, &[1, self.times.len(), self.channels]), &self.values);
        Ok(LoadedInputs { parameters, inputs: vec![x, source, target] })
    }
}
