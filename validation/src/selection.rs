//! Which of the planned cells are meant: the arguments of every Rust test program, given their meaning by libtest-mimic.

use libtest_mimic::{Arguments, Trial};

use crate::plan::{Plan, PlannedCell};

/// The cells that the arguments select, in the plan's order.
pub(crate) fn select<'a>(plan: &'a Plan, arguments: &Arguments) -> Vec<&'a PlannedCell> {
    plan.cells.iter().filter(|planned| !arguments.is_filtered_out(&trial(planned))).collect()
}

/// Prints the plan as `cargo test -- --list` and cargo-nextest expect it.
pub(crate) fn list(plan: &Plan, arguments: &Arguments) {
    let trials = plan.cells.iter().map(trial).collect();
    // With `--list`, libtest-mimic prints and runs nothing.
    let _nothing_ran = libtest_mimic::run(arguments, trials);
}

/// A cell that cannot run here is ignored: nextest then knows before it starts anything.
fn trial(planned: &PlannedCell) -> Trial {
    Trial::test(&planned.cell.name, || Ok(())).with_ignored_flag(planned.skip.is_some())
}
