//! What people read, without its colours.

use std::path::Path;

use anstream::adapter::strip_str;
use jiff::civil::date;
use robocache_core::{
    census::{CallCensus, Census, GraphCensus, KernelLaunch},
    compare::{Comparison, UlpHistogram},
    parameters::Value,
};
use validation::{
    cell::Device,
    evidence::{Environment, Fact, Record},
    observation::{AccuracyFacts, Counterexample, GoldenFacts, LaunchFacts, Observation, Outcome, RungFacts},
    plan::SkipReason,
    report::{
        approvals, ladder, launches, markdown,
        pattern::{self, Pattern, Share, patterns},
        summary::Summary,
        terminal::{cell_line, conclusion, failure, skips, table},
    },
    suites::{AccuracySettings, Approval, BackwardCompatSettings, LaunchCountSettings, SuiteSettings},
    verdict::Verdict,
};
use validation_testing::fixture::{every_verdict, fixed_environment, passed, record};

fn plain(text: &str) -> String {
    strip_str(text).to_string()
}

#[test]
fn each_verdict_has_its_line() {
    let lines: Vec<_> = every_verdict().iter().map(|record| plain(&cell_line(record))).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn each_failure_says_what_is_wrong_and_how_to_repeat_it() {
    let environment = fixed_environment();
    let failures: String =
        every_verdict().iter().filter_map(|record| failure(&environment, Path::new("evidence/run"), record)).collect();
    insta::assert_snapshot!(plain(&failures));
}

/// A cell of the CPU executes no kernels, and `repro` refuses a file of them there.
#[test]
fn a_failure_under_other_kernels_is_replayed_with_them() {
    let invocation = "validation --profile quick --data 'my data' --kernels 'a b.fatbin'".to_owned();
    let environment = Environment { invocation, ..fixed_environment() };
    let mut record = every_verdict().swap_remove(1);
    record.bundle = Some(Fact::Known("bundles/b.safetensors".to_owned()));
    for (device, with) in [(Device::Cpu, ""), (Device::Cuda, " --kernels 'a b.fatbin'")] {
        record.cell.device = device;
        let shown = failure(&environment, Path::new("run"), &record).unwrap();
        let line = format!("replay: validation repro run/bundles/b.safetensors{with}\n");
        assert!(shown.contains(&line), "{shown}");
    }
}

/// What the code under test prints may hold anything, but must not reach the terminal as a command.
#[test]
fn a_worker_s_last_words_do_not_steer_the_terminal() {
    let detail = "\u{1b}[31mred\u{1b}[0m\u{1b}]0;title\u{7}\u{8}\r\u{9b}2J\u{0}end".to_owned();
    let crash = record("n1", Verdict::Crash { cause: "SIGABRT".to_owned(), detail });
    let shown = failure(&fixed_environment(), Path::new("run"), &crash).unwrap();
    let line = shown.lines().find(|line| line.contains("end")).unwrap();
    assert!(line.contains("red") && !line.chars().any(char::is_control), "{line:?}");
}

#[test]
fn a_silent_crash_is_told_as_one() {
    let crash = record("n1", Verdict::Crash { cause: "SIGSEGV".to_owned(), detail: String::new() });
    assert!(
        failure(&fixed_environment(), Path::new("run"), &crash).unwrap().contains("SIGSEGV, and nothing was printed\n")
    );
}

/// A record of another suite and operator.
fn accurate(problem: &str, max_fraction_of_bound: f64, elements: u64) -> Record {
    let mut record = passed(problem);
    record.cell.suite = SuiteSettings::Accuracy(AccuracySettings { random_problems: 4 });
    record.cell.operator = "fuse".to_owned();
    record.elapsed_ms = 61_234.0;
    let output = Comparison {
        tensor: "y".to_owned(),
        elements,
        differing: 0,
        first: None,
        worst: None,
        max_ulps: 1,
        max_fraction_of_bound: Some(max_fraction_of_bound),
        histogram: UlpHistogram::default(),
    };
    let facts = AccuracyFacts {
        outputs: vec![output],
        exact: false,
        unwritten: Vec::new(),
        guard_violation: None,
        mutated_input: None,
        random_problems: 4,
        counterexample: None,
    };
    record.outcome = Some(Outcome::Observed(Box::new(Observation::Accuracy(facts.into()))));
    record
}

#[test]
fn the_table_sums_up_and_aligns() {
    let mut records = every_verdict();
    records.extend([accurate("n7000", 0.375, 1_234_567), accurate("n8000", 0.5, 5_000_000_000)]);
    insta::assert_snapshot!(table(&Summary::of(&records)).framed());
}

#[test]
fn the_markdown_of_a_run_has_all_that_a_terminal_shows() {
    let environment = fixed_environment();
    let mut records = every_verdict();
    records.push(accurate("n8000", 0.5, 5_000_000_000));
    let run = (&environment, Path::new("evidence/run"), &records[..]);
    insta::assert_snapshot!(markdown::render(&[run], &["the profile requires cuda: no driver".to_owned()]));
}

#[test]
fn markdown_shows_some_failures_and_counts_the_others() {
    let environment = fixed_environment();
    let mut failed = every_verdict().swap_remove(1);
    // What a worker printed cannot become a heading or end the block.
    failed.verdict = Verdict::Fail { reason: "first\n# second\n```".to_owned() };
    let shown = |records: &[Record]| markdown::render(&[(&environment, Path::new("run"), records)], &[]);
    let one = shown(&[failed.clone()]);
    assert!(one.lines().all(|line| !line.starts_with("# second") && !line.starts_with("```")), "{one}");
    assert!(!one.contains("more are in"), "{one}");
    assert!(shown(&vec![failed; 53]).contains("\n3 more are in `junit.xml`.\n"));
}

#[test]
fn an_empty_run_has_an_empty_table() {
    insta::assert_snapshot!(table(&Summary::of(&[])).framed());
}

#[test]
fn the_ladder_adds_up_each_rung() {
    let mut records = every_verdict();
    records.extend([passed("n7000"), accurate("n8000", 0.5, 100)]);
    // Nothing is compared in a first run.
    for record in &mut records {
        let Some(Outcome::Observed(observation)) = &mut record.outcome else { continue };
        let Observation::Determinism(facts) = &mut **observation else { continue };
        let first = RungFacts { rung: "first_run".to_owned(), differences: Vec::new(), ..facts.rungs[0].clone() };
        facts.rungs.insert(0, first);
    }
    insta::assert_snapshot!(ladder::table(&ladder::rungs(&records)).unwrap().framed());
    assert_eq!(ladder::table(&ladder::rungs(&[accurate("n8000", 0.5, 100)])), None);
}

#[test]
fn skips_are_grouped_by_reason_most_frequent_first() {
    let skipped = |problem: &str, reason| record(problem, Verdict::Skip { reason });
    let lacks = || SkipReason::MachineLacks("CUDA: no NVIDIA driver".to_owned());
    let records = [
        skipped("n1", SkipReason::Excluded("too slow on this device".to_owned())),
        skipped("n2", SkipReason::DatasetMissing("scan: no data folder; name one with --data".to_owned())),
        skipped("n3", lacks()),
        skipped("n4", lacks()),
        passed("n5"),
    ];
    insta::assert_snapshot!(skips(&Summary::of(&records)));
    assert_eq!(skips(&Summary::of(&records[4..])), "");
}

#[test]
fn the_conclusion_is_the_worst_that_is_true() {
    let lacks = SkipReason::MachineLacks("CUDA: no NVIDIA driver".to_owned());
    let (green, skipped) = ([passed("n1")], [record("n2", Verdict::Skip { reason: lacks })]);
    let requirement = "the profile requires cuda: no NVIDIA driver".to_owned();
    let shown = |records: &[Record], shortfalls: &[String]| plain(&conclusion(&Summary::of(records), shortfalls));
    let conclusions = [
        shown(&green, &[]),
        shown(&green, std::slice::from_ref(&requirement)),
        shown(&skipped, &["no cell was executed".to_owned()]),
        shown(&every_verdict(), &[]),
        shown(&every_verdict(), &[requirement]),
    ];
    insta::assert_snapshot!(conclusions.join("\n"));
}

/// A record of a golden whose results have changed, as was approved.
fn changed(problem: &str, reason: &str, verdict: Verdict) -> Record {
    let mut record = record(problem, verdict);
    let approval = Approval { reason: reason.to_owned(), expires: date(2027, 1, 31), must_be_used: true };
    record.cell.suite =
        SuiteSettings::BackwardCompat(BackwardCompatSettings { changed_results: Some(approval), changed_inputs: None });
    let Some(Outcome::Observed(observation)) = record.outcome else { panic!("{:?}", record.outcome) };
    let Observation::Determinism(facts) = *observation else { panic!("{observation:?}") };
    let differences = facts.rungs.into_iter().flat_map(|rung| rung.differences).collect();
    let facts = GoldenFacts { differences, ..GoldenFacts::default() };
    record.outcome = Some(Outcome::Observed(Box::new(Observation::BackwardCompat(facts.into()))));
    record
}

#[test]
fn approvals_that_were_needed_are_counted() {
    let failed = || Verdict::Fail { reason: "differs".to_owned() };
    // What the fixture's failures have are differences; here they were approved.
    let passed_by =
        |problem: &str, reason: &str| Record { verdict: Verdict::Pass, ..changed(problem, reason, failed()) };
    let records = [
        passed_by("n1", "ties are rounded to even now"),
        passed_by("n2", "ties are rounded to even now"),
        passed_by("n3", "a wider accumulator"),
        changed("n4", "changed, and failed for something else", failed()),
        changed("n5", "stale", Verdict::Pass),
        passed("n6"),
    ];
    insta::assert_snapshot!(approvals::approvals(&records));
    assert_eq!(approvals::approvals(&records[3..]), "");
}

/// A record of the launch_count suite: a call of so many kernels and memsets.
fn counted(problem: &str, kernels: usize, memsets: usize, verdict: Verdict) -> Record {
    let mut record = record(problem, verdict);
    record.cell.suite = SuiteSettings::LaunchCount(LaunchCountSettings::default());
    let launch = KernelLaunch {
        name: "voxelize_count".to_owned(),
        grid: [8, 1, 1],
        block: [256, 1, 1],
        dynamic_shared_bytes: 0,
        static_shared_bytes: 0,
        registers: 24,
    };
    let eager = Census { kernels: vec![launch; kernels], memsets: vec![64; memsets], ..Census::default() };
    let graph = GraphCensus::Captured { nodes: eager.clone().into(), replay: eager.clone().into() };
    let facts = LaunchFacts { cupti_version: 130_001, census: CallCensus { eager, graph } };
    record.outcome = Some(Outcome::Observed(Box::new(Observation::LaunchCount(facts.into()))));
    record
}

#[test]
fn calls_of_equal_counts_are_one_row() {
    let failed = || Verdict::Fail { reason: "memsets: 1 (64 bytes), budget 0".to_owned() };
    let records = [
        counted("n1", 2, 0, Verdict::Pass),
        counted("n2", 2, 0, Verdict::Pass),
        counted("n3", 2, 1, failed()),
        accurate("n8000", 0.5, 100),
    ];
    insta::assert_snapshot!(launches::table(&launches::calls(&records)).unwrap().framed());
    assert_eq!(launches::table(&launches::calls(&[accurate("n8000", 0.5, 100)])), None);
}

/// `failing` of so many cells of each dtype, distribution and mode.
fn cells_of(traits: [(&str, &str, &str, u64, u64); 4]) -> Vec<Record> {
    let cells = traits.into_iter().flat_map(|(dtype, input, mode, failing, all)| {
        (0..all).map(move |number| {
            let reason = "wrong".to_owned();
            let verdict = if number < failing { Verdict::Fail { reason } } else { Verdict::Pass };
            let mut record = record("n1", verdict);
            record.cell.name = format!("determinism::voxelize::cpu::{dtype}::n{number}_{mode}::{input}");
            record.cell.parameters.set("mode", Value::Word(mode.to_owned()));
            record
        })
    });
    cells.collect()
}

#[test]
fn what_failures_alone_have_in_common_is_said() {
    let records = cells_of([
        ("f32", "uniform", "mean", 0, 9),
        ("f32", "duplicated_points", "mean", 0, 5),
        ("f32", "duplicated_points", "max", 4, 5),
        ("f16", "clustered_points", "max", 2, 7),
    ]);
    let pattern = |of: &str, failing: &[(&str, u64, u64)], others| Pattern {
        of: of.to_owned(),
        failing: failing
            .iter()
            .map(|&(value, failed, executed)| (value.to_owned(), Share { failed, executed }))
            .collect(),
        others,
    };
    // Both dtypes have failures, all cells are of one suite, operator and device, and problems are too many.
    let found = patterns(&records);
    let inputs = pattern("input", &[("clustered_points", 2, 7), ("duplicated_points", 4, 10)], 1);
    assert_eq!(found, [pattern("mode", &[("max", 6, 12)], 1), inputs]);
    insta::assert_snapshot!(pattern::table(&found).unwrap().framed());
}

/// What failed is not the cell's own problem.
#[test]
fn a_random_problem_that_failed_counts_with_its_own_input() {
    let mut records = cells_of([
        ("f32", "uniform", "mean", 0, 5),
        ("f32", "duplicated_points", "mean", 5, 5),
        ("f32", "uniform", "mean", 2, 6),
        ("f32", "clustered_points", "mean", 0, 3),
    ]);
    let is_uniform = |record: &&mut Record| record.cell.name.ends_with("uniform") && record.verdict != Verdict::Pass;
    for record in records.iter_mut().filter(is_uniform) {
        let counterexample = Counterexample {
            problem: "n1".to_owned(),
            distribution: "duplicated_points".to_owned(),
            description: "wrong".to_owned(),
        };
        let facts = AccuracyFacts {
            outputs: Vec::new(),
            exact: true,
            unwritten: Vec::new(),
            guard_violation: None,
            mutated_input: None,
            random_problems: 16,
            counterexample: Some(Box::new(counterexample)),
        };
        record.outcome = Some(Outcome::Observed(Box::new(Observation::Accuracy(Box::new(facts)))));
    }
    let share = ("duplicated_points".to_owned(), Share { failed: 7, executed: 7 });
    assert_eq!(patterns(&records), [Pattern { of: "input".to_owned(), failing: vec![share], others: 2 }]);
}

#[test]
fn few_failures_are_no_pattern() {
    assert_eq!(patterns(&cells_of([("f32", "uniform", "mean", 2, 9); 4])[..9]), []);
    assert_eq!(patterns(&every_verdict()), [], "each has another problem");
}
