//! What a patch file holds.

use robocache_core::subject::Place;

use crate::{Kind, Suite};

/// A defect that a suite must find.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mutant {
    /// The file's name without its ending.
    pub name: String,
    /// Whose sources it changes.
    pub device: Place,
    /// The kind of the defect.
    pub kind: Kind,
    /// One sentence on what is wrong.
    pub what: String,
    /// The suite that must find it.
    pub killed_by: Suite,
    /// The operators that it is run with; empty means all.
    pub operators: Vec<String>,
    /// A unified diff.
    pub diff: String,
}

/// A change that no suite may complain about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    /// The file's name without its ending.
    pub name: String,
    /// Whose sources it changes.
    pub device: Place,
    /// One sentence on what is different.
    pub what: String,
    /// The operators that it is run with; empty means all.
    pub operators: Vec<String>,
    /// A unified diff; empty for the sources as they are.
    pub diff: String,
}

impl Control {
    /// The name of the sources as they are.
    pub const UNPATCHED: &'static str = "unpatched";

    /// The sources as they are.
    pub fn unpatched(device: Place) -> Self {
        Self {
            name: Self::UNPATCHED.to_owned(),
            device,
            what: "The sources as they are.".to_owned(),
            operators: Vec::new(),
            diff: String::new(),
        }
    }
}
