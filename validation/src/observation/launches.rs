//! What one call did to a GPU, counted in independent ways, and what of it is not as it must be.

use std::fmt::Display;

use robocache_core::census::{CallCensus, Census, GraphCensus, KernelLaunch};
use serde::{Deserialize, Serialize};

use crate::{matrix::Pattern, suites::LaunchCountSettings};

/// What the launch_count suite counted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LaunchFacts {
    /// The API version of the CUPTI that recorded.
    pub cupti_version: u32,
    /// The counts.
    pub census: CallCensus,
}

impl LaunchFacts {
    /// What is wrong, one sentence each: first what each count says against the budget, then where the counts differ.
    pub fn defects(&self, budget: &LaunchCountSettings) -> Vec<String> {
        let CallCensus { eager, graph } = &self.census;
        let mut defects = excesses(eager, budget);
        match graph {
            GraphCensus::Refused { reason } => defects.push(format!("it cannot be captured into a graph: {reason}")),
            GraphCensus::Captured { nodes, replay } => {
                for (count, census) in [("the graph", &**nodes), ("a replay", &**replay)] {
                    // What the counts have in common has been said of the eager call.
                    let known = excesses(eager, budget);
                    let new = excesses(census, budget).into_iter().filter(|excess| !known.contains(excess));
                    defects.extend(new.map(|excess| format!("{count}: {excess}")));
                }
                defects.extend(disagreements("an eager call", eager, "the graph", nodes));
                defects.extend(disagreements("a replay", replay, "the graph", nodes));
            }
        }
        defects
    }
}

/// How one count is not as it is budgeted.
fn excesses(census: &Census, budget: &LaunchCountSettings) -> Vec<String> {
    // Everything in it is named: a field that is added has to be judged.
    let Census { kernels, copies, memsets, allocations, synchronisations, others } = census;
    let mut excesses = Vec::new();
    if kernels.is_empty() {
        excesses.push("no kernel was launched".to_owned());
    }
    let patterns: Vec<_> = budget.kernels.iter().map(|(text, &wanted)| (text, Pattern::new(text), wanted)).collect();
    for (text, pattern, wanted) in &patterns {
        // A kernel that is named is no other pattern's.
        let counts = |name: &String| name == *text || (pattern.matches(name) && !budget.kernels.contains_key(name));
        let found: Vec<_> = kernels.iter().filter(|launch| counts(&launch.name)).collect();
        if found.len() as u64 != *wanted {
            let listed = if found.is_empty() { String::new() } else { format!(" ({})", list(&found)) };
            excesses.push(format!("launches of `{text}`: {}{listed}, budget {wanted}", found.len()));
        }
    }
    let unbudgeted: Vec<_> =
        kernels.iter().filter(|launch| !patterns.iter().any(|(_, pattern, _)| pattern.matches(&launch.name))).collect();
    if !unbudgeted.is_empty() {
        excesses.push(format!("launches that no budget names: {} ({})", unbudgeted.len(), list(&unbudgeted)));
    }
    for (noun, found, wanted) in [("copies", copies, budget.copies), ("memsets", memsets, budget.memsets)] {
        if found.len() as u64 != wanted {
            let listed = if found.is_empty() { String::new() } else { format!(" ({} bytes)", list(found)) };
            excesses.push(format!("{noun}: {}{listed}, budget {wanted}", found.len()));
        }
    }
    for (verb, found) in [("allocates or frees memory", allocations), ("waits for the GPU", synchronisations)] {
        if !found.is_empty() {
            excesses.push(format!("it {verb} ({})", list(found)));
        }
    }
    if !others.is_empty() {
        excesses.push(format!("it does what no call should ({})", list(others)));
    }
    excesses
}

/// Where two counts of the same call differ. Allocations and API calls are not compared: none of them has a budget, and
/// no two counts can see the same of them.
fn disagreements(name: &str, census: &Census, other_name: &str, other: &Census) -> Vec<String> {
    let mut disagreements = Vec::new();
    let mut tell = |name: &str, missing: String| {
        if !missing.is_empty() {
            disagreements.push(format!("the counts differ: only {name} has {missing}"));
        }
    };
    for (name, these, those) in [(name, census, other), (other_name, other, census)] {
        tell(name, list(&only_in(&these.kernels, &those.kernels, KernelLaunch::is_same_launch)));
        for (noun, these, those) in
            [("copies", &these.copies, &those.copies), ("memsets", &these.memsets, &those.memsets)]
        {
            let bytes = only_in(these, those, u64::eq);
            if !bytes.is_empty() {
                tell(name, format!("{noun} of {} bytes", list(&bytes)));
            }
        }
    }
    disagreements
}

