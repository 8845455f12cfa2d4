//! A postmortem, as far as a bundle can write it.

use std::{fmt::Write, path::Path};

use robocache_core::compare::{Comparison, compare_bits};

use super::{keep::file_stem, manifest::Manifest, read::Bundle, tensors::Role, way::way};
use crate::{
    evidence::Fact,
    observation::{Observation, Outcome},
    shell::{quoted, this_program},
    verdict::Verdict,
};

/// The name of the document of a bundle: the day of the failure and the cell.
pub(super) fn file_name(manifest: &Manifest) -> String {
    format!("{}-{}.md", manifest.environment.started.strftime("%Y-%m-%d"), file_stem(&manifest.cell.name))
}

/// The document: facts from the bundle at `path`, and headings for what only people know.
pub(super) fn draft(bundle: &Bundle, path: &Path) -> String {
    let Bundle { manifest, hash, bytes, .. } = bundle;
    let mut text = format!("# Postmortem: {}\n\n", printable_line(&manifest.cell.name));
    let _ = writeln!(text, "Drafted from a bundle. What is in tables was measured; replace what is in italics.\n");

    text += "## What failed\n\n";
    table(&mut text, &failure(manifest));
    if let Some(comparison) = first_difference(bundle) {
        text += "\nThe first differing element:\n\n";
        table(&mut text, &element(&comparison));
    }
    text += "\n## Replay\n\n```sh\n";
    // A run's folder does not say where the library or the kernels lay.
    let with = match (&manifest.subject, &manifest.kernels) {
        (Some(_), _) => " --subject LIBRARY",
        (None, Some(_)) => " --kernels FILE",
        (None, None) => "",
    };
    let _ = writeln!(text, "{} repro {}{with}", this_program(), quoted(&path.to_string_lossy()));
    text += "```\n\n";
    let _ = writeln!(text, "The bundle has {bytes} bytes and the BLAKE3 `{hash}`.");
    text += "\n## Where\n\n";
    table(&mut text, &environment(manifest));
    for (heading, question) in [
        ("Impact", "Who was given wrong results, since when, and how is that known?"),
        ("Timeline", "When was it introduced, noticed, understood, mended?"),
        ("Root cause", "What was wrong, and why did it give just these bits?"),
        ("Why it was not found earlier", "Which check should have caught it, and why did it not?"),
        ("What was changed", "The fix, and the check that fails without it."),
    ] {
        let _ = write!(text, "\n## {heading}\n\n_{question}_\n");
    }
    text
}

fn failure(manifest: &Manifest) -> Vec<(&'static str, String)> {
    let (cell, replay) = (&manifest.cell, &manifest.replay);
    let arguments = |cell: &crate::cell::Cell| {
        cell.parameters.iter().map(|(name, value)| format!("{name} = {value}")).collect::<Vec<_>>().join(", ")
    };
    let mut rows = vec![
        ("cell", code(&cell.name)),
        ("verdict", manifest.verdict.word().to_owned()),
        ("way", code(&way(&manifest.outcome, &manifest.verdict))),
        ("what was found", printable_line(&detail(&manifest.verdict))),
        ("arguments", code(&arguments(cell))),
        ("input", format!("{} (seed `{}`)", cell.input, cell.seed)),
    ];
    if replay.parameters != cell.parameters {
        rows.push(("smallest known problem", code(&arguments(replay))));
    }
    rows
}

fn element(comparison: &Comparison) -> Vec<(&'static str, String)> {
    let Some(first) = &comparison.first else { return Vec::new() };
    let mut rows = vec![
        (
            "output",
            format!(
                "{}, {} of {} elements differ",
                code(&comparison.tensor),
                comparison.differing,
                comparison.elements
            ),
        ),
        ("index", format!("{:?} (offset {})", first.index, first.offset)),
        ("expected", format!("{} (bits `{}`)", printable_line(&first.expected), first.expected_bits)),
        ("actual", format!("{} (bits `{}`)", printable_line(&first.actual), first.actual_bits)),
    ];
    if let Some(ulps) = first.ulps {
        rows.push(("distance", format!("{ulps} ULPs")));
    }
    rows
}

