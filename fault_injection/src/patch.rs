//! A unified diff applied to sources: exactly, or not at all.
//!
//! Lines that a hunk names must stand in the file as it says, and at one place only. Where that place is does not
//! matter, so that an edit elsewhere breaks no mutant; a hunk that fits nowhere, or in two places, is an error.

use diffy::{
    Hunk, Line,
    patch_set::{FileOperation, ParseOptions, PatchSet},
};

use crate::Sources;

/// A diff that does not apply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// It is no unified diff.
    #[error("it is no unified diff: {0}")]
    Malformed(String),
    /// It makes, removes, renames or replaces whole files.
    #[error("it does something else than change lines of a file: {0}")]
    NotAChange(String),
    /// There is no such file.
    #[error("it changes `{0}`, and there is no such file")]
    NoSuchFile(String),
    /// It changes nothing.
    #[error("it changes nothing")]
    Empty,
    /// The lines that a hunk names are not there any more.
    #[error("hunk {hunk} of `{file}` no longer applies: its lines are not in the file")]
    Absent {
        /// The file.
        file: String,
        /// Counted from 1.
        hunk: usize,
    },
    /// The lines that a hunk names are there more than once.
    #[error("hunk {hunk} of `{file}` applies in {places} places; give it more context")]
    Ambiguous {
        /// The file.
        file: String,
        /// Counted from 1.
        hunk: usize,
        /// How many.
        places: usize,
    },
}

impl Sources {
    /// The sources with a diff applied. Paths in it may begin with `a/` and `b/`, as git writes them.
    pub fn patched(&self, diff: &str) -> Result<Self, PatchError> {
        let mut patched = self.clone();
        for file in PatchSet::parse(diff, ParseOptions::unidiff()) {
            let file = file.map_err(|error| PatchError::Malformed(error.to_string()))?;
            let name = name(file.operation())?;
            let text = patched.files.get_mut(&name).ok_or_else(|| PatchError::NoSuchFile(name.clone()))?;
            let changes = file.patch().as_text().ok_or_else(|| PatchError::NotAChange(format!("binary `{name}`")))?;
            for (number, hunk) in changes.hunks().iter().enumerate() {
                *text = replaced(text, hunk, &name, number + 1)?;
            }
        }
        if patched == *self { Err(PatchError::Empty) } else { Ok(patched) }
    }
}

fn name(operation: &FileOperation<'_, str>) -> Result<String, PatchError> {
    let stripped = |path: &str| path.strip_prefix("a/").or_else(|| path.strip_prefix("b/")).unwrap_or(path).to_owned();
    match operation {
        FileOperation::Modify { original, modified } if stripped(original) == stripped(modified) => {
            Ok(stripped(original))
        }
        FileOperation::Modify { original, modified: other }
        | FileOperation::Rename { from: original, to: other }
        | FileOperation::Copy { from: original, to: other } => {
            Err(PatchError::NotAChange(format!("`{original}` becomes `{other}`")))
        }
        FileOperation::Create(path) => Err(PatchError::NotAChange(format!("`{path}` is new"))),
        FileOperation::Delete(path) => Err(PatchError::NotAChange(format!("`{path}` is removed"))),
    }
}

/// The text with the old lines of a hunk, which must be in it once, replaced by the new ones.
fn replaced(text: &str, hunk: &Hunk<'_, str>, file: &str, number: usize) -> Result<String, PatchError> {
    let (mut old, mut new) = (Vec::new(), String::new());
    for line in hunk.lines() {
        match *line {
            Line::Context(line) => {
                old.push(line);
                new += line;
            }
            Line::Delete(line) => old.push(line),
            Line::Insert(line) => new += line,
        }
    }
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let places: Vec<usize> = match old.len() {
        // Lines to be inserted without any context fit everywhere.
        0 => (0..=lines.len()).collect(),
        length => (0..lines.len()).filter(|&place| lines[place..].starts_with(&old[..length])).collect(),
    };
    match *places {
        [] => Err(PatchError::Absent { file: file.to_owned(), hunk: number }),
        [place] => Ok([&lines[..place].concat(), &*new, &lines[place + old.len()..].concat()].concat()),
        [..] => Err(PatchError::Ambiguous { file: file.to_owned(), hunk: number, places: places.len() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources() -> Sources {
        Sources::new(&[("a.c", "one\ntwo\nthree\none\ntwo\nfour\n"), ("b.c", "one\n")])
    }

    fn diff(old: &str, new: &str, hunk: &str) -> String {
        format!("--- {old}\n+++ {new}\n{hunk}")
    }

    #[test]
    fn a_hunk_applies_where_its_lines_are_whatever_number_it_gives() {
        let patched = sources().patched(&diff("a/a.c", "b/a.c", "@@ -90,2 +90,2 @@\n two\n-four\n+five\n")).unwrap();
        assert_eq!(patched.files["a.c"], "one\ntwo\nthree\none\ntwo\nfive\n");
        assert_eq!(patched.files["b.c"], "one\n");
    }

    #[test]
    fn several_files_may_change_at_once() {
        let both =
            diff("a.c", "a.c", "@@ -3 +3 @@\n-three\n+3\n") + &diff("b.c", "b.c", "@@ -1 +1,2 @@\n one\n+more\n");
        let patched = sources().patched(&both).unwrap();
        assert_eq!((&*patched.files["a.c"], &*patched.files["b.c"]), ("one\ntwo\n3\none\ntwo\nfour\n", "one\nmore\n"));
    }

    #[test]
    fn what_does_not_apply_exactly_does_not_apply() {
        let error = |diff: String| sources().patched(&diff).unwrap_err().to_string();
        let gone = error(diff("a.c", "a.c", "@@ -1,2 +1,2 @@\n-one \n+1\n two\n"));
        assert_eq!(gone, "hunk 1 of `a.c` no longer applies: its lines are not in the file");
        let twice = error(diff("a.c", "a.c", "@@ -1,2 +1,2 @@\n-one\n+1\n two\n"));
        assert_eq!(twice, "hunk 1 of `a.c` applies in 2 places; give it more context");
        let unknown = error(diff("a/z.c", "b/z.c", "@@ -1 +1 @@\n-one\n+1\n"));
        assert_eq!(unknown, "it changes `z.c`, and there is no such file");
        let renamed = error(diff("a/a.c", "b/b.c", "@@ -1 +1 @@\n-one\n+1\n"));
        assert_eq!(renamed, "it does something else than change lines of a file: `a/a.c` becomes `b/b.c`");
        let made = error(diff("/dev/null", "b/new.c", "@@ -0,0 +1 @@\n+1\n"));
        assert!(made.contains("is new"), "{made}");
        assert!(error("@@ -1 +1 @@ nonsense".to_owned()).contains("no unified diff"), "{}", error("x".to_owned()));
    }
}