/// What is in `these` and has no counterpart of its own in `those`, in any order.
fn only_in<'a, T>(these: &'a [T], those: &[T], same: impl Fn(&T, &T) -> bool) -> Vec<&'a T> {
    let mut left: Vec<&T> = those.iter().collect();
    let is_missing = |this: &&T| match left.iter().position(|that| same(this, that)) {
        Some(place) => {
            left.swap_remove(place);
            false
        }
        None => true,
    };
    these.iter().filter(is_missing).collect()
}

/// All of them, separated by commas; those beyond the twelfth are only counted.
fn list(items: &[impl Display]) -> String {
    const SHOWN: usize = 12;
    let mut shown: Vec<_> = items.iter().take(SHOWN).map(ToString::to_string).collect();
    if items.len() > SHOWN {
        shown.push(format!("and {} more", items.len() - SHOWN));
    }
    shown.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::{Observation, Outcome};

    fn launch(name: &str, blocks: u32) -> KernelLaunch {
        KernelLaunch {
            name: name.to_owned(),
            grid: [blocks, 1, 1],
            block: [256, 1, 1],
            dynamic_shared_bytes: 0,
            static_shared_bytes: 0,
            registers: 32,
        }
    }

    fn kernels(names: &[&str]) -> Census {
        Census { kernels: names.iter().map(|name| launch(name, 4)).collect(), ..Census::default() }
    }

    fn facts(eager: Census, nodes: Census, replay: Census) -> LaunchFacts {
        let graph = GraphCensus::Captured { nodes: nodes.into(), replay: replay.into() };
        LaunchFacts { cupti_version: 130_001, census: CallCensus { eager, graph } }
    }

    /// A call of which all counts are the same.
    fn agreed(census: &Census) -> LaunchFacts {
        facts(census.clone(), census.clone(), census.clone())
    }

    fn budget(kernels: &[(&str, u64)]) -> LaunchCountSettings {
        let kernels = kernels.iter().map(|&(pattern, launches)| (pattern.to_owned(), launches)).collect();
        LaunchCountSettings { kernels, copies: 0, memsets: 0 }
    }

    #[test]
    fn counts_that_agree_with_the_budget_and_one_another_hold() {
        assert_eq!(agreed(&kernels(&["fuse_f32"])).defects(&budget(&[("fuse_*", 1)])), [""; 0]);
        let two = Census { memsets: vec![64], ..kernels(&["clear", "mark"]) };
        let wanted = LaunchCountSettings { memsets: 1, ..budget(&[("clear", 1), ("mark", 1)]) };
        assert_eq!(agreed(&two).defects(&wanted), [""; 0]);
        // A graph may list its nodes in another order.
        let reversed = Census { kernels: two.kernels.iter().rev().cloned().collect(), ..two.clone() };
        assert_eq!(facts(two.clone(), reversed, two).defects(&wanted), [""; 0]);
    }

    #[test]
    fn too_many_and_missing_kernels_are_named() {
        let chained = agreed(&kernels(&["resample_f32", "resample_f32", "gather"]));
        assert_eq!(
            chained.defects(&budget(&[("fuse_*", 1)])),
            [
                "launches of `fuse_*`: 0, budget 1",
                "launches that no budget names: 3 (resample_f32<<<4, 256>>>, resample_f32<<<4, 256>>>, gather<<<4, 256>>>)"
            ]
        );
        assert_eq!(
            agreed(&kernels(&["fuse_f32", "fuse_f16"])).defects(&budget(&[("fuse_*", 1)])),
            ["launches of `fuse_*`: 2 (fuse_f32<<<4, 256>>>, fuse_f16<<<4, 256>>>), budget 1"]
        );
    }

    #[test]
    fn a_kernel_that_is_named_is_no_other_pattern_s() {
        let wanted = budget(&[("mean_*", 1), ("mean_finish", 1)]);
        assert_eq!(agreed(&kernels(&["mean_f32", "mean_finish"])).defects(&wanted), [""; 0]);
        assert_eq!(
            agreed(&kernels(&["mean_finish", "mean_finish"])).defects(&wanted),
            [
                "launches of `mean_*`: 0, budget 1",
                "launches of `mean_finish`: 2 (mean_finish<<<4, 256>>>, mean_finish<<<4, 256>>>), budget 1"
            ]
        );
    }

    #[test]
    fn a_census_survives_the_way_into_a_record_and_back() {
        let observation = Observation::LaunchCount(agreed(&kernels(&["fuse_f32"])).into());
        let written = serde_json::to_string(&Outcome::Observed(observation.into())).unwrap();
        let read: Outcome = serde_json::from_str(&written).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), written);
        assert!(
            written.contains(r#""observation":"launch_count","cupti_version":130001,"census":{"eager":{"kernels":[{"#)
        );
    }

    #[test]
    fn no_launch_never_holds_whatever_the_budget() {
        for budget in [budget(&[]), budget(&[("*", 0)])] {
            assert_eq!(agreed(&Census::default()).defects(&budget), ["no kernel was launched"]);
        }
    }

    #[test]
    fn hidden_memsets_copies_allocations_and_waits_are_named() {
        let dirty = Census {
            copies: vec![16, 32],
            memsets: vec![4096],
            allocations: vec!["cuMemAllocAsync".to_owned()],
            synchronisations: vec!["cuStreamSynchronize".to_owned()],
            others: vec!["cuLaunchHostFunc".to_owned()],
            ..kernels(&["fuse_f32"])
        };
        assert_eq!(
            agreed(&dirty).defects(&budget(&[("fuse_*", 1)])),
            [
                "copies: 2 (16, 32 bytes), budget 0",
                "memsets: 1 (4096 bytes), budget 0",
                "it allocates or frees memory (cuMemAllocAsync)",
                "it waits for the GPU (cuStreamSynchronize)",
                "it does what no call should (cuLaunchHostFunc)",
            ]
        );
        // A budget that is larger than need be is as wrong.
        let clean = agreed(&kernels(&["fuse_f32"]));
        let wanted = LaunchCountSettings { memsets: 1, ..budget(&[("fuse_*", 1)]) };
        assert_eq!(clean.defects(&wanted), ["memsets: 0, budget 1"]);
    }

    #[test]
    fn counts_that_differ_are_told_apart() {
        let one = kernels(&["fuse_f32"]);
        let wanted = budget(&[("fuse_*", 1)]);
        let other_grid = Census { kernels: vec![launch("fuse_f32", 5)], ..Census::default() };
        assert_eq!(
            facts(one.clone(), one.clone(), other_grid).defects(&wanted),
            [
                "the counts differ: only a replay has fuse_f32<<<5, 256>>>",
                "the counts differ: only the graph has fuse_f32<<<4, 256>>>"
            ]
        );
        let memset = Census { memsets: vec![64], ..one.clone() };
        assert_eq!(
            facts(one.clone(), memset, one).defects(&wanted),
            [
                "the graph: memsets: 1 (64 bytes), budget 0",
                "the counts differ: only the graph has memsets of 64 bytes",
                "the counts differ: only the graph has memsets of 64 bytes"
            ]
        );
    }

    #[test]
    fn a_call_that_no_graph_can_hold_fails() {
        let reason = "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED".to_owned();
        let census = CallCensus { eager: kernels(&["fuse_f32"]), graph: GraphCensus::Refused { reason } };
        assert_eq!(
            LaunchFacts { cupti_version: 26, census }.defects(&budget(&[("fuse_*", 1)])),
            ["it cannot be captured into a graph: CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED"]
        );
    }

    #[test]
    fn long_lists_are_cut() {
        let many = kernels(&["k"; 15]);
        let defects = agreed(&many).defects(&budget(&[("k", 1)]));
        assert!(defects[0].ends_with("k<<<4, 256>>>, and 3 more), budget 1"), "{defects:?}");
    }
}
