//! The worker's side of a fault: it is made, and what the other ranks say of it is written down.

use std::{collections::BTreeSet, path::Path};

use fault_injection::{RankFault, ScheduledFault};
use robocache_core::{
    collective::Collective,
    communicator::{Announcement, Step},
};

use super::{
    ROOT,
    collective::TransferTask,
    leader::{reports, said},
    script::{Script, Scripted},
    work::RankTask,
};
use crate::{
    observation::{FaultFacts, RankReport, Said, Survivor},
    ranks::{Performed, World, WorldError},
};

/// Transfers in a script.
const TRANSFERS: usize = 6;

/// The step of the communicator at which the fault is made, if it is made at one: transfers are numbered from 1.
const FAULTY_STEP: usize = 4;

/// Makes a fault in a script of such transfers, and then has the same leader go through it undisturbed.
pub(super) fn observe(transfer: TransferTask, fault: RankFault, ranks: &mut World) -> Result<FaultFacts, WorldError> {
    let victim = match fault {
        // Rank 0 invites the others.
        RankFault::NoInvitation => 0,
        RankFault::Killed(_)
        | RankFault::Stopped(_)
        | RankFault::GaveUp(_)
        | RankFault::OtherCollective
        | RankFault::OtherSize => ranks.world() - 1,
    };
    let step = if fault.has_a_step() {
        let TransferTask { collective, dtype, block, seed: _ } = transfer;
        let step = Step::Collective { collective, dtype, block, root: ROOT, repeats: 1 };
        Announcement { sequence: FAULTY_STEP as u64, step }
    } else {
        Announcement { sequence: 0, step: Step::Initialise }
    };
    let script = undisturbed(transfer);
    // It shows that the script is not what fails. And what a driver and NCCL load into a process once is there before
    // free memory is looked at.
    let disturbed_before = go_through(&script, ranks);
    let pids_before = pids(ranks);
    let scheduled = ScheduledFault { victim, fault, sequence: step.sequence };
    let task = |rank| RankTask::Script(if rank == victim { astray(&script, fault) } else { script.clone() });
    let performed = ranks.perform::<_, Scripted>(task, Some(scheduled))?;
    let Performed { ends, firing, loss: _ } = performed;
    let survivors = ends.into_iter().filter(|end| end.rank != victim).map(|end| Survivor {
        rank: end.rank,
        seconds: end.elapsed_ms as f64 / 1e3,
        free_memory_before: end.free_memory_before,
        free_memory_after: end.free_memory_after,
        failure: said(end.outcome).err(),
    });
    let survivors = survivors.collect();
    // Whoever is missing is started anew for this.
    let not_recovered = go_through(&script, ranks);
    let pids_now = pids(ranks);
    let lives = |pid: &u32| Path::new("/proc").join(pid.to_string()).exists();
    let processes_left = pids_before.difference(&pids_now).copied().filter(lives).collect();
    let fired = firing.map(|at| at.to_string());
    Ok(FaultFacts { victim, disturbed_before, fired, step, survivors, processes_left, not_recovered })
}

/// Has all ranks go through a script undisturbed: why they did not, or `None` if they did.
fn go_through(script: &Script, ranks: &mut World) -> Option<String> {
    match ranks.perform::<_, Scripted>(|_| RankTask::Script(script.clone()), None) {
        Ok(performed) => shortcoming(reports(performed.ends)),
        Err(error) => Some(error.to_string()),
    }
}

fn pids(ranks: &World) -> BTreeSet<u32> {
    ranks.presences().map(|presence| presence.pid).collect()
}

/// The same transfer again and again, with other data each time.
fn undisturbed(transfer: TransferTask) -> Script {
    let numbered = |number| TransferTask { seed: transfer.seed.wrapping_add(number), ..transfer };
    Script { transfers: (0..TRANSFERS as u64).map(numbered).collect() }
}

/// What a rank does that comes to another step than the others, where the fault is that.
fn astray(script: &Script, fault: RankFault) -> Script {
    let mut script = script.clone();
    let transfer = &mut script.transfers[FAULTY_STEP - 1];
    match fault {
        RankFault::OtherCollective => {
            transfer.collective = match transfer.collective {
                Collective::AllGather => Collective::Broadcast,
                Collective::AllReduce(_)
                | Collective::ReduceScatter(_)
                | Collective::Broadcast
                | Collective::Reduce(_)
                | Collective::SendReceive
                | Collective::AllToAll => Collective::AllGather,
            }
        }
        RankFault::OtherSize => transfer.block += 1,
        RankFault::Killed(_) | RankFault::Stopped(_) | RankFault::GaveUp(_) | RankFault::NoInvitation => {}
    }
    script
}

/// What keeps an undisturbed script from being one; `None` if nothing does.
fn shortcoming(reports: Vec<RankReport<Scripted>>) -> Option<String> {
    reports.into_iter().find_map(|RankReport { rank, said }| match said {
        Said::Failed(failure) => Some(format!("rank {rank}: {}", failure.message)),
        Said::Found(Scripted { mismatch: Some(mismatch), .. }) => Some(format!("rank {rank}: {mismatch}")),
        Said::Found(Scripted { transfers, .. }) if transfers != TRANSFERS => {
            Some(format!("rank {rank} did {transfers} of {TRANSFERS} transfers"))
        }
        Said::Found(Scripted { disturbed_guard_bytes: 1.., .. }) => {
            Some(format!("rank {rank}: bytes beside its buffers were changed"))
        }
        Said::Found(Scripted { disturbed_guard_bytes: 0, .. }) => None,
    })
}

#[cfg(test)]
mod tests {
    use robocache_core::{collective::Reduction, dtype::DType};

    use super::*;

    #[test]
    fn only_one_step_goes_astray_and_only_where_that_is_the_fault() {
        for collective in Collective::all() {
            let script = undisturbed(TransferTask { collective, dtype: DType::F32, block: 3, seed: 7 });
            for fault in RankFault::all() {
                let astray = astray(&script, fault);
                let pairs = script.transfers.iter().zip(&astray.transfers);
                let differing: Vec<_> = pairs
                    .enumerate()
                    .filter(|(_, (one, other))| (one.collective, one.block) != (other.collective, other.block))
                    .map(|(index, _)| index)
                    .collect();
                let is_astray = matches!(fault, RankFault::OtherCollective | RankFault::OtherSize);
                let expected: &[usize] = if is_astray { &[FAULTY_STEP - 1] } else { &[] };
                assert_eq!(differing, expected, "{collective} {fault}");
            }
        }
    }

    #[test]
    fn a_script_that_was_not_gone_through_as_it_must_is_no_recovery() {
        let scripted = Scripted { transfers: TRANSFERS, mismatch: None, disturbed_guard_bytes: 0 };
        let shortcoming_of = |scripted| shortcoming(vec![RankReport { rank: 1, said: Said::Found(scripted) }]);
        assert_eq!(shortcoming_of(scripted), None);
        let fewer = shortcoming_of(Scripted { transfers: 5, ..scripted });
        assert_eq!(fewer.as_deref(), Some("rank 1 did 5 of 6 transfers"));
        let disturbed = shortcoming_of(Scripted { disturbed_guard_bytes: 1, ..scripted });
        assert_eq!(disturbed.as_deref(), Some("rank 1: bytes beside its buffers were changed"));
        let sum = Collective::AllReduce(Reduction::Sum);
        let data = undisturbed(TransferTask { collective: sum, dtype: DType::F32, block: 3, seed: 7 });
        assert!(data.transfers.windows(2).all(|pair| pair[0].seed != pair[1].seed));
    }
}
