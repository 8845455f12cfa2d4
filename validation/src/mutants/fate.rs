//! From trials to what is said of a mutant: pure.

use serde::{Deserialize, Serialize};

use super::{Role, Specimen, SuiteResult, Trial};

/// What came of a mutant or a control. What is wrong comes first, and so do rows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "fate")]
pub enum Fate {
    /// A mutant that no suite found in so many of its trials.
    Survived {
        /// How many.
        trials: u64,
    },
    /// A mutant that was found in every trial, but not always by the suite that must find it.
    FoundElsewhere,
    /// A control about which a suite complained in so many trials.
    FalseAlarm {
        /// How many.
        trials: u64,
    },
    /// The harness failed before anything could be known.
    Unknown,
    /// A mutant that the suite that must find it found in every trial.
    Killed,
    /// A control about which nobody complained.
    Clean,
}

impl Fate {
    /// Whether this fails the run.
    pub const fn is_failure(&self) -> bool {
        match self {
            Self::Survived { .. } | Self::FoundElsewhere | Self::FalseAlarm { .. } => true,
            Self::Unknown | Self::Killed | Self::Clean => false,
        }
    }

    /// Whether this says nothing.
    pub const fn is_unknown(&self) -> bool {
        match self {
            Self::Unknown => true,
            Self::Survived { .. } | Self::FoundElsewhere | Self::FalseAlarm { .. } | Self::Killed | Self::Clean => {
                false
            }
        }
    }

    /// The word that reports use.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Survived { .. } => "SURVIVED",
            Self::FoundElsewhere => "ELSEWHERE",
            Self::FalseAlarm { .. } => "FALSE ALARM",
            Self::Unknown => "UNKNOWN",
            Self::Killed => "killed",
            Self::Clean => "clean",
        }
    }
}

/// One row of the detection matrix.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The mutant or control.
    pub specimen: Specimen,
    /// What came of it.
    pub fate: Fate,
    /// What each suite found, in the order of the suites.
    pub suites: Vec<Tally>,
}

/// One suite in one row.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    /// The suite.
    pub suite: String,
    /// Trials.
    pub trials: u64,
    /// Trials in which it found something.
    pub alarms: u64,
    /// The median time to detect, in milliseconds.
    pub median_detected_ms: Option<f64>,
    /// Where it found something first, and what.
    pub first: Option<(String, String)>,
    /// What the harness could not do.
    pub error: Option<String>,
}

/// The rows of these specimens, what is wrong first, otherwise in their order.
pub fn detection(specimens: &[Specimen], trials: &[Trial], suites: &[String]) -> Vec<Row> {
    let mut rows: Vec<Row> = specimens.iter().map(|specimen| row(specimen, trials, suites)).collect();
    rows.sort_by(|left, right| left.fate.cmp(&right.fate));
    rows
}

fn row(specimen: &Specimen, trials: &[Trial], suites: &[String]) -> Row {
    let mut own: Vec<&Trial> = trials.iter().filter(|trial| trial.name == specimen.name).collect();
    own.sort_by_key(|trial| trial.repeat);
    let suites = suites.iter().map(|suite| tally(suite, &own)).collect();
    Row { specimen: specimen.clone(), fate: fate(specimen.role, &own), suites }
}

fn fate(role: Role, trials: &[&Trial]) -> Fate {
    let found = |trial: &&&Trial| trial.suites.iter().any(|suite| suite.alarm.is_some());
    let failed = |trial: &&Trial| trial.suites.iter().any(|suite| suite.error.is_some());
    let alarms = trials.iter().filter(found).count();
    let silent = (trials.len() - alarms) as u64;
    match role {
        Role::Control if alarms > 0 => Fate::FalseAlarm { trials: alarms as u64 },
        Role::Mutant { .. } | Role::Control if trials.is_empty() => Fate::Unknown,
        Role::Control if trials.iter().any(failed) => Fate::Unknown,
        Role::Control => Fate::Clean,
        Role::Mutant { kind: _, killed_by } => {
            let expected = |suite: &SuiteResult| suite.suite == killed_by.name() && suite.alarm.is_some();
            let killed = |trial: &&Trial| trial.suites.iter().any(expected);
            if trials.iter().all(killed) {
                Fate::Killed
            } else if trials.iter().any(failed) {
                Fate::Unknown
            } else if silent > 0 {
                Fate::Survived { trials: silent }
            } else {
                Fate::FoundElsewhere
            }
        }
    }
}

