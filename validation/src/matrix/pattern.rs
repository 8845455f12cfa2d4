//! Patterns of names, of cells and of kernels.

/// A pattern: `*` stands for any characters, also none and also `::`; `?` stands for any one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern(Vec<char>);

impl Pattern {
    /// Every text is a pattern.
    pub(crate) fn new(text: &str) -> Self {
        Self(text.chars().collect())
    }

    /// Whether the whole of `name` is as the pattern says.
    ///
    /// On a mismatch only the last `*` takes one more character, so the time is at most the product of both lengths.
    pub(crate) fn matches(&self, name: &str) -> bool {
        let name: Vec<char> = name.chars().collect();
        let (mut at, mut position) = (0, 0);
        let mut last_star = None;
        while position < name.len() {
            match self.0.get(at) {
                Some('*') => {
                    last_star = Some((at, position));
                    at += 1;
                }
                Some(&expected) if expected == '?' || expected == name[position] => {
                    at += 1;
                    position += 1;
                }
                Some(_) | None => {
                    let Some((star, taken)) = last_star else { return false };
                    last_star = Some((star, taken + 1));
                    (at, position) = (star + 1, taken + 1);
                }
            }
        }
        self.0[at..].iter().all(|&rest| rest == '*')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_names() {
        let name = "determinism::voxelize::cuda::f32::mean_n100::uniform";
        for pattern in [name, "*", "determinism::*", "*::uniform", "*::voxelize::c*::f?2::*mean*", "**", "*uniform*"] {
            assert!(Pattern::new(pattern).matches(name), "{pattern}");
        }
        for pattern in ["", "determinism", "voxelize", "*::f?32::*", "?", "*::uniform?", "x*"] {
            assert!(!Pattern::new(pattern).matches(name), "{pattern}");
        }
        assert!(Pattern::new("").matches(""));
        assert!(Pattern::new("*a*b").matches("aabab"));
    }

    #[test]
    fn many_stars_take_no_exponential_time() {
        let pattern = Pattern::new(&"*a".repeat(200));
        assert!(!pattern.matches(&"a".repeat(199)));
        assert!(!pattern.matches(&format!("{}b", "a".repeat(2_000))));
    }
}
