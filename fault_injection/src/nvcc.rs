//! Kernels made into an image by nvcc, for one kind of GPU.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use robocache_kernels::nvcc::{self, FLAGS, LOCAL};

use crate::{
    CompileError, Sources,
    compiler::{first_line, said},
};

/// The one translation unit.
const UNIT: &str = "image.cu";

/// An nvcc that is there, looked for where `kernels/build.rs` does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nvcc {
    path: PathBuf,
    version: String,
}

/// There is no nvcc that starts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no nvcc; looked at: {}. Run scripts/setup_cuda.sh (no root needed), or install CUDA 13 and set NVCC or \
     CUDA_HOME",
    searched.join("; ")
)]
pub struct MissingNvcc {
    /// What was tried, and what came of it.
    pub searched: Vec<String>,
}

impl Nvcc {
    /// Looks for it: `NVCC`, `CUDA_HOME`, `CUDA_PATH`, `PATH`, the usual folder, and `.cuda` here or above, or above
    /// this program.
    pub fn find() -> Result<Self, MissingNvcc> {
        let mut searched = Vec::new();
        for (origin, path) in candidates() {
            match started(&path) {
                Ok(version) => return Ok(Self { path, version }),
                // Most folders of PATH and above the present one have none; only what was named is worth a word.
                Err(_) if origin.is_empty() => {}
                Err(reason) => searched.push(format!("{} ({origin}): {reason}", path.display())),
            }
        }
        searched.push(format!("every folder of PATH; {LOCAL} here and above"));
        Err(MissingNvcc { searched })
    }

    /// What it says of itself.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Makes an image of the kernels in this folder, for GPUs of this compute capability: `9.0` means `sm_90`.
    pub fn compile(&self, sources: &Sources, capability: &str, folder: &Path) -> Result<PathBuf, CompileError> {
        let source = folder.join("source");
        sources.write(&source)?;
        let architecture: String = capability.chars().filter(char::is_ascii_digit).collect();
        // A path that does not depend on where this runs: the folder of the sources is the compiler's own.
        let image = folder.canonicalize()?.join("kernels.fatbin");
        let compiled = Command::new(&self.path)
            .current_dir(&source)
            .args(FLAGS)
            .arg(format!("-gencode=arch=compute_{architecture},code=sm_{architecture}"))
            .args([UNIT, "-o"])
            .arg(&image)
            .output()?;
        if !compiled.status.success() {
            return Err(CompileError::Refused(said(&compiled)));
        }
        fs::metadata(&image)?;
        Ok(image)
    }
}

/// Files that may be nvcc, and whose word it is; nobody's where it was only looked for.
fn candidates() -> Vec<(&'static str, PathBuf)> {
    let mut candidates = nvcc::candidates();
    if let [(nvcc::NVCC, _)] = candidates[..] {
        return candidates;
    }
    for (origin, _) in candidates.iter_mut().filter(|(origin, _)| *origin == nvcc::PATH) {
        *origin = "";
    }
    let places = [env::current_dir().ok(), env::current_exe().ok()];
    for place in places.iter().flatten() {
        candidates.extend(place.ancestors().map(|folder| ("", folder.join(LOCAL))));
    }
    candidates
}

/// The version that it prints, or why it prints none.
fn started(nvcc: &Path) -> Result<String, String> {
    if !nvcc.is_file() {
        return Err("there is no such file".to_owned());
    }
    let output = Command::new(nvcc).arg("--version").output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(first_line(&output.stderr));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().find(|line| line.contains("release")).unwrap_or("nvcc of an unknown version").trim().to_owned())
}
