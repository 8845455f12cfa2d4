//! The worker's side: it keeps ranks warm, gives them tasks, and writes down what they say.

use std::{cell::RefCell, env};

use nix::sys::signal::Signal;
use rand_chacha::rand_core::Rng;
use robocache_core::{collective::Collective, sharding::Partition};

use super::{
    Joint, MultiGpuSettings, Task,
    collective::{CollectiveTask, TransferTask},
    fault,
    sharded::ShardedTask,
    training::{TrainingTask, trained},
    work::RankTask,
};
use crate::{
    cell::{Cell, Device},
    observation::{
        Bandwidth, CollectiveFacts, Gathered, MultiGpuFacts, RankFailure, RankReport, Said, ShardedFacts,
        TrainingFacts, Transferred,
    },
    ranks::{Deadlines, RankEnd, RankOutcome, WorkError, World, WorldError, launched},
};

/// Has the ranks of a cell do what it says. The error says why they could not even be told.
pub(in crate::suites) fn observe(cell: &Cell, settings: &MultiGpuSettings) -> Result<MultiGpuFacts, String> {
    let Some(Joint { world, task }) = settings.joint else { return Err("its ranks have nothing to do".to_owned()) };
    with_world(cell.device, world, |ranks| match task {
        Task::Collective { collective, block } => {
            Ok(MultiGpuFacts::Collective(observe_collective(cell, settings, (collective, block), ranks)?))
        }
        Task::Sharded { partition } => Ok(MultiGpuFacts::Sharded(observe_sharded(cell, partition, ranks)?)),
        Task::DataParallel => observe_training(cell, settings, ranks).map(MultiGpuFacts::DataParallel),
        Task::Fault { collective, block, fault } => {
            let transfer = transfer_task(cell, collective, block);
            Ok(MultiGpuFacts::Fault(fault::observe(transfer, fault, ranks)?))
        }
    })
    .map_err(|error| error.to_string())
}

