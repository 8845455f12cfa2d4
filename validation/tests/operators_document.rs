//! `docs/ops.md` says what calls launch: its table is that of the operators and the budgets, and a GPU agrees.
//!
//! `UPDATE_DOCUMENTS=1 cargo test -p validation --test operators_document` writes the table anew.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::{Path, PathBuf},
};

use jiff::civil::date;
use robocache_core::{
    cuda::{CudaSession, Device},
    operator::Operator,
    operators,
    parameters::{ParameterKind, Value},
};
use validation::{
    cell::{Cell, Input},
    golden::corpora,
    machine::Machine,
    matrix::Matrix,
    plan::Plan,
    suites::{LaunchCountSettings, SuiteSettings},
};

const BEGIN: &str = "<!-- launches: begin -->\n";
const END: &str = "<!-- launches: end -->";

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)
}

/// What stands between the markers.
fn written(text: &str) -> &str {
    let start = text.find(BEGIN).expect("docs/ops.md has a part `launches`") + BEGIN.len();
    &text[start..start + text[start..].find(END).unwrap()]
}

/// Cells of one operator that have one budget.
struct Row {
    operator: String,
    /// The words among the arguments that tell these cells from others of the operator, such as `mode: count`.
    variant: String,
    budget: LaunchCountSettings,
    cells: Vec<Cell>,
}

impl Row {
    fn label(&self) -> String {
        match self.variant.as_str() {
            "" => format!("`{}`", self.operator),
            variant => format!("`{}` {variant}", self.operator),
        }
    }
}

/// The rows of the matrix in the order of its budgets.
fn rows() -> Vec<Row> {
    let registry = operators::registry();
    let machine = Machine {
        cpus: 1,
        gpus: Vec::new(),
        cuda_missing: None,
        cupti: Err("not asked".to_owned()),
        nccl: Err("not asked".to_owned()),
        datasets: BTreeMap::new(),
        goldens: BTreeMap::new(),
        subject: None,
        launched: None,
    };
    let plan = Matrix::read(&path("matrix.yaml"), &registry)
        .and_then(|matrix| {
            let machine = Machine { goldens: corpora(&path("goldens"), &matrix), ..machine };
            Plan::expand(&matrix, "lab", &machine, &registry, date(2026, 11, 22))
        })
        .unwrap_or_else(|diagnostic| panic!("{diagnostic}"));
    let mut rows: Vec<Row> = Vec::new();
    for planned in plan.cells {
        let SuiteSettings::LaunchCount(budget) = &planned.cell.suite else { continue };
        let (operator, budget) = (planned.cell.operator.clone(), budget.clone());
        match rows.iter_mut().find(|row| (&row.operator, &row.budget) == (&operator, &budget)) {
            Some(row) => row.cells.push(planned.cell),
            None => rows.push(Row { operator, variant: String::new(), budget, cells: vec![planned.cell] }),
        }
    }
    for number in 0..rows.len() {
        let operator = registry.get(&rows[number].operator).unwrap();
        rows[number].variant = variant(&**operator, number, &rows);
    }
    rows
}

/// The words that the cells of this row have and not all cells of its operator.
fn variant(operator: &dyn Operator, number: usize, rows: &[Row]) -> String {
    let words = |cells: &mut dyn Iterator<Item = &Cell>, name: &str| -> BTreeSet<String> {
        let values = cells.filter_map(|cell| match cell.parameters.get(name) {
            Some(Value::Word(word)) => Some(word.clone()),
            Some(Value::Integer(_) | Value::Number(_) | Value::List(_)) | None => None,
        });
        values.collect()
    };
    let specs = operator.parameters().iter().filter(|spec| matches!(spec.kind, ParameterKind::Word(_)));
    let variants = specs.filter_map(|spec| {
        let here = words(&mut rows[number].cells.iter(), spec.name);
        let others = rows.iter().filter(|row| row.operator == operator.name()).flat_map(|row| &row.cells);
        let all = words(&mut others.into_iter(), spec.name);
        (here != all).then(|| format!("{}: {}", spec.name, here.into_iter().collect::<Vec<_>>().join(", ")))
    });
    variants.collect::<Vec<_>>().join("; ")
}

