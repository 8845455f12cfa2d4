//! Mutants of the CUDA kernels: what needs no GPU.

use std::collections::BTreeSet;

use fault_injection::Catalogue;
use robocache_core::{operators, subject::Place};
use validation::{
    machine::{Gpu, Machine},
    matrix::{Kind, Matrix},
    plan::Plan,
};
use validation_testing::project::{Project, machine};

use crate::patches::mutants;

#[test]
fn they_can_be_listed_on_any_machine() {
    let ended = mutants(&Project::new(), &["--device", "cuda", "--list"]);
    assert_eq!(ended.code, Some(0), "{}", ended.printed());
    assert!(ended.stdout.contains("places_read_early: missing_barrier, killed by determinism."), "{}", ended.printed());
    assert!(ended.stdout.contains("no_barrier_after_tile: control."), "{}", ended.printed());
}

#[test]
fn without_a_gpu_they_are_skipped_with_the_reason() {
    if !machine().gpus.is_empty() {
        return;
    }
    let project = Project::new();
    let ended = mutants(&project, &["--device", "cuda"]);
    assert_eq!(ended.code, Some(3), "{}", ended.printed());
    assert!(ended.stderr.contains("INCOMPLETE: mutants of CUDA kernels were skipped: "), "{}", ended.printed());
    assert!(!project.output().exists());
}

#[test]
fn on_a_gpu_every_mutant_meets_the_suite_that_must_find_it() {
    let registry = operators::registry();
    let matrix = Matrix::from_bytes("mutants_cuda.yaml", fault_injection::CUDA_MATRIX.as_bytes(), &registry).unwrap();
    let gpu = Gpu {
        name: "NVIDIA H200".to_owned(),
        uuid: "GPU-0".to_owned(),
        compute_capability: "9.0".to_owned(),
        memory_bytes: 140 << 30,
    };
    let machine = Machine { gpus: vec![gpu], cuda_missing: None, ..machine() };
    let today = jiff::Zoned::now().date();
    let plan = Plan::expand_of(Kind::Validation, &matrix, "cuda", &machine, &registry, today).unwrap();
    assert!(plan.cells.iter().all(|planned| planned.skip.is_none()));
    let run: BTreeSet<_> =
        plan.cells.iter().map(|planned| (planned.cell.suite.name(), planned.cell.operator.as_str())).collect();
    for mutant in Catalogue::embedded(Place::Cuda).unwrap().mutants {
        for operator in &mutant.operators {
            assert!(run.contains(&(mutant.killed_by.name(), operator.as_str())), "{}", mutant.name);
        }
    }
}
