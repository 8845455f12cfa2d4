//! Mutants: whether the suites find what they are there to find.
//!
//! Every mutant of [`fault_injection`] is compiled, and taken as a subject through the suites in worker processes with
//! deadlines, as any library is; so are the controls, in which nothing is wrong. What comes of it is a matrix of
//! mutants and suites.
//!
//! | step    | from                            | to                                 | in         |
//! |---------|---------------------------------|------------------------------------|------------|
//! | choose  | patch files, a filter           | [`Specimen`]s                      | `specimen` |
//! | compile | specimens                       | libraries, or images of kernels    | `library`, `toolchain` |
//! | run     | a library and a repeat          | [`Trial`]: facts                   | `trial`    |
//! | judge   | a specimen and its trials       | [`Row`] with a [`Fate`]: pure      | `fate`     |
//! | render  | rows                            | terminal, Markdown, JSON           | `report`   |

mod campaign;
mod command;
mod error;
mod fate;
mod library;
mod record;
mod report;
mod specimen;
mod toolchain;
mod trial;

pub(crate) use command::command;
pub use error::MutantsError;
pub use fate::{Fate, Row, Tally, detection};
pub use record::{Alarm, DetectionRecord, FORMAT, SuiteResult, Trial};
pub use specimen::{Role, Specimen};
