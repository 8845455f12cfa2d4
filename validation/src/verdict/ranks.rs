//! What several ranks did together, held against what they must do.

use fault_injection::RankFault;
use robocache_core::{collective::Collective, communicator::Cause};

use super::Verdict;
use crate::{
    cell::{Cell, Device},
    observation::{
        CollectiveFacts, FaultFacts, Gathered, MultiGpuFacts, RankFailure, RankReport, Said, ShardedFacts, Survivor,
        Trained, TrainingFacts, Transferred, Way, WayFacts,
    },
    suites::{Joint, MultiGpuSettings, ROOT, SuiteSettings, Task},
};

/// How much more of its device's memory a survivor may hold than before: what a driver keeps for a process for good. The
/// channels of a communicator alone are more.
const MEMORY_TOLERANCE_BYTES: u64 = 32 << 20;

pub(super) fn judge_ranks(cell: &Cell, facts: &MultiGpuFacts) -> Verdict {
    let SuiteSettings::MultiGpu(settings @ MultiGpuSettings { joint: Some(Joint { world, task }), .. }) = &cell.suite
    else {
        return error(format!("ranks were observed by the suite `{}`, which has none", cell.suite.name()));
    };
    match (facts, task) {
        (MultiGpuFacts::Collective(facts), &Task::Collective { collective, block }) => {
            judge_collective(cell, *world, (collective, block), facts)
        }
        (MultiGpuFacts::Sharded(facts), Task::Sharded { .. }) => judge_sharded(*world, facts),
        (MultiGpuFacts::DataParallel(facts), Task::DataParallel) => {
            judge_training(*world, settings.steps.into(), facts)
        }
        (MultiGpuFacts::Fault(facts), Task::Fault { fault, .. }) => {
            judge_fault(cell.device, *world, settings, *fault, facts)
        }
        (
            MultiGpuFacts::Collective(_)
            | MultiGpuFacts::Sharded(_)
            | MultiGpuFacts::DataParallel(_)
            | MultiGpuFacts::Fault(_),
            _,
        ) => error("the ranks did something else than they were told".to_owned()),
    }
}

fn error(message: String) -> Verdict {
    Verdict::Error { message }
}

fn fail(reason: String) -> Verdict {
    Verdict::Fail { reason }
}

/// The verdict on what is wrong, which weighs more than what was not looked at.
fn verdict(defects: &[String], unseen: &[String]) -> Verdict {
    match (defects, unseen) {
        ([], []) => Verdict::Pass,
        ([], [_, ..]) => error(unseen.join("; ")),
        ([_, ..], _) => fail(defects.join("; ")),
    }
}

/// The facts of every rank, in their order; a verdict if one failed or said nothing.
fn all_found<T>(world: usize, ranks: &[RankReport<T>]) -> Result<Vec<&T>, Verdict> {
    let failed = ranks.iter().filter_map(|report| match &report.said {
        Said::Found(_) => None,
        Said::Failed(RankFailure { message, loss: _ }) => Some(format!("rank {}: {message}", report.rank)),
    });
    let failed: Vec<_> = failed.collect();
    if !failed.is_empty() {
        return Err(fail(failed.join("; ")));
    }
    if !ranks.iter().map(|report| report.rank).eq(0..world) {
        let reported: Vec<_> = ranks.iter().map(|report| report.rank.to_string()).collect();
        return Err(error(format!("of {world} ranks only these reported: {}", reported.join(", "))));
    }
    Ok(ranks
        .iter()
        .filter_map(|report| match &report.said {
            Said::Found(facts) => Some(facts),
            Said::Failed(_) => None,
        })
        .collect())
}

fn judge_collective(
    cell: &Cell,
    world: usize,
    (collective, block): (Collective, usize),
    facts: &CollectiveFacts,
) -> Verdict {
    let ranks = match all_found(world, &facts.ranks) {
        Ok(ranks) => ranks,
        Err(verdict) => return verdict,
    };
    let (mut defects, mut unseen) = (Vec::new(), Vec::new());
    for (rank, Transferred { ways, seconds: _ }) in ranks.into_iter().enumerate() {
        for facts in ways {
            let wrong = facts.defects().into_iter();
            defects.extend(wrong.map(|defect| format!("{} on rank {rank}: {defect}", facts.way)));
        }
        for way in Way::ALL {
            let received = if collective.receives(rank, ROOT) { collective.received_elements(block, world) } else { 0 };
            let missing = match ways.iter().find(|facts| facts.way == way) {
                None => Some("it was not tried".to_owned()),
                Some(facts) => unseen_of(cell.device, received as u64, facts),
            };
            unseen.extend(missing.map(|missing| format!("{way} on rank {rank}: {missing}")));
        }
    }
    verdict(&defects, &unseen)
}

/// What was not looked at though it must be, for a rank that receives so many elements.
fn unseen_of(device: Device, received: u64, facts: &WayFacts) -> Option<String> {
    if let Some(reason) = &facts.impossible {
        let may_be = match (facts.way, device) {
            (Way::OutOfPlace | Way::Misaligned, Device::Cpu | Device::Cuda) => false,
            (Way::InPlace, Device::Cpu | Device::Cuda) => true,
            (Way::TwoStreams | Way::GraphReplay, Device::Cpu) => true,
            (Way::TwoStreams | Way::GraphReplay, Device::Cuda) => false,
        };
        return (!may_be).then(|| format!("it was not tried: {reason}"));
    }
    let expected = received * facts.way.transfers();
    if facts.elements != expected {
        return Some(format!("{} elements were compared, and not {expected}", facts.elements));
    }
    (facts.guard_bytes == 0).then(|| "no byte beside its buffers was looked at".to_owned())
}