/// Why the leader has nothing to say: the harness or the machine is at fault.
#[derive(Debug, thiserror::Error)]
enum Unobserved {
    /// There are no ranks.
    #[error(transparent)]
    World(#[from] WorldError),
    /// There is nothing to hold their results against.
    #[error("the reference on one CPU rank: {0}")]
    Reference(#[from] WorkError),
}

thread_local! {
    /// The ranks of the last cell, for the next one that needs as many on the same device.
    static WARM: RefCell<Option<World>> = const { RefCell::new(None) };
}

fn with_world<T>(
    device: Device,
    world: usize,
    use_ranks: impl FnOnce(&mut World) -> Result<T, Unobserved>,
) -> Result<T, Unobserved> {
    let warm = WARM.take().filter(|ranks| (ranks.device(), ranks.world()) == (device, world));
    let mut ranks = match warm {
        Some(ranks) => ranks,
        None => launched::gather(device, world, visible_gpus(), Deadlines::DEFAULT)?,
    };
    let result = use_ranks(&mut ranks)?;
    if ranks.is_sound() {
        WARM.set(Some(ranks));
    }
    Ok(result)
}

/// Whether ranks that a launcher started were gathered, and are not kept for another cell: nobody can start them again.
pub(crate) fn are_ranks_lost() -> bool {
    launched::were_gathered() && WARM.with_borrow(Option::is_none)
}

/// Tells ranks that are kept for another cell that there is none, and waits until they have heard it.
pub(crate) fn dismiss_ranks() {
    drop(WARM.take());
}

/// The GPUs of this worker, one for each rank.
fn visible_gpus() -> Vec<String> {
    let visible = env::var("CUDA_VISIBLE_DEVICES").unwrap_or_default();
    visible.split(',').filter(|gpu| !gpu.is_empty()).map(str::to_owned).collect()
}

/// A transfer of the cell's own data.
fn transfer_task(cell: &Cell, collective: Collective, block: usize) -> TransferTask {
    TransferTask { collective, dtype: cell.dtype, block, seed: cell.seed.generator().next_u64() }
}

fn observe_collective(
    cell: &Cell,
    settings: &MultiGpuSettings,
    (collective, block): (Collective, usize),
    ranks: &mut World,
) -> Result<CollectiveFacts, WorldError> {
    let bytes = collective.bytes(block, ranks.world(), cell.dtype) as u64;
    let is_timed = bytes >= settings.timed_mib.saturating_mul(1 << 20);
    let task = CollectiveTask {
        transfer: transfer_task(cell, collective, block),
        timed_calls: is_timed.then_some(settings.timed_calls),
    };
    let performed = ranks.perform::<_, Transferred>(|_| RankTask::Collective(task), None)?;
    let reports = reports(performed.ends);
    let seconds = reports.iter().filter_map(|report| match &report.said {
        Said::Found(transferred) => transferred.seconds,
        Said::Failed(_) => None,
    });
    // All wait for the slowest.
    let slowest = seconds.reduce(f64::max).filter(|seconds| *seconds > 0.0);
    let bandwidth = slowest.map(|seconds| {
        let algorithm = bytes as f64 / seconds;
        Bandwidth { bytes, seconds, algorithm, bus: algorithm * collective.bus_factor(ranks.world()) }
    });
    Ok(CollectiveFacts { ranks: reports, bandwidth })
}

fn observe_sharded(cell: &Cell, partition: Partition, ranks: &mut World) -> Result<ShardedFacts, WorldError> {
    let task = |_| RankTask::Sharded(ShardedTask { cell: Box::new(cell.clone()), partition });
    let performed = ranks.perform::<_, Gathered>(task, None)?;
    Ok(ShardedFacts { ranks: reports(performed.ends) })
}

fn observe_training(cell: &Cell, settings: &MultiGpuSettings, ranks: &mut World) -> Result<TrainingFacts, Unobserved> {
    let task = TrainingTask { steps: settings.steps, seed: cell.seed.generator().next_u64() };
    let reference = task.reference()?;
    let performed = ranks.perform::<_, Vec<String>>(|_| RankTask::Training(task), None)?;
    let trained = |RankReport { rank, said }: RankReport<Vec<String>>| RankReport {
        rank,
        said: match said {
            Said::Found(hashes) => Said::Found(trained(&reference, &hashes)),
            Said::Failed(failure) => Said::Failed(failure),
        },
    };
    let ranks = reports(performed.ends).into_iter().map(trained).collect();
    Ok(TrainingFacts { reference_steps: reference.len() as u64, ranks })
}

/// What every rank said, whatever became of it.
pub(super) fn reports<R>(ends: Vec<RankEnd<R>>) -> Vec<RankReport<R>> {
    ends.into_iter()
        .map(|RankEnd { rank, outcome, .. }| {
            let said = match said(outcome) {
                Ok(report) => Said::Found(report),
                Err(failure) => Said::Failed(failure),
            };
            RankReport { rank, said }
        })
        .collect()
}

/// What a rank reported, or how it ended instead.
pub(super) fn said<R>(outcome: RankOutcome<R>) -> Result<R, RankFailure> {
    let nobody = |message: String| Err(RankFailure { message, loss: None });
    match outcome {
        RankOutcome::Reported(report) => Ok(report),
        RankOutcome::Failed(failure) => Err(RankFailure { message: failure.message, loss: failure.loss }),
        RankOutcome::Died { signal: Some(number), .. } => {
            let name =
                Signal::try_from(number).map_or_else(|_| format!("signal {number}"), |signal| signal.to_string());
            nobody(format!("its process died: {name}"))
        }
        RankOutcome::Died { signal: None, exit_code: Some(code) } => nobody(format!("its process ended: exit {code}")),
        RankOutcome::Died { signal: None, exit_code: None } => nobody("its process ended".to_owned()),
        RankOutcome::Silent => nobody("its process gave no sign of life".to_owned()),
        RankOutcome::Stuck => nobody("it did not end after another rank was lost, and was killed".to_owned()),
    }
}
