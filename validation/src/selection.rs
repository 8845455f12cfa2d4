//! Which of the planned cells are meant: the arguments of every Rust test program, given their meaning by libtest-mimic.

use std::{
    io::{self, Write},
    iter::once,
};

use libtest_mimic::{Arguments, Trial};

use crate::{
    cell::Cell,
    cli::RunArguments,
    plan::{Plan, PlannedCell},
    ranks::launched::Launched,
    shard::Shard,
    suites::SuiteSettings,
};

/// The cells that the arguments select, in the plan's order.
pub(crate) fn select<'a>(plan: &'a Plan, arguments: &RunArguments) -> Vec<&'a PlannedCell> {
    let RunArguments { selection, further_filters, .. } = arguments;
    // libtest-mimic knows one filter.
    let further = further_filters.iter().map(|filter| Arguments { filter: Some(filter.clone()), ..selection.clone() });
    let filters: Vec<Arguments> = once(selection.clone()).chain(further).collect();
    let is_selected = |planned: &&PlannedCell| {
        let trial = trial(planned);
        filters.iter().any(|filter| !filter.is_filtered_out(&trial))
    };
    plan.cells.iter().filter(is_selected).collect()
}

/// Those of them that this shard holds; all, if there are no shards.
pub(crate) fn in_shard<'a>(selected: &[&'a PlannedCell], shard: Option<Shard>) -> Vec<&'a PlannedCell> {
    let is_held = |planned: &&&PlannedCell| shard.is_none_or(|shard| shard.holds(&planned.cell.name));
    selected.iter().filter(is_held).copied().collect()
}

/// Those of them that need these ranks; all, if a launcher started none.
pub(crate) fn of_launched(selected: Vec<&PlannedCell>, launched: Option<Launched>) -> Vec<&PlannedCell> {
    let Some(Launched { launcher: _, device, world }) = launched else { return selected };
    let ranks = |cell: &Cell| match &cell.suite {
        SuiteSettings::MultiGpu(settings) => settings.joint.map(|joint| (cell.device, joint.world)),
        SuiteSettings::Determinism(_)
        | SuiteSettings::Accuracy(_)
        | SuiteSettings::BackwardCompat(_)
        | SuiteSettings::Performance(_)
        | SuiteSettings::LaunchCount(_) => None,
    };
    selected.into_iter().filter(|planned| ranks(&planned.cell) == Some((device, world))).collect()
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
