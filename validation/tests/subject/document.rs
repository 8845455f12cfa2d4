//! docs/subject_abi.md says what works: its files are written and its commands executed, in the order of the page.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Output},
};
use validation_testing::compile::root;

/// A fenced block of the page.
struct Block {
    /// `sh` or `c`.
    language: String,
    text: String,
    /// What the comment above it says, such as `file: mine.c` or `status: 1`.
    note: String,
}

fn blocks(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let (mut note, mut open): (String, Option<Block>) = (String::new(), None);
    for line in page.lines() {
        match (line.strip_prefix("```"), open.take()) {
            (Some(language), None) => {
                open =
                    Some(Block { language: language.to_owned(), text: String::new(), note: std::mem::take(&mut note) });
            }
            (Some(_), Some(block)) => blocks.push(block),
            (None, Some(block)) => open = Some(Block { text: format!("{}{line}\n", block.text), ..block }),
            (None, None) => {
                if let Some(text) = line.strip_prefix("<!-- ").and_then(|rest| rest.strip_suffix(" -->")) {
                    note = text.to_owned();
                }
            }
        }
    }
    blocks
}

/// A folder that looks like the repository, in which commands may leave what they like.
fn copy_of_repository() -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for shared in ["core", "docs", "goldens", "scripts", ".cuda"] {
        let original = root().canonicalize().unwrap().join(shared);
        if original.exists() {
            symlink(original, copy.path().join(shared)).unwrap();
        }
    }
    fs::copy(root().join("matrix.yaml"), copy.path().join("matrix.yaml")).unwrap();
    for example in ["examples/c_subject", "examples/cuda_subject"] {
        let folder = copy.path().join(example);
        fs::create_dir_all(&folder).unwrap();
        for entry in fs::read_dir(root().join(example)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "so") {
                fs::copy(&path, folder.join(path.file_name().unwrap())).unwrap();
            }
        }
    }
    copy
}

/// Executes commands as a shell does, with this build of the program in the place of what cargo would build.
fn execute(commands: &str, folder: &Path) -> Output {
    let cargo = "cargo() {
        [ \"$1 $2 $3 $4 $5\" = 'run --release -p validation --' ] || exit 90
        shift 5
        \"$PROGRAM\" \"$@\"
    }";
    Command::new("sh")
        .args(["-eu", "-c", &format!("{cargo}\n{commands}")])
        .current_dir(folder)
        .env("PROGRAM", env!("CARGO_BIN_EXE_validation"))
        .env_remove("ROBOCACHE_DATA")
        .env_remove("ROBOCACHE_OUTPUT")
        .output()
        .unwrap()
}

fn nvcc() -> Option<PathBuf> {
    Some(root().join(".cuda/nvidia/cu13/bin/nvcc")).filter(|nvcc| nvcc.is_file())
}

#[test]
fn every_command_of_the_page_works() {
    let page = fs::read_to_string(root().join("docs/subject_abi.md")).unwrap();
    let folder = copy_of_repository();
    let mut executed = 0;
    for Block { language, text, note } in blocks(&page) {
        if let Some(name) = note.strip_prefix("file: ") {
            fs::write(folder.path().join(name), &text).unwrap();
            continue;
        }
        assert_eq!(language, "sh", "a block that is neither a file nor commands:\n{text}");
        if note.contains("needs: nvcc") && nvcc().is_none() {
            eprintln!("left out, because scripts/setup_cuda.sh has not been run:\n{text}");
            continue;
        }
        let ended = execute(&text, folder.path());
        let status = ended.status.code();
        let expected: &[i32] = match note.split_once("status: ").map(|(_, status)| status) {
            None => &[0],
            Some("1") => &[1],
            Some("0 or 3") => &[0, 3],
            Some(other) => panic!("an unknown status {other}"),
        };
        let printed = [ended.stdout, ended.stderr].concat();
        let printed = String::from_utf8_lossy(&printed);
        assert!(status.is_some_and(|status| expected.contains(&status)), "{status:?} of\n{text}\n{printed}");
        executed += 1;
    }
    assert!(executed >= 5, "{executed}");
}

#[test]
fn the_cuda_example_describes_itself_where_there_is_no_gpu() {
    if nvcc().is_none() {
        eprintln!("left out, because scripts/setup_cuda.sh has not been run");
        return;
    }
    let folder = copy_of_repository();
    let commands = "examples/cuda_subject/build.sh
        folder=examples/cuda_subject
        cargo run --release -p validation -- subject $folder/libcuda_subject.so
        cargo run --release -p validation -- --matrix $folder/matrix.yaml --subject $folder/libcuda_subject.so --list";
    let ended = execute(commands, folder.path());
    let printed = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success(), "{printed}{}", String::from_utf8_lossy(&ended.stderr));
    assert!(printed.contains("\"device\": \"cuda\"") && printed.contains("launch_count::fuse::cuda"), "{printed}");
}
