//! Where nvcc is looked for, and the flags that decide what it makes of the kernels: the same for the image that is
//! embedded, which `build.rs` makes with this file included in it, and for images of changed kernels.

use std::env;
use std::path::{Path, PathBuf};

/// Numerics are part of the contract: no contraction, IEEE division and square root, subnormals kept.
pub const FLAGS: [&str; 9] = [
    "-fatbin",
    // Uncompressed by choice: a seventh larger, and a test can look for the kernels' names in it.
    "-no-compress",
    "-std=c++17",
    "-O3",
    "-fmad=false",
    "-prec-div=true",
    "-prec-sqrt=true",
    "-ftz=false",
    "-Werror=all-warnings",
];

/// The variable that names nvcc itself; nothing else is looked at then.
pub const NVCC: &str = "NVCC";

/// Variables that name the folder of a CUDA toolkit.
pub const TOOLKITS: [&str; 2] = ["CUDA_HOME", "CUDA_PATH"];

/// The origin of candidates that lie in a folder of `PATH`.
pub const PATH: &str = "PATH";

/// Where `scripts/setup_cuda.sh` puts nvcc, below the workspace: in the layout of the PyPI packages.
pub const LOCAL: &str = ".cuda/nvidia/cu13/bin/nvcc";

/// Files that may be nvcc, of which the first that is there is to be taken: each with its origin, which is a variable or says
/// what folder it is. Only one where [`NVCC`] names it. Whoever asks knows where [`LOCAL`] may lie.
pub fn candidates() -> Vec<(&'static str, PathBuf)> {
    // A variable that is set to nothing names nothing.
    let value = |name| env::var_os(name).filter(|value| !value.is_empty());
    if let Some(nvcc) = value(NVCC) {
        return vec![(NVCC, nvcc.into())];
    }
    let toolkits = TOOLKITS.into_iter().filter_map(|name| Some((name, Path::new(&value(name)?).join("bin/nvcc"))));
    let path = value(PATH).unwrap_or_default();
    let in_path = env::split_paths(&path).map(|folder| (PATH, folder.join("nvcc")));
    let usual = ("the default folder", PathBuf::from("/usr/local/cuda/bin/nvcc"));
    toolkits.chain(in_path).chain([usual]).collect()
}
