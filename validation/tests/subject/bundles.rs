//! Bundles of libraries: what failed in one is replayed with it, and with a repaired one.

use std::{
    fs,
    path::{Path, PathBuf},
};

use validation::{
    bundle::{self, Manifest, Role, SubjectIdentity},
    evidence::{Environment, Fact, Record},
    verdict::Verdict,
};
use validation_testing::{
    compile,
    project::{Ended, Project, program},
};

const MATRIX: &str = include_str!("matrix.yaml");

/// A run in which every cell failed, and its library.
struct Failed {
    project: Project,
    library: PathBuf,
    ended: Ended,
}

impl Failed {
    fn of(fixture: &str, filter: &str) -> Self {
        let project = Project::with_matrix(MATRIX);
        let library = compile::fixture(fixture, &project.path(""));
        let ended = project.run(&["--profile", "quick", "--subject", library.to_str().unwrap(), filter]);
        assert_eq!(ended.code, Some(1), "{}", ended.printed());
        Self { project, library, ended }
    }

    /// The records of its cells, and their bundles.
    fn bundles(&self) -> Vec<(Record, PathBuf)> {
        let run = self.project.only_run();
        let found = |record: Record| match &record.bundle {
            Some(Fact::Known(bundle)) => (run.join(bundle), record),
            Some(Fact::Missing { .. }) | None => panic!("{}: {:?}", record.cell.name, record.bundle),
        };
        let bundles: Vec<_> =
            self.project.records().into_iter().map(found).map(|(path, record)| (record, path)).collect();
        assert!(bundles.len() > 1, "{}", self.ended.printed());
        bundles
    }
}

/// Asks something of a bundle, far from the run that left it.
fn ask(task: &str, bundle: &Path, library: Option<&Path>) -> Ended {
    let elsewhere = tempfile::tempdir().unwrap();
    let mut command = program();
    command.current_dir(elsewhere.path()).arg(task).arg(bundle);
    if let Some(library) = library {
        command.arg("--subject").arg(library);
    }
    command.output().unwrap().into()
}

fn expect(ended: &Ended, code: i32, parts: &[&str]) {
    let printed = ended.printed();
    assert_eq!(ended.code, Some(code), "{printed}");
    for part in parts {
        assert!(printed.contains(part), "{part}: {printed}");
    }
}

fn identity(library: &Path) -> SubjectIdentity {
    let hash = blake3::hash(&fs::read(library).unwrap()).to_hex().to_string();
    SubjectIdentity { name: "c_subject".to_owned(), version: "1.0".to_owned(), hash }
}

#[test]
fn wrong_bits_come_back_with_the_library_and_go_with_a_repaired_one() {
    let failed = Failed::of("zeros_everywhere", "resample");
    let folder = failed.project.path("");
    let (repaired, other) = (compile::example(&folder), compile::fixture("ones_everywhere", &folder));
    for (record, path) in failed.bundles() {
        let name = &record.cell.name;
        let manifest = bundle::read(&path).unwrap().manifest;
        assert_eq!(manifest.subject, Some(identity(&failed.library)), "{name}");
        expect(&ask("repro", &path, Some(&failed.library)), 1, &["same bits", "the one that failed\n"]);
        let another = "another one than the one that failed: c_subject 1.0 (";
        expect(&ask("repro", &path, Some(&repaired)), 0, &["passes now", another]);
        expect(&ask("repro", &path, Some(&other)), 6, &["still fails, other bits", another]);
        for task in ["repro", "minimize"] {
            let short = &identity(&failed.library).hash[..16];
            expect(&ask(task, &path, None), 2, &["c_subject 1.0", short, "pass `--subject LIBRARY`"]);
        }
    }
}

#[test]
fn the_outputs_of_the_library_are_the_wrong_ones() {
    for (record, path) in Failed::of("zeros_everywhere", "resample").bundles() {
        let read = bundle::read(&path).unwrap();
        let all_zero = |role| {
            let mut held = read.of_role(role);
            held.all(|held| held.payload.as_ref().unwrap().bytes().iter().all(|&byte| byte == 0))
        };
        assert!(all_zero(Role::Actual) && !all_zero(Role::Expected), "{}", record.cell.name);
    }
}

