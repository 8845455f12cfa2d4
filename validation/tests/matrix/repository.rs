//! The matrix of this repository, with RoboCache's own operators.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use jiff::civil::date;
use proptest::prelude::*;
use robocache_core::{
    dtype::DType, operators::registry, parameters::ParameterKind, parameters::Value, registry::Registry,
};
use validation::{
    cell::{Cell, Device, Input},
    golden::corpora,
    machine::Machine,
    matrix::{Matrix, schema},
    plan::{Plan, SkipReason},
    suites::SuiteSettings,
};

use crate::{
    json_schema::misfits,
    machines::{laptop, workstation},
};

fn text() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../matrix.yaml");
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub(crate) fn plan(profile: &str, machine: &Machine) -> Plan {
    let registry = registry();
    let goldens = Path::new(env!("CARGO_MANIFEST_DIR")).join("../goldens");
    let expanded = Matrix::parse("matrix.yaml", &text(), &registry).and_then(|matrix| {
        let machine = Machine { goldens: corpora(&goldens, &matrix), ..machine.clone() };
        Plan::expand(&matrix, profile, &machine, &registry, date(2026, 11, 22))
    });
    expanded.unwrap_or_else(|diagnostic| panic!("{diagnostic}"))
}

fn cells(profile: &str) -> Vec<Cell> {
    plan(profile, &laptop()).cells.into_iter().map(|planned| planned.cell).collect()
}

fn output_elements(registry: &Registry, cell: &Cell) -> u64 {
    let operator = registry.get(&cell.operator).expect("a registered operator");
    let problem = operator.problem(cell.dtype, &cell.parameters).expect("a valid problem");
    problem.outputs().iter().map(|output| output.shape.elements() as u64).sum()
}

#[test]
fn it_fits_its_schema() {
    let matrix: serde_json::Value = serde_yaml::from_str(&text()).expect("YAML");
    assert_eq!(misfits(&schema(&registry()), &matrix), [""; 0]);
}

#[test]
fn every_profile_says_whether_it_needs_a_gpu() {
    assert_eq!(plan("quick", &laptop()).missing_requirements, [""; 0]);
    for profile in ["nightly", "lab"] {
        let lacks = ["cuda: libcuda.so.1 is not installed", "cupti: libcupti.so.13 is not installed"];
        assert_eq!(plan(profile, &laptop()).missing_requirements, lacks, "{profile}");
        assert_eq!(plan(profile, &workstation(&[])).missing_requirements, [""; 0], "{profile}");
    }
}

#[test]
fn quick_executes_every_cpu_cell_and_skips_only_what_is_missing() {
    for planned in plan("quick", &laptop()).cells {
        let generated = matches!(planned.cell.input, Input::Generated(_) | Input::Golden(_) | Input::Pattern);
        let runs_here = planned.cell.device == Device::Cpu && generated;
        assert_eq!(planned.skip.is_none(), runs_here, "{}: {:?}", planned.cell, planned.skip);
    }
}

