//! Reading matrices and expanding them to plans.

mod support;

use std::{collections::BTreeMap, path::Path};

use jiff::civil::{Date, date};
use validation::{
    machine::Machine,
    matrix::{Diagnostic, Matrix},
    plan::Plan,
};

const TODAY: Date = date(2026, 11, 22);

fn laptop() -> Machine {
    Machine {
        cpus: 2,
        gpus: Vec::new(),
        cuda_missing: Some("libcuda.so.1 is not installed".to_owned()),
        cupti: Err("libcupti.so.13 is not installed".to_owned()),
        nccl: Err("libnccl.so.2 is not installed".to_owned()),
        datasets: BTreeMap::new(),
    }
}

fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/matrix").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn plan(text: &str, profile: &str, machine: &Machine) -> Result<Plan, Diagnostic> {
    let registry = support::registry();
    let matrix = Matrix::parse("matrix.yaml", text, &registry)?;
    Plan::expand(&matrix, profile, machine, &registry, TODAY)
}

#[test]
fn a_plan_has_every_cell_with_its_reason() {
    let plan = plan(&fixture("good.yaml"), "quick", &laptop()).unwrap_or_else(|diagnostic| panic!("{diagnostic}"));
    let lines: Vec<_> = plan.cells.iter().map(|planned| format!("{} {:?}", planned.cell, planned.skip)).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn every_bad_matrix_draws_one_diagnostic_with_its_place() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/matrix/bad");
    let mut names: Vec<_> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert!(names.len() > 60, "the fixtures are gone");
    let mut diagnostics = String::new();
    for name in names {
        let text = fixture(&format!("bad/{name}"));
        let diagnostic = plan(&text, "quick", &laptop()).err().unwrap_or_else(|| panic!("{name} was accepted"));
        let place = diagnostic.place().unwrap_or_else(|| panic!("{name} has no place"));
        let plain = diagnostic.to_string();
        assert!(plain.contains(&format!("--> matrix.yaml:{}:{}\n", place.line, place.column)), "{name}: {plain}");
        assert!(plain.contains('^'), "{name}: {plain}");
        assert_eq!(plain.matches("error: ").count(), 1, "{name}: {plain}");
        assert!(!plain.contains('\u{1b}'), "{name} reaches the terminal with an escape: {plain}");
        diagnostics += &format!("--- {name}\n{plain}\n\n");
    }
    insta::assert_snapshot!(diagnostics);
}
