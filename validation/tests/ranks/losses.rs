//! Ranks that are lost in every way: the others are told which, in which step and how, and the next task works.

use std::time::{Duration, Instant};

use fault_injection::{Moment, RankFault, ScheduledFault};
use libtest_mimic::Failed;
use robocache_core::{
    collective::{Collective, Reduction},
    communicator::{Announcement, Cause, Loss, Step},
    dtype::DType,
};
use validation::ranks::{Deadlines, FailureKind, LocalRanks, Performed, RankFailure, RankOutcome, World, WorldError};

use crate::{
    is_alive, local, pids,
    work::{SUM, Task, sums},
    works,
};

/// What survivors of a fault must be told.
fn expected(fault: RankFault, victim: usize) -> Loss {
    let all_reduce = |sequence, block| {
        let step = Step::Collective { collective: SUM, dtype: DType::F32, block, root: 0, repeats: 1 };
        Announcement { sequence, step }
    };
    let at = match fault {
        RankFault::Killed(Moment::Between | Moment::Inside)
        | RankFault::Stopped(Moment::Between | Moment::Inside)
        | RankFault::GaveUp(Moment::Between | Moment::Inside)
        | RankFault::OtherCollective
        | RankFault::OtherSize => all_reduce(2, 1000),
        RankFault::Killed(Moment::BeforeInitialisation | Moment::InInitialisation)
        | RankFault::Stopped(Moment::BeforeInitialisation | Moment::InInitialisation)
        | RankFault::GaveUp(Moment::BeforeInitialisation | Moment::InInitialisation)
        | RankFault::NoInvitation => Announcement { sequence: 0, step: Step::Initialise },
    };
    let cause = match fault {
        RankFault::Killed(_) => Cause::Died,
        RankFault::Stopped(_) => Cause::Silent,
        RankFault::GaveUp(_) => Cause::Failed,
        RankFault::OtherSize => Cause::Differs { came_to: all_reduce(2, 999) },
        RankFault::OtherCollective => {
            let collective = Collective::AllReduce(Reduction::Max);
            let step = Step::Collective { collective, dtype: DType::F32, block: 1000, root: 0, repeats: 1 };
            Cause::Differs { came_to: Announcement { sequence: 2, step } }
        }
        RankFault::NoInvitation => Cause::Late,
    };
    Loss { rank: victim, cause, at }
}

pub(crate) fn survive(fault: RankFault, size: usize) -> Result<(), Failed> {
    let victim = if fault == RankFault::NoInvitation { 0 } else { size - 1 };
    let mut world = World::gather(local(size))?;
    works(&mut world)?;
    let before = pids(&world);
    let task = |rank| {
        let mut task = sums(3);
        match fault {
            RankFault::OtherCollective if rank == victim => task.steps[1].0 = Collective::AllReduce(Reduction::Max),
            RankFault::OtherSize if rank == victim => task.steps[1].1 = 999,
            _ => {}
        }
        task
    };
    let begin = Instant::now();
    let scheduled = ScheduledFault { victim, fault, sequence: 2 };
    let performed: Performed<(usize, u32)> = world.perform(task, Some(scheduled))?;
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
    assert!(performed.firing.is_some(), "the fault did not happen");
    let loss = expected(fault, victim);
    let detection = performed.loss.ok_or("nobody was found to be lost")?;
    assert_eq!(detection.loss, loss);
    assert!(detection.elapsed_ms < 15_000);
    for end in &performed.ends {
        match (&end.outcome, fault) {
            (RankOutcome::Died { signal, exit_code: None }, RankFault::Killed(_)) if end.rank == victim => {
                assert_eq!(*signal, Some(9));
            }
            (RankOutcome::Silent, RankFault::Stopped(_)) if end.rank == victim => {}
            (RankOutcome::Failed(failure), _) => {
                assert_eq!(failure.loss, Some(loss), "{failure:?}");
                assert!(end.elapsed_ms < 15_000);
            }
            (outcome, _) => return Err(format!("rank {} ended as {outcome:?}", end.rank).into()),
        }
    }
    println!("{fault} of {size}: {loss}, found after {} ms", detection.elapsed_ms);
    let is_gone = matches!(fault, RankFault::Killed(_) | RankFault::Stopped(_));
    assert_eq!(world.is_sound(), !is_gone);
    assert_eq!(is_alive(before[victim]), !is_gone);
    works(&mut world)?;
    let after = pids(&world);
    assert_eq!(before[victim] == after[victim], !is_gone);
    let kept = (0..size).filter(|rank| *rank != victim);
    assert!(kept.into_iter().all(|rank| before[rank] == after[rank]), "survivors are kept");
    drop(world);
    assert!(!after.iter().chain(&before).any(|pid| is_alive(*pid)), "no process is left");
    Ok(())
}