#[test]
fn every_profile_has_every_operator_dtype_word_and_distribution_on_every_device_and_suite() {
    let registry = registry();
    for profile in ["quick", "nightly", "lab"] {
        let cells = cells(profile);
        for suite in ["determinism", "accuracy"] {
            for device in [Device::Cpu, Device::Cuda] {
                for operator in registry.iter() {
                    let of_these = |cell: &&Cell| {
                        (cell.suite.name(), cell.device, cell.operator.as_str()) == (suite, device, operator.name())
                    };
                    let cells: Vec<_> = cells.iter().filter(of_these).collect();
                    let place = format!("{profile} {suite} {device} {}", operator.name());
                    let dtypes: BTreeSet<_> = cells.iter().map(|cell| cell.dtype).collect();
                    assert_eq!(dtypes, operator.dtypes().iter().copied().collect::<BTreeSet<_>>(), "{place}");
                    for &distribution in operator.distributions() {
                        let input = Input::Generated(distribution);
                        assert!(cells.iter().any(|cell| cell.input == input), "{place}: no {distribution}");
                    }
                    for spec in operator.parameters() {
                        let ParameterKind::Word(words) = spec.kind else { continue };
                        for &word in words {
                            let value = Value::Word(word.to_owned());
                            let used = cells.iter().any(|cell| cell.parameters.get(spec.name) == Some(&value));
                            assert!(used, "{place}: no {} {word}", spec.name);
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn every_profile_counts_the_launches_of_every_operator_dtype_and_word() {
    let registry = registry();
    for profile in ["quick", "nightly", "lab"] {
        let cells = cells(profile);
        let counted: Vec<_> = cells.iter().filter(|cell| cell.suite.name() == "launch_count").collect();
        assert!(counted.iter().all(|cell| cell.device == Device::Cuda), "{profile}");
        for operator in registry.iter() {
            let of_it = || counted.iter().filter(|cell| cell.operator == operator.name());
            let dtypes: BTreeSet<_> = of_it().map(|cell| cell.dtype).collect();
            assert_eq!(dtypes, operator.dtypes().iter().copied().collect::<BTreeSet<_>>(), "{profile}");
            for spec in operator.parameters() {
                let ParameterKind::Word(words) = spec.kind else { continue };
                for &word in words {
                    let value = Value::Word(word.to_owned());
                    let used = of_it().any(|cell| cell.parameters.get(spec.name) == Some(&value));
                    assert!(used, "{profile} {}: no {} {word}", operator.name(), spec.name);
                }
            }
        }
        // Empty problems launch nothing, which never passes.
        let outputs = counted.iter().map(|cell| output_elements(&registry, cell));
        assert!(outputs.min() > Some(0), "{profile}");
    }
}

#[test]
fn every_profile_reproduces_every_golden_on_every_device() {
    for profile in ["quick", "nightly", "lab"] {
        let cells = cells(profile);
        let of_device = |device| {
            let goldens = cells.iter().filter(|cell| matches!(cell.input, Input::Golden(_)) && cell.device == device);
            goldens.collect::<Vec<_>>()
        };
        let (cpu, cuda) = (of_device(Device::Cpu), of_device(Device::Cuda));
        assert!(cpu.len() >= 200 && cpu.len() == cuda.len(), "{profile}: {} and {}", cpu.len(), cuda.len());
        for operator in registry().iter() {
            for &distribution in operator.distributions() {
                let end = format!("::{distribution}::0.1.0");
                let of_it = |cell: &&&Cell| cell.operator == operator.name() && cell.name.ends_with(&end);
                let dtypes: BTreeSet<_> = cpu.iter().filter(of_it).map(|cell| cell.dtype).collect();
                assert_eq!(dtypes, operator.dtypes().iter().copied().collect::<BTreeSet<_>>(), "{profile} {end}");
            }
        }
    }
}

#[test]
fn launches_are_counted_only_with_cupti() {
    let whole = workstation(&[]);
    let absence = "libcupti.so.13 was not found";
    let bare = Machine { cupti: Err(absence.to_owned()), ..whole.clone() };
    let reasons = |machine: &Machine, suite: &str| -> BTreeSet<Option<SkipReason>> {
        let cells = plan("nightly", machine).cells.into_iter();
        cells
            .filter(|planned| planned.cell.suite.name() == suite && matches!(planned.cell.input, Input::Generated(_)))
            .map(|planned| planned.skip)
            .collect()
    };
    assert_eq!(reasons(&whole, "launch_count"), [None].into());
    assert_eq!(reasons(&bare, "launch_count"), [Some(SkipReason::MachineLacks(absence.to_owned()))].into());
    assert_eq!(reasons(&bare, "determinism"), [None].into());
    assert_eq!(plan("nightly", &bare).missing_requirements, [format!("cupti: {absence}")]);
    assert_eq!(plan("quick", &bare).missing_requirements, [""; 0]);
}

#[test]
fn lab_compares_a_billion_elements_and_repeats_voxels_a_thousand_times() {
    let registry = registry();
    let mut elements = 0;
    let mut repeats = BTreeMap::<(String, DType), u64>::new();
    for cell in cells("lab") {
        let (SuiteSettings::Determinism(settings), Device::Cuda, Input::Generated(_)) =
            (&cell.suite, cell.device, &cell.input)
        else {
            continue;
        };
        elements += output_elements(&registry, &cell);
        if let Some(Value::Word(mode)) = cell.parameters.get("mode") {
            let most = repeats.entry((mode.clone(), cell.dtype)).or_default();
            *most = settings.repeats.max(*most);
        }
    }
    assert!(elements >= 1_000_000_000, "{elements}");
    // Two modes with features in three dtypes each, and two without.
    assert_eq!(repeats.len(), 8);
    assert!(repeats.values().all(|&repeats| repeats >= 1_000), "{repeats:?}");
}

#[test]
fn quick_stays_small() {
    let registry = registry();
    let cells: Vec<_> = cells("quick").into_iter().filter(|cell| cell.device == Device::Cpu).collect();
    let generated = cells.iter().filter(|cell| matches!(cell.input, Input::Generated(_)));
    let elements: u64 = generated.map(|cell| output_elements(&registry, cell)).sum();
    // About 20 ns an element, its reference included, and 10 ms a cell must stay within a minute on two cores.
    assert!(cells.len() < 3_000, "{} cells", cells.len());
    assert!(elements < 200_000_000, "{elements} elements");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn mutations_of_it_never_panic(
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), any::<bool>()), 1..4),
    ) {
        let mut bytes = text().into_bytes();
        for (at, byte, insert) in edits {
            let at = at.index(bytes.len());
            if insert { bytes.insert(at, byte) } else { bytes[at] = byte }
        }
        if let Err(diagnostic) = Matrix::from_bytes("matrix.yaml", &bytes, &registry()) {
            prop_assert!(diagnostic.to_string().contains("--> matrix.yaml:"));
        }
    }
}
