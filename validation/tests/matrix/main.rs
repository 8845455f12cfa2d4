//! Matrices: what is wrong with them, what cells they stand for, and the one of this repository.

mod diagnostics;
mod joint;
mod json_schema;
mod machines;
mod operators;
mod plan;
mod repository;
mod schema;

use std::path::Path;

/// The text of a file in `tests/fixtures/matrix`.
fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/matrix").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
