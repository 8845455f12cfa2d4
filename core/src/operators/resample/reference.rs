//! What `resample` must give: the real interpolation in f64, and the bound of each element.
//!
//! Targets are sorted and walked beside the source times, so that nothing of an implementation's search is shared.

use half::{bf16, f16};
use rayon::prelude::*;

use super::{
    bound::{Interpolated, interpolate},
    shape::ResampleShape,
    weight::{ReferenceTime, Weight},
};
use crate::{
    dtype::DType,
    operators::{exact::Exact, times::TimeKind},
    reference::Bounded,
    tensor::HostTensor,
};

/// One sampled stream and the targets at which it is wanted.
#[derive(Clone, Copy)]
pub(crate) struct Stream<'a> {
    pub(crate) shape: ResampleShape,
    /// `x[B,S,D]`.
    pub(crate) samples: &'a HostTensor,
    /// `ts[B,S]`.
    pub(crate) times: &'a HostTensor,
    /// `tt[B,T]`.
    pub(crate) targets: &'a HostTensor,
}

/// Where a target lies among the samples of its sequence.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// The result is a copy of this sample: before the first, after the last, or exactly on one.
    On(usize),
    /// Between this sample and the next.
    Between(usize, Weight),
}

/// Reference values and bounds of a whole `[B, T, columns]` output, to be filled stream by stream.
pub(crate) struct Columns {
    values: Vec<f64>,
    bounds: Vec<f64>,
    columns: usize,
}

impl Columns {
    /// Nothing known yet of `rows` rows.
    pub(crate) fn new(rows: usize, columns: usize) -> Self {
        Self { values: vec![0.0; rows * columns], bounds: vec![0.0; rows * columns], columns }
    }

    /// Fills the columns from `first` with the reference of `stream`. Its times must be in order.
    pub(crate) fn fill(&mut self, stream: Stream<'_>, first: usize) {
        match stream.samples.dtype() {
            DType::F32 => self.fill_typed::<f32>(stream, first),
            DType::F16 => self.fill_typed::<f16>(stream, first),
            DType::Bf16 => self.fill_typed::<bf16>(stream, first),
            DType::I32 | DType::I64 => panic!("samples are floating-point: the problem was made so"),
        }
    }

    fn fill_typed<E: Exact>(&mut self, stream: Stream<'_>, first: usize) {
        let ResampleShape { source, channels, target, .. } = stream.shape;
        let samples = stream.samples.as_slice::<E>();
        let places = places(stream);
        let values = self.values.par_chunks_mut(self.columns);
        let bounds = self.bounds.par_chunks_mut(self.columns);
        values.zip(bounds).zip(&places).enumerate().for_each(|(row, ((values, bounds), place))| {
            let sequence = &samples[row / target * source * channels..][..source * channels];
            let sample = |index: usize| &sequence[index * channels..][..channels];
            let elements = values[first..][..channels].iter_mut().zip(&mut bounds[first..][..channels]);
            match *place {
                Place::On(index) => {
                    for ((value, bound), x) in elements.zip(sample(index)) {
                        (*value, *bound) = (x.exact(), 0.0);
                    }
                }
                Place::Between(index, weight) => {
                    let pairs = sample(index).iter().zip(sample(index + 1));
                    for ((value, bound), (x0, x1)) in elements.zip(pairs) {
                        let between = interpolate(x0.exact(), x1.exact(), &weight, E::NARROWER_THAN_F32);
                        Interpolated { value: *value, bound: *bound } = between;
                    }
                }
            }
        });
    }

    /// The finished reference.
    pub(crate) fn finish(self) -> Bounded {
        let exact = self.bounds.par_iter().all(|&bound| bound == 0.0);
        Bounded { values: self.values, bounds: self.bounds, exact }
    }
}

/// Places of all targets, `[B, T]`.
fn places(stream: Stream<'_>) -> Vec<Place> {
    match stream.shape.times {
        TimeKind::F32Seconds => places_typed::<f32>(stream),
        TimeKind::I64Nanoseconds => places_typed::<i64>(stream),
    }
}

fn places_typed<T: ReferenceTime>(stream: Stream<'_>) -> Vec<Place> {
    let ResampleShape { source, target, .. } = stream.shape;
    let mut places = vec![Place::On(0); stream.targets.shape().elements()];
    if places.is_empty() {
        return places;
    }
    let times = stream.times.as_slice::<T>().par_chunks(source);
    let targets = stream.targets.as_slice::<T>().par_chunks(target);
    places
        .par_chunks_mut(target)
        .zip(times.zip(targets))
        .for_each(|(places, (times, targets))| walk(times, targets, places));
    places
}

