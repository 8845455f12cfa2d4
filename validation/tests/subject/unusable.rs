//! What is no subject is refused before anything runs, with what it is instead and what to do.

use std::{
    fs,
    path::{Path, PathBuf},
};
use validation_testing::{
    compile,
    project::{Ended, Project, program},
};

const MATRIX: &str = include_str!("matrix.yaml");

/// The program refuses this file, says all of `parts`, and leaves no evidence.
fn is_refused(project: &Project, library: &Path, parts: &[&str]) {
    let library = library.display().to_string();
    for ended in [
        project.run(&["--profile", "quick", "--subject", &library]),
        project.run(&["--list", "--subject", &library]),
        project.bench(&["--subject", &library]),
    ] {
        assert_eq!(ended.code, Some(2), "{library}: {}", ended.printed());
        assert!(ended.stderr.contains(&library), "{library}: {}", ended.printed());
        assert!(parts.iter().all(|part| ended.stderr.contains(part)), "{library}: {}", ended.printed());
    }
    assert!(!project.output().exists(), "{library}");
}

fn written(project: &Project, name: &str, bytes: &[u8]) -> PathBuf {
    let path = project.path(name);
    fs::write(&path, bytes).unwrap();
    path
}

/// An ELF header of this class, type and machine, and zeros behind it.
fn elf(class: u8, kind: u16, machine: u16) -> Vec<u8> {
    let mut header = [b"\x7fELF".as_slice(), &[class, 1, 1], &[0; 9]].concat();
    header.extend([kind.to_le_bytes(), machine.to_le_bytes()].concat());
    header.resize(4096, 0);
    header
}

#[test]
fn files_that_are_no_library() {
    let project = Project::with_matrix(MATRIX);
    let noise: Vec<u8> = (0..4096_u32).map(|position| (position * position) as u8 | 0x80).collect();
    is_refused(&project, &project.path("nowhere.so"), &["cannot be read", "No such file"]);
    is_refused(&project, &project.path(""), &["is not a shared library: it is a folder"]);
    is_refused(&project, Path::new("/dev/zero"), &["it is no regular file"]);
    is_refused(&project, &written(&project, "empty.so", b""), &["the file is empty"]);
    is_refused(&project, &written(&project, "text.so", b"int x;\n"), &["it is a text file", "cc -shared -fPIC"]);
    is_refused(&project, &written(&project, "noise.so", &noise), &["it has no ELF header"]);
    is_refused(&project, &written(&project, "object.so", &elf(2, 1, this_machine())), &["it is an object file"]);
}

#[test]
fn libraries_of_other_machines() {
    let project = Project::with_matrix(MATRIX);
    let other = if this_machine() == 62 { (183, "aarch64") } else { (62, "x86_64") };
    is_refused(
        &project,
        &written(&project, "32.so", &elf(1, 3, 3)),
        &["is for 32-bit x86", "build it on this machine"],
    );
    is_refused(&project, &written(&project, "other.so", &elf(2, 3, other.0)), &["is for", other.1]);
}

fn this_machine() -> u16 {
    if cfg!(target_arch = "aarch64") { 183 } else { 62 }
}

#[test]
fn a_library_that_was_cut_short() {
    let project = Project::with_matrix(MATRIX);
    let whole = fs::read(compile::example(&project.path(""))).unwrap();
    is_refused(&project, &written(&project, "cut.so", &whole[..whole.len() / 3]), &["cut.so"]);
    is_refused(&project, &written(&project, "header.so", &elf(2, 3, this_machine())), &["cannot be loaded"]);
}

#[test]
fn libraries_that_are_no_subject() {
    let project = Project::with_matrix(MATRIX);
    for (fixture, parts) in [
        ("no_subject", &["does not export `rc_subject_describe`", "with RC_EXPORT in front"][..]),
        ("no_operator", &["does not export `rc_resample`, `rc_fuse` or `rc_voxelize`"]),
        ("nameless", &["does not describe itself: `name` is null"]),
        ("newer_abi", &["built for version 2 of the subject ABI", "use a later version of this program"]),
        ("packed", &["`struct rc_resample_args` of 116 bytes", "version 1 of the subject ABI has 112"]),
        ("undefined_symbol", &["cannot be loaded", "undefined symbol: nowhere_to_be_found"]),
        ("crashes_when_loaded", &["the look at the subject died (signal: 6 (SIGABRT)"]),
    ] {
        is_refused(&project, &compile::fixture(fixture, &project.path("")), parts);
    }
}

#[test]
fn a_damaged_library_never_brings_down_the_program() {
    let project = Project::with_matrix(MATRIX);
    let whole = fs::read(compile::example(&project.path(""))).unwrap();
    for number in 0..48 {
        let mut damaged = whole.clone();
        // Mostly in the headers, where the linker believes what it reads.
        for flip in 0..8_usize {
            let place = (number * 7919 + flip * 104_729) % if flip < 6 { 1024 } else { whole.len() };
            damaged[place] ^= 1 << (flip % 8);
        }
        let library = written(&project, "damaged.so", &damaged).display().to_string();
        let ended = Ended::from(program().args(["subject", &library]).output().unwrap());
        assert!(matches!(ended.code, Some(0 | 2)), "{number}: {}", ended.printed());
    }
}
