//! Every way in which ranks can be wrong, and every way in which nothing was shown.

use fault_injection::{Moment, RankFault};
use robocache_core::{
    collective::{Mismatch, Reduction},
    communicator::{Announcement, Cause, Loss, Step},
    distribution::Distribution,
    dtype::DType,
    parameters::Parameters,
    random::Seed,
    sharding::Partition,
};

use super::*;
use crate::{
    cell::{Input, Limits},
    dataset::Expectation,
    observation::{Outcome, StepDifference},
    verdict::judge,
};

const SUM: Collective = Collective::AllReduce(Reduction::Sum);

fn cell(device: Device, world: usize, task: Task) -> Cell {
    let joint = Some(Joint { world, task });
    let settings = MultiGpuSettings { detection_s: 15, steps: 3, timed_mib: 1, timed_calls: 1, joint };
    Cell {
        name: "multi_gpu::x::cpu::f32::n4::pattern::w2".into(),
        suite: SuiteSettings::MultiGpu(settings),
        operator: "x".into(),
        device,
        dtype: DType::F32,
        parameters: Parameters::default(),
        input: Input::Generated(Distribution::Uniform),
        seed: Seed::root(0),
        expect: Expectation::Accepted,
        limits: Limits { deadline_ms: 1, memory_bytes: None, fresh_process: false },
    }
}

/// The verdict in a line: its word and what it says.
fn said(cell: &Cell, facts: MultiGpuFacts) -> String {
    let observation = crate::observation::Observation::MultiGpu(facts.into());
    match judge(cell, &Outcome::Observed(Box::new(observation))) {
        Verdict::Pass => "pass".to_owned(),
        Verdict::Fail { reason } => format!("fail: {reason}"),
        Verdict::Error { message } => format!("error: {message}"),
        other => panic!("{other:?}"),
    }
}

fn way(way: Way, elements: u64) -> WayFacts {
    WayFacts {
        way,
        impossible: None,
        elements: elements * way.transfers(),
        mismatch: None,
        sent_mismatch: None,
        guard_bytes: 512,
        disturbed_guard_bytes: 0,
    }
}

fn transferred(elements: u64) -> Transferred {
    Transferred { ways: Way::ALL.map(|each| way(each, elements)).to_vec(), seconds: None }
}

fn reports<T>(said: impl IntoIterator<Item = T>) -> Vec<RankReport<T>> {
    said.into_iter().enumerate().map(|(rank, facts)| RankReport { rank, said: Said::Found(facts) }).collect()
}

/// The verdict on an all-reduce of four elements on two ranks, changed by `change`.
fn collective(device: Device, change: impl FnOnce(&mut Vec<RankReport<Transferred>>)) -> String {
    let mut ranks = reports([transferred(4), transferred(4)]);
    change(&mut ranks);
    let task = Task::Collective { collective: SUM, block: 4 };
    said(&cell(device, 2, task), MultiGpuFacts::Collective(CollectiveFacts { ranks, bandwidth: None }))
}

fn of_rank(ranks: &mut [RankReport<Transferred>], rank: usize) -> &mut Vec<WayFacts> {
    match &mut ranks[rank].said {
        Said::Found(transferred) => &mut transferred.ways,
        Said::Failed(failure) => panic!("{failure:?}"),
    }
}

#[test]
fn a_collective_passes_only_if_every_rank_saw_every_element_in_every_way() {
    assert_eq!(collective(Device::Cuda, |_| {}), "pass");
    let mismatch = Mismatch { index: 2, dtype: DType::F32, expected: 0x4000_0000, actual: 0, differing: 1 };
    let wrong = collective(Device::Cuda, |ranks| of_rank(ranks, 1)[1].mismatch = Some(mismatch));
    let element = "element 2 is 0 (0x00000000), must be 2 (0x40000000); 1 elements differ";
    assert_eq!(wrong, format!("fail: in_place on rank 1: {element}"));
    let changed = collective(Device::Cuda, |ranks| of_rank(ranks, 0)[0].sent_mismatch = Some(mismatch));
    assert_eq!(changed, format!("fail: out_of_place on rank 0: the send buffer was changed: {element}"));
    let beside = collective(Device::Cuda, |ranks| of_rank(ranks, 0)[2].disturbed_guard_bytes = 3);
    assert_eq!(beside, "fail: misaligned on rank 0: 3 bytes beside its buffers were changed");
}

