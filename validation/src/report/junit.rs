//! TEMPORARY
use super::terminal::RepeatCommand;
use crate::evidence::{Environment, Record};
/// TEMPORARY
pub fn render(_: &Environment, _: &[Record], _: &RepeatCommand) -> String { String::new() }
