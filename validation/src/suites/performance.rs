//! The performance suite: how long a call takes, beside a copy of as many bytes.

mod conditions;
mod sampling;
mod statistics;

use std::time::Instant;

use self::conditions::{GpuObserver, Nobody, Observer};
use super::{
    PerformanceSettings,
    device::{during, own_gpu_uuid, stopwatch},
    prepare::Prepared,
};
use crate::{
    cell::{Cell, Device},
    observation::{OperatorFailure, PerformanceFacts},
};

/// Samples every series of the cell's device, then checks what the timed calls left.
pub(super) fn observe(
    cell: &Cell,
    settings: &PerformanceSettings,
    prepared: &Prepared,
) -> Result<PerformanceFacts, OperatorFailure> {
    let observer: Box<dyn Observer> = match cell.device {
        Device::Cpu => Box::new(Nobody),
        Device::Cuda => Box::new(GpuObserver::new(own_gpu_uuid().map_err(|error| during("set_up")(error.into()))?)),
    };
    let mut stopwatch = stopwatch(cell.device, &*prepared.problem, &prepared.inputs).map_err(during("set_up"))?;
    let begin = Instant::now();
    let mut series = Vec::new();
    for chosen in stopwatch.series().to_vec() {
        let sampled = sampling::sample(&mut *stopwatch, chosen, settings, &*observer, &|| begin.elapsed());
        series.push(sampled.map_err(during(chosen))?);
    }
    let wrong = stopwatch.verify().map_err(during("verify"))?;
    Ok(PerformanceFacts {
        bytes_moved: stopwatch.bytes_moved(),
        sets: stopwatch.sets() as u64,
        series,
        wrong_output: wrong.map(|wrong| wrong.to_string()),
    })
}
