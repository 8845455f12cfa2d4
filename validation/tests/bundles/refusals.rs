//! Files that are no bundles, or none any more.

use std::{ffi::OsStr, fs, os::unix::fs::symlink, path::Path, process::Command};

use robocache_kernels::IMAGE;
use validation::bundle::{self, BundleError, Flaw};

use crate::{
    mutation::{manifest_text, resealed, with_text},
    sample::bytes,
};

fn refused(bytes: &[u8]) -> Flaw {
    bundle::parse(bytes).expect_err("it must be refused")
}

/// The flaw of a bundle in whose manifest `old` was replaced by `new`, with a checksum that is right.
fn lie(old: &str, new: &str) -> Flaw {
    let text = manifest_text(&bytes());
    assert!(text.contains(old), "{old} is not in {text}");
    refused(&resealed(&bytes(), 1, &text.replace(old, new)))
}

#[test]
fn every_cut_is_found() {
    let bytes = bytes();
    for length in 0..bytes.len() {
        assert!(matches!(refused(&bytes[..length]), Flaw::Malformed(_)), "{length}");
    }
    assert!(matches!(refused(&[&bytes[..], &[0]].concat()), Flaw::Malformed(_)));
}

#[test]
fn every_flipped_bit_is_found() {
    let whole = bytes();
    for place in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[place] ^= 1 << (place % 8);
        assert!(matches!(refused(&bytes), Flaw::Malformed(_) | Flaw::Altered(_)), "byte {place}: {}", refused(&bytes));
    }
}

