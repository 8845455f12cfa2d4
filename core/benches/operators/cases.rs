//! The cases of the benchmark: shapes of real robots' logs, with their goals.

use std::{cell::RefCell, rc::Rc};

use half::{bf16, f16};
use rand_chacha::{ChaCha8Rng, rand_core::Rng};
use robocache_core::{
    cpu::CpuOptions,
    dtype::{DType, Element, Float},
    operators::{
        fuse::{self, FuseShape, StreamShape},
        resample::{self as resampling, ResampleShape},
        times::TimeKind,
        voxelize::{self, VoxelMode, VoxelizeShape},
    },
    random::Seed,
    tensor::{HostTensor, TensorSpec},
};

use crate::naive;

/// One operator at one shape, with its data.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// Bytes of input rows touched and of outputs.
    pub(crate) bytes: u64,
    /// The goal for the time over the floor on cold caches, if there is one.
    pub(crate) most_of_floor: Option<f64>,
    /// The goal for the naive loop's time over ours.
    pub(crate) least_of_naive: f64,
    pub(crate) naive: Box<dyn FnMut()>,
    pub(crate) fast: Box<dyn FnMut(CpuOptions)>,
    /// The outputs of both.
    outputs: Rc<[RefCell<HostTensor>; 2]>,
}

impl Case {
    /// The first byte at which the outputs of both differ.
    pub(crate) fn first_difference(&mut self, options: [CpuOptions; 2]) -> Option<usize> {
        for output in self.outputs.iter() {
            output.borrow_mut().bytes_mut().fill(0xA5);
        }
        (self.naive)();
        options.into_iter().find_map(|options| {
            (self.fast)(options);
            let (naive, fast) = (self.outputs[0].borrow(), self.outputs[1].borrow());
            naive.bytes().iter().zip(fast.bytes()).position(|(naive, fast)| naive != fast)
        })
    }
}

/// Streams of a small robot: samples in the time of the targets, and channels.
const ROBOT: [(usize, usize); 3] = [(100, 512), (200, 128), (300, 64)];