/// The table. Budgets use patterns with a `*` at the end only; any other is shown as it is.
fn table() -> String {
    let registry = operators::registry();
    let mut table = String::from("| one call of | kernels | launches | copies | memsets |\n|---|---|---|---|---|\n");
    for row in rows() {
        let operator = registry.get(&row.operator).unwrap();
        let named = |name: &str| row.budget.kernels.contains_key(name);
        let kernels: Vec<_> = (row.budget.kernels.iter())
            .map(|(pattern, count)| match pattern.strip_suffix('*') {
                None => format!("{count} `{pattern}`"),
                Some(beginning) => {
                    let matching = |name: &&str| name.starts_with(beginning) && !named(name);
                    let names: Vec<_> = operator.kernels().into_iter().filter(matching).collect();
                    format!("{count} of `{}`", names.join("`, `"))
                }
            })
            .collect();
        let launches: u64 = row.budget.kernels.values().sum();
        let LaunchCountSettings { kernels: _, copies, memsets } = row.budget;
        table += &format!("| {} | {} | {launches} | {copies} | {memsets} |\n", row.label(), kernels.join("; "));
    }
    table
}

#[test]
fn the_table_is_that_of_the_operators_and_the_budgets() {
    let text = fs::read_to_string(path("docs/ops.md")).unwrap();
    let (written, expected) = (written(&text), table());
    if written != expected && env::var_os("UPDATE_DOCUMENTS").is_some() {
        let text = text.replacen(&format!("{BEGIN}{written}"), &format!("{BEGIN}{expected}"), 1);
        fs::write(path("docs/ops.md"), text).unwrap();
        return;
    }
    similar_asserts::assert_eq!(written, expected, "run with UPDATE_DOCUMENTS=1");
}

#[test]
fn every_operator_and_every_kernel_of_it_is_in_the_document() {
    let text = fs::read_to_string(path("docs/ops.md")).unwrap();
    let table = written(&text);
    for operator in operators::registry().iter() {
        assert!(text.contains(&format!("`{}`", operator.name())), "{}", operator.name());
        for kernel in operator.kernels() {
            assert!(table.contains(&format!("`{kernel}`")), "{kernel} is launched by no call of the table");
        }
    }
}

#[test]
#[ignore = "needs an NVIDIA GPU and CUPTI"]
fn calls_on_a_gpu_launch_what_the_document_says() {
    let device = Device::open(0).unwrap();
    let registry = operators::registry();
    let text = fs::read_to_string(path("docs/ops.md")).unwrap();
    for row in rows() {
        let label = row.label();
        let line = written(&text).lines().find(|line| line.starts_with(&format!("| {label} |"))).unwrap();
        let columns: Vec<&str> = line.split('|').map(str::trim).collect();
        let counts: Vec<usize> = columns[3..6].iter().map(|count| count.parse().unwrap()).collect();
        // One problem of each dtype and word; the smallest come first in the matrix.
        let mut seen = BTreeSet::new();
        let mut cells = 0;
        for cell in &row.cells {
            let Input::Generated(distribution) = &cell.input else { continue };
            if !seen.insert((cell.dtype.name(), format!("{:?}", cell.parameters.get("times")))) {
                continue;
            }
            let operator = registry.get(&cell.operator).unwrap();
            let problem = operator.problem(cell.dtype, &cell.parameters).unwrap();
            let inputs = problem.generate(*distribution, cell.seed);
            let eager = CudaSession::new(&device, &*problem, &inputs).unwrap().census().unwrap().eager;
            assert_eq!([eager.kernels.len(), eager.copies.len(), eager.memsets.len()], counts[..], "{cell}: {eager:?}");
            for launch in &eager.kernels {
                assert!(columns[2].contains(&format!("`{}`", launch.name)), "{cell}: {launch} is not in the document");
            }
            cells += 1;
        }
        assert!(cells > 0, "{label} was not called");
    }
}
