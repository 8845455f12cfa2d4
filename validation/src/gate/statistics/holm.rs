//! Many questions asked at once, and still one probability of a false alarm for all of them together.

/// Which of the hypotheses are rejected, if the probability of rejecting any true one is to stay below `level`.
///
/// Holm's step-down procedure (Scandinavian Journal of Statistics 6, 1979): the smallest p-value is held against
/// `level / n`, the next against `level / (n - 1)`, and so on up to the first that is not below its share.
pub(super) fn rejected(p_values: &[f64], level: f64) -> Vec<bool> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&left, &right| p_values[left].total_cmp(&p_values[right]));
    let mut rejected = vec![false; p_values.len()];
    for (rank, &index) in order.iter().enumerate() {
        if p_values[index] > level / (p_values.len() - rank) as f64 {
            break;
        }
        rejected[index] = true;
    }
    rejected
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_p_value_has_its_share_of_the_level() {
        assert_eq!(rejected(&[0.03, 0.01, 0.04], 0.05), [false, true, false]);
        assert_eq!(rejected(&[0.02, 0.01, 0.04], 0.05), [true, true, true]);
        assert_eq!(rejected(&[0.005], 0.005), [true]);
    }

    #[test]
    fn what_comes_after_the_first_failure_is_kept_although_it_would_pass_alone() {
        assert_eq!(rejected(&[0.018, 0.0175, 0.0171], 0.05), [false, false, false]);
        assert_eq!(rejected(&[], 0.05), [false; 0]);
    }
}
