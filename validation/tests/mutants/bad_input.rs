//! What cannot be run says why, with a status of its own, and leaves no evidence that anything was shown.

use validation_testing::project::{Ended, Project, program};

use crate::patches::{DEFECT, Patches, header, mutants};

fn refused(path: &str, text: String, status: i32, parts: &[&str]) {
    let patches = Patches::new(&[("mutants/cpu/good.patch", header("accuracy") + DEFECT), (path, text)]);
    let ended = patches.run(&[]);
    assert_eq!(ended.code, Some(status), "{}", ended.printed());
    assert!(parts.iter().all(|part| ended.stderr.contains(part)), "{parts:?}: {}", ended.printed());
}

#[test]
fn a_filter_that_matches_nothing_is_refused() {
    let ended = mutants(&Project::new(), &["no_such_defect"]);
    assert_eq!(ended.code, Some(2), "{}", ended.printed());
    assert!(ended.stderr.contains("no mutant, kind or control contains `no_such_defect`"), "{}", ended.printed());
}

#[test]
fn a_missing_compiler_is_incomplete() {
    let project = Project::new();
    let mut command = program();
    command.current_dir(project.path("")).args(["mutants", "zeros"]).env("CC", "no-such-compiler");
    let ended: Ended = command.arg("--output").arg(project.output()).output().unwrap().into();
    assert_eq!(ended.code, Some(3), "{}", ended.printed());
    assert!(ended.stderr.contains("INCOMPLETE: there is no C compiler: `no-such-compiler"), "{}", ended.printed());
    assert!(!project.output().exists());
}

#[test]
fn a_device_without_mutants_is_incomplete() {
    let patches = Patches::new(&[("mutants/cuda/readme.txt", "Nothing yet.".to_owned())]);
    let ended = patches.run(&["--device", "cuda"]);
    assert_eq!(ended.code, Some(3), "{}", ended.printed());
    assert!(ended.stderr.contains("INCOMPLETE: there are no mutants of cuda"), "{}", ended.printed());
}

#[test]
fn a_patch_that_no_longer_applies_names_itself() {
    let stale =
        DEFECT.replace("-    position.weight = elapsed / interval;", "-    position.weight = elapsed / period;");
    let parts = ["stale.patch", "hunk 1 of `interpolate.c` no longer applies"];
    refused("mutants/cpu/stale.patch", header("accuracy") + &stale, 2, &parts);
    refused("controls/cpu/stale.patch", format!("what: Stale.\n{stale}"), 2, &parts);
}

#[test]
fn a_patch_that_applies_in_two_places_names_itself() {
    let vague = "\n--- a/interpolate.c\n+++ b/interpolate.c\n@@ -1 +1 @@\n-    (void)stream;\n+    stream = 0;\n";
    let parts = ["vague.patch", "hunk 1 of `interpolate.c` applies in 2 places"];
    refused("mutants/cpu/vague.patch", header("accuracy") + vague, 2, &parts);
}

#[test]
fn a_mutant_that_does_not_compile_is_named_with_what_the_compiler_said() {
    let broken = DEFECT.replace("roundf(", "rounded_by_nobody((");
    refused(
        "mutants/cpu/broken.patch",
        header("accuracy") + &broken,
        2,
        &["`broken`: it does not compile", "interpolate.c"],
    );
}

#[test]
fn a_mutant_that_is_no_subject_any_more_is_named() {
    let hunk = "@@ -1 +1 @@\n-RC_SUBJECT(RC_DEVICE_CPU, \"c_subject\", \"1.0\");\n+int nothing;\n";
    let silent = &format!("\n--- a/subject.c\n+++ b/subject.c\n{hunk}");
    let parts = ["`silent`: ", "rc_subject_describe"];
    refused("mutants/cpu/silent.patch", header("accuracy") + silent, 2, &parts);
}

#[test]
fn a_header_that_says_nonsense_is_refused() {
    let unknown = header("accuracy").replace("cheat", "mischief") + DEFECT;
    refused("mutants/cpu/odd.patch", unknown, 2, &["odd.patch", "unknown kind `mischief`"]);
    refused("mutants/cpu/odd.patch", header("precision") + DEFECT, 2, &["odd.patch", "unknown suite `precision`"]);
    refused("mutants/cpu/Odd-Name.patch", header("accuracy") + DEFECT, 2, &["Odd-Name.patch"]);
    let odd = "what: A control has no kind.\nkind: cheat\n".to_owned() + DEFECT;
    refused("controls/cpu/odd.patch", odd, 2, &["odd.patch", "unknown key `kind`"]);
}

#[test]
fn a_suite_or_an_operator_that_is_not_run_kills_nothing() {
    let parts = ["`odd` must be killed by launch_count", "does not run for its operators on cpu"];
    refused("mutants/cpu/odd.patch", header("launch_count") + DEFECT, 2, &parts);
    let unknown = header("accuracy").replace("resample, fuse", "resample, convolve") + DEFECT;
    refused("mutants/cpu/odd.patch", unknown, 2, &["`odd` must be killed by accuracy"]);
}

#[test]
fn a_folder_that_is_not_there_is_refused() {
    let ended = mutants(&Project::new(), &["--patches", "nowhere"]);
    assert_eq!(ended.code, Some(2), "{}", ended.printed());
    assert!(ended.stderr.contains("cannot read `nowhere/mutants/cpu`"), "{}", ended.printed());
}
