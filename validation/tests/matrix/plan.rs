//! From a matrix to the cells of a profile.

use std::collections::BTreeMap;

use jiff::civil::date;
use robocache_core::{
    parameters::{Parameters, Value},
    random::Seed,
};
use validation::{
    cell::{Cell, Input, Limits},
    dataset::Expectation,
    machine::Machine,
    matrix::Matrix,
    plan::{Plan, SkipReason},
    suites::{DeterminismSettings, LaunchCountSettings, SuiteSettings},
};

use crate::{
    fixture,
    machines::{laptop, workstation},
    operators,
};

fn matrix(text: &str) -> Matrix {
    Matrix::parse("matrix.yaml", text, &operators::registry()).unwrap_or_else(|diagnostic| panic!("{diagnostic}"))
}

fn plan_of(text: &str, profile: &str, machine: &Machine) -> Plan {
    Plan::expand(&matrix(text), profile, machine, &operators::registry(), date(2026, 11, 22))
        .unwrap_or_else(|diagnostic| panic!("{diagnostic}"))
}

fn good(profile: &str, machine: &Machine) -> Plan {
    plan_of(&fixture("good.yaml"), profile, machine)
}

fn cell<'a>(plan: &'a Plan, name: &str) -> &'a Cell {
    let planned = plan.cells.iter().find(|planned| planned.cell.name == name);
    &planned.unwrap_or_else(|| panic!("no cell {name}")).cell
}

fn seeds(plan: &Plan) -> BTreeMap<String, Seed> {
    plan.cells.iter().map(|planned| (planned.cell.name.clone(), planned.cell.seed)).collect()
}

#[test]
fn a_plan_lists_every_cell_in_order_with_its_reason() {
    let lines = good("quick", &laptop()).cells.into_iter().map(|planned| match planned.skip {
        None => planned.cell.name,
        Some(reason) => format!("{} skipped: {reason:?}", planned.cell.name),
    });
    insta::assert_snapshot!(lines.collect::<Vec<_>>().join("\n"));
}

#[test]
fn what_can_run_depends_on_the_machine_and_the_names_do_not() {
    let names = |machine: &Machine| seeds(&good("all", machine)).into_keys().collect::<Vec<_>>();
    assert_eq!(names(&laptop()), names(&workstation(&["scan"])));
    let plan = good("all", &workstation(&["scan"]));
    let reason = |name: &str| plan.cells.iter().find(|planned| planned.cell.name == name).unwrap().skip.clone();
    assert_eq!(reason("accuracy::scatter::cpu::f32::mean::scan"), None);
    assert_eq!(
        reason("accuracy::scatter::cuda::f32::mean::scan"),
        Some(SkipReason::Excluded("no scan on this device".to_owned())),
    );
    assert_eq!(
        reason("accuracy::scale::cuda::f16::n0_timesf32::uniform"),
        Some(SkipReason::MachineLacks("a CUDA implementation of `scale`".to_owned())),
    );
    assert_eq!(
        reason("accuracy::scale::cpu::f16::recorded::log"),
        Some(SkipReason::DatasetMissing("log: it was not looked for, as no data folder was given".to_owned())),
    );
}

#[test]
fn requirements_that_the_machine_lacks_are_named() {
    assert_eq!(good("quick", &laptop()).missing_requirements, [""; 0]);
    assert_eq!(
        good("all", &laptop()).missing_requirements,
        [
            "cuda: libcuda.so.1 is not installed",
            "cupti: libcupti.so.13 is not installed",
            "nccl: 2: libnccl.so.2 is not installed",
            "datasets: log: it was not looked for, as no data folder was given; scan: it was not looked for, as no data folder was given",
        ],
    );
    assert_eq!(
        good("all", &workstation(&["scan", "log"])).missing_requirements,
        ["nccl: 2: this machine has 1 GPUs that CUDA can use"],
    );
    let mut two = workstation(&["scan", "log"]);
    two.gpus.extend(two.gpus.clone());
    assert_eq!(good("all", &two).missing_requirements, [""; 0]);
}

