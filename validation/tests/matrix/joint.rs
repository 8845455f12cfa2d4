//! Cells of several ranks, of this repository's matrix and on machines with more or fewer GPUs.

use std::collections::{BTreeMap, BTreeSet};

use fault_injection::RankFault;
use robocache_core::{collective::Collective, dtype::DType, operators::registry, sharding::Partition};
use validation::{
    cell::{Cell, Device},
    machine::{Gpu, Machine},
    plan::{Plan, SkipReason},
    ranks::{environment::Launcher, launched::Launched},
    suites::{Joint, SuiteSettings, Task},
};

use crate::{
    machines::{laptop, workstation},
    repository::plan,
};

/// A workstation with so many GPUs of these models.
fn server(models: &[&str]) -> Machine {
    let one = workstation(&[]);
    let gpu = |(number, model): (usize, &&str)| Gpu {
        name: (*model).to_owned(),
        uuid: format!("GPU-{number}"),
        ..one.gpus[0].clone()
    };
    Machine { gpus: models.iter().enumerate().map(gpu).collect(), ..one }
}

fn joint(cell: &Cell) -> Option<Joint> {
    match &cell.suite {
        SuiteSettings::MultiGpu(settings) => settings.joint,
        SuiteSettings::Determinism(_)
        | SuiteSettings::Accuracy(_)
        | SuiteSettings::LaunchCount(_)
        | SuiteSettings::BackwardCompat(_)
        | SuiteSettings::Performance(_) => None,
    }
}

/// Why CUDA cells of each number of ranks are skipped.
fn skips(plan: &Plan) -> BTreeMap<usize, BTreeSet<Option<String>>> {
    let mut skips: BTreeMap<usize, BTreeSet<Option<String>>> = BTreeMap::new();
    for planned in plan.cells.iter().filter(|planned| planned.cell.device == Device::Cuda) {
        let reason = planned.skip.as_ref().map(|skip| match skip {
            SkipReason::MachineLacks(what) => what.clone(),
            other => panic!("{}: {other:?}", planned.cell),
        });
        skips.entry(joint(&planned.cell).unwrap().world).or_default().insert(reason);
    }
    skips
}

#[test]
fn worlds_that_are_larger_than_the_machine_are_skipped_and_say_so() {
    let four = skips(&plan("multi_gpu", &server(&["H100"; 4])));
    assert!(four.keys().eq(&[1, 2, 3, 4]) && four.values().all(|reasons| *reasons == [None].into()), "{four:?}");
    let two = skips(&plan("multi_gpu", &server(&["H100"; 2])));
    assert_eq!(two[&2], [None].into());
    assert_eq!(two[&3], [Some("3 GPUs: this machine has 2".to_owned())].into());
    assert_eq!(plan("multi_gpu", &server(&["H100"; 2])).missing_requirements, [""; 0]);
    assert_eq!(
        plan("multi_gpu", &server(&["H100"])).missing_requirements,
        ["nccl: 2: this machine has 1 GPUs that CUDA can use"]
    );
    let eight = skips(&plan("eight_gpus", &server(&["H100"; 8])));
    assert!(eight.keys().eq(&[5, 6, 7, 8]) && eight.values().all(|reasons| *reasons == [None].into()), "{eight:?}");
}

#[test]
fn launched_ranks_may_have_their_gpus_on_other_machines() {
    let launched = Launched { launcher: Launcher::Slurm, device: Device::Cuda, world: 8 };
    let machine = Machine { launched: Some(launched), ..server(&["H100"; 4]) };
    let led = plan("eight_gpus", &machine);
    assert_eq!(led.missing_requirements, [""; 0]);
    let skips = skips(&led);
    assert_eq!(skips[&7], [Some("7 ranks on cuda: the launcher started 8 on cuda".to_owned())].into());
    let fault = "a rank that Slurm (SLURM_PROCID) started is not started again, so none may be lost".to_owned();
    assert_eq!(skips[&8], [None, Some(fault)].into());

    let few = Machine { launched: Some(Launched { world: 5, ..launched }), ..machine };
    assert_eq!(plan("eight_gpus", &few).missing_requirements, ["nccl: 8: Slurm (SLURM_PROCID) started 5 ranks"]);
}

