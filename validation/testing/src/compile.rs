//! C sources made into libraries.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

/// The repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// examples/c_subject, built as its document says, into `folder`.
pub fn example(folder: &Path) -> PathBuf {
    let built = Command::new(root().join("examples/c_subject/build.sh")).arg(folder).output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    folder.join("libc_subject.so")
}

/// A misbehaving subject among the fixtures, compiled into `folder`.
pub fn fixture(name: &str, folder: &Path) -> PathBuf {
    let library = folder.join(format!("{name}.so"));
    let include = |folder: &str| format!("-I{}", root().join(folder).display());
    let built = Command::new("cc")
        .args(["-std=c99", "-O1", "-Wall", "-Werror", "-ffp-contract=off", "-fPIC", "-shared", "-fvisibility=hidden"])
        .args([include("core/include"), include("examples/c_subject")])
        .arg(root().join(format!("validation/tests/fixtures/subject/{name}.c")))
        .args(["-lm", "-o"])
        .arg(&library)
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    library
}

/// examples/cuda_subject, or a changed copy of it in `source`, built into `folder` with nvcc from NVCC or from
/// scripts/setup_cuda.sh.
pub fn cuda(source: &Path, folder: &Path) -> PathBuf {
    let root = root().canonicalize().unwrap();
    let nvcc = env::var_os("NVCC").unwrap_or_else(|| root.join(".cuda/nvidia/cu13/bin/nvcc").into());
    let built = Command::new(source.join("build.sh"))
        .arg(folder)
        .env("RC_INCLUDE", root.join("core/include"))
        .env("NVCC", nvcc)
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    folder.join("libcuda_subject.so")
}
