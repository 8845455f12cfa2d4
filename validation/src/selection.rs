//! Which of the planned cells are meant: the arguments of every Rust test program, given their meaning by libtest-mimic.

use std::io::{self, Write};

use libtest_mimic::{Arguments, Trial};

use crate::{
    plan::{Plan, PlannedCell},
    shard::Shard,
};

/// The cells that the arguments select, in the plan's order.
pub(crate) fn select<'a>(plan: &'a Plan, arguments: &Arguments) -> Vec<&'a PlannedCell> {
    plan.cells.iter().filter(|planned| !arguments.is_filtered_out(&trial(planned))).collect()
}

/// Those of them that this shard holds; all, if there are no shards.
pub(crate) fn in_shard<'a>(selected: &[&'a PlannedCell], shard: Option<Shard>) -> Vec<&'a PlannedCell> {
    let is_held = |planned: &&&PlannedCell| shard.is_none_or(|shard| shard.holds(&planned.cell.name));
    selected.iter().filter(is_held).copied().collect()
}

/// Prints the selected cells as `cargo test -- --list` and cargo-nextest expect it.
///
/// libtest-mimic would panic where a reader such as `head` has seen enough.
pub(crate) fn list(selected: &[&PlannedCell], output: impl Write) {
    let mut output = io::BufWriter::new(output);
    for planned in selected {
        if writeln!(output, "{}: test", planned.cell.name).is_err() {
            return;
        }
    }
    let _ = output.flush();
}

/// A cell that cannot run here is ignored: nextest then knows before it starts anything.
fn trial(planned: &PlannedCell) -> Trial {
    Trial::test(&planned.cell.name, || Ok(())).with_ignored_flag(planned.skip.is_some())
}