#[test]
fn a_profile_sets_every_limit() {
    let text = fixture("good.yaml");
    let set = "set: {repeats: 2, deadline_s: 3, memory_mib: 5, own_process: true}";
    let changed = text.replacen("set: {repeats: 2}", set, 1);
    assert_ne!(changed, text);
    let plan = plan_of(&changed, "quick", &laptop());
    let limits = cell(&plan, "determinism::scatter::cpu::f32::modecount_n3::uniform").limits;
    assert_eq!(limits, Limits { deadline_ms: 3_000, memory_bytes: Some(5 << 20), fresh_process: true });
}

#[test]
fn arguments_may_stand_for_as_many_problems_as_are_let_in() {
    let text = fixture("good.yaml");
    let values: Vec<String> = (0..5_000).map(|value| (value % 100).to_string()).collect();
    // As many times the two words of `times`. That names repeat is a question of the plan.
    let changed = text.replacen("n: [0, 10]", &format!("n: [{}]", values.join(", ")), 1);
    assert_ne!(changed, text);
    matrix(&changed);
}

#[test]
fn the_narrower_word_wins() {
    let settings = |plan: &Plan, name: &str| cell(plan, name).suite.clone();
    let determinism =
        |repeats, fresh_process| SuiteSettings::Determinism(DeterminismSettings { repeats, fresh_process });
    let (quick, all) = (good("quick", &laptop()), good("all", &laptop()));
    // The matrix, then the profile, then the selection, then overrides.
    let scatter = "determinism::scatter::cpu::f32::modecount_n3::uniform";
    assert_eq!(settings(&all, scatter), determinism(20, true));
    assert_eq!(settings(&quick, scatter), determinism(2, true));
    assert_eq!(settings(&quick, "determinism::scale::cpu::f16::n0_timesf32::uniform"), determinism(30, true));
    let large = "determinism::scatter::cpu::f32::modemean_n1000_streams1x2::uniform";
    assert_eq!(settings(&all, large), determinism(20, false));
    assert_eq!(cell(&all, large).limits.deadline_ms, 20_000);
    assert_eq!(cell(&all, scatter).limits.deadline_ms, 10_000);
    assert_eq!(cell(&all, scatter).limits.memory_bytes, Some(64 << 20));
}

#[test]
fn all_devices_get_the_same_data() {
    let all = good("all", &laptop());
    for (name, seed) in seeds(&all) {
        let other = name.replace("::cpu::", "::cuda::");
        assert_eq!(seed, cell(&all, &other).seed, "{name}");
    }
}

#[test]
fn a_recorded_cell_knows_its_dataset() {
    let matrix = matrix(&fixture("good.yaml"));
    let plan = good("quick", &laptop());
    let scan = cell(&plan, "accuracy::scatter::cpu::f32::count::scan");
    assert_eq!(scan.input, Input::Recorded("scan".to_owned()));
    let spec = matrix.dataset(scan).unwrap();
    assert_eq!(spec.file, "scan.ply");
    // An integer that is written where a number belongs is that number.
    let arguments = [("mode", Value::Word("count".to_owned())), ("size", Value::Number(1.0))];
    let arguments = Parameters::new(arguments.map(|(name, value)| (name.to_owned(), value)));
    assert_eq!((&spec.parameters, &scan.parameters), (&arguments, &arguments));
    let log = cell(&plan, "accuracy::scale::cpu::f16::recorded::log");
    assert_eq!(log.expect, Expectation::Rejected("truncated".to_owned()));
    assert_eq!(matrix.dataset(log).unwrap().rate_hz, Some(100.0));
    assert_eq!(matrix.dataset(cell(&plan, "accuracy::scale::cpu::f16::n0_timesf32::uniform")), None);
    assert_eq!(matrix.datasets().collect::<Vec<_>>(), [("scan", "scan.ply"), ("log", "a/log.csv")]);
}

