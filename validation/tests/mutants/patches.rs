//! Folders of patches, and the program run with them.

use std::{fs, path::PathBuf};

use validation::mutants::DetectionRecord;
use validation_testing::project::{Ended, Project, program};

/// Weights that are rounded: a defect that both suites find at once.
pub(crate) const DEFECT: &str = "
--- a/interpolate.c
+++ b/interpolate.c
@@ -1,1 +1,1 @@
-    position.weight = elapsed / interval;
+    position.weight = roundf(elapsed / interval * 8.0f) / 8.0f;
";

/// One rounding in the place of two: within the bound of accuracy, and other bits.
pub(crate) const CONTRACTION: &str = "
--- a/interpolate.c
+++ b/interpolate.c
@@ -1,1 +1,1 @@
-                    value = left_part + right_part;
+                    value = fmaf(left, 1.0f - position.weight, right_part);
";

/// A comment: nothing that anybody could find.
pub(crate) const NOTHING: &str = "
--- a/interpolate.c
+++ b/interpolate.c
@@ -1,1 +1,2 @@
     position.weight = elapsed / interval;
+    /* as it was */
";

/// The header of a mutant of `resample` and `fuse`.
pub(crate) fn header(killed_by: &str) -> String {
    format!("kind: cheat\nwhat: It is wrong.\nkilled_by: {killed_by}\noperators: resample, fuse\n")
}

/// A folder with patches: `mutants/cpu/name.patch` and so on.
pub(crate) struct Patches {
    project: Project,
}

impl Patches {
    pub(crate) fn new(files: &[(&str, String)]) -> Self {
        let project = Project::new();
        for (path, text) in files {
            let path = project.path("patches").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Self { project }
    }

    /// Runs `validation mutants` with them, each once.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        let folder = self.project.path("patches").display().to_string();
        let all = [&["--patches", &folder, "--repeats", "1", "--control-repeats", "1"], arguments].concat();
        mutants(&self.project, &all)
    }

    /// The detection matrix of the only run.
    pub(crate) fn record(&self) -> DetectionRecord {
        record(&self.project)
    }
}

/// Runs `validation mutants` to its end, with evidence in the project.
pub(crate) fn mutants(project: &Project, arguments: &[&str]) -> Ended {
    let mut command = program();
    command.current_dir(project.path("")).env_remove("CC").arg("mutants").arg("--output").arg(project.output());
    command.args(arguments).output().unwrap().into()
}

/// A file of the only run.
pub(crate) fn file(project: &Project, name: &str) -> PathBuf {
    project.only_run().join(name)
}

/// The detection matrix of the only run.
pub(crate) fn record(project: &Project) -> DetectionRecord {
    serde_json::from_slice(&fs::read(file(project, "mutants.json")).unwrap()).unwrap()
}
