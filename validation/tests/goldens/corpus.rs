//! A project with a release's goldens, and changes of them that leave every hash right.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;
use validation::{evidence::Record, golden};
use validation_testing::project::{Ended, Project, program};

pub(crate) const MATRIX: &str = include_str!("matrix.yaml");

/// The release of these tests.
pub(crate) const RELEASE: &str = "0.9.0";

/// The golden that these tests change, and the cell that reproduces it.
pub(crate) const GOLDEN: &str = "resample.f32.b2_s5_d3_t7_f32.uniform.safetensors";
pub(crate) const CELL: &str = "backward_compat::resample::cpu::f32::b2_s5_d3_t7_f32::uniform::0.9.0";

/// `validation golden` with these words, on the matrix of a project.
pub(crate) fn golden(project: &Project, words: &[&str]) -> Ended {
    program().arg("golden").args(words).arg("--matrix").arg(project.matrix()).output().unwrap().into()
}

/// The hash that `golden write` tells people to put into the matrix.
pub(crate) fn printed_hash(ended: &Ended) -> String {
    assert_eq!(ended.code, Some(0), "{}", ended.printed());
    let (_, hash) = ended.stdout.rsplit_once(": ").unwrap_or_else(|| panic!("{}", ended.printed()));
    hash.trim().to_owned()
}

/// A project whose matrix names a release, whose goldens lie beside it.
pub(crate) fn released() -> Project {
    let project = Project::with_matrix(MATRIX);
    let hash = printed_hash(&golden(&project, &["write", "--release", RELEASE]));
    replace(project.matrix(), "releases: {}", &format!("releases: {{{RELEASE}: {hash}}}"));
    replace(project.matrix(), "    select:\n", "    select:\n      - {suites: [backward_compat], goldens: all}\n");
    project
}

/// Adds an approval of changed results, or of changed inputs, to the matrix of a project.
pub(crate) fn approve(project: &Project, cells: &str, change: &str, expires: &str) {
    let approval = format!("{{cells: \"{cells}\", change: {change}, reason: ties were wrong, expires: {expires}}}");
    replace(project.matrix(), "approved: []", &format!("approved: [{approval}]"));
}

/// The folder of the release.
pub(crate) fn folder(project: &Project) -> PathBuf {
    project.path("goldens").join(RELEASE)
}

/// Replaces the only place of a text in a file.
pub(crate) fn replace(path: &Path, old: &str, new: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert_eq!(text.matches(old).count(), 1, "{old} in {text}");
    fs::write(path, text.replace(old, new)).unwrap();
}

/// Flips a bit of the last byte of a tensor of [`GOLDEN`], and puts every hash of it right: as if the release had had
/// other bits.
pub(crate) fn forge(project: &Project, role: &str, tensor: &str) {
    let path = folder(project).join(GOLDEN);
    let mut bytes = fs::read(&path).unwrap();
    let old_hash = blake3::hash(&bytes).to_hex().to_string();
    let header_end = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: Value = serde_json::from_slice(&bytes[8..header_end]).unwrap();
    let offsets = &header[format!("{role}/{tensor}")]["data_offsets"];
    let range = offsets[0].as_u64().unwrap() as usize + header_end..offsets[1].as_u64().unwrap() as usize + header_end;
    let tensor_before = blake3::hash(&bytes[range.clone()]).to_hex();
    bytes[range.end - 1] ^= 1;
    let tensor_after = blake3::hash(&bytes[range]).to_hex();
    let at = bytes.windows(64).position(|window| window == tensor_before.as_bytes()).unwrap();
    bytes[at..at + 64].copy_from_slice(tensor_after.as_bytes());
    fs::write(&path, &bytes).unwrap();

    // Another golden may be fed the same bytes.
    let new_hash = blake3::hash(&bytes).to_hex();
    rewrite_manifest(project, |text| {
        text.replace(&old_hash, &new_hash).replace(tensor_before.as_str(), tensor_after.as_str())
    });
    golden::read(&path, blake3::hash(&bytes).to_hex().as_str()).expect("a forgery that nothing tells from a golden");
}

/// Changes the manifest, and its hash in the matrix.
pub(crate) fn rewrite_manifest(project: &Project, change: impl FnOnce(&str) -> String) {
    let manifest = folder(project).join("manifest.json");
    let before = fs::read_to_string(&manifest).unwrap();
    let after = change(&before);
    assert_ne!(before, after);
    fs::write(&manifest, &after).unwrap();
    let hash = |text: &str| blake3::hash(text.as_bytes()).to_hex().to_string();
    replace(project.matrix(), &hash(&before), &hash(&after));
}

/// The record of [`CELL`] in the only run.
pub(crate) fn record_of_cell(project: &Project) -> Record {
    let mut records = project.records().into_iter().filter(|record| record.cell.name == CELL);
    records.next().expect("the cell was run")
}