/// Makes a case of this name, with its data.
type Make = fn(&'static str) -> Case;

/// Names of all cases, and what makes each: data can be two gigabytes, so one at a time.
pub(crate) const CASES: &[(&str, Make)] = &[
    ("resample f32 32x500x256->256", |name| resample::<f32>(name, 20.0)),
    ("resample f16 32x500x256->256", |name| resample::<f16>(name, 20.0)),
    ("resample bf16 32x500x256->256", |name| resample::<bf16>(name, 40.0)),
    ("fuse bf16 B=4", |name| interpolation::<bf16>(name, 4, 128, &ROBOT, Some(1.7), 27.0)),
    ("fuse bf16 B=64", |name| interpolation::<bf16>(name, 64, 128, &ROBOT, Some(1.7), 35.0)),
    ("occupancy 500k, 128^3", |name| {
        voxelization(name, VoxelMode::Occupancy, Memory::Fresh, (500_000, 0, 128), Some(7.25), 5.0)
    }),
    ("count 500k, 128^3", |name| voxelization(name, VoxelMode::Count, Memory::Fresh, (500_000, 0, 128), None, 5.0)),
    ("mean f32 1M x 16, 200^3", |name| {
        voxelization(name, VoxelMode::Mean, Memory::Fresh, (1_000_000, 16, 200), Some(1.7), 10.0)
    }),
    ("mean, naive loop's arrays kept", |name| {
        voxelization(name, VoxelMode::Mean, Memory::Kept, (1_000_000, 16, 200), Some(1.7), 5.0)
    }),
    ("max f32 1M x 16, 200^3", |name| {
        voxelization(name, VoxelMode::Max, Memory::Kept, (1_000_000, 16, 200), Some(1.7), 5.0)
    }),
];

/// Where the naive loop has its arrays from.
#[derive(Clone, Copy, PartialEq)]
enum Memory {
    /// It allocates them in each call, as one writes it first, and pays for the page faults.
    Fresh,
    /// It is given them.
    Kept,
}

fn tensor(name: &str, dtype: DType, extents: &[usize]) -> HostTensor {
    HostTensor::zeros(TensorSpec::new(name, dtype, extents).expect("a shape that can be addressed"))
}

fn outputs(dtype: DType, extents: &[usize]) -> Rc<[RefCell<HostTensor>; 2]> {
    Rc::new([0; 2].map(|_| RefCell::new(tensor("output", dtype, extents))))
}

/// Uniform in [0, 1).
fn unit(generator: &mut ChaCha8Rng) -> f32 {
    (generator.next_u32() >> 8) as f32 / 16_777_216.0
}

/// One wide stream.
fn resample<E: Float>(name: &'static str, least_of_naive: f64) -> Case {
    interpolation::<E>(name, 32, 256, &[(500, 256)], Some(1.5), least_of_naive)
}

/// `resample` of one stream, `fuse` of several; times of a second in f32, with jitter.
fn interpolation<E: Float>(
    name: &'static str,
    batch: usize,
    target: usize,
    streams: &[(usize, usize)],
    most_of_floor: Option<f64>,
    least_of_naive: f64,
) -> Case {
    let streams: Vec<StreamShape> =
        streams.iter().map(|&(source, channels)| StreamShape { source, channels }).collect();
    let mut generator = Seed::root(0).derive(name).generator();
    let times = |generator: &mut ChaCha8Rng, length: usize| {
        let mut times = tensor("times", DType::F32, &[batch, length]);
        for (index, time) in times.as_mut_slice::<f32>().iter_mut().enumerate() {
            *time = ((index % length) as f32 + unit(generator)) / length as f32;
        }
        times
    };
    let tt = times(&mut generator, target);
    let data: Vec<(StreamShape, HostTensor, HostTensor)> = streams
        .iter()
        .map(|&stream| {
            let mut x = tensor("x", E::DTYPE, &[batch, stream.source, stream.channels]);
            x.as_mut_slice::<E>().fill_with(|| E::narrow(2.0 * unit(&mut generator) - 1.0));
            (stream, x, times(&mut generator, stream.source))
        })
        .collect();
    let row: usize = streams.iter().map(|stream| stream.channels).sum();
    let outputs = outputs(E::DTYPE, &[batch, target, row]);
    let mut bytes = outputs[0].borrow().bytes().len() + tt.bytes().len();
    for (stream, _, ts) in &data {
        let rows = rows_touched(ts.as_slice(), stream.source, tt.as_slice(), target);
        bytes += rows * stream.channels * size_of::<E>() + ts.bytes().len();
    }
    let data = Rc::new((data, tt));
    let naive = {
        let (data, outputs) = (data.clone(), outputs.clone());
        move || {
            let streams: Vec<naive::Stream<'_, E, f32>> = (data.0.iter())
                .map(|(stream, x, ts)| naive::Stream {
                    x: x.as_slice(),
                    ts: ts.as_slice(),
                    samples: stream.source,
                    channels: stream.channels,
                })
                .collect();
            naive::fuse(target, &streams, data.1.as_slice(), outputs[0].borrow_mut().as_mut_slice::<E>());
        }
    };
    let shape = FuseShape { batch, target, streams, times: TimeKind::F32Seconds };
    let fast = {
        let outputs = outputs.clone();
        move |options| {
            let mut output = outputs[1].borrow_mut();
            let (y, tt) = (output.as_mut_slice::<E>(), data.1.as_slice::<f32>());
            if let [(StreamShape { source, channels }, x, ts)] = &data.0[..] {
                let shape =
                    ResampleShape { batch, source: *source, channels: *channels, target, times: TimeKind::F32Seconds };
                resampling::cpu::resample(&shape, x.as_slice::<E>(), ts.as_slice::<f32>(), tt, y, options);
            } else {
                let streams: Vec<fuse::cpu::Stream<'_, E, f32>> =
                    data.0.iter().map(|(_, x, ts)| fuse::cpu::Stream { x: x.as_slice(), ts: ts.as_slice() }).collect();
                fuse::cpu::fuse(&shape, &streams, tt, y, options);
            }
        }
    };
    let bytes = bytes as u64;
    Case { name, bytes, most_of_floor, least_of_naive, naive: Box::new(naive), fast: Box::new(fast), outputs }
}

/// Rows of x that any target needs.
fn rows_touched(ts: &[f32], samples: usize, tt: &[f32], targets: usize) -> usize {
    let mut touched = vec![false; ts.len()];
    for (position, &target) in tt.iter().enumerate() {
        let first = position / targets * samples;
        let times = &ts[first..first + samples];
        let count = times.partition_point(|&time| time <= target);
        touched[first + count.saturating_sub(1)] = true;
        touched[first + count.min(samples - 1)] = true;
    }
    touched.into_iter().filter(|&touched| touched).count()
}

/// A uniform cloud, of which 3 % lie outside a cubic grid. Features are multiples of 1/16, for which the naive mean's
/// sums are exact: both means are then the same.
fn voxelization(
    name: &'static str,
    mode: VoxelMode,
    memory: Memory,
    (count, features, grid): (usize, usize, usize),
    most_of_floor: Option<f64>,
    least_of_naive: f64,
) -> Case {
    let mut generator = Seed::root(0).derive(name).generator();
    let shape = VoxelizeShape {
        points: count,
        features,
        grid: [grid; 3],
        mode,
        origin: [-5.0; 3],
        voxel_size: 10.0 / grid as f32,
    };
    let mut points = tensor("points", DType::F32, &[count, 3]);
    points.as_mut_slice::<f32>().fill_with(|| 5.05 * (2.0 * unit(&mut generator) - 1.0));
    let mut rows = tensor("features", DType::F32, &[count, features]);
    rows.as_mut_slice::<f32>().fill_with(|| (generator.next_u32() % 257) as f32 / 16.0 - 8.0);
    let dtype = if mode.takes_features() { DType::F32 } else { i32::DTYPE };
    let extents = [grid, grid, grid, features];
    let outputs = outputs(dtype, if mode.takes_features() { &extents } else { &extents[..3] });
    let bytes = (points.bytes().len() + rows.bytes().len() + outputs[0].borrow().bytes().len()) as u64;
    let data = Rc::new((points, rows));
    let naive = {
        let (data, outputs) = (data.clone(), outputs.clone());
        let mut arrays = naive::Arrays::default();
        move || {
            if memory == Memory::Fresh {
                arrays = naive::Arrays::default();
            }
            let mut output = outputs[0].borrow_mut();
            let points = data.0.as_slice();
            match mode {
                VoxelMode::Count => naive::count(&shape, points, output.as_mut_slice()),
                VoxelMode::Occupancy => naive::occupancy(&shape, points, output.as_mut_slice()),
                VoxelMode::Mean => naive::mean(&shape, points, data.1.as_slice(), &mut arrays, output.as_mut_slice()),
                VoxelMode::Max => naive::max(&shape, points, data.1.as_slice(), &mut arrays, output.as_mut_slice()),
            }
        }
    };
    let fast = {
        let outputs = outputs.clone();
        move |options| {
            use voxelize::cpu;
            let mut output = outputs[1].borrow_mut();
            let (points, features) = (data.0.as_slice(), data.1.as_slice::<f32>());
            match mode {
                VoxelMode::Count => cpu::count(&shape, points, output.as_mut_slice(), options),
                VoxelMode::Occupancy => cpu::occupancy(&shape, points, output.as_mut_slice(), options),
                VoxelMode::Mean => cpu::mean(&shape, points, features, output.as_mut_slice(), options),
                VoxelMode::Max => cpu::max(&shape, points, features, output.as_mut_slice(), options),
            };
        }
    };
    Case { name, bytes, most_of_floor, least_of_naive, naive: Box::new(naive), fast: Box::new(fast), outputs }
}