#[test]
fn what_was_not_looked_at_is_an_error() {
    let fewer = collective(Device::Cpu, |ranks| of_rank(ranks, 1)[3].elements = 4);
    assert_eq!(fewer, "error: two_streams on rank 1: 4 elements were compared, and not 8");
    let unguarded = collective(Device::Cpu, |ranks| of_rank(ranks, 1)[0].guard_bytes = 0);
    assert_eq!(unguarded, "error: out_of_place on rank 1: no byte beside its buffers was looked at");
    let forgotten = collective(Device::Cpu, |ranks| drop(of_rank(ranks, 0).pop()));
    assert_eq!(forgotten, "error: graph_replay on rank 0: it was not tried");
    let silent = collective(Device::Cpu, |ranks| drop(ranks.pop()));
    assert_eq!(silent, "error: of 2 ranks only these reported: 0");
    let failed = collective(Device::Cpu, |ranks| {
        ranks[1].said = Said::Failed(RankFailure { message: "NCCL: no".into(), loss: None });
    });
    assert_eq!(failed, "fail: rank 1: NCCL: no");
}

#[test]
fn a_way_may_be_impossible_only_where_it_is() {
    let impossible = |device, place: usize| {
        collective(device, |ranks| {
            let facts = &mut of_rank(ranks, 0)[place];
            (facts.impossible, facts.elements, facts.guard_bytes) = (Some("no graphs".into()), 0, 0);
        })
    };
    for (place, on_cpu, on_cuda) in
        [(0, false, false), (1, true, true), (2, false, false), (3, true, false), (4, true, false)]
    {
        for (device, may_be) in [(Device::Cpu, on_cpu), (Device::Cuda, on_cuda)] {
            let way = Way::ALL[place];
            let expected =
                if may_be { "pass".to_owned() } else { format!("error: {way} on rank 0: it was not tried: no graphs") };
            assert_eq!(impossible(device, place), expected, "{way} {device}");
        }
    }
}

#[test]
fn only_the_root_of_a_reduction_receives() {
    let task = Task::Collective { collective: Collective::Reduce(Reduction::Max), block: 4 };
    let facts = |received| {
        let ranks = reports([transferred(4), transferred(received)]);
        MultiGpuFacts::Collective(CollectiveFacts { ranks, bandwidth: None })
    };
    assert_eq!(said(&cell(Device::Cpu, 2, task), facts(0)), "pass");
    assert!(said(&cell(Device::Cpu, 2, task), facts(4)).starts_with("error: out_of_place on rank 1: 4 elements"));
}

#[test]
fn a_sharded_operator_gives_every_rank_its_own_bits() {
    let hashes = |hash: &str| vec![("y".to_owned(), hash.to_owned())];
    let gathered = |all: &str, alone: &str| Gathered {
        output_hashes: hashes(all),
        hashes_alone: hashes(alone),
        elements: 4,
        differences: Vec::new(),
    };
    let verdict = |ranks: [Gathered; 2]| {
        let task = Task::Sharded { partition: Partition::EmptyLast };
        said(&cell(Device::Cuda, 2, task), MultiGpuFacts::Sharded(ShardedFacts { ranks: reports(ranks) }))
    };
    assert_eq!(verdict([gathered("a", "a"), gathered("a", "a")]), "pass");
    let other = verdict([gathered("a", "a"), gathered("a", "b")]);
    assert_eq!(other, "fail: rank 1: the outputs of all ranks have other hashes than its own");
    let apart = verdict([gathered("a", "a"), gathered("b", "b")]);
    assert_eq!(apart, "fail: rank 1: it gathered other outputs than rank 0");
    let nothing = Gathered { output_hashes: Vec::new(), hashes_alone: Vec::new(), ..gathered("", "") };
    let nothing = verdict([nothing.clone(), nothing]);
    assert_eq!(nothing, "error: rank 0: no output was compared; rank 1: no output was compared");
}

#[test]
fn training_must_give_the_hashes_of_one_cpu_rank_at_every_step() {
    let verdict = |reference_steps, steps, first_difference: Option<StepDifference>| {
        let trained = Trained { steps, last_hash: "a".into(), first_difference };
        let facts = TrainingFacts { reference_steps, ranks: reports([trained]) };
        said(&cell(Device::Cpu, 1, Task::DataParallel), MultiGpuFacts::DataParallel(facts))
    };
    assert_eq!(verdict(3, 3, None), "pass");
    assert_eq!(verdict(3, 2, None), "error: rank 0 made 2 steps, and not 3");
    assert_eq!(verdict(2, 3, None), "error: the reference made 2 steps, and not 3");
    let difference = StepDifference { step: 1, expected: "a".into(), actual: "b".into() };
    let wrong = verdict(3, 3, Some(difference));
    assert_eq!(wrong, "fail: rank 0: what step 1 added up has the hash b, must have a");
}

