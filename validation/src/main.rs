//! The validation program.
fn main() {}
