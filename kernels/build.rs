//! Compiles `image.cu` into one fatbin for every architecture, or records why that was not possible.
//!
//! Finding no nvcc is a state that the crate reports at run time. Finding one that fails is a build error: a
//! machine that is meant to build the kernels must not quietly produce a library without them.
//!
//! The image is the same bytes in every checkout: nvcc runs in this folder on relative paths, and nothing asks for line
//! numbers or a build date. `scripts/check_reproducible_image.sh` holds it to that.

#[path = "src/nvcc.rs"]
#[allow(unreachable_pub, reason = "the library has the same module")]
mod nvcc;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Real architectures in the image. PTX for the first one serves every later GPU.
const ARCHITECTURES: [&str; 6] = ["80", "86", "89", "90", "100", "120"];

/// Architectures in parallel, on all cores.
const THREADS: &str = "--threads=0";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    for variable in [nvcc::NVCC, nvcc::TOOLKITS[0], nvcc::TOOLKITS[1]] {
        println!("cargo:rerun-if-env-changed={variable}");
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let description = match find_nvcc() {
        Ok(nvcc) => describe_embedded(&nvcc, &compile(&nvcc, &out)),
        Err(searched) => {
            // Only now: editors and shells differ in PATH, and that must not recompile an image that exists.
            println!("cargo:rerun-if-env-changed=PATH");
            format!("Image::Missing(MissingImage {{ searched: &{searched:?} }})\n")
        }
    };
    fs::write(out.join("image.rs"), description).expect("OUT_DIR is writable");
}

/// The first nvcc among the usual places, or where it was looked for.
fn find_nvcc() -> Result<PathBuf, Vec<String>> {
    let mut candidates = nvcc::candidates();
    if let [(nvcc::NVCC, named)] = &candidates[..] {
        assert!(named.is_file(), "NVCC={} is not a file: correct it or unset it", named.display());
        return Ok(named.clone());
    }
    let mut searched = vec![format!("{} (not set)", nvcc::NVCC)];
    let is_set = |variable: &str| candidates.iter().any(|(origin, _)| *origin == variable);
    searched.extend(nvcc::TOOLKITS.into_iter().filter(|name| !is_set(name)).map(|name| format!("{name} (not set)")));
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in a workspace");
    // The script touches this file, because cargo cannot watch what does not exist.
    candidates.push(("scripts/setup_cuda.sh", workspace.join(nvcc::LOCAL)));

    for (origin, file) in candidates {
        if file.is_file() {
            return Ok(file);
        }
        if origin != nvcc::PATH {
            searched.push(format!("{} ({origin})", file.display()));
        }
    }
    searched.push("every folder of PATH".to_owned());
    Err(searched)
}

/// Compiles the image and has cargo watch every file that nvcc read.
fn compile(nvcc: &Path, out: &Path) -> PathBuf {
    let fatbin = out.join("robocache.fatbin");
    let dependencies = out.join("robocache.d");
    let mut command = Command::new(nvcc);
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(nvcc::FLAGS).arg(THREADS);
    for architecture in ARCHITECTURES {
        command.arg(format!("-gencode=arch=compute_{architecture},code=sm_{architecture}"));
    }
    let oldest = ARCHITECTURES[0];
    command.arg(format!("-gencode=arch=compute_{oldest},code=compute_{oldest}"));
    command.args(["-MD", "-MF"]).arg(&dependencies).arg("image.cu").arg("-o").arg(&fatbin);

    let output = command.output().unwrap_or_else(|error| panic!("cannot start {}: {error}", nvcc.display()));
    assert!(
        output.status.success(),
        "{command:?} failed ({}).\nIt takes nvcc 13.0 and a C++ compiler that it supports; set NVCC to choose another \
         one, or run scripts/setup_cuda.sh.\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    let depfile = fs::read_to_string(&dependencies).expect("nvcc wrote the dependency file");
    for file in depfile_entries(&depfile) {
        println!("cargo:rerun-if-changed={file}");
    }
    fatbin
}

/// The prerequisites in a Makefile rule: words after the colon, lines joined by backslashes, spaces escaped.
fn depfile_entries(depfile: &str) -> Vec<String> {
    let (_, prerequisites) = depfile.split_once(" : ").or_else(|| depfile.split_once(": ")).expect("a make rule");
    let joined = prerequisites.replace("\\\n", " ").replace("\\ ", "\0");
    joined.split_whitespace().map(|file| file.replace('\0', " ")).collect()
}

/// The expression of type `Image` that `src/lib.rs` includes.
fn describe_embedded(nvcc: &Path, fatbin: &Path) -> String {
    let blake3 = blake3::hash(&fs::read(fatbin).expect("nvcc wrote the fatbin")).to_hex();
    let compiler = nvcc_version(nvcc);
    let architectures = architecture_names();
    format!(
        "Image::Embedded(EmbeddedImage {{
    bytes: {{
        // `include_bytes!` promises no alignment, and the driver reads a header from the first bytes.
        #[repr(C, align(16))]
        struct Aligned<Bytes: ?Sized>(Bytes);
        static BYTES: &Aligned<[u8]> = &Aligned(*include_bytes!({fatbin:?}));
        &BYTES.0
    }},
    blake3: \"{blake3}\",
    compiler: {compiler:?},
    architectures: &{architectures:?},
}})
"
    )
}

fn nvcc_version(nvcc: &Path) -> String {
    let output = Command::new(nvcc).arg("--version").output().expect("nvcc has just run");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().find(|line| line.contains("release")).unwrap_or("unknown").trim().to_owned()
}

fn architecture_names() -> Vec<String> {
    let real = ARCHITECTURES.iter().map(|architecture| format!("sm_{architecture}"));
    real.chain([format!("compute_{}", ARCHITECTURES[0])]).collect()
}