#[test]
fn the_line_of_a_failure_says_how_to_replay_it_with_the_library() {
    let failed = Failed::of("zeros_everywhere", "resample");
    let line = failed.ended.printed();
    let line = line.lines().find_map(|line| line.trim().strip_prefix("replay: ")).unwrap();
    assert!(line.contains(" repro ") && line.ends_with(&format!("--subject {}", failed.library.display())), "{line}");
}

#[test]
fn a_crash_comes_back_with_the_library_and_goes_with_a_repaired_one() {
    let failed = Failed::of("crash", "fuse");
    let repaired = compile::example(&failed.project.path(""));
    for (record, path) in failed.bundles() {
        let Verdict::Crash { cause, .. } = &record.verdict else { panic!("{:?}", record.verdict) };
        let read = bundle::read(&path).unwrap();
        assert!(read.inputs().is_some(), "its inputs are made again without it: {}", record.cell.name);
        assert_eq!(read.manifest.subject, Some(identity(&failed.library)));
        expect(&ask("repro", &path, Some(&failed.library)), 1, &["same bits", cause, "the one that failed\n"]);
        expect(&ask("repro", &path, Some(&repaired)), 0, &["passes now"]);
    }
}

#[test]
fn a_minimised_bundle_is_of_the_library_that_it_was_minimised_with() {
    let failed = Failed::of("zeros_everywhere", "resample");
    let other = compile::fixture("ones_everywhere", &failed.project.path(""));
    let (_, path) = failed.bundles().swap_remove(0);
    for library in [&failed.library, &other] {
        let ended = ask("minimize", &path, Some(library));
        expect(&ended, 0, &["  library: c_subject 1.0 ("]);
        let smaller = Path::new(ended.stdout.lines().last().unwrap());
        let manifest = bundle::read(smaller).unwrap().manifest;
        assert_eq!(manifest.subject, Some(identity(library)));
        assert!(manifest.minimized_from.is_some());
        expect(&ask("repro", smaller, Some(library)), 1, &["same bits", "the one that failed\n"]);
    }
}

#[test]
fn a_library_can_be_tried_on_what_failed_in_a_program() {
    let failed = Failed::of("zeros_everywhere", "accuracy::resample");
    let (_, path) = failed.bundles().swap_remove(0);
    let bundle::Bundle { manifest, tensors, .. } = bundle::read(&path).unwrap();
    let environment = Environment { subject: None, ..manifest.environment };
    let manifest = Manifest { subject: None, environment, ..manifest };
    fs::write(&path, bundle::encode(&manifest, &tensors).unwrap()).unwrap();
    let place = "in the place of a program's own operators, which failed";
    expect(&ask("repro", &path, Some(&failed.library)), 1, &["same bits", place]);
    expect(&ask("repro", &path, Some(&compile::example(&failed.project.path("")))), 0, &["passes now", place]);
    expect(&ask("repro", &path, None), 0, &["passes now"]);
}

#[test]
fn a_library_without_the_operator_is_refused_and_so_is_what_is_none() {
    let failed = Failed::of("crash", "fuse");
    let (_, path) = failed.bundles().swap_remove(0);
    let lacking = compile::fixture("resample_only", &failed.project.path(""));
    expect(&ask("repro", &path, Some(&lacking)), 2, &["resample only 0.1", "it does not export rc_fuse"]);
    expect(&ask("repro", &path, Some(&path)), 2, &[]);
}

#[test]
fn a_postmortem_names_the_library_and_says_that_it_is_needed() {
    let failed = Failed::of("crash", "fuse");
    let (_, path) = failed.bundles().swap_remove(0);
    let ended = program().current_dir(failed.project.path("")).arg("postmortem").arg(&path).output().unwrap();
    let ended = Ended::from(ended);
    expect(&ended, 0, &[]);
    let document = fs::read_to_string(failed.project.path(ended.stdout.trim())).unwrap();
    let rows = ["| shared library | `c_subject 1.0` |", &identity(&failed.library).hash, " --subject LIBRARY\n"];
    assert!(rows.iter().all(|row| document.contains(row)), "{document}");
}
