//! A file of kernels in the place of the embedded ones: what cannot be one is refused before anything runs.

use std::{fs, path::PathBuf};

use robocache_kernels::IMAGE;
use validation_testing::project::{Ended, Project, program};

fn written(project: &Project, name: &str, bytes: &[u8]) -> PathBuf {
    let path = project.path(name);
    fs::write(&path, bytes).unwrap();
    path
}

/// The program refuses this file in every way in which it can be given one, and leaves no evidence.
fn is_refused(project: &Project, name: &str, parts: &[&str]) {
    let file = project.path(name).display().to_string();
    for ended in [
        project.run(&["--profile", "quick", "--kernels", &file]),
        project.run(&["--list", "--kernels", &file]),
        project.bench(&["--kernels", &file]),
    ] {
        assert_eq!(ended.code, Some(2), "{file}: {}", ended.printed());
        assert!(ended.stderr.contains(&file), "{file}: {}", ended.printed());
        assert!(parts.iter().all(|part| ended.stderr.contains(part)), "{file}: {}", ended.printed());
    }
    assert!(!project.output().exists(), "{file}");
}

#[test]
fn files_that_are_no_image_of_kernels() {
    let project = Project::new();
    is_refused(&project, "nowhere.fatbin", &["cannot be read", "No such file"]);
    is_refused(&project, "", &["it is a folder"]);
    written(&project, "empty.fatbin", b"");
    is_refused(&project, "empty.fatbin", &["the file is empty", "-fatbin"]);
    written(&project, "image.cu", b"__global__ void kernel();\n");
    is_refused(&project, "image.cu", &["is no image of kernels: it is a text file"]);
    written(&project, "library.so", &fs::read("/proc/self/exe").unwrap()[..4096]);
    is_refused(&project, "library.so", &["it is an ELF file for a processor"]);
}

#[test]
fn images_that_are_cut_short_or_lack_a_kernel() {
    let Ok(embedded) = IMAGE.embedded() else { return };
    let project = Project::new();
    written(&project, "cut.fatbin", &embedded.bytes[..embedded.bytes.len() / 2]);
    is_refused(&project, "cut.fatbin", &["is cut short"]);
    let mut bytes = embedded.bytes.to_vec();
    let section = b".text.voxelize_index\0";
    while let Some(place) = bytes.windows(section.len()).position(|window| window == section) {
        bytes[place + 6] = b'V';
    }
    written(&project, "other.fatbin", &bytes);
    is_refused(&project, "other.fatbin", &["lacks voxelize_index"]);
}

#[test]
fn a_run_is_that_of_its_kernels_and_resumed_with_them_only() {
    let Ok(embedded) = IMAGE.embedded() else { return };
    let project = Project::new();
    let file = written(&project, "kernels.fatbin", embedded.bytes).display().to_string();
    // A byte behind the image: another file, which holds the same kernels.
    let other = written(&project, "other.fatbin", &[embedded.bytes, &[0]].concat()).display().to_string();
    let cell = project.listed(&["--profile", "quick"]).into_iter().find(|cell| cell.contains("::cpu::")).unwrap();
    let run = |arguments: &[&str]| project.run(&[&["--profile", "quick", "--exact", &cell], arguments].concat());
    let ended = run(&["--kernels", &other]);
    assert_eq!(ended.code, Some(0), "{}", ended.printed());
    let environment = fs::read_to_string(project.only_run().join("environment.json")).unwrap();
    let hash = blake3::hash(&[embedded.bytes, &[0]].concat()).to_hex().to_string();
    assert!(environment.contains(&format!("\"kernel_image\": \"{hash}\"")), "{environment}");
    assert!(environment.contains("--kernels"), "{environment}");

    for arguments in [&["--resume"][..], &["--resume=latest", "--kernels", &file]] {
        let ended = run(arguments);
        assert_eq!(ended.code, Some(2), "{}", ended.printed());
        assert!(ended.stderr.contains("the kernel image (its hash) was"), "{}", ended.printed());
    }
    let ended = run(&["--resume=latest", "--kernels", &other]);
    assert_eq!(ended.code, Some(0), "{}", ended.printed());
}

#[test]
fn no_option_takes_a_file_of_kernels_in_vain() {
    for arguments in [
        &["--kernels", "a", "--subject", "b"][..],
        &["bench", "--against", "HEAD", "--kernels", "a"],
        &["bench", "--render", "a", "--kernels", "b"],
        &["worker", "--kernels", "a"],
    ] {
        let ended = Ended::from(program().args(arguments).output().unwrap());
        assert_eq!(ended.code, Some(2), "{arguments:?}: {}", ended.printed());
    }
}