fn environment(manifest: &Manifest) -> Vec<(&'static str, String)> {
    let environment = &manifest.environment;
    let program = &environment.program;
    let mut rows = vec![
        ("time", environment.started.to_string()),
        ("run", code(&environment.run)),
        ("invocation", code(&environment.invocation)),
        ("commit", code(&program.source_folder())),
        ("program", format!("{} {} build, BLAKE3 `{}`", program.version, program.build, program.hash)),
        ("kernel image", fact(&environment.kernel_image)),
        ("processor", fact(&environment.host.cpu)),
        ("system", fact(&environment.host.system)),
    ];
    if let Some(subject) = &manifest.subject {
        rows.push(("shared library", code(&format!("{} {}", subject.name, subject.version))));
        rows.push(("its BLAKE3", code(&subject.hash)));
    }
    match &environment.gpus {
        Fact::Known(gpus) => rows.extend(gpus.iter().map(|gpu| ("GPU", printable_line(&gpu.gpu.name)))),
        Fact::Missing { missing } => rows.push(("GPU", printable_line(missing))),
    }
    rows
}

/// The first differing element: as the facts have it, or else as the tensors do.
fn first_difference(bundle: &Bundle) -> Option<Comparison> {
    let differs = |comparison: &&Comparison| comparison.first.is_some();
    let of_facts = match &bundle.manifest.outcome {
        Outcome::Observed(observation) => match &**observation {
            Observation::Determinism(facts) => facts.rungs.iter().flat_map(|rung| &rung.differences).find(differs),
            Observation::Accuracy(facts) => facts.outputs.iter().chain(&facts.unwritten).find(differs),
            Observation::BackwardCompat(facts) => facts.differences.iter().find(differs),
            // What ranks saw is told by the verdict, with its index and both values.
            Observation::MultiGpu(_)
            | Observation::LaunchCount(_)
            | Observation::Performance(_)
            | Observation::OperatorFailed(_)
            | Observation::Panicked { .. }
            | Observation::InputRejected { .. } => None,
        },
        Outcome::Died(_) | Outcome::DeadlineExceeded { .. } | Outcome::HarnessFailed { .. } => None,
    };
    of_facts.cloned().or_else(|| {
        let pairs = bundle.of_role(Role::Expected).zip(bundle.of_role(Role::Actual));
        pairs
            .filter_map(|(expected, actual)| Some((expected.payload.as_deref()?, actual.payload.as_deref()?)))
            .filter(|(expected, actual)| (expected.dtype(), expected.shape()) == (actual.dtype(), actual.shape()))
            .map(|(expected, actual)| compare_bits(expected, actual))
            .find(|comparison| comparison.first.is_some())
    })
}

fn detail(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Pass => "nothing".to_owned(),
        Verdict::Fail { reason } => reason.clone(),
        Verdict::Skip { reason } => reason.to_string(),
        Verdict::Timeout { deadline_ms } => format!("it did not end within {deadline_ms} ms"),
        Verdict::Crash { cause, detail } => format!("{cause}: {}", detail.lines().next().unwrap_or_default()),
        Verdict::Error { message } => message.clone(),
    }
}

fn table(text: &mut String, rows: &[(&'static str, String)]) {
    text.push_str("| | |\n|---|---|\n");
    for (name, value) in rows {
        let _ = writeln!(text, "| {name} | {} |", value.replace('|', "\\|"));
    }
}

fn fact(fact: &Fact<String>) -> String {
    match fact {
        Fact::Known(value) => code(value),
        Fact::Missing { missing } => format!("unknown: {}", printable_line(missing)),
    }
}

fn code(text: &str) -> String {
    format!("`{}`", printable_line(text).replace('`', "'"))
}

/// One line of Markdown, whatever was printed.
fn printable_line(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_cell_is_called_breaks_the_document() {
        assert_eq!(code("a`b\nc"), "`a'b c`");
        let mut text = String::new();
        table(&mut text, &[("name", "a|b".to_owned())]);
        assert!(text.ends_with("| name | a\\|b |\n"));
    }
}
