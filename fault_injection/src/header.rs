//! The header of a patch file: `key: value` lines, an empty line, and behind it the diff.
//!
//! ```text
//! kind: clamp_missing
//! what: Extrapolates past the last sample.
//! killed_by: accuracy
//! operators: resample, fuse
//!
//! --- a/interpolate.c
//! +++ b/interpolate.c
//! @@ ...
//! ```

use std::{collections::BTreeMap, str::FromStr};

use robocache_core::subject::Place;

use crate::{Control, Kind, Mutant, Suite};

/// A header that does not say what it must.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// There is no empty line.
    #[error("there is no empty line between a header and a diff")]
    NoDiff,
    /// A line has no colon.
    #[error("line {line}: `{text}` is not of the form `key: value`")]
    NotAField {
        /// Counted from 1.
        line: usize,
        /// The line.
        text: String,
    },
    /// A key that this file does not take.
    #[error("line {line}: unknown key `{key}`; it is one of {known}")]
    UnknownKey {
        /// Counted from 1.
        line: usize,
        /// The key.
        key: String,
        /// Those that there are.
        known: String,
    },
    /// A key that stands there twice.
    #[error("line {line}: `{key}` was said before")]
    Repeated {
        /// Counted from 1.
        line: usize,
        /// The key.
        key: String,
    },
    /// A key without which the file means nothing.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// A value that the key does not take.
    #[error("`{key}`: {reason}")]
    Value {
        /// The key.
        key: &'static str,
        /// What is wrong with the value.
        reason: String,
    },
}

/// Reads a mutant's file.
pub(crate) fn mutant(name: &str, device: Place, text: &str) -> Result<Mutant, HeaderError> {
    let (mut fields, diff) = split(text, &["kind", "what", "killed_by", "operators"])?;
    Ok(Mutant {
        name: name.to_owned(),
        device,
        kind: word::<Kind>(&mut fields, "kind")?,
        what: sentence(&mut fields)?,
        killed_by: word::<Suite>(&mut fields, "killed_by")?,
        operators: operators(&mut fields)?,
        diff: diff.to_owned(),
    })
}

/// Reads a control's file.
pub(crate) fn control(name: &str, device: Place, text: &str) -> Result<Control, HeaderError> {
    let (mut fields, diff) = split(text, &["what", "operators"])?;
    let (what, operators) = (sentence(&mut fields)?, operators(&mut fields)?);
    Ok(Control { name: name.to_owned(), device, what, operators, diff: diff.to_owned() })
}

type Fields<'a> = BTreeMap<&'a str, &'a str>;

fn split<'a>(text: &'a str, known: &[&str]) -> Result<(Fields<'a>, &'a str), HeaderError> {
    let (header, diff) = text.split_once("\n\n").ok_or(HeaderError::NoDiff)?;
    let mut fields = Fields::new();
    for (number, line) in header.lines().enumerate() {
        let line_number = number + 1;
        let (key, value) = line
            .split_once(':')
            .map(|(key, value)| (key.trim(), value.trim()))
            .ok_or_else(|| HeaderError::NotAField { line: line_number, text: line.to_owned() })?;
        if !known.contains(&key) {
            let (key, known) = (key.to_owned(), known.join(", "));
            return Err(HeaderError::UnknownKey { line: line_number, key, known });
        }
        if fields.insert(key, value).is_some() {
            return Err(HeaderError::Repeated { line: line_number, key: key.to_owned() });
        }
    }
    Ok((fields, diff))
}

fn word<T: FromStr<Err: ToString>>(fields: &mut Fields<'_>, key: &'static str) -> Result<T, HeaderError> {
    let word = fields.remove(key).ok_or(HeaderError::Missing(key))?;
    word.parse().map_err(|error: T::Err| HeaderError::Value { key, reason: error.to_string() })
}

fn sentence(fields: &mut Fields<'_>) -> Result<String, HeaderError> {
    let sentence = fields.remove("what").ok_or(HeaderError::Missing("what"))?;
    if sentence.is_empty() || !sentence.ends_with('.') {
        return Err(HeaderError::Value { key: "what", reason: "it must be a sentence".to_owned() });
    }
    Ok(sentence.to_owned())
}

/// Operators are names to this crate: whether there are such is the harness's to say.
fn operators(fields: &mut Fields<'_>) -> Result<Vec<String>, HeaderError> {
    let Some(list) = fields.remove("operators") else { return Ok(Vec::new()) };
    let operators: Vec<_> = list.split(',').map(|operator| operator.trim().to_owned()).collect();
    if operators.iter().any(String::is_empty) {
        let reason = "it must be names with commas between them, or be left out".to_owned();
        return Err(HeaderError::Value { key: "operators", reason });
    }
    Ok(operators)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str =
        "kind: clamp_missing\nwhat: Says so.\nkilled_by: accuracy\noperators: fuse, resample\n\n--- a/x\n";

    #[test]
    fn a_good_file_is_what_it_says() {
        let mutant = mutant("m", Place::Cpu, GOOD).unwrap();
        assert_eq!(
            (mutant.kind, mutant.killed_by, mutant.what.as_str()),
            (Kind::ClampMissing, Suite::Accuracy, "Says so.")
        );
        assert_eq!(
            (mutant.operators, mutant.diff.as_str()),
            (vec!["fuse".to_owned(), "resample".to_owned()], "--- a/x\n")
        );
    }

    #[test]
    fn every_mistake_has_its_error() {
        let said = |from: &str, to: &str| mutant("m", Place::Cpu, &GOOD.replace(from, to)).unwrap_err().to_string();
        assert_eq!(said("\n\n", "\n"), "there is no empty line between a header and a diff");
        assert_eq!(said("kind: clamp_missing", "kind"), "line 1: `kind` is not of the form `key: value`");
        assert!(said("what", "why").starts_with("line 2: unknown key `why`; it is one of kind, what"));
        assert_eq!(said("killed_by: accuracy", "kind: cheat"), "line 3: `kind` was said before");
        assert_eq!(said("killed_by: accuracy\n", ""), "`killed_by` is missing");
        assert!(said("clamp_missing", "clamp").contains("unknown kind `clamp`"));
        assert!(said("accuracy", "precision").contains("unknown suite `precision`"));
        assert_eq!(said("Says so.", "so"), "`what`: it must be a sentence");
        assert!(said("fuse, resample", "fuse,").contains("names with commas"));
        assert!(control("c", Place::Cpu, GOOD).unwrap_err().to_string().contains("unknown key `kind`"));
    }
}
