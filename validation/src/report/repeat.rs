//! The command that repeats one cell.

use std::borrow::Cow;

use crate::evidence::Environment;

/// The command line that executes this cell of the run's profile again, with the same data, and no other cell.
pub fn repeat_command(environment: &Environment, cell: &str) -> String {
    format!("{} --exact {}", environment.invocation, quoted(cell))
}

/// A word as a shell takes it.
pub fn quoted(word: &str) -> Cow<'_, str> {
    let plain = |character: char| character.is_ascii_alphanumeric() || "_-.,:/=+".contains(character);
    if !word.is_empty() && word.chars().all(plain) {
        Cow::Borrowed(word)
    } else {
        Cow::Owned(format!("'{}'", word.replace('\'', r"'\''")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_with_meaning_to_a_shell_are_quoted() {
        assert_eq!(quoted("accuracy::fuse::cpu::bf16::b1_s2x3"), "accuracy::fuse::cpu::bf16::b1_s2x3");
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("it's $HOME"), r"'it'\''s $HOME'");
        assert_eq!(quoted(""), "''");
    }
}
