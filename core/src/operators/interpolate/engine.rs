//! Interpolation of any number of sources side by side, in parallel.

use half::{bf16, f16};

use super::{
    kernel::{Interpolate, Kernel},
    search::{Cursor, Place},
};
use crate::{
    cpu::{
        CpuOptions, pool,
        prefetch::prefetch,
        sequential::{Sequential, past_caches},
    },
    dtype::{DType, Float},
    operators::times::Time,
};

/// Output of one task: long enough to hide the queue, short enough to keep all threads busy to the end.
const TASK_BYTES: usize = 64 << 10;

/// Output between the fetching of samples and their use: its samples outlast the latency of memory, and fit L1.
const FETCHED_AHEAD_BYTES: usize = 8 << 10;

/// One stream to interpolate.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a, E, T> {
    /// `[B,S,D]`
    pub(crate) x: &'a [E],
    /// `[B,S]`
    pub(crate) ts: &'a [T],
    /// `S`, at least 1.
    pub(crate) samples: usize,
    /// `D`, at least 1.
    pub(crate) channels: usize,
}

impl<E, T> Source<'_, E, T> {
    fn check(&self, stream: usize, batch: usize) {
        let Self { samples, channels, .. } = *self;
        assert!(samples > 0 && channels > 0, "stream {stream}: {samples} samples of {channels} channels");
        let elements = product(&[batch, samples, channels]);
        assert_eq!(self.x.len(), elements, "stream {stream}: elements of x[{batch},{samples},{channels}]");
        assert_eq!(self.ts.len(), batch * samples, "stream {stream}: elements of ts[{batch},{samples}]");
    }
}

/// `y[B,T,sum D]`: every source at the times `tt[B,T]`, side by side.
///
/// # Panics
/// If a length is not what the extents say, an extent of a source is zero, or their product overflows.
pub(crate) fn interpolate<E: Float, T: Time>(
    batch: usize,
    targets: usize,
    sources: &[Source<'_, E, T>],
    tt: &[T],
    y: &mut [E],
    options: CpuOptions,
) {
    let row = sources.iter().map(|source| source.channels).sum::<usize>();
    for (stream, source) in sources.iter().enumerate() {
        source.check(stream, batch);
    }
    assert_eq!(tt.len(), product(&[batch, targets]), "elements of tt[{batch},{targets}]");
    assert_eq!(y.len(), product(&[batch, targets, row]), "elements of y[{batch},{targets},{row}]");
    let job = Job { targets, row, sources, tt };
    match E::DTYPE {
        DType::F32 => job.cast::<f32>(y, options),
        DType::F16 => job.cast::<f16>(y, options),
        DType::Bf16 => job.cast::<bf16>(y, options),
        DType::I32 | DType::I64 => unreachable!("`Float` is not implemented for integers"),
    }
}

fn product(extents: &[usize]) -> usize {
    let volume = extents.iter().try_fold(1_usize, |volume, &extent| volume.checked_mul(extent));
    volume.unwrap_or_else(|| panic!("the volume of {extents:?} overflows"))
}

/// All that a task needs to know; lengths have been checked.
struct Job<'a, E, T> {
    targets: usize,
    row: usize,
    sources: &'a [Source<'a, E, T>],
    tt: &'a [T],
}

impl<E: Float, T: Time> Job<'_, E, T> {
    /// Runs as a job of `F`, which is `E` by another name.
    fn cast<F: Interpolate>(&self, y: &mut [E], options: CpuOptions) {
        let sources: Vec<Source<'_, F, T>> = self
            .sources
            .iter()
            .map(|&Source { x, ts, samples, channels }| Source { x: bytemuck::cast_slice(x), ts, samples, channels })
            .collect();
        let job = Job { targets: self.targets, row: self.row, sources: &sources, tt: self.tt };
        job.run(bytemuck::cast_slice_mut(y), options);
    }
}

impl<E: Interpolate, T: Time> Job<'_, E, T> {
    fn run(&self, y: &mut [E], options: CpuOptions) {
        if y.is_empty() {
            return;
        }
        let kernel = Kernel::new(options.instructions);
        let past_caches = past_caches(size_of_val(y), options.instructions);
        let rows_per_task = (TASK_BYTES / (self.row * size_of::<E>())).max(1);
        let tasks = y.chunks_mut(rows_per_task * self.row).enumerate();
        let ahead = (FETCHED_AHEAD_BYTES / (self.row * size_of::<E>())).max(1);
        pool::for_each(options.threads, tasks, Vec::new, |places, (task, y)| {
            let mut output = Sequential::new(y, past_caches);
            let first = task * rows_per_task;
            let last = (first + rows_per_task).min(self.tt.len());
            let mut row = first;
            while row < last {
                let batch = row / self.targets;
                let until = last.min((batch + 1) * self.targets);
                self.locate(batch, &self.tt[row..until], places);
                // The order of rows in memory depends on the times, so only here is it known which come next.
                let mut following = places.chunks_exact(self.sources.len());
                following.by_ref().take(ahead).for_each(|places| self.fetch(batch, places));
                for places in places.chunks_exact(self.sources.len()) {
                    following.by_ref().take(1).for_each(|places| self.fetch(batch, places));
                    for (source, &place) in self.sources.iter().zip(places) {
                        source.write(kernel, batch, place, &mut output);
                    }
                }
                row = until;
            }
            output.finish();
        });
    }

    /// Finds `targets` in sequence `batch`: `places[target][source]`.
    fn locate(&self, batch: usize, targets: &[T], places: &mut Vec<Place>) {
        let streams = self.sources.len();
        places.clear();
        places.resize(targets.len() * streams, Place::At(0));
        for (stream, source) in self.sources.iter().enumerate() {
            let times = &source.ts[batch * source.samples..][..source.samples];
            let mut cursor = Cursor::new(times, targets.len());
            for (&target, places) in targets.iter().zip(places.chunks_exact_mut(streams)) {
                places[stream] = cursor.locate(target);
            }
        }
    }

    /// Asks for the samples at the places of one target.
    #[inline]
    fn fetch(&self, batch: usize, places: &[Place]) {
        for (source, &place) in self.sources.iter().zip(places) {
            // The earlier of two samples was most often the later one of the target before.
            let (Place::At(index) | Place::Between(index, _)) = place;
            prefetch(source.sample(batch, index));
            if matches!(place, Place::Between(..)) {
                prefetch(source.sample(batch, index + 1));
            }
        }
    }
}

impl<E: Interpolate, T> Source<'_, E, T> {
    /// The channels of one sample of sequence `batch`.
    #[inline]
    fn sample(&self, batch: usize, index: usize) -> &[E] {
        &self.x[(batch * self.samples + index) * self.channels..][..self.channels]
    }

    /// Appends this source's channels at `place`.
    #[inline]
    fn write(&self, kernel: Kernel<E>, batch: usize, place: Place, output: &mut Sequential<'_, E>) {
        match place {
            Place::At(index) => {
                let mut row = self.sample(batch, index);
                while !row.is_empty() {
                    let out = output.next(row.len());
                    let (front, rest) = row.split_at(out.len());
                    kernel.copy(front, out);
                    row = rest;
                }
            }
            Place::Between(index, weight) => {
                let (mut low, mut high) = (self.sample(batch, index), self.sample(batch, index + 1));
                while !low.is_empty() {
                    let out = output.next(low.len());
                    let (low_front, low_rest) = low.split_at(out.len());
                    let (high_front, high_rest) = high.split_at(out.len());
                    kernel.blend(low_front, high_front, weight, out);
                    (low, high) = (low_rest, high_rest);
                }
            }
        }
    }
}
