//! Over how many sets of buffers calls are rotated, so that the caches hold nothing of the next one.

/// Buffers add up to this many times the cache: a set comes back only after three times the cache has passed.
const CACHES: usize = 4;

/// More sets take longer to prepare than they are worth; problems of a few kilobytes then fit into the cache.
const MOST_SETS: usize = 4096;

/// The number of sets of `set_bytes`, at least 2; `None` if not even two fit into `budget_bytes`.
pub(super) fn sets(set_bytes: usize, cache_bytes: usize, budget_bytes: usize) -> Option<usize> {
    let set_bytes = set_bytes.max(1);
    let wanted = (CACHES * cache_bytes).div_ceil(set_bytes).clamp(2, MOST_SETS);
    let affordable = budget_bytes / set_bytes;
    (affordable >= 2).then_some(wanted.min(affordable))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_add_up_to_four_caches() {
        assert_eq!(sets(1 << 20, 50 << 20, 1 << 30), Some(200));
        assert_eq!(sets((1 << 20) + 1, 50 << 20, 1 << 30), Some(200));
    }

    #[test]
    fn there_are_at_least_two_sets_and_never_more_than_fit() {
        assert_eq!(sets(1 << 30, 50 << 20, 4 << 30), Some(2));
        assert_eq!(sets(1 << 20, 50 << 20, 7 << 20), Some(7));
        assert_eq!(sets(1 << 30, 50 << 20, 1 << 30), None);
        assert_eq!(sets(0, 50 << 20, 1 << 30), Some(MOST_SETS));
    }
}
