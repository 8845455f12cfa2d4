//! "Did you mean": words that are nearly the one that was written.

/// The words that are allowed, the nearest one to `written` first if it is near.
pub(crate) fn one_of(written: &str, words: &[impl AsRef<str>]) -> String {
    let quoted: Vec<_> = words.iter().map(|word| format!("`{}`", word.as_ref())).collect();
    match (nearest(written, words), quoted.as_slice()) {
        (Some(word), _) => format!("did you mean `{word}`?"),
        (None, []) => "there are none".to_owned(),
        (None, [only]) => format!("expected {only}"),
        (None, several) => format!("expected one of {}", several.join(", ")),
    }
}

/// The word with the fewest edits from `written`, if about a third of it is edited at most.
fn nearest<'a>(written: &str, words: &'a [impl AsRef<str>]) -> Option<&'a str> {
    // The distance takes time with the product of the lengths; nothing that long is near a key of ours.
    if written.len() > 64 {
        return None;
    }
    words
        .iter()
        .map(|word| (distance(written, word.as_ref()), word.as_ref()))
        .filter(|&(edits, word)| edits > 0 && edits <= word.chars().count().min(written.chars().count()).div_ceil(3))
        .min_by_key(|&(edits, _)| edits)
        .map(|(_, word)| word)
}

/// Levenshtein's distance: the fewest insertions, removals and replacements of a character from one word to the other.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (removed, character) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = removed + 1;
        for (position, &other) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(character != other);
            diagonal = row[position + 1];
            row[position + 1] = replaced.min(diagonal + 1).min(row[position] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_single_edits() {
        for (from, to, edits) in
            [("", "", 0), ("abc", "abc", 0), ("", "abc", 3), ("kitten", "sitting", 3), ("hä", "ha", 1)]
        {
            assert_eq!(distance(from, to), edits, "{from} {to}");
            assert_eq!(distance(to, from), edits, "{to} {from}");
        }
    }

    #[test]
    fn only_near_words_are_suggested() {
        assert_eq!(one_of("repeat", &["repeats", "fresh_process"]), "did you mean `repeats`?");
        assert_eq!(one_of("x", &["repeats", "seed"]), "expected one of `repeats`, `seed`");
        assert_eq!(one_of(&"y".repeat(100_000), &["seed"]), "expected `seed`");
        assert_eq!(one_of("x", &[] as &[&str]), "there are none");
        assert_eq!(one_of("seed", &["seed"]), "expected `seed`", "what was written is no suggestion");
    }

    #[test]
    fn what_is_longer_than_any_key_is_not_compared() {
        let key = "y".repeat(60);
        assert_eq!(one_of(&"y".repeat(64), &[&key]), format!("did you mean `{key}`?"));
        assert_eq!(one_of(&"y".repeat(65), &[&key]), format!("expected `{key}`"));
    }
}
