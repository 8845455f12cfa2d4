//! Words as a shell takes them.

use std::{borrow::Cow, env};

/// A word as a shell takes it.
pub(crate) fn quoted(word: &str) -> Cow<'_, str> {
    let plain = |character: char| character.is_ascii_alphanumeric() || "_-.,:/=+".contains(character);
    if !word.is_empty() && word.chars().all(plain) {
        Cow::Borrowed(word)
    } else {
        Cow::Owned(format!("'{}'", word.replace('\'', r"'\''")))
    }
}

/// The words that start this program again.
pub(crate) fn this_program() -> String {
    let program = env::args().next().unwrap_or_else(|| "validation".to_owned());
    // Cargo says that it started this program; people then type what they typed before.
    match (env::var_os("CARGO"), cfg!(debug_assertions)) {
        (Some(_), true) => "cargo run -p validation --".to_owned(),
        (Some(_), false) => "cargo run --release -p validation --".to_owned(),
        (None, _) => quoted(&program).into_owned(),
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
