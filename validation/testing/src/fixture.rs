//! Records and environments for tests: small, fixed, and of every kind.

use std::{
    fs,
    path::{Path, PathBuf},
};

use robocache_core::{
    compare::{Comparison, Difference, UlpHistogram},
    distribution::Distribution,
    dtype::DType,
    parameters::{Parameters, Value},
    random::Seed,
    timing::Series,
};
use validation::{
    cell::{Cell, Device, Input, Limits},
    dataset::Expectation,
    evidence::{
        Environment, Fact, Filters, Program, Record, Run, RunError, Selection,
        gpu::{Clocks, Driver, Ecc, GpuFacts},
        host::Host,
    },
    machine::{Gpu, Machine},
    observation::{
        Death, DeterminismFacts, GpuConditions, Observation, Outcome, PerformanceFacts, RatioFacts, RungFacts,
        SamplingEnd, SeriesFacts,
    },
    plan::SkipReason,
    suites::{DeterminismSettings, PerformanceSettings, SuiteSettings, Threshold},
    verdict::Verdict,
};

/// A matrix without cells: what evidence is opened with.
pub const MATRIX: &[u8] = b"version: 1\nseed: 7\n";

/// A determinism cell on the CPU. `problem` makes its name unique.
pub fn cell(problem: &str) -> Cell {
    let input = Input::Generated(Distribution::Uniform);
    let name = format!("determinism::voxelize::cpu::f32::{problem}::{input}");
    Cell {
        suite: SuiteSettings::Determinism(DeterminismSettings { repeats: 3, fresh_process: false }),
        operator: "voxelize".to_owned(),
        device: Device::Cpu,
        dtype: DType::F32,
        parameters: Parameters::new([
            ("mode".to_owned(), Value::Word("mean".to_owned())),
            ("voxel_size".to_owned(), Value::Number(0.1)),
        ]),
        input,
        seed: Seed::root(7).derive(problem),
        expect: Expectation::Accepted,
        limits: Limits { deadline_ms: 10_000, memory_bytes: None, fresh_process: false },
        name,
    }
}

/// A record with this verdict, and an outcome that fits it.
pub fn record(problem: &str, verdict: Verdict) -> Record {
    let outcome = match &verdict {
        Verdict::Pass => Some(observed(Vec::new())),
        Verdict::Fail { .. } => Some(observed(vec![difference()])),
        Verdict::Skip { .. } => None,
        Verdict::Timeout { deadline_ms } => {
            Some(Outcome::DeadlineExceeded { deadline_ms: *deadline_ms, output_tail: String::new() })
        }
        Verdict::Crash { detail, .. } => {
            Some(Outcome::Died(Death { signal: Some(6), exit_code: None, output_tail: detail.clone() }))
        }
        Verdict::Error { message } => Some(Outcome::HarnessFailed { message: message.clone() }),
    };
    Record {
        cell: cell(problem),
        attempt: 1,
        started: "2026-11-22T14:03:12.482Z".parse().unwrap(),
        elapsed_ms: if outcome.is_some() { 12.25 } else { 0.0 },
        program_hash: "0".repeat(64),
        subject_hash: None,
        outcome,
        bundle: match &verdict {
            Verdict::Fail { .. } => Some(Fact::Known(format!("bundles/{problem}-0123456789abcdef.safetensors"))),
            Verdict::Timeout { .. } => Some(Fact::Missing { missing: "the disk is full".to_owned() }),
            Verdict::Pass | Verdict::Skip { .. } | Verdict::Crash { .. } | Verdict::Error { .. } => None,
        },
        verdict,
    }
}

/// A record that passed.
pub fn passed(problem: &str) -> Record {
    record(problem, Verdict::Pass)
}

