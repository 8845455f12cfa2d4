//! Every patch applies and compiles, and there are as many as are promised.

use std::{
    collections::BTreeSet,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use fault_injection::{Catalogue, Compiler, Control, Kind};
use robocache_core::subject::Place;

#[test]
fn there_are_many_mutants_of_many_kinds_and_controls_beside_them() {
    let catalogue = Catalogue::embedded(Place::Cpu).unwrap();
    let kinds: BTreeSet<Kind> = catalogue.mutants.iter().map(|mutant| mutant.kind).collect();
    assert!(catalogue.mutants.len() >= 40, "{} mutants", catalogue.mutants.len());
    assert!(kinds.len() >= 27, "{} kinds", kinds.len());
    let cheats = catalogue.mutants.iter().filter(|mutant| mutant.kind == Kind::Cheat).count();
    assert!(cheats >= 7, "{cheats} cheats");
    assert_eq!(catalogue.controls[0].name, Control::UNPATCHED);
    assert!(catalogue.controls.len() >= 4, "{} controls", catalogue.controls.len());
}

#[test]
fn the_catalogue_of_cuda_can_be_read() {
    let catalogue = Catalogue::embedded(Place::Cuda).unwrap();
    assert_eq!(catalogue.controls[0].name, Control::UNPATCHED);
}

#[test]
fn no_two_mutants_are_the_same() {
    let catalogue = Catalogue::embedded(Place::Cpu).unwrap();
    let sentences: BTreeSet<_> = catalogue.mutants.iter().map(|mutant| &mutant.what).collect();
    let diffs: BTreeSet<_> = catalogue.mutants.iter().map(|mutant| &mutant.diff).collect();
    assert_eq!((sentences.len(), diffs.len()), (catalogue.mutants.len(), catalogue.mutants.len()));
}

#[test]
fn everything_compiles() {
    let catalogue = Catalogue::embedded(Place::Cpu).unwrap();
    let compiler = Compiler::find().unwrap();
    let mutants = catalogue.mutants.iter().map(|mutant| (&mutant.name, &mutant.diff));
    let all: Vec<_> = mutants.chain(catalogue.controls.iter().map(|control| (&control.name, &control.diff))).collect();
    let folder = tempfile::tempdir().unwrap();
    let (next, refused) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(&(name, diff)) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let sources = catalogue.patched(diff).unwrap();
                    if let Err(error) = compiler.compile(&sources, &folder.path().join(name)) {
                        refused.lock().unwrap().push(format!("{name}: {error}"));
                    }
                }
            });
        }
    });
    let refused = refused.into_inner().unwrap();
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}