pub(crate) fn panics() -> Result<(), Failed> {
    let mut world = World::gather(local(2))?;
    let task = |rank| Task { panic: rank == 1, ..sums(2) };
    let performed: Performed<(usize, u32)> = world.perform(task, None)?;
    let failure = |rank: usize| match &performed.ends[rank].outcome {
        RankOutcome::Failed(failure) => failure.clone(),
        other => panic!("{other:?}"),
    };
    let RankFailure { kind, message, .. } = failure(1);
    assert_eq!((kind, message.as_str()), (FailureKind::Panicked, "asked to"));
    assert_eq!(failure(0).loss.map(|loss| (loss.rank, loss.cause)), Some((1, Cause::Failed)));
    works(&mut world)
}

/// While the others wait for it.
pub(crate) fn cut_off() -> Result<(), Failed> {
    let mut world = World::gather(local(3))?;
    let task = |rank| Task { cut_off: rank == 1, ..sums(2) };
    let performed: Performed<(usize, u32)> = world.perform(task, None)?;
    let loss = performed.loss.ok_or("nobody was lost")?.loss;
    assert_eq!((loss.rank, loss.cause, loss.at.sequence), (1, Cause::Failed, 1));
    for end in &performed.ends {
        let kind = if end.rank == 1 { FailureKind::Connection } else { FailureKind::Lost };
        assert!(matches!(&end.outcome, RankOutcome::Failed(failure) if failure.kind == kind), "{end:?}");
        assert!(end.elapsed_ms < 15_000);
    }
    works(&mut world)
}

pub(crate) fn late() -> Result<(), Failed> {
    let deadlines = Deadlines { late: Duration::from_secs(1), ..Deadlines::default() };
    let mut world = World::gather(LocalRanks { deadlines, ..local(3) })?;
    let task = |rank| Task { sleep_ms: if rank == 1 { 2500 } else { 0 }, ..sums(2) };
    let performed: Performed<(usize, u32)> = world.perform(task, None)?;
    let loss = performed.loss.ok_or("nobody was late")?.loss;
    assert_eq!((loss.rank, loss.cause, loss.at.sequence), (1, Cause::Late, 1));
    for end in &performed.ends {
        assert!(matches!(&end.outcome, RankOutcome::Failed(RankFailure { kind: FailureKind::Lost, .. })), "{end:?}");
    }
    works(&mut world)
}

pub(crate) fn impossible_faults() -> Result<(), Failed> {
    let mut world = World::gather(local(2))?;
    for (victim, fault, sequence) in [
        (2, RankFault::Killed(Moment::Inside), 1),
        (1, RankFault::Killed(Moment::Inside), 0),
        (1, RankFault::NoInvitation, 0),
    ] {
        let performed = world.perform::<_, (usize, u32)>(|_| sums(1), Some(ScheduledFault { victim, fault, sequence }));
        assert!(matches!(performed, Err(WorldError::Fault(_))));
    }
    works(&mut world)
}