fn tally(suite: &str, trials: &[&Trial]) -> Tally {
    let results = trials.iter().flat_map(|trial| trial.suites.iter().filter(|result| result.suite == suite));
    let mut tally = Tally { suite: suite.to_owned(), ..Tally::default() };
    let mut times = Vec::new();
    for SuiteResult { suite: _, cells: _, alarm, error } in results {
        tally.trials += 1;
        if let Some(alarm) = alarm {
            tally.alarms += 1;
            times.push(alarm.detected_ms);
            tally.first.get_or_insert_with(|| (alarm.cell.clone(), alarm.reason()));
        }
        tally.error = tally.error.take().or_else(|| error.clone());
    }
    times.sort_by(f64::total_cmp);
    tally.median_detected_ms = times.get(times.len() / 2).copied();
    tally
}

#[cfg(test)]
mod tests {
    use fault_injection::{Kind, Suite};

    use super::*;
    use crate::{mutants::Alarm, verdict::Verdict};

    const MUTANT: Role = Role::Mutant { kind: Kind::Cheat, killed_by: Suite::Accuracy };

    /// A trial in which `a` stands for an alarm of accuracy, `d` for one of determinism, `e` for an error of either.
    fn trial(repeat: u32, found: &str) -> Trial {
        let suite = |name: &str, letter| {
            let verdict = Verdict::Fail { reason: format!("{name} found it in {repeat}") };
            let alarm = Alarm { cell: "cell".to_owned(), verdict, detected_ms: f64::from(10 - repeat) };
            SuiteResult {
                suite: name.to_owned(),
                cells: 1,
                alarm: found.contains(letter).then_some(alarm),
                error: found.contains('e').then(|| "broken".to_owned()),
            }
        };
        Trial {
            format: 1,
            name: "m".to_owned(),
            repeat,
            library_hash: String::new(),
            suites: vec![suite("determinism", 'd'), suite("accuracy", 'a')],
            elapsed_ms: 1.0,
        }
    }

    fn fate_of(role: Role, trials: &[&str]) -> Fate {
        let trials: Vec<Trial> = (0..).zip(trials).map(|(repeat, found)| trial(repeat, found)).collect();
        fate(role, &trials.iter().collect::<Vec<_>>())
    }

    #[test]
    fn a_mutant_is_killed_by_the_right_suite_every_time_or_not_at_all() {
        assert_eq!(fate_of(MUTANT, &["a", "ad", "a"]), Fate::Killed);
        assert_eq!(fate_of(MUTANT, &["a", "d", "a"]), Fate::FoundElsewhere);
        assert_eq!(fate_of(MUTANT, &["a", "", "d"]), Fate::Survived { trials: 1 });
        assert_eq!(fate_of(MUTANT, &["", "", ""]), Fate::Survived { trials: 3 });
    }

    #[test]
    fn a_control_that_anybody_complains_about_is_a_false_alarm() {
        assert_eq!(fate_of(Role::Control, &["", ""]), Fate::Clean);
        assert_eq!(fate_of(Role::Control, &["", "d", "a"]), Fate::FalseAlarm { trials: 2 });
    }

    #[test]
    fn what_the_harness_could_not_do_proves_nothing() {
        assert_eq!(fate_of(Role::Control, &["", "e"]), Fate::Unknown);
        assert_eq!(fate_of(MUTANT, &["a", "e"]), Fate::Unknown);
        assert_eq!(fate_of(MUTANT, &["a", "ae"]), Fate::Killed);
        assert_eq!(fate_of(MUTANT, &[]), Fate::Unknown);
        assert_eq!(fate_of(Role::Control, &[]), Fate::Unknown);
    }

    #[test]
    fn rows_say_what_was_found_first_and_how_fast_and_begin_with_what_is_wrong() {
        let specimen = |name: &str, role| Specimen {
            name: name.to_owned(),
            what: String::new(),
            role,
            operators: Vec::new(),
            diff: String::new(),
        };
        let specimens = [specimen("m", MUTANT), specimen("absent", MUTANT), specimen("clean", Role::Control)];
        let mut trials: Vec<Trial> = vec![trial(2, "a"), trial(0, "a"), trial(1, "a")];
        trials.push(Trial { name: "clean".to_owned(), ..trial(0, "") });
        let rows = detection(&specimens, &trials, &["accuracy".to_owned()]);
        let names: Vec<_> = rows.iter().map(|row| (row.specimen.name.as_str(), row.fate.word())).collect();
        assert_eq!(names, [("absent", "UNKNOWN"), ("m", "killed"), ("clean", "clean")]);
        let tally = &rows[1].suites[0];
        assert_eq!((tally.trials, tally.alarms, tally.median_detected_ms), (3, 3, Some(9.0)));
        assert_eq!(tally.first, Some(("cell".to_owned(), "accuracy found it in 0".to_owned())));
    }
}
