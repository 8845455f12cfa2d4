//! `validation bench` at its boundary.

use std::fs;

use robocache_core::timing::Series;
use validation::{
    evidence::{Fact, Record},
    observation::{Observation, Outcome, PerformanceFacts},
    verdict::Verdict,
};
use validation_testing::project::{Project, machine};

fn facts(record: &Record) -> &PerformanceFacts {
    match &record.outcome {
        Some(Outcome::Observed(observation)) => match &**observation {
            Observation::Performance(facts) => facts,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_benchmark_leaves_times_a_table_and_a_picture() {
    let project = Project::new();
    let ended = project.bench(&["::cpu::"]);
    assert_eq!(ended.code, Some(0), "{}", ended.printed());
    let records = project.records();
    assert_eq!(records.len(), 2, "one for each kind of times");
    for record in &records {
        assert_eq!(record.verdict, Verdict::Pass);
        let facts = facts(record);
        assert!(facts.bytes_moved > 0 && facts.sets >= 2 && facts.wrong_output.is_none());
        assert_eq!(facts.series.iter().map(|series| series.series).collect::<Vec<_>>(), [Series::Cold, Series::Hot]);
        for series in &facts.series {
            assert!(series.samples >= 6 && series.minimum_seconds > 0.0 && series.copy_seconds > 0.0);
            assert!(series.minimum_seconds <= series.median_seconds);
            assert!(series.ratio.low <= series.ratio.median && series.ratio.median <= series.ratio.high);
            assert_eq!(series.gpu, None);
        }
    }
    assert_eq!(ended.stdout.matches("\u{2502} resample ").count(), 4, "{}", ended.stdout);
    assert!(
        ended.stdout.contains("These are the times of a debug build") == cfg!(debug_assertions),
        "{}",
        ended.stdout
    );
    let picture = fs::read_to_string(project.only_run().join("performance.svg")).unwrap();
    assert!(
        picture.starts_with("<svg ") && picture.contains("resample cpu f32 b8_s200_d64_t100_f32 cold"),
        "{picture}"
    );
}

#[test]
fn a_ratio_beyond_its_threshold_fails_and_says_how_to_repeat_it() {
    let project = Project::new();
    let ended = project.bench(&["--profile", "missed"]);
    assert_eq!(ended.code, Some(1), "{}", ended.printed());
    let records = project.records();
    let Verdict::Fail { reason } = &records[0].verdict else { panic!("{:?}", records[0].verdict) };
    assert!(
        reason.starts_with("series hot takes ") && reason.ends_with("but may take 0.000000001 at most"),
        "{reason}"
    );
    let repeat = format!(" bench --profile missed --matrix {} --exact ", project.matrix().display());
    assert!(ended.stdout.contains(&repeat), "{}", ended.stdout);
}

#[test]
fn profiles_and_benchmarks_are_apart() {
    let project = Project::new();
    for (ended, known) in [
        (project.bench(&["--profile", "quick"]), "expected one of `smoke`, `missed`"),
        (project.bench(&["nothing_has_this_name"]), "no cell of profile `smoke` matches the filters"),
        (project.run(&["--profile", "missed"]), "there is no profile `missed`"),
    ] {
        assert_eq!(ended.code, Some(2), "{}", ended.printed());
        assert!(ended.stderr.contains(known), "{}", ended.stderr);
    }
    assert!(!project.output().exists());
    assert!(project.listed(&[]).iter().all(|name| !name.starts_with("performance::")));
}

#[test]
fn a_benchmark_is_resumed_by_a_benchmark_only() {
    let project =
        Project::with_matrix(validation_testing::project::MATRIX.replacen("  missed:\n", "  trivial:\n", 1).replacen(
            "at_most_of_copy: 1.0e-9",
            "at_most_of_copy: 1.0e9",
            1,
        ));
    assert_eq!(project.bench(&["--profile", "trivial"]).code, Some(0));
    let resumed = project.bench(&["--profile", "trivial", "--resume=latest"]);
    assert_eq!((resumed.code, project.records().len()), (Some(0), 1), "{}", resumed.printed());
    let other = project.run(&["--profile", "trivial", "--resume=latest"]);
    assert_eq!(other.code, Some(2), "{}", other.printed());
    assert!(other.stderr.contains("the kind of run was benchmark and is now profile"), "{}", other.stderr);
}

#[test]
fn without_a_gpu_its_cells_are_skipped_and_nothing_else_is_green() {
    if !machine().gpus.is_empty() {
        return;
    }
    let ended = Project::new().bench(&["::cuda::"]);
    assert_eq!(ended.code, Some(3), "{}", ended.printed());
}

#[test]
#[ignore = "needs an NVIDIA GPU"]
fn a_gpu_is_timed_in_its_three_series_and_watched_meanwhile() {
    let project = Project::new();
    let ended = project.bench(&["::cuda::"]);
    assert_eq!(ended.code, Some(0), "{}", ended.printed());
    for record in project.records() {
        let facts = facts(&record);
        let names: Vec<_> = facts.series.iter().map(|series| series.series).collect();
        assert_eq!(names, [Series::Cold, Series::Stream, Series::Graph]);
        for series in &facts.series {
            assert!(matches!(&series.gpu, Some(Fact::Known(gpu)) if gpu.sm_mhz.0 > 0), "{:?}", series.gpu);
            assert!(series.median_seconds > 0.0 && series.median_seconds < 1e-3, "{}", series.median_seconds);
        }
    }
}
