//! The text of a matrix, bounded before anything looks at it.

use std::{fs::File, io::Read, path::Path};

use super::{Diagnostic, Place, diagnostic::lines};

/// The largest matrix, in bytes.
pub const SIZE_LIMIT_BYTES: usize = 1 << 20;

/// How much of a file that is too large is looked at to show where it begins.
const EXCERPT_LIMIT_BYTES: usize = 4 << 10;

/// A matrix file: its name for diagnostics and its text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) text: String,
}

impl Source {
    /// Reads at most [`SIZE_LIMIT_BYTES`] of a file.
    pub(crate) fn read(path: &Path) -> Result<Self, Diagnostic> {
        let name = path.display().to_string();
        let unreadable = |error| Diagnostic::of_file(&name, format!("cannot read the matrix: {error}"));
        let file = File::open(path).map_err(unreadable)?;
        let mut bytes = Vec::new();
        file.take(SIZE_LIMIT_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        Self::from_bytes(&name, &bytes)
    }

    /// Takes bytes that are UTF-8 and not too many.
    pub(crate) fn from_bytes(name: &str, bytes: &[u8]) -> Result<Self, Diagnostic> {
        if bytes.len() > SIZE_LIMIT_BYTES {
            let start = String::from_utf8_lossy(&bytes[..EXCERPT_LIMIT_BYTES]);
            let message = format!("a matrix may have at most {} KiB", SIZE_LIMIT_BYTES >> 10);
            return Err(Diagnostic::at(name, &start, Place::START, message).label("this file is larger"));
        }
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Self { name: name.to_owned(), text: text.to_owned() }),
            Err(error) => {
                let (valid, rest) = bytes.split_at(error.valid_up_to());
                let valid = String::from_utf8_lossy(valid);
                let (number, line) = lines(&valid).enumerate().last().unwrap_or_default();
                let place = Place { line: number + 1, column: line.chars().count() + 1, characters: 1 };
                Err(Diagnostic::at(name, &String::from_utf8_lossy(bytes), place, "a matrix must be UTF-8")
                    .label(format!("byte 0x{:02x} does not belong to UTF-8 text", rest[0])))
            }
        }
    }

    /// A fault at a place of this text.
    pub(crate) fn diagnostic(&self, place: Place, message: impl Into<String>) -> Diagnostic {
        Diagnostic::at(&self.name, &self.text, place, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_of_the_largest_size_is_taken_and_a_larger_one_is_shown() {
        let mut bytes = b"version: 1\n".to_vec();
        bytes.resize(SIZE_LIMIT_BYTES, b' ');
        assert_eq!(Source::from_bytes("a.yaml", &bytes).unwrap().text.len(), SIZE_LIMIT_BYTES);
        bytes.push(b' ');
        let shown = Source::from_bytes("a.yaml", &bytes).unwrap_err().to_string();
        assert!(shown.contains("at most 1024 KiB") && shown.contains("1 | version: 1"), "{shown}");
    }
}