/// Walks sorted targets and source times side by side.
fn walk<T: ReferenceTime>(times: &[T], targets: &[T], places: &mut [Place]) {
    let mut order: Vec<usize> = (0..targets.len()).collect();
    order.sort_by(|&left, &right| targets[left].partial_cmp(&targets[right]).unwrap_or(std::cmp::Ordering::Equal));
    let last = times.len() - 1;
    let mut reached = 0;
    for number in order {
        let time = targets[number];
        while reached < last && times[reached + 1] <= time {
            reached += 1;
        }
        places[number] = if time < times[0] {
            Place::On(0)
        } else if reached == last || time == times[reached] {
            Place::On(reached)
        } else {
            Place::Between(reached, Weight::new(times[reached], time, times[reached + 1]))
        };
    }
}

/// How many samples of the stream some target needs.
pub(crate) fn samples_touched(stream: Stream<'_>) -> u64 {
    let ResampleShape { source, target, .. } = stream.shape;
    let touched = |places: &[Place]| {
        let mut touched = vec![false; source];
        for place in places {
            match *place {
                Place::On(index) => touched[index] = true,
                Place::Between(index, _) => touched[index..index + 2].fill(true),
            }
        }
        touched.into_iter().filter(|&touched| touched).count() as u64
    };
    places(stream).par_chunks(target.max(1)).map(touched).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{dtype::Element, tensor::TensorSpec};

    fn tensor<E: Element, const N: usize>(extents: [usize; N], elements: &[E]) -> HostTensor {
        HostTensor::from_slice(TensorSpec::new("tensor", E::DTYPE, extents).unwrap(), elements)
    }

    struct Case {
        samples: HostTensor,
        times: HostTensor,
        targets: HostTensor,
    }

    impl Case {
        fn stream(&self) -> Stream<'_> {
            let [batch, source, channels] = [0, 1, 2].map(|axis| self.samples.shape().extents()[axis]);
            let target = self.targets.shape().extents()[1];
            let kinds = [TimeKind::F32Seconds, TimeKind::I64Nanoseconds];
            let times = kinds.into_iter().find(|kind| kind.dtype() == self.times.dtype()).unwrap();
            let shape = ResampleShape { batch, source, channels, target, times };
            Stream { shape, samples: &self.samples, times: &self.times, targets: &self.targets }
        }

        fn reference(&self) -> Bounded {
            let ResampleShape { batch, target, channels, .. } = self.stream().shape;
            let mut columns = Columns::new(batch * target, channels);
            columns.fill(self.stream(), 0);
            columns.finish()
        }
    }

    /// Two sequences of three samples of two channels; targets unsorted, beyond both ends, on samples and between.
    fn two_sequences() -> Case {
        Case {
            samples: tensor([2, 3, 2], &[0.0_f32, 10.0, 4.0, 20.0, 8.0, 40.0, 1.0, -1.0, 3.0, -3.0, 5.0, -7.0]),
            times: tensor([2, 3], &[0.0_f32, 1.0, 3.0, 10.0, 10.0, 14.0]),
            targets: tensor([2, 4], &[2.0_f32, -5.0, 1.0, 9.0, 11.0, 10.0, 9.5, 14.0]),
        }
    }

    #[test]
    fn small_sequences_by_hand() {
        let reference = two_sequences().reference();
        let first = [6.0, 30.0, 0.0, 10.0, 4.0, 20.0, 8.0, 40.0];
        // Of two samples at one time the last one counts, but before both of them the first sample does.
        let second = [3.5, -4.0, 3.0, -3.0, 1.0, -1.0, 5.0, -7.0];
        assert_eq!(reference.values, [first, second].concat());
        assert!(reference.exact && reference.bounds.iter().all(|&bound| bound == 0.0));
    }

    #[test]
    fn a_third_is_not_exact_and_has_a_bound() {
        let case = Case {
            samples: tensor([1, 2, 1], &[0.0_f32, 1.0]),
            times: tensor([1, 2], &[1_700_000_000_000_000_000_i64, 1_700_000_000_000_000_003]),
            targets: tensor([1, 1], &[1_700_000_000_000_000_001_i64]),
        };
        let reference = case.reference();
        assert!((reference.values[0] - 1.0 / 3.0).abs() < 1e-16);
        assert!(!reference.exact && reference.bounds[0] > 0.0 && reference.bounds[0] < 1e-7);
    }

    #[test]
    fn copies_keep_the_sign_of_zero_and_ignore_their_neighbours() {
        let case = Case {
            samples: tensor([1, 3, 1], &[f32::NAN, -0.0, f32::INFINITY]),
            times: tensor([1, 3], &[0.0_f32, 1.0, 2.0]),
            targets: tensor([1, 3], &[1.0_f32, 1.5, 0.5]),
        };
        let reference = case.reference();
        assert_eq!(reference.values[0].to_bits(), (-0.0_f64).to_bits());
        assert_eq!(reference.values[1], f64::INFINITY);
        assert!(reference.values[2].is_nan());
    }

    #[test]
    fn samples_beyond_the_targets_need_not_move() {
        assert_eq!(samples_touched(two_sequences().stream()), 3 + 3);
        let mut case = two_sequences();
        case.targets = tensor([2, 2], &[-1.0_f32, 0.5, 20.0, 14.0]);
        assert_eq!(samples_touched(case.stream()), 2 + 1);
    }
}
