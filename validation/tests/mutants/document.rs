//! docs/mutants.md: its commands work, and its example of a mutant is found.

use std::{fs, path::Path};
use validation_testing::project::Project;

use crate::patches::{Patches, mutants};

const COMMAND: &str = "cargo run --release -p validation -- mutants";

fn page() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/mutants.md")).unwrap()
}

#[test]
fn every_command_works() {
    let page = page();
    let commands = page.lines().filter_map(|line| line.strip_prefix(COMMAND));
    let commands: Vec<_> = commands.map(|rest| rest.split('#').next().unwrap_or_default()).collect();
    assert!(commands.len() >= 3, "{commands:?}");
    // The one without arguments is a step of the gate: it takes minutes in a debug build.
    for command in commands.into_iter().filter(|command| !command.trim().is_empty()) {
        let ended = mutants(&Project::new(), &command.split_whitespace().collect::<Vec<_>>());
        assert_eq!(ended.code, Some(0), "{command}: {}", ended.printed());
    }
}

#[test]
fn the_example_is_a_mutant() {
    let page = page();
    let (_, rest) = page.split_once("```diff\n").unwrap();
    let (example, _) = rest.split_once("```").unwrap();
    let patches = Patches::new(&[("mutants/cpu/example.patch", example.to_owned())]);
    let ended = patches.run(&[]);
    assert_eq!(ended.code, Some(0), "{}", ended.printed());
}
