//! Embeds which source the program is built from. Without git, or outside its own repository (a source archive, say),
//! the commit is unknown, with the reason; that is recorded too, and never stops a build.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

/// What the program is made of, relative to the workspace. Changes elsewhere do not make it another program.
const SOURCES: [&str; 9] = [
    "Cargo.toml",
    "Cargo.lock",
    "rust-toolchain.toml",
    "kernels",
    "core",
    "fault_injection",
    "examples/c_subject",
    "validation/src",
    "validation/Cargo.toml",
];

fn main() {
    let workspace = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("..");
    let (commit, dirty, unknown) = match source_state(&workspace) {
        Ok((commit, dirty)) => (commit, dirty.to_string(), String::new()),
        Err(reason) => (String::new(), String::new(), reason),
    };
    println!("cargo::rustc-env=VALIDATION_COMMIT={commit}");
    println!("cargo::rustc-env=VALIDATION_DIRTY={dirty}");
    println!("cargo::rustc-env=VALIDATION_COMMIT_UNKNOWN={unknown}");
    println!("cargo::rustc-env=VALIDATION_BUILD={}", env::var("PROFILE").unwrap_or_default());
    println!("cargo::rustc-env=VALIDATION_TARGET={}", env::var("TARGET").unwrap_or_default());
    println!("cargo::rustc-env=VALIDATION_COMPILER={}", compiler());
    watch(&workspace);
}

/// The commit, and whether the sources differ from it.
fn source_state(workspace: &Path) -> Result<(String, bool), String> {
    let top = git(workspace, &["rev-parse", "--show-toplevel"])?;
    let same = Path::new(&top).canonicalize().ok() == workspace.canonicalize().ok();
    if !same {
        // Unpacked inside somebody else's repository: its commits say nothing about these sources.
        return Err("the sources are not the top of a git repository".to_owned());
    }
    let commit = git(workspace, &["rev-parse", "--verify", "HEAD"])?;
    let status = [&["status", "--porcelain", "--"][..], &SOURCES].concat();
    Ok((commit, !git(workspace, &status)?.is_empty()))
}

fn git(folder: &Path, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(arguments)
        // Set while git runs a hook: they would point at whatever repository that is.
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .env_remove("GIT_INDEX_FILE")
        // `status` may otherwise rewrite the index while somebody else works in the repository.
        .env("GIT_OPTIONAL_LOCKS", "0")
        .output()
        .map_err(|error| format!("git could not be run: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("git: {}", said.lines().next().unwrap_or("failed without a word")));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn compiler() -> String {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("--version").output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}

/// Runs this again when the sources or the checked-out commit change, and not for every test that is edited.
fn watch(workspace: &Path) {
    println!("cargo::rerun-if-changed=build.rs");
    let sources = SOURCES.iter().map(|source| workspace.join(source));
    let mut references = vec!["HEAD".to_owned(), "logs/HEAD".to_owned(), "packed-refs".to_owned()];
    references.extend(git(workspace, &["symbolic-ref", "--quiet", "HEAD"]));
    let references = references
        .iter()
        .filter_map(|name| git(workspace, &["rev-parse", "--git-path", name]).ok())
        .map(|path| workspace.join(path));
    // A path that does not exist would make every build run this.
    for path in sources.chain(references).filter(|path| path.exists()) {
        println!("cargo::rerun-if-changed={}", path.display());
    }
}
