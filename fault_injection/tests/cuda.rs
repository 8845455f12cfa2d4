//! The mutants of the CUDA kernels: as many as are promised, and every one compiles to other machine code.

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use fault_injection::{Catalogue, CatalogueError, Control, Kind, Nvcc, PatchError, Suite};
use robocache_core::subject::Place;

fn catalogue() -> Catalogue {
    Catalogue::embedded(Place::Cuda).unwrap()
}

#[test]
fn there_are_many_mutants_of_many_kinds_and_controls_beside_them() {
    let Catalogue { mutants, controls, .. } = catalogue();
    let kinds: BTreeSet<Kind> = mutants.iter().map(|mutant| mutant.kind).collect();
    assert!(mutants.len() >= 62, "{} mutants", mutants.len());
    assert!(kinds.len() >= 31, "{} kinds", kinds.len());
    assert_eq!(controls[0].name, Control::UNPATCHED);
    assert!(controls.len() >= 5, "{} controls", controls.len());
    // Only these suites are run on them.
    let is_run = |suite: Suite| suite == Suite::Accuracy || suite == Suite::Determinism;
    assert!(mutants.iter().all(|mutant| is_run(mutant.killed_by) && !mutant.operators.is_empty()));
}

#[test]
fn no_two_are_the_same() {
    let Catalogue { mutants, controls, .. } = catalogue();
    let all = || mutants.iter().map(|mutant| (&mutant.what, &mutant.diff));
    let all: Vec<_> = all().chain(controls.iter().map(|control| (&control.what, &control.diff))).collect();
    let (sentences, diffs): (BTreeSet<_>, BTreeSet<_>) = all.iter().copied().unzip();
    assert_eq!((sentences.len(), diffs.len()), (all.len(), all.len()));
}

#[test]
fn a_patch_of_lines_that_are_gone_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let patches = folder.path().join("mutants/cuda");
    fs::create_dir_all(&patches).unwrap();
    let real = Path::new(env!("CARGO_MANIFEST_DIR")).join("mutants/cuda/weights_swapped.patch");
    let text = fs::read_to_string(real).unwrap();
    fs::write(patches.join("good.patch"), &text).unwrap();
    assert_eq!(Catalogue::read(Place::Cuda, folder.path()).unwrap().mutants.len(), 1);
    fs::write(patches.join("stale.patch"), text.replace("-    return __fadd_rn(", "-    return __fadd_rz(")).unwrap();
    match Catalogue::read(Place::Cuda, folder.path()) {
        Err(CatalogueError::Patch { file, source: PatchError::Absent { .. } }) => assert_eq!(file, "stale.patch"),
        other => panic!("{other:?}"),
    }
}

/// Some minutes on two cores. `ROBOCACHE_MUTANTS=clamp` compiles only those whose names say so.
#[test]
#[ignore = "needs nvcc, and minutes"]
fn everything_compiles_to_other_machine_code() {
    let catalogue = catalogue();
    let nvcc = Nvcc::find().unwrap();
    let filter = std::env::var("ROBOCACHE_MUTANTS").unwrap_or_default();
    let mutants = catalogue.mutants.iter().map(|mutant| (mutant.name.as_str(), mutant.diff.as_str()));
    let controls = catalogue.controls.iter().map(|control| (control.name.as_str(), control.diff.as_str()));
    let all: Vec<_> = mutants.chain(controls).filter(|(name, _)| name.contains(&filter)).collect();
    assert!(!all.is_empty(), "nothing contains `{filter}`");

    let folder = tempfile::tempdir().unwrap();
    let compile = |name: &str, diff: &str| {
        let folder = folder.path().join(name);
        let image =
            nvcc.compile(&catalogue.patched(diff).unwrap(), "9.0", &folder).map_err(|error| error.to_string())?;
        fs::read(image).map_err(|error| error.to_string())
    };
    let unpatched = compile("as_it_is", "").unwrap();
    let (next, refused) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(&(name, diff)) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let refusal = match compile(name, diff) {
                        Err(error) => Some(error),
                        Ok(image) => ((image == unpatched) != diff.is_empty()).then(|| "changes nothing".to_owned()),
                    };
                    refused.lock().unwrap().extend(refusal.map(|reason| format!("{name}: {reason}")));
                }
            });
        }
    });
    let refused = refused.into_inner().unwrap();
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}