#[test]
fn gpus_of_two_models_are_no_world() {
    let mixed = skips(&plan("multi_gpu", &server(&["H100", "H100", "A100", "H100"])));
    assert_eq!(mixed[&2], [None].into());
    assert_eq!(mixed[&3], [Some("3 GPUs of one model: this machine has H100 and A100".to_owned())].into());
}

#[test]
fn without_nccl_cuda_cells_are_skipped_and_cpu_cells_are_not() {
    let machine = Machine { nccl: Err("libnccl.so.2 was not found".to_owned()), ..server(&["H100"; 4]) };
    let without = plan("multi_gpu", &machine);
    assert_eq!(without.missing_requirements, ["nccl: 2: libnccl.so.2 was not found"]);
    assert!(skips(&without).values().all(|reasons| *reasons == [Some("libnccl.so.2 was not found".to_owned())].into()));
    let cpu: Vec<_> = without.cells.iter().filter(|planned| planned.cell.device == Device::Cpu).collect();
    assert!(cpu.len() > 100 && cpu.iter().all(|planned| planned.skip.is_none()));
}

#[test]
fn the_profile_has_every_collective_fault_operator_and_partition() {
    let cells: Vec<_> = plan("multi_gpu", &laptop()).cells.into_iter().map(|planned| planned.cell).collect();
    let cuda = || cells.iter().filter(|cell| cell.device == Device::Cuda).map(|cell| (cell, joint(cell).unwrap()));
    for world in 1..=4 {
        for collective in Collective::all() {
            for dtype in DType::ALL {
                let blocks: BTreeSet<_> = cuda()
                    .filter(|(cell, joint)| cell.dtype == dtype && joint.world == world)
                    .filter_map(|(_, joint)| match joint.task {
                        Task::Collective { collective: of, block } if of == collective => Some(block),
                        Task::Collective { .. } | Task::Sharded { .. } | Task::DataParallel | Task::Fault { .. } => {
                            None
                        }
                    })
                    .collect();
                let edge = [0, 1, 3, 1021, 65_537, 1_048_576].into_iter().collect::<BTreeSet<_>>();
                assert!(blocks.is_superset(&edge), "{collective} {dtype} {world}: {blocks:?}");
            }
        }
    }
    let faults: Vec<_> = cuda()
        .filter_map(|(_, joint)| match joint.task {
            Task::Fault { fault, .. } => Some((joint.world, fault)),
            Task::Collective { .. } | Task::Sharded { .. } | Task::DataParallel => None,
        })
        .collect();
    assert!(faults.len() >= 40, "{}", faults.len());
    for fault in RankFault::all() {
        assert!([2, 4].iter().all(|&world| faults.contains(&(world, fault))), "{fault}");
    }
    for operator in registry().iter() {
        for world in 1..=4 {
            let partitions: BTreeSet<_> = cuda()
                .filter(|(cell, joint)| cell.operator == operator.name() && joint.world == world)
                .filter_map(|(_, joint)| match joint.task {
                    Task::Sharded { partition } => Some(partition),
                    Task::Collective { .. } | Task::DataParallel | Task::Fault { .. } => None,
                })
                .collect();
            assert!(partitions.contains(&Partition::Even), "{} {world}", operator.name());
            assert_eq!(partitions.len() > 1, world > 1, "{} {world}", operator.name());
        }
    }
}

#[test]
fn the_number_of_ranks_changes_no_data() {
    let cells: Vec<_> = plan("multi_gpu", &laptop()).cells.into_iter().map(|planned| planned.cell).collect();
    let mut seeds = BTreeMap::new();
    for cell in &cells {
        let name = cell.name.replace("::cuda::", "::cpu::");
        let (data, _) = name.rsplit_once("::").unwrap();
        assert_eq!(*seeds.entry(data.to_owned()).or_insert(cell.seed), cell.seed, "{cell}");
    }
    assert!(seeds.len() > 500 && seeds.len() < cells.len());
}