#[test]
fn a_newer_version_says_what_to_do() {
    for manifest in [manifest_text(&bytes()), r#"{"of":"another form"}"#.to_owned()] {
        let flaw = refused(&resealed(&bytes(), 2, &manifest));
        assert!(matches!(flaw, Flaw::Newer { found: 2 }), "{flaw}");
        assert!(flaw.to_string().contains("use the version of the program that wrote it"), "{flaw}");
    }
    let flaw = refused(&with_text(&bytes(), r#"{"version":7,"entirely":"other"}"#.to_owned()));
    assert!(matches!(flaw, Flaw::Newer { found: 7 }), "{flaw}");
    // Damage to the number is not a newer version.
    let text = manifest_text(&bytes());
    let checksum = blake3::hash(format!("1 {text}").as_bytes());
    let damaged = format!(r#"{{"version":3,"checksum":"{checksum}","manifest":{text}}}"#);
    assert!(matches!(refused(&with_text(&bytes(), damaged)), Flaw::Altered(_)));
}

#[test]
fn names_shapes_and_sizes_are_checked_before_anything_is_allocated() {
    let absurd = |old: &str, new: &str| match lie(old, new) {
        Flaw::Absurd { rule, .. } => rule,
        flaw => panic!("{old} -> {new}: {flaw}"),
    };
    assert_eq!(
        absurd(r#""name":"points""#, r#""name":"../../etc/passwd""#),
        absurd(r#""name":"points""#, r#""name":"""#)
    );
    assert_eq!(absurd("[1,3]", "[18446744073709551615,3]"), "no memory can address it");
    assert_eq!(absurd("[1,3]", "[4294967296,4294967296,0]"), "no memory can address it");
    assert_eq!(absurd("[1,3]", "[1000000000,1000000]"), "no bundle is made of so much");
    assert_eq!(absurd("[1,3]", "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,3]"), "there are 16 at most");
    assert_eq!(absurd(r#""name":"features""#, r#""name":"points""#), "names are unique");
    assert_eq!(absurd(r#""deadline_ms":10000"#, r#""deadline_ms":999999999999"#), "a day is the most");
    let library = r#""subject":{"name":"mine","version":"1","hash":"ab"}"#;
    assert_eq!(absurd(r#""subject":null"#, library), "it must be that of the environment");
    let kernels = |hash: &str| format!(r#""subject":null,"kernels":"{}""#, hash.repeat(32));
    assert_eq!(absurd(r#""subject":null"#, &kernels("7b")), "it must be the environment's, of a CUDA cell");
    let text = manifest_text(&of_kernels("7b")).replace(&kernels("7b"), &kernels("7c"));
    let flaw = refused(&resealed(&bytes(), 1, &text));
    assert!(flaw.to_string().contains("it must be the environment's, of a CUDA cell"), "{flaw}");
    let text = manifest_text(&bytes());
    let first = text.find(r#""blake3":"#).unwrap();
    assert_eq!(absurd(&text[first..first + 12], r#""blake3":"zz"#), "BLAKE3 has 64 hexadecimal digits");
    let one_left_out = absurd(r#""stored":true},{"role":"input""#, r#""stored":false},{"role":"input""#);
    assert_eq!(one_left_out, "all are stored, or a seed gives all back");
}

#[test]
fn the_tensors_must_be_those_of_the_manifest() {
    assert!(matches!(lie("[1,3]", "[3,1]"), Flaw::Altered(_)));
    assert!(matches!(lie("[1,3]", "[1000000,3]"), Flaw::Altered(_)));
    assert!(matches!(lie(r#""name":"points""#, r#""name":"pointz""#), Flaw::Altered(_)));
    assert!(matches!(lie(r#""role":"actual""#, r#""role":"other""#), Flaw::Malformed(_)));
    // A tensor that nobody speaks of could hide anything.
    let unnamed = lie(r#""name":"dropped","dtype":"i64""#, r#""name":"dropped","dtype":"f32""#);
    assert!(matches!(unnamed, Flaw::Altered(_)), "{unnamed}");
}

#[test]
fn only_a_regular_file_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let flaw = |name: &str| bundle::read(&path(name)).map(drop).unwrap_err().flaw;
    fs::write(path("bundle"), bytes()).unwrap();
    assert!(bundle::read(&path("bundle")).is_ok());
    symlink(path("bundle"), path("link")).unwrap();
    assert!(matches!(flaw("link"), Flaw::NotAFile), "a link");
    nix::unistd::mkfifo(&path("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert!(matches!(flaw("pipe"), Flaw::NotAFile), "a pipe");
    assert!(matches!(flaw("."), Flaw::NotAFile), "a folder");
    assert!(matches!(flaw("none"), Flaw::Unreadable(_)));
    // Sparse: no block of it is on disk.
    fs::File::create(path("huge")).unwrap().set_len(1 << 40).unwrap();
    assert!(matches!(flaw("huge"), Flaw::TooLarge { .. }));
    let BundleError { path: named, .. } = bundle::read(&path("link")).unwrap_err();
    assert_eq!(named, path("link"));
}

/// The program's exit status and what it printed.
fn program(task: &str, bundle: &Path) -> (Option<i32>, String) {
    program_with(task, bundle, &[])
}

/// The same with more arguments. No GPU is visible, whatever the machine has.
fn program_with(task: &str, bundle: &Path, arguments: &[&OsStr]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_validation"));
    command.arg(task).arg(bundle).args(arguments).env("CUDA_VISIBLE_DEVICES", "");
    let output = command.output().unwrap();
    let printed = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(printed).unwrap())
}

#[test]
fn every_task_refuses_a_bad_bundle_with_the_status_of_bad_input() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bundle");
    let good = bytes();
    let manifest = manifest_text(&good);
    let cases: [(Vec<u8>, &str); 5] = [
        (good[..good.len() / 2].to_vec(), "no bundle, or only a part of one"),
        ([&good[..good.len() - 1], &[!good[good.len() - 1]]].concat(), "it was altered"),
        (resealed(&good, 9, &manifest), "bundle version 9 is newer than 1"),
        (
            resealed(&good, 1, &manifest.replace(r#""operator":"voxelize""#, r#""operator":"voxelise""#)),
            "no operator `voxelise`",
        ),
        (resealed(&good, 1, &manifest.replace(r#""n":1"#, r#""n":2"#)), "not of the shapes that the problem takes"),
    ];
    for (number, (bytes, reason)) in cases.iter().enumerate() {
        fs::write(&path, bytes).unwrap();
        for task in ["repro", "minimize"] {
            let (code, printed) = program(task, &path);
            assert_eq!(code, Some(2), "{task} {number}: {printed}");
            assert!(printed.contains(reason), "{task}: {printed}");
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

#[test]
fn a_problem_of_absurd_size_is_refused_before_it_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bundle");
    let manifest = manifest_text(&bytes()).replace(r#""grid":[2,1,1]"#, r#""grid":[100000,10000,100]"#);
    fs::write(&path, resealed(&bytes(), 1, &manifest)).unwrap();
    let (code, printed) = program("repro", &path);
    assert_eq!(code, Some(2), "{printed}");
    assert!(printed.contains("2^36 is the most"), "{printed}");
}

/// The bundle of a CUDA cell.
fn of_cuda() -> Vec<u8> {
    resealed(&bytes(), 1, &manifest_text(&bytes()).replace(r#""device":"cpu""#, r#""device":"cuda""#))
}

/// The same of a file of kernels, of which this hash is a thirty-second part.
fn of_kernels(hash: &str) -> Vec<u8> {
    let kernels = format!(r#""subject":null,"kernels":"{}""#, hash.repeat(32));
    resealed(&bytes(), 1, &manifest_text(&of_cuda()).replace(r#""subject":null"#, &kernels))
}

#[test]
fn a_gpu_cell_without_a_gpu_is_incomplete() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bundle");
    fs::write(&path, of_cuda()).unwrap();
    let (code, printed) = program("repro", &path);
    assert_eq!(code, Some(3), "{printed}");
    assert!(printed.contains("INCOMPLETE: this machine cannot replay") && printed.contains("cuda: "), "{printed}");
}

#[test]
fn a_bundle_of_a_file_of_kernels_is_replayed_with_one_and_a_cpu_cell_with_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("bundle"), of_kernels("7b")).unwrap();
    fs::write(path("of_cpu"), bytes()).unwrap();
    fs::write(path("text.cu"), "no image\n").unwrap();
    assert_eq!(bundle::read(&path("bundle")).unwrap().manifest.kernels, Some("7b".repeat(32)));
    let file = path("kernels.fatbin");
    if let Ok(embedded) = IMAGE.embedded() {
        fs::write(&file, embedded.bytes).unwrap();
    }
    for task in ["repro", "minimize"] {
        let expect = |name: &str, kernels: Option<&Path>, code: i32, parts: &[&str]| {
            let given = kernels.map(|file| ["--kernels".as_ref(), file.as_os_str()]);
            let (found, printed) = program_with(task, &path(name), given.as_ref().map_or(&[], |words| &words[..]));
            assert_eq!(found, Some(code), "{task}: {printed}");
            assert!(parts.iter().all(|part| printed.contains(part)), "{task}: {printed}");
        };
        expect("bundle", None, 2, &["pass `--kernels FILE`", &"7b".repeat(32)]);
        expect("bundle", Some(&path("text.cu")), 2, &["is no image of kernels: it is a text file"]);
        if file.exists() {
            expect("bundle", Some(&file), 3, &["INCOMPLETE: this machine cannot replay", "cuda: "]);
            expect("of_cpu", Some(&file), 2, &["leave `--kernels` out"]);
        }
    }
}
