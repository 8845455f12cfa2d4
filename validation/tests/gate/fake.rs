//! A measuring process that is a shell script, and a comparison of two of them.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

use robocache_core::{distribution::Distribution, dtype::DType, parameters::Parameters, random::Seed, timing::Series};
use serde_json::{Value, json};
use tempfile::TempDir;
use validation::{
    cell::{Cell, Device, Input, Limits},
    dataset::Expectation,
    evidence::{Fact, Program},
    execution::Selected,
    gate::{
        self, Comparison, Design, GateError, GateRecord, Launch, Programs,
        protocol::{Hello, MachineIdentity, PROTOCOL},
    },
    plan::PlannedCell,
    suites::{AccuracySettings, SuiteSettings},
};

/// Rounds of a comparison.
pub(crate) const ROUNDS: usize = 3;

/// What a script says and does.
#[derive(Clone)]
pub(crate) struct Script {
    /// The first line.
    pub(crate) hello: Value,
    /// Shell commands for each request.
    pub(crate) prepare: String,
    pub(crate) measure: String,
    pub(crate) verify: String,
}

/// A shell command that answers.
pub(crate) fn say(answer: &Value) -> String {
    format!("echo '{answer}' >&0")
}

impl Script {
    /// One that behaves, and takes so many seconds for a call.
    pub(crate) fn taking(seconds: f64) -> Self {
        let hello = Hello {
            protocol: PROTOCOL,
            program: Program::with_hash("0".repeat(64)),
            kernel_image: Fact::Missing { missing: "none".to_owned() },
            machine: MachineIdentity::look(),
        };
        Self {
            hello: serde_json::to_value(hello).unwrap(),
            prepare: say(&json!({"prepared": {"series": ["hot"], "inputs": ["00"], "gpu": null}})),
            measure: say(&json!({"measured": {"seconds": [seconds]}})),
            verify: say(&json!("verified")),
        }
    }

    fn text(&self) -> String {
        let Self { hello, prepare, measure, verify } = self;
        format!(
            "#!/bin/sh\n{}\nwhile read -r line; do\ncase \"$line\" in\n'{{\"prepare\"'*) {prepare};;\n'{{\"measure\"'*) \
             {measure};;\n'\"verify\"') {verify};;\n*) exit 9;;\nesac\ndone\n",
            say(&json!({"hello": hello}))
        )
    }
}

/// A folder of scripts.
pub(crate) struct Scripts(TempDir);

impl Scripts {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        path
    }

    /// Compares a script of this text with a baseline.
    pub(crate) fn compare_text(&self, baseline: &Script, candidate: &str) -> Result<GateRecord, GateError> {
        let launch = |path| Launch { program: path, arguments: Vec::new() };
        let programs = Programs {
            baseline: launch(self.write("baseline", &baseline.text())),
            candidate: launch(self.write("candidate", candidate)),
        };
        compare_programs(programs)
    }

    /// Compares two scripts.
    pub(crate) fn compare(&self, baseline: &Script, candidate: &Script) -> Result<GateRecord, GateError> {
        self.compare_text(baseline, &candidate.text())
    }
}

/// A short comparison of one unit.
pub(crate) fn compare_programs(programs: Programs) -> Result<GateRecord, GateError> {
    let planned = PlannedCell { cell: cell(), skip: None };
    let comparison = Comparison {
        programs,
        design: Design { cpu_blocks: 1, ..Design::default().with_one_look(ROUNDS) },
        cells: &[Selected { planned: &planned, recording: None, golden: None }],
        series: &[Series::Hot],
    };
    gate::run(&comparison, "baseline", 0.0, &mut |_| {})
}

/// Any cell: scripts do not look at it.
fn cell() -> Cell {
    Cell {
        name: "performance::resample::cpu::f32::b1::uniform".to_owned(),
        suite: SuiteSettings::Accuracy(AccuracySettings { random_problems: 0 }),
        operator: "resample".to_owned(),
        device: Device::Cpu,
        dtype: DType::F32,
        parameters: Parameters::default(),
        input: Input::Generated(Distribution::Uniform),
        seed: Seed::root(1),
        expect: Expectation::Accepted,
        limits: Limits { deadline_ms: 500, memory_bytes: None, fresh_process: false },
    }
}
