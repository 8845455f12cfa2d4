//! The README says what the program does: its sample is run, its table is generated, its commands and links exist.
//!
//! `ROBOCACHE_UPDATE_README=1 cargo test -p validation --test readme` writes the generated parts anew.

use std::{collections::BTreeSet, env, fs, path::PathBuf, process::Command};

use robocache_core::{
    operator::Operator,
    operators,
    parameters::{ParameterKind, ParameterSpec},
};

/// A sample run that ends the same on every machine: which rungs of determinism there are depends on the processor.
const SAMPLE_ARGUMENTS: &[&str] = &["--test-threads=1", "accuracy::fuse::cpu::bf16::b4_t32_100x64_50x33_25x12_i64"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn readme() -> String {
    fs::read_to_string(root().join("README.md")).unwrap()
}

/// What stands between the markers of a generated part.
fn part<'a>(text: &'a str, name: &str) -> &'a str {
    let begin = format!("<!-- {name}: begin -->\n");
    let start = text.find(&begin).unwrap_or_else(|| panic!("README.md has no part {name}")) + begin.len();
    let length = text[start..].find(&format!("<!-- {name}: end -->")).unwrap();
    &text[start..start + length]
}

/// Compares a generated part, or writes it.
fn check(name: &str, generated: &str, normalise: impl Fn(&str) -> String) {
    let text = readme();
    let written = part(&text, name);
    if normalise(written) == normalise(generated) {
        return;
    }
    if env::var_os("ROBOCACHE_UPDATE_README").is_some() {
        let begin = format!("<!-- {name}: begin -->\n");
        let text = text.replacen(&format!("{begin}{written}"), &format!("{begin}{generated}"), 1);
        fs::write(root().join("README.md"), text).unwrap();
        return;
    }
    similar_asserts::assert_eq!(normalise(written), normalise(generated), "run with ROBOCACHE_UPDATE_README=1");
}

#[test]
fn the_sample_is_what_the_program_prints() {
    let output_folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_validation"))
        .args(SAMPLE_ARGUMENTS)
        .arg("--output")
        .arg(output_folder.path())
        .current_dir(root())
        .env_remove("ROBOCACHE_DATA")
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let folder = output_folder.path().display().to_string();
    let shown: Vec<&str> = printed
        .lines()
        .map(|line| if line.contains(&folder) { "evidence: bench_artifacts/<commit>/<run>" } else { line })
        .collect();
    let command = format!("$ cargo run --release -p validation -- {}\n", SAMPLE_ARGUMENTS.join(" "));
    check("sample", &format!("```text\n{command}{}\n```\n", shown.join("\n")), without_times);
}

/// Times and the widths that follow from them differ from run to run.
fn without_times(text: &str) -> String {
    let mut lines = String::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split([' ', '─']).collect();
        for (position, word) in words.iter().enumerate() {
            let next = words.get(position + 1).copied().unwrap_or_default();
            let is_time = word.parse::<f64>().is_ok() && (next == "s" || next == "s]");
            if !word.is_empty() {
                lines += if is_time { "#" } else { word };
                lines.push(' ');
            }
        }
        lines.push('\n');
    }
    lines
}

#[test]
fn the_table_is_what_the_registry_holds() {
    let mut table =
        String::from("| operator | computes | dtypes | variants | distributions |\n|---|---|---|---|---|\n");
    for operator in operators::registry().iter() {
        let dtypes: Vec<_> = operator.dtypes().iter().map(ToString::to_string).collect();
        let distributions: Vec<_> = operator.distributions().iter().map(ToString::to_string).collect();
        table += &format!(
            "| `{}` | {} | {} | {} | {} |\n",
            operator.name(),
            operator.summary(),
            dtypes.join(", "),
            variants(&**operator),
            distributions.join(", ")
        );
    }
    check("validated", &table, str::to_owned);
}

/// Arguments that are one of a few words, such as modes.
fn variants(operator: &dyn Operator) -> String {
    let words = |spec: &ParameterSpec| match spec.kind {
        ParameterKind::Word(words) => Some(format!("{}: {}", spec.name, words.join(", "))),
        ParameterKind::Integer { .. }
        | ParameterKind::Number
        | ParameterKind::Integers { .. }
        | ParameterKind::Numbers { .. }
        | ParameterKind::IntegerPairs => None,
    };
    operator.parameters().iter().filter_map(words).collect::<Vec<_>>().join("; ")
}

#[test]
fn what_the_readme_links_to_exists() {
    let documents =
        ["ARCHITECTURE.md", "evidence.md", "many_machines.md", "ops.md", "perf_numbers.md", "subject_abi.md"]
            .map(|name| format!("docs/{name}"));
    for document in documents.iter().map(String::as_str).chain(["README.md"]) {
        let text = fs::read_to_string(root().join(document)).unwrap();
        let folder = root().join(document).parent().unwrap().to_owned();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let local = !link.starts_with("http") && !link.starts_with('#');
            assert!(!local || folder.join(link).exists(), "{document} links to {link}");
        }
    }
}

#[test]
fn the_architecture_names_only_what_exists() {
    let text = fs::read_to_string(root().join("docs/ARCHITECTURE.md")).unwrap();
    let quoted: BTreeSet<_> = text.split('`').skip(1).step_by(2).collect();
    let paths = quoted.iter().filter(|word| {
        let rooms = ["kernels/", "core/", "validation/", "scripts/", "docs/"];
        rooms.iter().any(|room| word.starts_with(room)) && !word.contains('{')
    });
    let mut checked = 0;
    for path in paths {
        assert!(root().join(path).exists(), "docs/ARCHITECTURE.md names {path}");
        checked += 1;
    }
    assert!(checked > 10, "the document no longer names rooms as this test knows them");
}

#[test]
fn the_two_commands_are_there() {
    let text = readme();
    for command in ["cargo run --release -p validation", "cargo test --workspace"] {
        assert!(text.contains(command), "{command}");
    }
}
