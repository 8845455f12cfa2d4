//! Whatever is wrong with a matrix is one diagnostic with its place, and nothing panics.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use jiff::civil::date;
use proptest::prelude::*;
use validation::{
    matrix::{Diagnostic, Matrix, Place, SIZE_LIMIT_BYTES},
    plan::Plan,
};

use crate::{fixture, machines::laptop, operators};

fn plan(bytes: &[u8], profile: &str) -> Result<Plan, Diagnostic> {
    let registry = operators::registry();
    let matrix = Matrix::from_bytes("matrix.yaml", bytes, &registry)?;
    Plan::expand(&matrix, profile, &laptop(), &registry, date(2026, 11, 22))
}

/// What every diagnostic has: one error, its place, a caret, and nothing that a terminal would obey.
fn check_form(name: &str, diagnostic: &Diagnostic) -> String {
    let place = diagnostic.place().unwrap_or_else(|| panic!("{name} has no place"));
    let plain = diagnostic.to_string();
    assert!(plain.contains(&format!("--> matrix.yaml:{}:{}\n", place.line, place.column)), "{name}: {plain}");
    assert!(plain.contains('^'), "{name}: {plain}");
    assert_eq!(plain.matches("error: ").count(), 1, "{name}: {plain}");
    assert!(plain.chars().all(|character| character == '\n' || !character.is_control()), "{name}: {plain:?}");
    plain
}

#[test]
fn every_bad_matrix_draws_one_diagnostic_with_its_place() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/matrix/bad");
    let entries = std::fs::read_dir(&folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert!(names.len() > 60, "the fixtures are gone");
    let mut diagnostics = String::new();
    for name in names {
        let began = Instant::now();
        let diagnostic = plan(fixture(&format!("bad/{name}")).as_bytes(), "quick")
            .err()
            .unwrap_or_else(|| panic!("{name} was accepted"));
        assert!(began.elapsed() < Duration::from_secs(5), "{name} took {:?}", began.elapsed());
        diagnostics += &format!("--- {name}\n{}\n\n", check_form(&name, &diagnostic));
    }
    insta::assert_snapshot!(diagnostics);
}

#[test]
fn an_unknown_profile_is_shown_where_profiles_are() {
    let diagnostic = plan(fixture("good.yaml").as_bytes(), "quik").unwrap_err();
    insta::assert_snapshot!(check_form("unknown profile", &diagnostic));
}

#[test]
fn a_file_that_is_not_utf8_is_shown_at_its_first_bad_byte() {
    let mut bytes = fixture("good.yaml").into_bytes();
    let at = fixture("good.yaml").find("[cpu, cuda]").unwrap();
    bytes[at + 1] = 0xff;
    let diagnostic = plan(&bytes, "quick").unwrap_err();
    insta::assert_snapshot!(check_form("not UTF-8", &diagnostic));
    let latin1 = b"version: 1\n# Gr\xf6\xdfe\n";
    let place = plan(latin1, "quick").unwrap_err().place();
    assert_eq!(place, Some(Place { line: 2, column: 5, characters: 1 }));
}

#[test]
fn a_file_that_is_too_large_is_refused_without_being_read() {
    // Bytes of a linear congruential generator: nothing that a parser would soon give up on by luck.
    let mut state = 1_u32;
    let garbage: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    })
    .take(10 << 20)
    .collect();
    let comment = [b"# ".as_slice(), &vec![b'x'; SIZE_LIMIT_BYTES]].concat();
    for (name, bytes) in [("garbage", garbage), ("one comment", comment)] {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &bytes).unwrap();
        let diagnostic = Matrix::read(file.path(), &operators::registry()).unwrap_err();
        assert_eq!(diagnostic.message(), "a matrix may have at most 1024 KiB", "{name}");
        assert_eq!(diagnostic.place(), Some(Place::START), "{name}");
        assert!(diagnostic.to_string().len() < 2_000, "{name} is shown in full");
    }
}

#[test]
fn as_much_yaml_as_is_let_in_is_refused_quickly() {
    let fill = |unit: &str| unit.repeat((SIZE_LIMIT_BYTES - 16) / unit.len());
    let hostile = [
        ("garbage text", format!("version: 1\n{}", fill("\u{fffd}x\t"))),
        ("one scalar", format!("version: {}", fill("9"))),
        ("one key", format!("version: 1\n{}: 1", fill("k"))),
        ("brackets", fill("[")),
        ("braces", format!("version: 1\nseed: {}", fill("{"))),
        ("dashes", format!("version: 1\nseed: {}", fill("- "))),
        ("questions", format!("version: 1\n{}", fill("? "))),
        ("items", format!("version: 1\ndevices: [{}]", fill("cpu, "))),
        ("anchors", format!("version: 1\ndevices: [{}]", fill("&a x, "))),
        ("aliases", format!("version: 1\nx: &a x\ndevices: [{}]", fill("*a, "))),
        ("documents", fill("---\n")),
        ("quotes", format!("version: \"{}", fill("\\n"))),
        ("lines", fill("\n")),
        ("comments", fill("#\n")),
    ];
    for (name, text) in hostile {
        let began = Instant::now();
        let diagnostic = plan(text.as_bytes(), "quick").unwrap_err();
        assert!(began.elapsed() < Duration::from_secs(5), "{name} took {:?}", began.elapsed());
        let plain = check_form(name, &diagnostic);
        assert!(plain.len() < 4_000, "{name} is shown in full: {} bytes", plain.len());
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let diagnostic = Matrix::read(Path::new("/nowhere/matrix.yaml"), &operators::registry()).unwrap_err();
    assert_eq!(diagnostic.place(), None);
    let expected = "error: /nowhere/matrix.yaml: cannot read the matrix: No such file or directory (os error 2)";
    assert_eq!(diagnostic.to_string(), expected);
}

#[test]
fn colours_are_only_in_the_styled_rendering() {
    let diagnostic = plan(b"version: 2\n", "quick").unwrap_err();
    assert!(diagnostic.styled().contains("\u{1b}["));
    assert!(!diagnostic.to_string().contains('\u{1b}'));
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        if let Err(diagnostic) = plan(&bytes, "quick") {
            check_form("random bytes", &diagnostic);
        }
    }

    #[test]
    fn random_text_never_panics(text in "([a-z]{1,3}|[\\[\\]{}:,&*!|>'\"%@`#?-]|[ \n\t\r]|\\PC|\u{feff}|version: 1\n){0,60}") {
        if let Err(diagnostic) = plan(text.as_bytes(), "quick") {
            check_form("random text", &diagnostic);
        }
    }

    #[test]
    fn mutated_matrices_never_panic(
        edits in proptest::collection::vec((any::<prop::sample::Index>(), 0..4_u8, any::<u8>(), 1..40_usize), 1..6),
    ) {
        let mut bytes = fixture("good.yaml").into_bytes();
        for (at, edit, byte, length) in edits {
            let at = at.index(bytes.len());
            let end = (at + length).min(bytes.len());
            match edit {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 => drop(bytes.drain(at..end.min(bytes.len() - 1).max(at))),
                _ => bytes.extend_from_within(at..end),
            }
        }
        if let Err(diagnostic) = plan(&bytes, "quick") {
            check_form("a mutation", &diagnostic);
        }
    }
}
