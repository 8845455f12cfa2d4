//! A version that this program does not know yet is refused, and the message says what to do.

use std::fs;

use robocache_core::operators;
use validation::{
    evidence::{Environment, parse_log},
    gate::GateRecord,
    golden::{Corpus, VERSION},
    matrix::Matrix,
};

use crate::bytes;

/// What every such message says.
fn check(message: &str, advice: &str) {
    assert!(message.contains(advice), "{message}");
}

#[test]
fn a_newer_matrix() {
    let text =
        String::from_utf8(bytes("matrix_1.yaml")).unwrap().replace("\nversion: 1\n", "\nversion: 2\nunheard: of\n");
    let error = Matrix::parse("matrix.yaml", &text, &operators::registry()).unwrap_err();
    check(&error.to_string(), "use the release of this program that the matrix was written for, or a newer one");
}

#[test]
fn a_newer_record() {
    let error = parse_log(b"{\"format\":2,\"anything\":[]}\n").map(drop).unwrap_err();
    check(&error.to_string(), "format 2 is newer than 1");
}

#[test]
fn a_newer_environment() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("environment.json");
    fs::write(&file, r#"{"format": 2, "anything": []}"#).unwrap();
    let error = Environment::read(&file).unwrap_err();
    check(&error.to_string(), "use the version of the program that wrote it, or a later one");
}

#[test]
fn a_newer_comparison() {
    let error = GateRecord::from_json(br#"{"format": 2, "anything": []}"#).unwrap_err();
    check(&error.to_string(), "format 2 is newer than 1");
}

#[test]
fn newer_goldens() {
    let goldens = tempfile::tempdir().unwrap();
    fs::create_dir(goldens.path().join("9.0.0")).unwrap();
    let text = format!(r#"{{"version": {}, "anything": []}}"#, VERSION + 1);
    fs::write(goldens.path().join("9.0.0/manifest.json"), &text).unwrap();
    let hash = blake3::hash(text.as_bytes()).to_hex();
    let error = Corpus::read(goldens.path(), "9.0.0", &hash).unwrap_err();
    check(&error.to_string(), "use the version of the program that wrote them, or a later one");
}

// Newer bundles are refused in tests/bundles/refusals.rs, newer subjects in tests/subject/unusable.rs, and a newer
// measuring protocol in tests/gate/refusals.rs.
