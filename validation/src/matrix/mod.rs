//! The matrix: what is validated, read from one YAML file.
//!
//! The text is bounded and checked to be UTF-8 (`source`), read as YAML with the place of every value (`yaml`) into the
//! shape of the file (`document`), and checked name by name and argument by argument (`check`) into a [`Matrix`]. What
//! is wrong is one [`Diagnostic`] with file, line, column and a caret. Which cells a profile stands for is not said
//! here but in [`crate::plan`].

mod arguments;
mod changes;
mod check;
mod choice;
mod diagnostic;
mod document;
mod entries;
mod joint;
mod literal;
mod model;
mod parse;
mod pattern;
mod place;
mod problem;
mod releases;
mod requirement;
mod schema;
mod source;
mod suggestion;
mod yaml;

pub use diagnostic::Diagnostic;
pub use model::{Kind, Matrix, Profile};
pub use place::Place;
pub use requirement::Requirement;
pub use schema::schema;
pub use source::SIZE_LIMIT_BYTES;

pub(crate) use changes::looser_limits;
pub(crate) use document::Change;
pub(crate) use model::{Budget, DatasetRow, OperatorRow, Recipe, Release, Selection};
pub(crate) use pattern::Pattern;
