//! docs/mutants.md lists what there is.
//!
//! `ROBOCACHE_UPDATE_MUTANTS=1 cargo test -p fault-injection --test document` writes the table anew.

use std::{collections::BTreeSet, env, fmt::Write as _, fs, path::Path};

use fault_injection::{Catalogue, Kind, Mutant};
use robocache_core::subject::Place;

const BEGIN: &str = "<!-- kinds: begin -->\n";
const END: &str = "<!-- kinds: end -->";

fn table() -> String {
    let [cpu, cuda] = [Place::Cpu, Place::Cuda].map(|device| Catalogue::embedded(device).unwrap().mutants);
    let mut table = "| kind | what is wrong | mutants of the CPU | of CUDA |\n|---|---|---|---|\n".to_owned();
    for &kind in Kind::ALL {
        let named = |mutants: &[Mutant]| {
            let of_kind = mutants.iter().filter(|mutant| mutant.kind == kind);
            let names: Vec<_> = of_kind.map(|mutant| format!("`{}`", mutant.name)).collect();
            if names.is_empty() { "none yet".to_owned() } else { names.join(", ") }
        };
        let _ = writeln!(table, "| `{kind}` | {} | {} | {} |", kind.description(), named(&cpu), named(&cuda));
    }
    table
}

#[test]
fn the_table_of_kinds_is_what_there_is() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/mutants.md");
    let text = fs::read_to_string(&path).unwrap();
    let start = text.find(BEGIN).unwrap() + BEGIN.len();
    let end = start + text[start..].find(END).unwrap();
    if env::var_os("ROBOCACHE_UPDATE_MUTANTS").is_some() {
        fs::write(&path, [&text[..start], &table(), &text[end..]].concat()).unwrap();
        return;
    }
    assert_eq!(&text[start..end], table(), "run with ROBOCACHE_UPDATE_MUTANTS=1");
}

#[test]
fn the_numbers_that_pages_give_are_right() {
    let [(mutants, kinds), (cuda_mutants, cuda_kinds)] = [Place::Cpu, Place::Cuda].map(|device| {
        let mutants = Catalogue::embedded(device).unwrap().mutants;
        let kinds: BTreeSet<Kind> = mutants.iter().map(|mutant| mutant.kind).collect();
        (mutants, kinds)
    });
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = |name: &str| fs::read_to_string(root.join(name)).unwrap();
    assert!(page("README.md").contains(&format!("{} seeded defects and cheats", mutants.len())), "{}", mutants.len());
    let sentence = format!("{} mutants of {} of the kinds", mutants.len(), kinds.len());
    assert!(page("docs/mutants.md").contains(&sentence), "{sentence}");
    assert!(page("README.md").contains(&format!("`--device cuda`: {} in the CUDA kernels", cuda_mutants.len())));
    let sentence = format!("there are {} mutants of {} of the kinds for CUDA", cuda_mutants.len(), cuda_kinds.len());
    assert!(page("docs/mutants.md").contains(&sentence), "{sentence}");
}