/// The good matrix with the suite launch_count, and these overrides before its own.
fn with_budgets(overrides: &str) -> String {
    let budgets = concat!(
        "  launch_count:\n    budgets:\n",
        "      - {cells: \"*::scatter::*::*modecount*\", kernels: {scatter_count: 1}, memsets: 1}\n",
        "      - {cells: \"*::scatter::*\", kernels: {\"scatter_*\": 2}}\n",
        "      - {cells: \"*\", kernels: {not_known: 1}}\n",
        "operators:\n",
    );
    let text = fixture("good.yaml").replace("operators:\n", budgets);
    text.replace("override:\n", &format!("override:\n{overrides}"))
}

fn budget(plan: &Plan, name: &str) -> LaunchCountSettings {
    match &cell(plan, name).suite {
        SuiteSettings::LaunchCount(budget) => budget.clone(),
        SuiteSettings::Determinism(_)
        | SuiteSettings::Accuracy(_)
        | SuiteSettings::BackwardCompat(_)
        | SuiteSettings::MultiGpu(_)
        | SuiteSettings::Performance(_) => panic!("{name} is of another suite"),
    }
}

#[test]
fn cells_get_the_first_budget_that_matches_and_overrides_change_it() {
    let tighter = "  - {cells: \"*::scatter::*_n3*\", set: {memsets: 0}, reason: it clears by itself}\n";
    let plan = plan_of(&with_budgets(tighter), "all", &laptop());
    let settings = |pattern: &str, launches, memsets| LaunchCountSettings {
        kernels: [(pattern.to_owned(), launches)].into(),
        copies: 0,
        memsets,
    };
    let name = |problem: &str| format!("launch_count::scatter::cuda::f32::{problem}::uniform");
    assert_eq!(budget(&plan, &name("modecount_n3")), settings("scatter_count", 1, 0));
    assert_eq!(budget(&plan, &name("modemean_n3")), settings("scatter_*", 2, 0));
    assert_eq!(budget(&plan, "launch_count::scale::cuda::f16::n0_timesf32::uniform"), settings("not_known", 1, 0));
}

#[test]
fn no_change_of_the_matrix_changes_the_seeds_of_the_cells_that_remain() {
    let text = fixture("good.yaml");
    let before = seeds(&plan_of(&text, "all", &laptop()));
    let changes = [
        ("devices: [cpu, cuda]", "devices: [cuda, cpu]"),
        ("n: [1, 2], grid: [1, 2, 3]", "grid: [1, 2, 3], n: [9, 2, 1]"),
        ("  accuracy: {random_problems: 16}\n", ""),
        ("      small:\n        - n: [0, 10]", "      first:\n        - n: [10]"),
        ("dtypes: [f16]", "dtypes: [f32, f16]"),
        ("problems: all, datasets: all", "problems: [large, small], distributions: [one_voxel]"),
        ("repeats: 20", "repeats: 21"),
    ];
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        let changed = text.replacen(from, to, 1);
        // What a change takes away from other parts of the file is not what is looked at here.
        let changed = changed.split_once("exclude:").unwrap().0.to_owned()
            + "profiles: {all: {description: All., select: [{problems: all, datasets: all}]}}\n";
        let changed = match from.starts_with("problems: all") {
            true => changed.replace(from, to),
            false => changed,
        };
        let after = seeds(&plan_of(&changed, "all", &laptop()));
        let mut common = 0;
        for (name, seed) in &after {
            if let Some(old) = before.get(name) {
                assert_eq!(seed, old, "{name} after {to}");
                common += 1;
            }
        }
        assert!(common > 20, "only {common} cells are left after {to}");
    }
    let other = seeds(&plan_of(&text.replace("seed: 7", "seed: 8"), "all", &laptop()));
    assert!(before.iter().all(|(name, seed)| other[name] != *seed));
}

#[test]
fn a_matrix_is_known_by_the_hash_of_its_bytes() {
    let text = fixture("good.yaml");
    assert_eq!(matrix(&text).hash(), blake3::hash(text.as_bytes()).to_hex().to_string());
    assert_eq!(matrix(&text).text(), text);
    assert_eq!(matrix(&text).file_name(), "matrix.yaml");
}