fn judge_sharded(world: usize, facts: &ShardedFacts) -> Verdict {
    let ranks = match all_found(world, &facts.ranks) {
        Ok(ranks) => ranks,
        Err(verdict) => return verdict,
    };
    let (mut defects, mut unseen) = (Vec::new(), Vec::new());
    let first = &ranks[0].output_hashes;
    for (rank, Gathered { output_hashes, hashes_alone, elements: _, differences }) in ranks.iter().enumerate() {
        defects.extend(differences.iter().map(|difference| format!("rank {rank}: {difference}")));
        if output_hashes.is_empty() {
            unseen.push(format!("rank {rank}: no output was compared"));
        }
        if differences.is_empty() && output_hashes != hashes_alone {
            defects.push(format!("rank {rank}: the outputs of all ranks have other hashes than its own"));
        }
        if output_hashes != first {
            defects.push(format!("rank {rank}: it gathered other outputs than rank 0"));
        }
    }
    verdict(&defects, &unseen)
}

fn judge_training(world: usize, steps: u64, facts: &TrainingFacts) -> Verdict {
    let ranks = match all_found(world, &facts.ranks) {
        Ok(ranks) => ranks,
        Err(verdict) => return verdict,
    };
    if facts.reference_steps != steps {
        return error(format!("the reference made {} steps, and not {steps}", facts.reference_steps));
    }
    let (mut defects, mut unseen) = (Vec::new(), Vec::new());
    for (rank, Trained { steps: made, last_hash: _, first_difference }) in ranks.into_iter().enumerate() {
        if let Some(difference) = first_difference {
            defects.push(format!(
                "rank {rank}: what step {} added up has the hash {}, must have {}",
                difference.step, difference.actual, difference.expected
            ));
        }
        if *made != steps {
            unseen.push(format!("rank {rank} made {made} steps, and not {steps}"));
        }
    }
    verdict(&defects, &unseen)
}

fn judge_fault(
    device: Device,
    world: usize,
    settings: &MultiGpuSettings,
    fault: RankFault,
    facts: &FaultFacts,
) -> Verdict {
    let FaultFacts { victim, disturbed_before, fired, step: _, survivors, processes_left, not_recovered } = facts;
    if let Some(reason) = disturbed_before {
        return fail(format!("the script failed before anything disturbed it: {reason}"));
    }
    if fired.is_none() {
        return error(format!("nothing shows that the fault befell rank {victim}"));
    }
    let (mut defects, mut unseen) = (Vec::new(), Vec::new());
    for rank in (0..world).filter(|rank| rank != victim) {
        match survivors.iter().find(|survivor| survivor.rank == rank) {
            Some(survivor) => {
                let wrong = survivor_defects(settings, fault, facts, survivor);
                defects.extend(wrong.into_iter().map(|defect| format!("rank {rank} {defect}")));
                if device == Device::Cuda
                    && (survivor.free_memory_before.is_none() || survivor.free_memory_after.is_none())
                {
                    unseen.push(format!("rank {rank}: the memory of its GPU was not looked at"));
                }
            }
            None => defects.push(format!("rank {rank} did not say how it ended")),
        }
    }
    if !processes_left.is_empty() {
        let processes: Vec<_> = processes_left.iter().map(u32::to_string).collect();
        defects.push(format!("processes of ranks are left: {}", processes.join(", ")));
    }
    if let Some(reason) = not_recovered {
        defects.push(format!("no new world went through the script: {reason}"));
    }
    verdict(&defects, &unseen)
}

/// Whether a rank is lost in this way where this befalls it.
const fn is_cause(fault: RankFault, cause: Cause) -> bool {
    matches!(
        (fault, cause),
        (RankFault::Killed(_), Cause::Died)
            | (RankFault::Stopped(_), Cause::Silent)
            | (RankFault::GaveUp(_), Cause::Failed)
            | (RankFault::OtherCollective | RankFault::OtherSize, Cause::Differs { .. })
            | (RankFault::NoInvitation, Cause::Late)
    )
}

fn survivor_defects(
    settings: &MultiGpuSettings,
    fault: RankFault,
    facts: &FaultFacts,
    survivor: &Survivor,
) -> Vec<String> {
    let FaultFacts { victim, step, .. } = facts;
    let Survivor { rank: _, failure, seconds, free_memory_before, free_memory_after } = survivor;
    let mut defects = Vec::new();
    match failure {
        None => defects.push(format!("went on as if rank {victim} had not been lost")),
        Some(RankFailure { loss: None, message }) => {
            defects.push(format!("ended without the name of a lost rank: {message}"));
        }
        Some(RankFailure { loss: Some(loss), .. }) => {
            if loss.rank != *victim {
                defects.push(format!("blames rank {}, and not rank {victim}", loss.rank));
            }
            if loss.at != *step {
                defects.push(format!("says that it was lost in {}, and not in {step}", loss.at));
            }
            if !is_cause(fault, loss.cause) {
                defects.push(format!("says `{loss}`, but its fault was {fault}"));
            }
        }
    }
    // A time that is no number is none in time.
    let in_time = *seconds <= settings.detection_s as f64;
    if !in_time {
        defects.push(format!("took {seconds:.1} s to say so, at most {} s are allowed", settings.detection_s));
    }
    if let (Some(before), Some(after)) = (free_memory_before, free_memory_after)
        && before.saturating_sub(*after) > MEMORY_TOLERANCE_BYTES
    {
        defects.push(format!("left {} bytes fewer free on its GPU than it had found", before - after));
    }
    defects
}

#[cfg(test)]
mod tests;