fn lost(rank: usize, sequence: u64) -> Loss {
    Loss { rank, cause: Cause::Died, at: Announcement { sequence, step: Step::Exchange } }
}

fn fault(device: Device, change: impl FnOnce(&mut FaultFacts)) -> String {
    let survivor = |rank| Survivor {
        rank,
        failure: Some(RankFailure { message: "lost".into(), loss: Some(lost(2, 4)) }),
        seconds: 1.5,
        free_memory_before: Some(1 << 30),
        free_memory_after: Some((1 << 30) - 1024),
    };
    let mut facts = FaultFacts {
        victim: 2,
        disturbed_before: None,
        fired: Some("step 4 (exchange)".into()),
        step: lost(2, 4).at,
        survivors: vec![survivor(0), survivor(1)],
        processes_left: Vec::new(),
        not_recovered: None,
    };
    change(&mut facts);
    let task = Task::Fault { collective: SUM, block: 4, fault: RankFault::Killed(Moment::Inside) };
    said(&cell(device, 3, task), MultiGpuFacts::Fault(facts))
}

#[test]
fn a_fault_passes_only_if_every_survivor_says_who_and_where_in_time() {
    assert_eq!(fault(Device::Cuda, |_| {}), "pass");
    let blames = |loss| {
        move |facts: &mut FaultFacts| {
            facts.survivors[1].failure = Some(RankFailure { message: "timeout".into(), loss });
        }
    };
    assert_eq!(fault(Device::Cpu, blames(None)), "fail: rank 1 ended without the name of a lost rank: timeout");
    assert_eq!(fault(Device::Cpu, blames(Some(lost(0, 4)))), "fail: rank 1 blames rank 0, and not rank 2");
    assert_eq!(
        fault(Device::Cpu, blames(Some(lost(2, 3)))),
        "fail: rank 1 says that it was lost in step 3 (exchange), and not in step 4 (exchange)"
    );
    assert_eq!(
        fault(Device::Cpu, blames(Some(Loss { cause: Cause::Silent, ..lost(2, 4) }))),
        "fail: rank 1 says `rank 2 gives no sign of life in step 4 (exchange)`, but its fault was killed_inside"
    );
    assert_eq!(
        fault(Device::Cpu, |facts| facts.survivors[0].failure = None),
        "fail: rank 0 went on as if rank 2 had not been lost"
    );
    assert_eq!(
        fault(Device::Cpu, |facts| facts.survivors[0].seconds = 15.1),
        "fail: rank 0 took 15.1 s to say so, at most 15 s are allowed"
    );
    assert!(fault(Device::Cpu, |facts| facts.survivors[0].seconds = f64::NAN).starts_with("fail: rank 0 took NaN s"));
    assert_eq!(fault(Device::Cpu, |facts| drop(facts.survivors.pop())), "fail: rank 1 did not say how it ended");
}

#[test]
fn a_fault_leaves_nothing_behind_and_the_next_world_is_sound() {
    assert_eq!(
        fault(Device::Cuda, |facts| facts.survivors[0].free_memory_after = Some(512 << 20)),
        "fail: rank 0 left 536870912 bytes fewer free on its GPU than it had found"
    );
    assert_eq!(
        fault(Device::Cpu, |facts| facts.processes_left = vec![7, 8]),
        "fail: processes of ranks are left: 7, 8"
    );
    let not_recovered = fault(Device::Cpu, |facts| facts.not_recovered = Some("no".into()));
    assert_eq!(not_recovered, "fail: no new world went through the script: no");
    let disturbed = fault(Device::Cpu, |facts| facts.disturbed_before = Some("no".into()));
    assert_eq!(disturbed, "fail: the script failed before anything disturbed it: no");
}

#[test]
fn a_fault_that_shows_nothing_is_an_error() {
    assert_eq!(fault(Device::Cpu, |facts| facts.fired = None), "error: nothing shows that the fault befell rank 2");
    let unseen = |facts: &mut FaultFacts| facts.survivors[0].free_memory_after = None;
    assert_eq!(fault(Device::Cuda, unseen), "error: rank 0: the memory of its GPU was not looked at");
    assert_eq!(fault(Device::Cpu, unseen), "pass");
}

#[test]
fn facts_of_another_task_are_an_error() {
    let facts = || MultiGpuFacts::Sharded(ShardedFacts { ranks: Vec::new() });
    let other = said(&cell(Device::Cpu, 1, Task::DataParallel), facts());
    assert_eq!(other, "error: the ranks did something else than they were told");
}