/// One record of each verdict.
pub fn every_verdict() -> Vec<Record> {
    vec![
        passed("n1000"),
        record(
            "n2000",
            Verdict::Fail {
                reason: "rung `repeat`: `voxels` differs in 1 of 8 elements, first at [0, 1, 1]".to_owned(),
            },
        ),
        record("n3000", Verdict::Skip { reason: SkipReason::MachineLacks("cuda: no NVIDIA driver".to_owned()) }),
        record("n4000", Verdict::Timeout { deadline_ms: 10_000 }),
        record(
            "n5000",
            Verdict::Crash {
                cause: "SIGABRT".to_owned(),
                detail: "assertion `a < b` failed\n\u{1b}[31mred\u{0}".to_owned(),
            },
        ),
        record("n6000", Verdict::Error { message: "the worker could not be started: out of memory".to_owned() }),
    ]
}

fn observed(differences: Vec<Comparison>) -> Outcome {
    Outcome::Observed(Box::new(Observation::Determinism(DeterminismFacts {
        output_hashes: vec![("voxels".to_owned(), "ab".repeat(32))],
        output_elements: 8,
        rungs: vec![RungFacts {
            rung: "repeat".to_owned(),
            runs: 3,
            elements: 24,
            differences,
            broken_run: None,
            differing_hashes: Vec::new(),
            guard_violation: None,
            mutated_input: None,
        }],
    })))
}

