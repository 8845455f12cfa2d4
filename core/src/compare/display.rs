//! A comparison in one line, for people.

use std::fmt;

use super::{Comparison, Difference};

impl fmt::Display for Comparison {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tensor, elements, differing, first, worst, .. } = self;
        write!(formatter, "`{tensor}`: {differing} of {elements} elements differ")?;
        if let Some(first) = first {
            write!(formatter, ", first {first}")?;
        }
        match (first, worst) {
            (Some(first), Some(worst)) if first.offset != worst.offset => write!(formatter, ", worst {worst}"),
            (Some(_) | None, Some(_) | None) => Ok(()),
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { index, expected_bits, actual_bits, expected, actual, ulps, fraction_of_bound, .. } = self;
        write!(formatter, "{index:?}: expected {expected} ({expected_bits}), got {actual} ({actual_bits})")?;
        // The distance of integers is plain, and they alone are written without a point or an exponent.
        if let Some(ulps) = ulps.filter(|_| expected.parse::<i64>().is_err()) {
            write!(formatter, ", {ulps} ULPs apart")?;
        }
        match fraction_of_bound {
            Some(f64::MAX) => write!(formatter, ", which no bound would allow"),
            Some(fraction @ 1e3..) => write!(formatter, ", {fraction:.1e} times its bound"),
            Some(fraction) => write!(formatter, ", {fraction:.3} of its bound"),
            None => Ok(()),
        }
    }
}
