//! Embeds the patches and the sources that they are made for, so that a packed program needs no repository.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

/// What is embedded: the name of the constant, the folder in the repository, and the endings of the files.
const FOLDERS: [(&str, &str, &[&str]); 7] = [
    ("CPU_MUTANTS", "fault_injection/mutants/cpu", &["patch"]),
    ("CUDA_MUTANTS", "fault_injection/mutants/cuda", &["patch"]),
    ("CPU_CONTROLS", "fault_injection/controls/cpu", &["patch"]),
    ("CUDA_CONTROLS", "fault_injection/controls/cuda", &["patch"]),
    ("CPU_SOURCES", "examples/c_subject", &["c", "h", "sh"]),
    ("CUDA_SOURCES", "kernels", &["cu", "cuh"]),
    ("HEADERS", "core/include", &["h"]),
];

fn main() {
    let manifest = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let repository = manifest.join("..");
    let mut text = String::new();
    for (constant, folder, endings) in FOLDERS {
        let folder = repository.join(folder);
        println!("cargo::rerun-if-changed={}", folder.display());
        text += &format!("pub(crate) const {constant}: &[(&str, &str)] = &[\n");
        for path in files(&folder, endings) {
            println!("cargo::rerun-if-changed={}", path.display());
            let name = path.file_name().expect("it was listed").display().to_string();
            let path = path.canonicalize().unwrap_or(path);
            text += &format!("    ({name:?}, include_str!({:?})),\n", path.display().to_string());
        }
        text += "];\n";
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    fs::write(out.join("embedded.rs"), text).expect("cargo's folder can be written");
}

/// The files of these endings, in the order of their names. A folder without any may be missing: git keeps none.
fn files(folder: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let is_wanted =
        |path: &PathBuf| path.extension().is_some_and(|ending| endings.iter().any(|wanted| ending == *wanted));
    let mut files: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_wanted).collect();
    files.sort();
    files
}