fn difference() -> Comparison {
    let first = Difference {
        offset: 3,
        index: vec![0, 1, 1],
        expected_bits: "3f800000".to_owned(),
        actual_bits: "3f800001".to_owned(),
        expected: "1".to_owned(),
        actual: "1.0000001".to_owned(),
        ulps: Some(1),
        fraction_of_bound: Some(0.1 + 0.2),
    };
    Comparison {
        tensor: "voxels".to_owned(),
        elements: 8,
        differing: 1,
        first: Some(first.clone()),
        worst: Some(first),
        max_ulps: 1,
        max_fraction_of_bound: None,
        histogram: UlpHistogram([7, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
    }
}

/// A series of samples with this median time and this ratio to the copy.
pub fn series(series: Series, microseconds: f64, ratio: f64) -> SeriesFacts {
    SeriesFacts {
        series,
        samples: 40,
        discarded: 1,
        ended: SamplingEnd::Quiet,
        median_seconds: microseconds / 1e6,
        minimum_seconds: microseconds / 1.02e6,
        mean_seconds: microseconds / 0.99e6,
        noise: 0.0123,
        bytes_per_second: 400e6 / (microseconds / 1e6),
        copy_seconds: microseconds / 1e6 / ratio,
        ratio: RatioFacts { median: ratio, low: 0.99 * ratio, high: 1.005 * ratio },
        gpu: Some(Fact::Known(GpuConditions {
            sm_mhz: (1755, 1980),
            memory_mhz: (3201, 3201),
            temperature_c: (35, 41),
            throttled: Vec::new(),
        })),
    }
}

/// A cell that was timed, with a threshold for its cold series.
pub fn timed(
    operator: &str,
    device: Device,
    dtype: DType,
    problem: &str,
    limit: f64,
    series: Vec<SeriesFacts>,
) -> Record {
    let mut record = passed(problem);
    record.cell.name = format!("performance::{operator}::{device}::{dtype}::{problem}::uniform");
    record.cell.suite = SuiteSettings::Performance(PerformanceSettings {
        samples: 20,
        most_samples: 200,
        noise: 0.01,
        series_ms: 1000,
        warm_up_ms: 100,
        thresholds: vec![Threshold { series: Series::Cold, at_most_of_copy: limit }],
    });
    operator.clone_into(&mut record.cell.operator);
    (record.cell.device, record.cell.dtype) = (device, dtype);
    let facts = PerformanceFacts { bytes_moved: 400_000_000, sets: 2, series, wrong_output: None };
    record.outcome = Some(Outcome::Observed(Box::new(Observation::Performance(facts.into()))));
    record
}

/// A machine without a GPU.
pub fn machine() -> Machine {
    Machine {
        cpus: 2,
        gpus: Vec::new(),
        cuda_missing: Some("no NVIDIA driver".to_owned()),
        cupti: Err("libcupti.so was not found".to_owned()),
        nccl: Err("libnccl.so.2 was not found".to_owned()),
        datasets: Default::default(),
        goldens: Default::default(),
        subject: None,
        launched: None,
    }
}

/// The environment of this process, with this question.
pub fn environment(profile: &str, filters: Filters, matrix: &[u8]) -> Environment {
    let selection = Selection::new(profile, filters, matrix);
    let kernel_image = Err("nvcc was not found when the program was built".to_owned());
    // Not the real hash: a process that is killed after a few milliseconds has no time to read its own executable.
    Environment::collect(Program::with_hash("0".repeat(64)), selection, &machine(), kernel_image)
}

/// The usual environment.
pub fn usual_environment() -> Environment {
    environment("quick", Filters::default(), MATRIX)
}

/// An environment of which nothing depends on this machine or program, for snapshots and documents.
pub fn fixed_environment() -> Environment {
    let gpu = Gpu {
        name: "NVIDIA H200".to_owned(),
        uuid: "GPU-00000000-1111-2222-3333-444444444444".to_owned(),
        compute_capability: "9.0".to_owned(),
        memory_bytes: 150_754_820_096,
    };
    Environment {
        cells: None,
        format: 1,
        run: "20261122T140312.482Z".to_owned(),
        started: "2026-11-22T14:03:12.482Z".parse().unwrap(),
        program: Program {
            version: "0.1.0".to_owned(),
            commit: Fact::Known("c0ffee00".repeat(5)),
            dirty: Fact::Known(false),
            hash: "5a".repeat(32),
            build: "release".to_owned(),
            target: "x86_64-unknown-linux-gnu".to_owned(),
            compiler: "rustc 1.95.0".to_owned(),
        },
        subject: None,
        selection: Selection::new("quick", Filters::default(), MATRIX),
        invocation: "validation --profile quick".to_owned(),
        kernel_image: Fact::Known("7b".repeat(32)),
        host: Host {
            cpu: Fact::Known("AMD EPYC 9654".to_owned()),
            logical_cpus: Fact::Known(16),
            instruction_sets: vec!["baseline".to_owned(), "avx2".to_owned()],
            memory_bytes: Fact::Known(137_438_953_472),
            system: Fact::Known("Ubuntu 24.04.1 LTS".to_owned()),
            kernel: Fact::Known("6.8.0-45-generic".to_owned()),
            libc: Fact::Known("glibc 2.39".to_owned()),
        },
        driver: Fact::Known(Driver { version: "580.95.05".to_owned(), cuda: Fact::Known("13.0".to_owned()) }),
        cupti: Fact::Known("libcupti.so.13".to_owned()),
        nccl: Fact::Missing { missing: "libnccl.so.2 was not found".to_owned() },
        gpus: Fact::Known(vec![GpuFacts {
            gpu,
            clocks: Fact::Known(Clocks { sm_mhz: 1980, sm_max_mhz: 1980, memory_mhz: 3201, memory_max_mhz: 3201 }),
            ecc: Fact::Known(Ecc { enabled: true, corrected: Some(0), uncorrected: Some(0) }),
            power_limit_mw: Fact::Known(700_000),
            temperature_c: Fact::Known(31),
            multi_instance: Fact::Known(false),
        }]),
        variables: [("CUDA_VISIBLE_DEVICES".to_owned(), "0".to_owned())].into(),
    }
}

/// A new run under this root.
pub fn new_run(root: &Path) -> Run {
    Run::create(root, usual_environment(), MATRIX).unwrap()
}

/// Continues the run in this folder.
pub fn resume(folder: &Path) -> Result<Run, RunError> {
    Run::resume(Path::new("nowhere"), folder.to_str().unwrap(), usual_environment())
}

/// The log of a finished run that holds these records, and the folder that it lies in.
pub fn log_of(records: &[Record]) -> (tempfile::TempDir, PathBuf, Vec<u8>) {
    let root = tempfile::tempdir().unwrap();
    let run = new_run(root.path());
    for record in records {
        run.log().append(record).unwrap();
    }
    let path = run.folder().join("records.jsonl");
    run.close().unwrap();
    let bytes = fs::read(&path).unwrap();
    (root, path, bytes)
}

/// The names of the cells of these records.
pub fn names(records: &[Record]) -> Vec<&str> {
    records.iter().map(|record| record.cell.name.as_str()).collect()
}
