//! Cells of several ranks through the real program: their processes are started, lost and started anew.

mod launched;

use std::fs;

use validation::{
    cell::Device,
    evidence::Record,
    observation::{FaultFacts, MultiGpuFacts, Observation, Outcome, Said},
    verdict::Verdict,
};
use validation_testing::project::{Ended, Project, program};

fn facts(record: &Record) -> &MultiGpuFacts {
    let Some(Outcome::Observed(observation)) = &record.outcome else { panic!("{record:?}") };
    let Observation::MultiGpu(facts) = &**observation else { panic!("{observation:?}") };
    facts
}

fn faults(records: &[Record]) -> Vec<&FaultFacts> {
    let fault = |record| match facts(record) {
        MultiGpuFacts::Fault(facts) => Some(facts),
        MultiGpuFacts::Collective(_) | MultiGpuFacts::Sharded(_) | MultiGpuFacts::DataParallel(_) => None,
    };
    records.iter().filter_map(fault).collect()
}

#[test]
fn the_cpu_cells_of_the_default_profile_pass_and_leave_no_process() {
    let project = Project::of_repository();
    let ended = project.run(&["multi_gpu::", "--skip", "::cuda::"]);
    assert_eq!(ended.code, Some(0), "{}", ended.printed());
    let records = project.records();
    assert!(records.len() > 100 && records.iter().all(|record| record.verdict == Verdict::Pass));
    let elements: u64 = records.iter().map(|record| facts(record).elements()).sum();
    assert!(elements > 1_000_000, "{elements}");

    let faults = faults(&records);
    assert_eq!(faults.len(), 4);
    for fault in faults {
        assert!(fault.fired.is_some() && fault.processes_left.is_empty() && fault.not_recovered.is_none());
        let loss = fault.survivors[0].failure.as_ref().and_then(|failure| failure.loss);
        assert_eq!(loss.map(|loss| (loss.rank, loss.at)), Some((1, fault.step)), "{fault:?}");
    }
    for record in &records {
        if let MultiGpuFacts::DataParallel(training) = facts(record) {
            let of_rank = training.ranks.iter().map(|report| match &report.said {
                Said::Found(trained) => (trained.steps, trained.last_hash.len()),
                Said::Failed(failure) => panic!("{failure:?}"),
            });
            let hashes: Vec<_> = of_rank.collect();
            assert!(hashes.iter().all(|hash| *hash == (200, 64)), "{hashes:?}");
        }
    }
}

#[test]
fn a_fault_that_is_not_found_in_time_fails_and_can_be_replayed() {
    // A stopped process is known to be lost after three seconds.
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/multi_gpu/matrix.yaml")).unwrap();
    let project = Project::with_matrix(text);
    let ended = project.run(&[]);
    assert_eq!(ended.code, Some(1), "{}", ended.printed());
    let records = project.records();
    let [record] = &records[..] else { panic!("{records:?}") };
    let Verdict::Fail { reason } = &record.verdict else { panic!("{:?}", record.verdict) };
    assert!(reason.starts_with("rank 0 took ") && reason.ends_with("s to say so, at most 1 s are allowed"), "{reason}");

    let bundles: Vec<_> = fs::read_dir(project.only_run().join("bundles")).unwrap().collect();
    let [Ok(bundle)] = &bundles[..] else { panic!("{bundles:?}") };
    let replayed: Ended = program().arg("repro").arg(bundle.path()).output().unwrap().into();
    assert_eq!(replayed.code, Some(1), "{}", replayed.printed());
    assert!(replayed.stdout.contains("same bits"), "{}", replayed.printed());
    let minimised: Ended = program().arg("minimize").arg(bundle.path()).output().unwrap().into();
    assert_eq!(minimised.code, Some(2), "{}", minimised.printed());
    assert!(minimised.stderr.contains("what several ranks do together is not made smaller"), "{}", minimised.printed());
}

#[test]
#[ignore = "needs 2 NVIDIA GPUs and NCCL"]
fn the_cuda_cells_of_two_ranks_pass() {
    let project = Project::of_repository();
    let ended = project.run(&["--profile", "multi_gpu", "::w2"]);
    assert_eq!(ended.code, Some(0), "{}", ended.printed());
    let records = project.records();
    let cuda: Vec<_> = records.into_iter().filter(|record| record.cell.device == Device::Cuda).collect();
    assert!(cuda.iter().all(|record| record.verdict == Verdict::Pass));
    let gives_back = |fault: &&FaultFacts| fault.survivors.iter().all(|rank| rank.free_memory_after.is_some());
    let faults = faults(&cuda);
    assert!(faults.len() >= 20 && faults.iter().all(gives_back), "{}", faults.len());
    assert!(ended.stdout.contains("bus GB/s of"), "{}", ended.printed());
}
