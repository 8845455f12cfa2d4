//! What is run: mutants and controls alike.

use fault_injection::{Catalogue, Control, Kind, Mutant, Suite};
use serde::{Deserialize, Serialize};

/// A mutant or a control.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Specimen {
    /// Its name.
    pub name: String,
    /// One sentence on what is different.
    pub what: String,
    /// What must come of it.
    pub role: Role,
    /// The operators that it is run with; empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operators: Vec<String>,
    /// The unified diff; empty for the sources as they are.
    #[serde(skip)]
    pub(crate) diff: String,
}

/// What must come of a specimen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "role")]
pub enum Role {
    /// A suite must find it.
    Mutant {
        /// The kind of its defect.
        kind: Kind,
        /// The suite.
        killed_by: Suite,
    },
    /// No suite may complain.
    Control,
}

impl From<Mutant> for Specimen {
    fn from(mutant: Mutant) -> Self {
        let Mutant { name, device: _, kind, what, killed_by, operators, diff } = mutant;
        Self { name, what, role: Role::Mutant { kind, killed_by }, operators, diff }
    }
}

impl From<Control> for Specimen {
    fn from(control: Control) -> Self {
        let Control { name, device: _, what, operators, diff } = control;
        Self { name, what, role: Role::Control, operators, diff }
    }
}

impl Specimen {
    /// The specimens whose name or kind contains `filter`, mutants first. What is right as it is stays among them: no
    /// result is worth anything without it. Empty if the filter matches none of the others.
    pub(crate) fn choose(catalogue: &Catalogue, filter: Option<&str>) -> Vec<Self> {
        let Catalogue { device: _, mutants, controls, sources: _ } = catalogue.clone();
        let specimens = mutants.into_iter().map(Self::from).chain(controls.into_iter().map(Self::from));
        let Some(filter) = filter else { return specimens.collect() };
        let (chosen, rest): (Vec<_>, Vec<_>) = specimens.partition(|specimen| specimen.matches(filter));
        if chosen.is_empty() {
            return chosen;
        }
        let unpatched = rest.into_iter().filter(|specimen| specimen.diff.is_empty());
        chosen.into_iter().chain(unpatched).collect()
    }

    fn matches(&self, filter: &str) -> bool {
        let by_kind = match self.role {
            Role::Mutant { kind, killed_by: _ } => kind.name().contains(filter),
            Role::Control => "control".contains(filter),
        };
        by_kind || self.name.contains(filter)
    }
}
